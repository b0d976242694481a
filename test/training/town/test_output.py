"""What the town writes: places with a manifest, and drives that the product can use as bags."""

from __future__ import annotations

import csv
import json
import math
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from fol_vpr.errors import InputError
from fol_vpr.geometry.rigid import rotation_matrix
from fol_vpr.sources import Bag, deserialize, open_source
from training.__main__ import main
from training.town import messages
from training.town.camera.conditions import named
from training.town.drive import DriveConfig, write_drive
from training.town.noise import random_stream
from training.town.places import PlacesConfig, choose_sites, write_places
from training.town.trajectory import route
from training.town.world.town import Town

ROOT = Path(__file__).resolve().parents[3]
DRIVE = DriveConfig(seed=7, duration=4.0, rate=1.0, speed=2.0, width=160, height_px=120)


def contents(folder: Path) -> dict[str, bytes]:
    files = (path for path in folder.rglob('*') if path.is_file())
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


def test_places_are_the_same_again_also_from_several_processes(tmp_path: Path):
    config = PlacesConfig(
        seed=21, towns=2, places=2, views=2, width=128, height=96, blocks=(2, 1), storeys=1
    )
    assert write_places(config, tmp_path / 'one') == 8
    write_places(config, tmp_path / 'two', workers=2)
    files = contents(tmp_path / 'one')
    assert files == contents(tmp_path / 'two')
    assert len([name for name in files if name.endswith('.jpg')]) == 8

    rows = list(csv.DictReader((tmp_path / 'one' / 'manifest.csv').open()))
    assert [row['file'] for row in rows] == sorted(n for n in files if n.endswith('.jpg'))
    assert {row['town'] for row in rows} == {'21', '22'}
    assert all(float(row['overlap']) >= config.overlap for row in rows)
    assert cv2.imread(str(tmp_path / 'one' / rows[0]['file'])).shape == (96, 128, 3)
    for place in {row['place'] for row in rows}:
        sites = [[float(row[k]) for k in 'xyz'] for row in rows if row['place'] == place]
        assert np.ptp(np.array(sites), axis=0).max() < 8
    made = json.loads((tmp_path / 'one' / 'town.json').read_text())
    assert (made['seed'], made['pictures']) == (21, 8)


def test_views_have_their_conditions_in_turn_and_say_whether_they_are_dark(tmp_path: Path):
    config = PlacesConfig(
        seed=21, places=2, views=3, width=128, height=96, blocks=(2, 1), storeys=1, indoor=0,
        conditions=('driven night', 'day', 'night'), in_turn=True, vary=True, strength=0.5,
    )  # fmt: skip
    write_places(config, tmp_path)
    rows = list(csv.DictReader((tmp_path / 'manifest.csv').open()))
    assert [row['condition_name'] for row in rows] == ['driven night', 'day', 'night'] * 2
    names = ['00_dark.jpg', '01_light.jpg', '02_dark.jpg'] * 2
    assert [Path(row['file']).name for row in rows] == names
    assert len({row['condition_sun_azimuth'] for row in rows}) == 6
    assert all(float(row['condition_headlights']) > 0 for row in rows[::3])
    levels = [cv2.imread(str(tmp_path / row['file'])).mean() for row in rows]
    assert max(levels[2::3]) < min(levels[1::3])


def test_places_keep_apart_unless_they_look_another_way(town: Town):
    sites = choose_sites(town, 40, 0.4, random_stream(1))
    inside = [site for site in sites if site.walk.kind == 'corridor']
    assert len(inside) == 16
    for index, site in enumerate(sites):
        for other in sites[:index]:
            apart = np.linalg.norm(site.position - other.position)
            kinds = {site.walk.kind == 'corridor', other.walk.kind == 'corridor'}
            same_way = math.cos(site.yaw - other.yaw) >= 0.3
            assert len(kinds) == 2 or not same_way or apart > 4


@pytest.mark.parametrize('storage', ['sqlite3', 'mcap'])
def test_the_same_drive_gives_the_same_bytes(tmp_path: Path, town: Town, storage: str):
    for name in ('one', 'two'):
        write_drive(DRIVE, named('rain'), tmp_path / name / 'bag', town=town, storage=storage)
    one = contents(tmp_path / 'one')
    assert len(one) == 2
    assert one == contents(tmp_path / 'two')
    other = replace(DRIVE, drive=2)
    write_drive(other, named('rain'), tmp_path / 'three' / 'bag', town=town, storage=storage)
    assert one != contents(tmp_path / 'three')


@pytest.fixture(scope='module')
def bag(tmp_path_factory: pytest.TempPathFactory, town: Town) -> Path:
    output = tmp_path_factory.mktemp('drive') / 'bag'
    write_drive(replace(DRIVE, duration=30.0, rate=0.5), named('day'), output, town=town)
    return output


def test_a_drive_is_a_bag_that_the_product_reads(bag: Path):
    topics = {name: topic.count for name, topic in Bag(bag).topics.items()}
    assert topics['/tf_static'] == 1
    assert topics['/camera/image/compressed'] == topics['/camera/camera_info'] == 16
    assert topics['/gnss/fix'] == 31
    assert topics['/odom'] == topics['/ground_truth'] == 751
    source = open_source(bag, pose_topic='/ground_truth')
    frames = [frame for _, frame in source.frames()]
    assert source.frame_id == 'map'
    assert len(frames) == 16 and frames[0].image.shape == (120, 160, 3)
    assert {frame.frame_id for frame in frames} == {'camera_optical'}
    poses = [frame.pose for frame in frames if frame.pose is not None]
    assert len(poses) == 16 and all(pose.has_orientation for pose in poses)
    moved = np.diff([pose.position[:2] for pose in poses], axis=0)
    # 2 m/s, an image every two seconds
    assert np.linalg.norm(moved, axis=1) == pytest.approx(4.0, abs=1.5)


def test_a_drive_tells_its_camera_and_where_it_sits(bag: Path):
    source = open_source(bag, pose_topic='/ground_truth')
    cameras = {id(frame.camera): frame.camera for _, frame in source.frames()}
    assert source.warnings == []
    (camera,) = cameras.values()
    assert camera.size == (160, 120)
    focal = 80 / math.tan(math.radians(DRIVE.fov / 2))
    assert camera.matrix[0, 0] == pytest.approx(focal, rel=0.1)
    assert camera.mount.position.tolist() == [0.2, 0.0, DRIVE.height]
    assert camera.mount.orientation.tolist() == [-0.5, 0.5, -0.5, 0.5]


def test_a_camera_that_looks_up_is_mounted_so():
    (stamped,) = messages.mounting(1, 0.2, 1.3, math.radians(30)).transforms
    turned = stamped.transform.rotation
    axes = rotation_matrix(np.array([turned.x, turned.y, turned.z, turned.w]))
    half = math.sqrt(3) / 2
    # Columns: where its right, down and forward point, in the base (forward, left, up).
    assert axes == pytest.approx(np.array([[0, 0.5, half], [-1, 0, 0], [0, -half, 0.5]]))


def test_odometry_drifts_and_satellites_are_seen_outdoors_only(bag: Path, town: Town):
    found: dict[str, list] = {'/odom': [], '/ground_truth': [], '/gnss/fix': []}
    for message in Bag(bag).read(list(found)):
        found[message.topic].append(deserialize(message))

    def way(topic: str) -> float:
        places = [each.pose.pose.position for each in found[topic]]
        return math.dist((places[0].x, places[0].y), (places[-1].x, places[-1].y))

    assert way('/odom') != pytest.approx(way('/ground_truth'), abs=1e-3)
    assert way('/odom') == pytest.approx(way('/ground_truth'), rel=0.15)
    assert found['/odom'][0].header.frame_id == 'odom'
    valid = [fix for fix in found['/gnss/fix'] if fix.status.status >= 0]
    assert 0 < len(valid) < len(found['/gnss/fix'])
    for fix in found['/gnss/fix']:
        at_once = [
            each for each in found['/ground_truth'] if each.header.stamp == fix.header.stamp
        ]
        place = at_once[0].pose.pose.position
        assert town.indoors(np.array([place.x, place.y, 0])) == (fix.status.status < 0)
        assert math.isnan(fix.latitude) == (fix.status.status < 0)


def test_a_drive_comes_back_to_where_it_began(town: Town):
    track = route(
        town, speed=3.0, duration=120.0, lateral=0.0, sway=0.0, heading=0.0, start=20.0,
        rng=random_stream(1),
    )  # fmt: skip
    away = np.linalg.norm(track.position - track.position[0], axis=1)
    later = np.flatnonzero((away < 0.1) & (track.time > 20))
    assert len(later)
    turn = track.yaw[later[0]] - track.yaw[0]
    assert math.cos(turn) > 0.95
    assert np.abs(track.turn).max() < 3.0
    assert track.speed.mean() == pytest.approx(3.0, rel=0.1)


def test_two_lanes_are_as_far_apart_as_told(town: Town):
    keep = {'speed': 3.0, 'duration': 20.0, 'sway': 0.0, 'heading': 0.0, 'start': 0.0}
    one, other = (
        route(town, lateral=lateral, rng=random_stream(1), **keep) for lateral in (-0.5, 0.5)
    )
    apart = np.linalg.norm(one.position - other.position, axis=1)
    assert apart == pytest.approx(1.0, abs=1e-6)


@pytest.mark.parametrize(
    'arguments',
    [
        ['drive', '--condition', 'sunny'],
        ['drive', '--fov', '175'],
        ['drive', '--rate', '0'],
        ['places', '--towns', '0'],
    ],
)
def test_bad_arguments_are_told_without_a_traceback(
    tmp_path: Path, arguments: list[str], capsys: pytest.CaptureFixture[str]
):
    assert main(['town', *arguments, '--output', str(tmp_path / 'out')]) == 2
    assert 'error: ' in capsys.readouterr().err
    assert not (tmp_path / 'out').exists()


def test_the_command_of_before_names_the_one_of_now():
    command = [sys.executable, '-m', 'training.town', 'drive', '--output', 'a bag']
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=False)
    assert done.returncode == 2
    assert done.stderr.endswith("python -m training town drive --output 'a bag'\n")
    assert done.stderr.count('\n') == 1


def test_a_drive_does_not_replace_a_bag_unasked(tmp_path: Path, town: Town, bag: Path):
    with pytest.raises(InputError, match='exists already'):
        write_drive(DRIVE, named('day'), bag, town=town)
