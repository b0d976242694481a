"""The node builds a map of what a camera and odometry send, in a process of its own."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest
from helpers import live
from helpers.messages import picture
from nav_msgs.msg import Odometry
from sensor_msgs.msg import Image

from fol_vpr.database import MapReader, check_map
from fol_vpr_msgs.msg import PlaceHypothesisArray
from fol_vpr_msgs.srv import LoadMap, QueryPlace, Relocalize


class Robot:
    """Drives one metre a second along x, and sends its odometry and what its camera sees."""

    def __init__(self, watch: live.Observer) -> None:
        self.watch = watch
        self.images = watch.publisher(Image, 'image')
        self.odometry = watch.publisher(Odometry, 'odom')
        self.second = 0

    def drive(self, seconds: int) -> None:
        for _ in range(seconds):
            known = len(self.watch.answers)
            self.send()
            # The subscriptions of a node that was killed count for a while, and what is sent
            # before those of the next one are there is lost.
            if not self.watch.until(
                lambda known=known: len(self.watch.answers) > known, 20.0, fail=False
            ):
                self.send()
                self.watch.until(lambda known=known: len(self.watch.answers) > known)
            self.second += 1

    def send(self) -> None:
        self.send_odometry(self.second)
        self.images.publish(picture(self.second, 100 + self.second, shift=0))
        # The image waits for the pose after it.
        self.send_odometry(self.second + 1)

    def send_odometry(self, second: int) -> None:
        message = Odometry(child_frame_id='base_link')
        message.header.frame_id = 'odom'
        message.header.stamp.sec = 100 + second
        message.pose.pose.position.x = float(second)
        message.pose.pose.orientation.w = 1.0
        self.odometry.publish(message)


def parameters(path) -> dict:
    return {'mapping.output': path, 'mapping.max_pose_gap': 2.0, 'autostart': True}


@pytest.mark.timeout(300)
def test_a_drive_becomes_a_map_which_survives_a_kill(tmp_path):
    with live.observer() as watch:
        drive_twice(watch, tmp_path)


def drive_twice(watch: live.Observer, tmp_path: Path) -> None:
    path, log = tmp_path / 'site.folmap', tmp_path / 'log'
    with live.localizer(log, parameters(path)) as node:
        watch.until(lambda: watch.status('node')[1] == 'active')
        robot = Robot(watch)
        robot.drive(4)
        watch.until(lambda: watch.maps and watch.maps[-1].places == 4)
        answer = watch.answers[-1]
        assert answer.cause == PlaceHypothesisArray.CAUSE_MAPPING, answer.reason
        stored = (0, '4 keyframes of this drive are stored')
        watch.until(lambda: watch.status('mapping') == stored)
        # The map can be asked, but neither replaced nor localized in.
        query = watch.call(QueryPlace, 'query_place', QueryPlace.Request(image=picture(2)))
        assert query.places.hypotheses[0].pose.pose.position.x == pytest.approx(2.0)
        load = watch.call(LoadMap, 'load_map', LoadMap.Request(path=str(path)))
        assert load.result == LoadMap.Response.NOT_READY and 'mapping.output' in load.message
        relocalize = watch.call(Relocalize, 'relocalize', Relocalize.Request())
        assert relocalize.result == Relocalize.Response.NOT_READY
        node.stop(signal.SIGKILL)
    assert check_map(path) == []
    with MapReader(path) as reader:
        assert [place.pose.position[0] for place in reader.places] == [0, 1, 2, 3]
        session = reader.places[0].session_id
        assert reader.header.origin == session and reader.info.frame_id == 'map'

    watch.answers.clear()
    watch.diagnostics.clear()
    with live.localizer(log, parameters(path)) as node:
        watch.until(lambda: watch.status('node')[1] == 'active')
        robot = Robot(watch)
        robot.drive(3)
        status, _ = node.stop()
        assert status == 0, log.read_text()
    text = log.read_text()
    assert 'the odometry of another drive has another origin' in text
    other = tmp_path / 'site-2.folmap'
    assert f'{other} is saved: 3 places, 3 of this drive' in text
    assert not other.with_name('site-2.folmap.changes').exists()
    assert check_map(other) == [] and check_map(path) == []


def test_a_map_that_is_not_merged_ends_the_node_with_1(tmp_path):
    path, log = tmp_path / 'site.folmap', tmp_path / 'log'
    given = {**parameters(path), 'mapping.save_timeout': 0.0}
    with live.observer() as watch, live.localizer(log, given) as node:
        watch.until(lambda: watch.status('node')[1] == 'active')
        Robot(watch).drive(2)
        status, _ = node.stop(signal.SIGINT)
    text = log.read_text()
    assert status == 1, text
    assert f'the last keyframes are not merged into {path}' in text
    assert 'fol_vpr map save' in text
    with MapReader(path) as reader:
        assert len(reader.places) == 2
