"""A recorded drive, its closures as a table, and what is right of them."""

import csv
import json
import re
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


def test_json_holds_what_produced_the_closures_and_what_became_of_each_image(images, tmp_path):
    target, picture, page = (tmp_path / name for name in ('o.json', 'o.png', 'o.html'))
    files = ['--json', str(target), '--picture', str(picture), '--report', str(page)]
    assert run(images, tmp_path / 'o.csv', *files) == 0
    told = json.loads(target.read_text())
    assert told['provenance']['command'].startswith('fol_vpr loops --images')
    assert told['provenance']['fol_vpr_version'] and told['provenance']['date']
    assert sum(each['images'] for each in told['images_by_outcome']) == told['images'] == 12
    assert told['settings']['loops']['exclude_time'] == 4.0
    with (tmp_path / 'o.csv').open() as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == len(told['closures']) == told['closures_within_drive']
    for row, closure in zip(rows, told['closures'], strict=True):
        assert row['frame_from'] == row['frame_to'] == closure['frame_from'] == 'camera'
        assert int(row['stamp_from_ns']) == closure['stamp_from_ns']
        assert (closure['probability'], closure['right']) == (None, True)
        transform = closure['from_t_to']
        assert (transform is None) == (row['has_transform'] == '0')
        if transform is not None:
            assert np.shape(transform['covariance']) == (6, 6)
    assert picture.stat().st_size > 10_000
    text = page.read_text()
    assert 'Most dubious closures' in text and 'data:image/jpeg' in text
    # A drive of 12 s: its time axis is not in hundredths of a minute.
    assert 'seconds from the start of the drive' in text


def test_without_ground_truth_nothing_is_called_right_or_wrong(images, tmp_path, capsys):
    """The times are known, and no positions."""
    times = tmp_path / 'times.csv'
    lines = [f'{path.name},{number + 1}' for number, path in enumerate(sorted(images.iterdir()))]
    times.write_text('file,timestamp\n' + '\n'.join(lines) + '\n')
    page = tmp_path / 'o.html'
    given = ['loops', '--images', str(images), '--positions', str(times), *QUICK, *WHEN]
    assert main([*given, '--report', str(page), '--picture', str(tmp_path / 'o.svg')]) == 0
    told = capsys.readouterr().out
    assert 'closures within the drive' in told and 'right' not in told and 'wrong' not in told
    body = page.read_text().partition('<main')[2].partition('</main>')[0]
    assert 'Most dubious' in body
    assert not re.search(r'>(right|wrong)', body) and '>precision<' not in body
    drawn = (tmp_path / 'o.svg').read_text()
    assert '<!-- inliers -->' in drawn
    assert '<!-- right' not in drawn and '<!-- wrong' not in drawn


@pytest.mark.parametrize(
    ('options', 'parameter'),
    [
        (['--exclude-time', '1000'], 'loops.exclude_time (1000.0)'),
        (['--min-inliers', '10000'], 'verification.min_inliers (10000)'),
        (['--consecutive', '50'], 'loops.consecutive (50)'),
    ],
)
def test_where_nothing_is_found_the_deciding_parameter_is_named(
    images, tmp_path, options, parameter, capsys
):
    assert run(images, tmp_path / 'o.csv', *options) == 0
    told = capsys.readouterr().out
    assert 'closures within the drive  0' in told
    lines = told[told.index('why no closure') :].splitlines()
    assert any(parameter in line for line in lines), lines


def test_something_has_to_be_written(images, capsys):
    assert main(['loops', '--images', str(images)]) == 2
    assert '--output, --json, --report or --picture' in capsys.readouterr().err


def test_the_map_is_opened_once_for_the_images_of_all_closures(images, tmp_path, monkeypatch):
    """A large map takes seconds to open, and a page shows sixty closures."""
    session, page = tmp_path / 'drive.folmap', tmp_path / 'page.html'
    assert run(images, tmp_path / 'a.csv', '--session-file', str(session)) == 0
    opened = []
    monkeypatch.setattr(
        'fol_vpr.recognizer.open_map', lambda path: opened.append(path) or MapReader(path)
    )
    assert run(images, tmp_path / 'b.csv', '--map', str(session), '--report', str(page)) == 0
    with open(tmp_path / 'b.csv', newline='') as file:
        ends = [(row['session_from'], row['session_to']) for row in csv.DictReader(file)]
    assert sum(one != two for one, two in ends) >= 2
    assert opened == [str(session)]
