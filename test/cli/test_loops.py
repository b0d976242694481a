"""A recorded drive, its closures as a table, and what is right of them."""

import csv
from pathlib import Path

import numpy as np
import pytest
from helpers.scenes import write_folder
from helpers.source_files import SECOND, bag, compressed, odometry

from fol_vpr.cli.main import main
from fol_vpr.database import MapReader, check_map

PLACES = 6
QUICK = ['--input-size', '126', '--threads', '1', '--min-inliers', '20', '--min-regions', '10']
WHEN = ['--exclude-time', '4', '--exclude-keyframes', '2', '--min-information-gain-bits', '0']


@pytest.fixture(scope='module')
def images(tmp_path_factory) -> Path:
    """Two rounds through the places, a second and ten metres from image to image."""
    root = tmp_path_factory.mktemp('drive')
    first = write_folder(root / 'a', PLACES)
    second = write_folder(root / 'b', PLACES, shift=4)
    folder = root / 'images'
    folder.mkdir()
    lines = ['file,timestamp,x,y,z,qx,qy,qz,qw']
    for number in range(2 * PLACES):
        lap, place = divmod(number, PLACES)
        source = (first, second)[lap] / f'view{place:03d}.jpg'
        source.rename(folder / f'{number:02d}.jpg')
        lines.append(f'{number:02d}.jpg,{number + 1},{10 * place},0,0,0,0,0,1')
    (root / 'poses.csv').write_text('\n'.join(lines) + '\n')
    return folder


def run(images: Path, output: Path, *options: str) -> int:
    poses = ['--positions', str(images.parent / 'poses.csv')]
    given = ['--images', str(images), '--output', str(output), *poses]
    return main(['loops', *given, *QUICK, *WHEN, *options])


def test_closures_are_written_judged_and_kept(images, tmp_path, capsys):
    output, session = tmp_path / 'closures.csv', tmp_path / 'drive.folmap'
    assert run(images, output, '--session-file', str(session)) == 0
    with output.open() as file:
        rows = list(csv.DictReader(file))
    assert len(rows) >= 3
    for row in rows:
        assert int(row['stamp_from_ns']) - int(row['stamp_to_ns']) == PLACES * 10**9
        assert (row['verification'], row['right'], row['probability']) == ('GEOMETRY', '1', '')
        assert row['has_transform'] in ('0', '1')
    told = capsys.readouterr().out
    assert f'closures within the drive  {len(rows)}' in told
    assert 'wrong                      0' in told
    assert f'of 1 ({PLACES} images)' in told
    assert check_map(session) == []
    with MapReader(session) as reader:
        assert len(reader.places) == 2 * PLACES and reader.info.added == 0


def test_the_odometry_of_a_bag_tells_what_is_recent(images, tmp_path, capsys):
    """An hour between images, and thirty metres: no clock is needed."""
    hour = 3600 * SECOND
    sent = []
    for number, path in enumerate(sorted(images.iterdir())):
        sent.append(compressed((number + 1) * hour, path.read_bytes()))
        sent.append(odometry((number + 1) * hour, (10.0 * number, 0, 0), np.zeros((6, 6))))
    drive = bag(tmp_path / 'bag', sent)
    output = tmp_path / 'closures.csv'
    given = ['loops', '--bag', str(drive), '--odom-topic', '/odom', '--output', str(output)]
    wanted = ['--exclude-distance', '30', '--min-information-gain-bits', '0']
    assert main([*given, *QUICK, *wanted]) == 0
    with output.open() as file:
        rows = list(csv.DictReader(file))
    assert len(rows) >= 3 and {row['right'] for row in rows} == {''}
    for row in rows:
        assert int(row['stamp_from_ns']) - int(row['stamp_to_ns']) == PLACES * hour
    assert main([*given, *QUICK, '--exclude-distance', '300']) == 0
    assert 'closures within the drive  0' in capsys.readouterr().out


def test_with_a_map_both_kinds_are_written(images, drive, tmp_path, capsys):
    weights = ['--map', str(tmp_path / 'm.folmap')]
    build = ['map', 'build', '--images', str(drive.references), '--output', weights[1]]
    assert main([*build, '--input-size', '126', '--threads', '1']) == 0
    assert run(images, tmp_path / 'closures.csv', *weights) == 0
    assert 'closures with the map' in capsys.readouterr().out


@pytest.mark.parametrize(
    ('options', 'words'),
    [
        (['--loop-distance', '-1'], 'over 0'),
        (['--session-file', 'x.db'], '.folmap'),
        (['--odom-topic', '/odom'], 'no topics'),
        (['--min-information-gain-bits', '-3'], '--min-information-gain-bits'),
    ],
)
def test_bad_options_are_named(images, tmp_path, options, words, capsys):
    assert run(images, tmp_path / 'o.csv', *options) == 2
    assert words in capsys.readouterr().err


def test_images_without_times_are_refused(images, tmp_path, capsys):
    given = ['--images', str(images), '--output', str(tmp_path / 'o.csv')]
    assert main(['loops', *given, *QUICK]) == 2
    assert '--positions' in capsys.readouterr().err
