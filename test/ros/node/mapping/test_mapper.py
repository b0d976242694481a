"""A map that grows while the robot drives, without the lifecycle of the node."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from geometry_msgs.msg import PoseWithCovarianceStamped
from helpers import live, scenes
from helpers.bench import PARAMETERS, Bench, bench

from fol_vpr.config import DriveMappingConfig
from fol_vpr.database import MapReader, check_map
from fol_vpr.datatypes import Cause, Frame
from fol_vpr.errors import InputError, StorageError
from fol_vpr.recognizer import PlaceRecognizer
from fol_vpr.ros.node.inputs.odometry import OdometryTrack
from fol_vpr.ros.node.mapping.mapper import DriveMapper, output_path
from fol_vpr.ros.node.mapping.poses import MappingPoses
from fol_vpr.ros.node.parameters.settings import Settings

SETTINGS = Settings().changed(PARAMETERS)


@pytest.fixture
def made() -> Iterator[Bench]:
    with bench() as made:
        yield made


@pytest.fixture
def recognizer() -> Iterator[PlaceRecognizer]:
    made = PlaceRecognizer(SETTINGS.recognizer)
    yield made
    made.close()


class Drive:
    """A mapper, and images and poses that are fed to it."""

    def __init__(self, made: Bench, recognizer: PlaceRecognizer, path: Path, **config) -> None:
        self.changes = 0
        settings = DriveMappingConfig(
            output=str(path), **{'poses': 'pose', 'session': 'd', 'pose_wait': 0.0, **config}
        )
        self.poses = MappingPoses(made.node, OdometryTrack(), settings)
        self.mapper = DriveMapper(
            made.node, recognizer, settings, path, self.poses, self.count_change
        )

    def count_change(self) -> None:
        self.changes += 1

    def at(self, second: float, x: float, frame_id: str = 'site') -> None:
        """A pose comes."""
        message = PoseWithCovarianceStamped()
        message.header.frame_id = frame_id
        message.header.stamp.sec, rest = divmod(round(second * 1e9), 1_000_000_000)
        message.header.stamp.nanosec = rest
        message.pose.pose.position.x = x
        message.pose.pose.orientation.w = 1.0
        message.pose.covariance[0] = message.pose.covariance[7] = 0.25
        self.poses.topic._on_pose(message)

    def see(self, second: float, place: int, image: np.ndarray | None = None) -> str:
        """An image comes; what became of it."""
        picture = scenes.view(place, 0) if image is None else image
        frame = Frame(picture, round(second * 1e9), frame_id='camera')
        answer = self.mapper.process(frame, None, SETTINGS)
        assert answer.explanation.cause == Cause.MAPPING
        return answer.explanation.reason


def test_keyframes_by_distance_with_the_pose_between_two(made, recognizer, tmp_path):
    path = tmp_path / 'site.folmap'
    drive = Drive(made, recognizer, path)
    for number in range(9):
        drive.at(100 + 0.5 * number, x=0.4 * number)
    assert 'keyframe 1' in drive.see(100.25, 0)
    assert path.exists() and recognizer.map_info.places == 1
    assert 'close to the last keyframe' in drive.see(101.0, 1)
    assert 'keyframe 2' in drive.see(101.75, 2)
    assert 'keyframe 3' in drive.see(103.75, 3)
    assert drive.changes == 3
    # As after SIGKILL: nothing was merged yet.
    with MapReader(path) as reader:
        assert [place.place_id for place in reader.places] == [f'd/{n:06d}' for n in range(3)]
        xs = [place.pose.position[0] for place in reader.places]
        assert reader.info.frame_id == 'site' and not reader.header.origin
        assert reader.places[2].pose.covariance[0, 0] == 0.25
    assert xs == pytest.approx([0.2, 1.4, 3.0])
    assert drive.mapper.finish(live.PATIENCE)
    assert not path.with_name('site.folmap.changes').exists() and check_map(path) == []
    with MapReader(path) as reader:
        assert len(reader.places) == 3


def test_an_image_without_a_pose_is_not_stored_and_says_why(made, recognizer, tmp_path):
    drive = Drive(made, recognizer, tmp_path / 'm.folmap')
    assert 'nobody publishes on /pose' in drive.see(100, 0)
    assert 'mapping.poses:=none' in drive.mapper.status.problem
    drive.at(100, 0)
    assert 'no later one came within 0 s' in drive.see(100.1, 0)
    drive.at(104, 1)
    assert 'mapping.max_pose_gap' in drive.see(102, 0)
    assert drive.mapper.status.without_pose == 3
    assert not (tmp_path / 'm.folmap').exists()
    assert drive.mapper.finish(1)
    drive.at(104.3, 1, frame_id='')
    drive.at(104.6, 1, frame_id='')
    assert 'name no frame' in drive.see(104.4, 0)


def test_a_map_is_continued_in_its_frame_only(made, recognizer, tmp_path):
    path = tmp_path / 'm.folmap'
    first = Drive(made, recognizer, path)
    first.at(100, 0)
    first.see(100, 0)
    assert first.mapper.finish(live.PATIENCE)
    with pytest.raises(InputError, match="a session 'd' already"):
        Drive(made, recognizer, path)
    second = Drive(made, recognizer, path, session='')
    second.at(200, 5, frame_id='odom')
    assert "the poses are in the frame 'odom'" in second.see(200, 1)
    second.at(201, 5)
    assert 'keyframe 1' in second.see(201, 1)
    assert recognizer.map_info.places == 2 and recognizer.map_info.sessions == 2


def test_without_poses_by_time_and_view(made, recognizer, tmp_path):
    drive = Drive(made, recognizer, tmp_path / 'm.folmap', poses='none')
    assert 'keyframe 1' in drive.see(100, 0)
    assert 'close to the last' in drive.see(100.5, 3)
    assert 'looks like the last keyframe' in drive.see(101.5, 0)
    assert 'close to the last' in drive.see(102, 3)
    assert 'keyframe 2' in drive.see(102.5, 3)
    black = np.zeros((scenes.HEIGHT, scenes.WIDTH, 3), np.uint8)
    assert 'not stored' in drive.see(110, 0, black)
    with MapReader(tmp_path / 'm.folmap') as reader:
        assert [place.pose for place in reader.places] == [None, None]


def test_which_file(tmp_path):
    warnings: list[str] = []

    def path_of(**changes) -> Path | None:
        named = {key.replace('__', '.'): value for key, value in changes.items()}
        return output_path(Settings().changed(named), warnings.append)

    assert path_of() is None
    given = tmp_path / 'm.folmap'
    assert path_of(mapping__output=str(given)) == given and not warnings
    given.touch()
    assert path_of(mapping__output=str(given), mapping__poses='pose') == given and not warnings
    assert path_of(mapping__output=str(given)) == tmp_path / 'm-2.folmap'
    assert 'another origin' in warnings[0] and str(tmp_path / 'm-2.folmap') in warnings[0]
    with pytest.raises(InputError, match='localizes in the one or builds the other'):
        path_of(mapping__output=str(given), map='x.folmap')
    with pytest.raises(InputError, match='expected the path'):
        path_of(mapping__output=str(tmp_path / 'm.bag'))
    with pytest.raises(StorageError, match='there is no folder'):
        path_of(mapping__output=str(tmp_path / 'none' / 'm.folmap'))
    with pytest.raises(InputError, match='leads out of'):
        path_of(mapping__output=str(given), map_folder=str(tmp_path / 'maps'))
