"""Maps from the command line: built, interrupted, resumed, looked into, checked."""

from __future__ import annotations

import json
import re
import shutil
import signal
import subprocess
import sys
import time
from fractions import Fraction
from pathlib import Path

import pytest
from helpers.bags import ros1_bags
from helpers.images.photographs import MALAGA, photograph
from helpers.processes.exit_codes import AFTER_SIGINT
from helpers.scenes import HEIGHT, WIDTH, write_folder
from helpers.source_files import encode, picture
from PIL.ExifTags import GPS
from PIL.TiffImagePlugin import IFDRational

from fol_vpr.cli.main import main
from fol_vpr.database import MapReader
from fol_vpr.network import FeatureExtractor

CALIBRATION = f"""
image_width: {WIDTH}
image_height: {HEIGHT}
camera_matrix: {{rows: 3, cols: 3, data: [250, 0, 159.5, 0, 250, 119.5, 0, 0, 1]}}
distortion_model: plumb_bob
distortion_coefficients: {{rows: 1, cols: 5, data: [0.1, 0, 0, 0, 0]}}
"""
SMALL = ['--input-size', '126', '--weights', 'untrained-vits14']


def test_info_for_people_and_programs(drive, capsys):
    assert main(['map', 'info', str(drive.map)]) == 0
    table = capsys.readouterr().out
    assert 'untrained-vits14' in table
    assert 'fixed-126-imagenet' in table
    assert main(['map', 'info', str(drive.map), '--json']) == 0
    info = json.loads(capsys.readouterr().out)
    assert (info['places'], info['sessions'], info['descriptor_dim']) == (8, 1, 8448)
    assert info['bytes'] == drive.map.stat().st_size


def test_the_camera_of_the_images(tmp_path, capsys):
    images = write_folder(tmp_path / 'images', 2)
    calibration = tmp_path / 'camera.yaml'
    calibration.write_text(CALIBRATION)
    build = ['map', 'build', '--images', str(images), *SMALL, '--camera', str(calibration)]
    mount = ['--camera-mount', '0.2', '0', '1.3', '-0.5', '0.5', '-0.5', '0.5']
    assert main([*build, *mount, '--output', str(tmp_path / 'm.folmap')]) == 0
    assert 'cameras        calibrated for 2 places, with a mount for 2' in capsys.readouterr().out
    with MapReader(tmp_path / 'm.folmap') as reader:
        for place in reader.places:
            assert place.camera.size == place.image_size
            assert place.camera.mount.position.tolist() == [0.2, 0, 1.3]
    assert main(['query', str(images / 'view001.jpg'), '--map', str(tmp_path / 'm.folmap'),
                 '--camera', str(calibration)]) == 0  # fmt: skip
    assert main(['evaluate', '--map', str(tmp_path / 'm.folmap'), '--queries', str(images),
                 '--camera', str(calibration), *mount, '--without-ground-truth']) == 0  # fmt: skip


def test_positions_of_photographs(tmp_path, capsys):
    """References, and queries 0.6 m north of every one of them."""
    for folder, shift in (('map', 0), ('queries', 0.02)):
        (tmp_path / folder).mkdir()
        for number in range(3):
            seconds = IFDRational(Fraction(number + shift).limit_denominator(100))
            photograph(
                tmp_path / folder / f'{number}.jpg',
                MALAGA | {GPS.GPSLatitude: (36, 43, seconds)},
                seed=number,
            )
    build = ['map', 'build', '--images', str(tmp_path / 'map'), '--positions', 'exif', *SMALL]
    assert main([*build, '--output', str(tmp_path / 'm.folmap')]) == 0
    said = capsys.readouterr()
    assert '3 geodetic positions' in said.out
    assert '--positions exif' not in said.err
    assert main([*build[:4], *build[6:], '--output', str(tmp_path / 'bare.folmap')]) == 0
    assert '--positions exif takes them' in capsys.readouterr().err
    evaluate = ['evaluate', '--map', str(tmp_path / 'm.folmap'), '--positions', 'exif', '--json']
    for radius, without in (('2', 0), ('0.1', 3)):
        queries = ['--queries', str(tmp_path / 'queries'), '--positive-radius', radius]
        assert main([*evaluate, *queries]) == 0
        assert json.loads(capsys.readouterr().out)['queries_without_positive'] == without


def test_check_tells_sound_from_damaged(drive, tmp_path, capsys):
    assert main(['map', 'check', str(drive.map)]) == 0
    damaged = tmp_path / 'damaged.folmap'
    data = bytearray(drive.map.read_bytes())
    for offset in range(len(data) // 2, len(data), 997):
        data[offset] ^= 0xFF
    damaged.write_bytes(data)
    capsys.readouterr()
    assert main(['map', 'check', str(damaged)]) == 1
    captured = capsys.readouterr()
    assert captured.out.strip()
    assert 'restore it from a copy' in captured.err


def test_an_existing_map_stays_unless_asked(drive, tmp_path, capsys):
    target = tmp_path / 'm.folmap'
    shutil.copy(drive.map, target)
    before = target.read_bytes()
    images = write_folder(tmp_path / 'images', 2)
    build = ['map', 'build', '--images', str(images), '--output', str(target), *SMALL]
    assert main(build) == 2
    assert 'overwrite' in capsys.readouterr().err
    assert target.read_bytes() == before
    assert main([*build, '--overwrite', '--no-store-images', '--name', 'second']) == 0
    with MapReader(target) as reader:
        assert (reader.info.places, reader.info.name) == (2, 'second')
        assert reader.image(0) is None


@pytest.mark.parametrize(
    ('sent', 'codes'), [(signal.SIGINT, AFTER_SIGINT), (signal.SIGTERM, {143})]
)
def test_a_signal_says_what_is_kept_and_the_same_command_goes_on(
    tmp_path, monkeypatch, sent, codes
):
    images, output = write_folder(tmp_path / 'images', 64), tmp_path / 'm.folmap'
    partial = tmp_path / 'm.folmap.partial'
    command = [sys.executable, '-m', 'fol_vpr.cli.main', 'map', 'build', '--images', str(images),
               '--output', str(output), *SMALL]  # fmt: skip
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        deadline = time.monotonic() + 120
        while _pages(partial) < 5 and process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.05)
        process.send_signal(sent)
        errors = process.communicate(timeout=60)[1]
    assert process.returncode in codes, errors
    kept = re.search(r'interrupted: (\d+) references? (?:is|are) kept in (.*);', errors)
    assert kept is not None, errors
    assert kept[2] == str(partial)
    assert 'Traceback' not in errors
    assert not output.exists()
    assert 0 < int(kept[1]) < 64
    extracted = []
    extract = FeatureExtractor.extract

    def counting(self, images, *args):
        extracted.extend(images)
        return extract(self, images, *args)

    monkeypatch.setattr(FeatureExtractor, 'extract', counting)
    assert main(command[3:]) == 0
    assert len(extracted) == 64 - int(kept[1])
    assert not partial.exists()
    with MapReader(output) as reader:
        names = [Path(place.image_uri).name for place in reader.places]
    assert names == [f'view{i:03d}.jpg' for i in range(64)]


def _pages(partial: Path) -> int:
    """How much an unfinished build has written, in units that one reference surely fills."""
    log = partial.with_name(partial.name + '-wal')
    return log.stat().st_size // 200_000 if log.exists() else 0


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        (['--images', 'X', '--image-topic', '/t'], '--image-topic given with --images'),
        (['--images', 'X', '--pose-topic', '/t'], '--pose-topic given with --images'),
        (['--bag', 'X', '--positions', 'p.csv'], '--positions given with --bag'),
    ],
)
def test_options_of_the_other_source_are_refused(options, message, capsys):
    assert main(['map', 'build', *options, '--output', 'm.folmap']) == 2
    assert message in capsys.readouterr().err


def test_skip_bad_names_what_it_leaves_out(tmp_path, capsys):
    images = write_folder(tmp_path / 'images', 4)
    victim = images / 'view001.jpg'
    victim.write_bytes(victim.read_bytes()[:2000])
    build = ['map', 'build', '--images', str(images), '--output', str(tmp_path / 'm.folmap')]
    assert main([*build, *SMALL, '--skip-bad']) == 0
    errors = capsys.readouterr().err
    assert 'skipped item 1' in errors
    assert 'view001.jpg' in errors
    assert '1 of 4 items were skipped' in errors
    with MapReader(tmp_path / 'm.folmap') as reader:
        assert reader.info.places == 3


def test_the_frame_of_a_map_can_be_named(tmp_path):
    images = write_folder(tmp_path / 'images', 2)
    poses = tmp_path / 'poses.csv'
    poses.write_text('index,x,y\n0,1,2\n1,3,4\n')
    build = ['map', 'build', '--images', str(images), '--positions', str(poses), *SMALL]
    output = tmp_path / 'm.folmap'
    assert main([*build, '--output', str(output), '--frame-id', 'hall', '--no-store-images']) == 0
    with MapReader(output) as reader:
        assert reader.info.frame_id == 'hall'


def test_maps_of_odometry_do_not_lie_in_one_frame(drive, tmp_path, capsys):
    poses = tmp_path / 'poses.csv'
    poses.write_text('timestamp,x,y\n' + ''.join(f'{t},{5 * t},0\n' for t in range(9)))
    maps = []
    for name, images in (('day', drive.references), ('night', drive.queries)):
        bag, made = tmp_path / name, tmp_path / f'{name}.folmap'
        assert main(['bag', 'from-images', str(images), '--output', str(bag), '--rate', '2',
                     '--poses', str(poses), '--pose-type', 'Odometry', '--map-frame',
                     'odom']) == 0  # fmt: skip
        build = ['map', 'build', '--bag', str(bag), '--pose-topic', '/pose', *SMALL]
        assert main([*build, '--output', str(made)]) == 0
        maps.append(str(made))
    capsys.readouterr()
    both = str(tmp_path / 'both.folmap')
    assert main(['map', 'merge', *maps, '--output', both]) == 2
    said = capsys.readouterr().err
    assert "the start of 'day' and the start of 'night'" in said and '--frame-id' in said
    for target in maps:
        bag = target.removesuffix('.folmap')
        build = ['map', 'build', '--bag', bag, '--pose-topic', '/pose', *SMALL, '--overwrite']
        assert main([*build, '--frame-id', 'site', '--output', target]) == 0
    assert main(['map', 'merge', *maps, '--output', both]) == 0


def test_map_of_a_bag_of_ros_1(tmp_path, capsys):
    messages = []
    for place in range(3):
        stamp, content = (place + 1) * ros1_bags.SECOND, encode(picture(place, 196, 196))
        messages += [
            ros1_bags.pose_stamped(stamp, 10 * place),
            ros1_bags.compressed(stamp, content),
        ]
    bag = ros1_bags.ros1_bag(tmp_path / 'a.bag', messages, 'BZ2')
    output, poses = tmp_path / 'a.folmap', ['--pose-topic', '/pose']
    assert main(['map', 'build', '--bag', str(bag), *poses, '--output', str(output)]) == 0
    assert 'references     3' in capsys.readouterr().out
    assert main(['evaluate', '--map', str(output), '--queries', str(bag), *poses]) == 0
    capsys.readouterr()
