"""The example's node in a process of its own: odometry and closures in, path and feedback out."""

from __future__ import annotations

import contextlib
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import gtsam
import numpy as np
import pytest
from geometry_msgs.msg import TransformStamped
from helpers import live
from helpers.back_ends.drives import SIGMAS, Drive
from nav_msgs.msg import Odometry
from nav_msgs.msg import Path as PathMsg
from rclpy.qos import DurabilityPolicy, QoSProfile

from examples.pose_graph_backend.geometry import quaternion_of
from examples.pose_graph_backend.messages import ns_of, pose_of, time_of
from fol_vpr_msgs.msg import LoopClosureCandidate, LoopClosureCandidateArray, LoopClosureFeedback

ACCEPTED, REJECTED = LoopClosureFeedback.ACCEPTED, LoopClosureFeedback.REJECTED
OPTICAL = gtsam.Pose3(gtsam.Rot3.Ypr(-np.pi / 2, 0.0, -np.pi / 2), np.array([0.3, 0.1, 1.0]))
LATCHED = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)
BURST = 50


class Rig:
    """A robot and its place recognition, as the back-end hears them."""

    def __init__(self, watch: live.Observer, log: Path) -> None:
        self.watch, self.log = watch, log
        self.drive = Drive.around(3, rounds=1.4)
        self.paths: list[PathMsg] = []
        self.transforms: list[TransformStamped] = []
        self.feedback: dict[int, list[LoopClosureFeedback]] = {}
        subscribe = watch.node.create_subscription
        subscribe(PathMsg, 'path', self.paths.append, LATCHED)
        subscribe(TransformStamped, 'map_to_odom', self.transforms.append, LATCHED)
        subscribe(LoopClosureFeedback, 'loop_closure_feedback', self._on_feedback, 100)
        self.odometry = watch.publisher(Odometry, 'odom')
        self.closures = watch.publisher(LoopClosureCandidateArray, 'loop_closures')
        self.driven = 0

    def _on_feedback(self, message: LoopClosureFeedback) -> None:
        self.feedback.setdefault(message.candidate_id, []).append(message)

    def drive_to(self, number: int) -> None:
        """Publish odometry up to a pose, and wait until the node has followed."""
        while self.driven <= number:
            last = min(self.driven + BURST, number + 1)
            for each in range(self.driven, last):
                self.odometry.publish(self._message(each))
            self.driven = last
            stamp = time_of(self.drive.stamp(last - 1))
            self.watch.until(
                lambda stamp=stamp: self.transforms and self.transforms[-1].header.stamp == stamp
            )

    def _message(self, number: int) -> Odometry:
        message = Odometry(child_frame_id='base_link')
        message.header.frame_id = 'odom'
        message.header.stamp = time_of(self.drive.stamp(number))
        pose = self.drive.odometry[number]
        place, turned = message.pose.pose.position, message.pose.pose.orientation
        place.x, place.y, place.z = (float(value) for value in pose.translation())
        turned.x, turned.y, turned.z, turned.w = quaternion_of(pose)
        return message

    def candidate(
        self, candidate_id: int, start: int, end: int, *, off: gtsam.Pose3 | None = None
    ) -> LoopClosureCandidate:
        """What the localizer would publish of two poses' cameras."""
        rng = np.random.default_rng(candidate_id)
        closure = self.drive.closure(candidate_id, start, end, rng, off=off, mount=OPTICAL)
        message = LoopClosureCandidate(
            candidate_id=candidate_id, session_from='live', session_to='live',
            stamp_from=time_of(closure.stamp_from_ns), stamp_to=time_of(closure.stamp_to_ns),
            frame_from='camera', frame_to='camera', has_transform=True, metric_scale=True,
        )  # fmt: skip
        pose = closure.measured.pose
        place, turned = message.from_t_to.pose.position, message.from_t_to.pose.orientation
        place.x, place.y, place.z = (float(value) for value in pose.translation())
        turned.x, turned.y, turned.z, turned.w = quaternion_of(pose)
        # The same along every axis of either kind, which any frame sees alike.
        message.from_t_to.covariance = np.diag(np.roll(SIGMAS**2, 3)).reshape(36)
        return message

    def send(self, *candidates: LoopClosureCandidate) -> None:
        self.closures.publish(LoopClosureCandidateArray(candidates=list(candidates)))

    def answers(self, *candidate_ids: int) -> list[LoopClosureFeedback]:
        """The last answer to each, once there is one."""
        self.watch.until(lambda: self.feedback.keys() >= set(candidate_ids))
        return [self.feedback[each][-1] for each in candidate_ids]

    def misses(self) -> tuple[float, float]:
        """Distance in metres of the path's end from the truth, and of the odometry's there."""
        stamped = self.paths[-1].poses[-1]
        number = (ns_of(stamped.header.stamp) - self.drive.stamp(0)) // 100_000_000
        truth = self.drive.truth[number].translation()
        corrected = pose_of(stamped.pose).translation()
        odometry = self.drive.odometry[number].translation()
        return float(np.linalg.norm(corrected - truth)), float(np.linalg.norm(odometry - truth))


@contextlib.contextmanager
def backend(log: Path, *parameters: str) -> Iterator[subprocess.Popen]:
    command = [sys.executable, '-m', 'examples.pose_graph_backend', '--ros-args']
    for each in parameters:
        command += ['-p', each]
    with log.open('w') as file:
        process = subprocess.Popen(command, stdout=file, stderr=subprocess.STDOUT, cwd=live.ROOT)
    try:
        yield process
    finally:
        process.terminate()
        process.wait(live.PATIENCE)


def mount_parameter() -> str:
    numbers = [*OPTICAL.translation(), *quaternion_of(OPTICAL)]
    return f'camera_mount:=[{", ".join(f"{float(number):.9f}" for number in numbers)}]'


def test_path_and_feedback_come_back(tmp_path):
    log = tmp_path / 'node.log'
    with (
        backend(log, mount_parameter(), 'hold:=60.0', 'publish_period:=0.2') as process,
        live.observer() as watch,
    ):
        rig = Rig(watch, log)
        round_ = round(2 * np.pi * 15 / 0.25)
        early = rig.candidate(1, round_ + 5, 3)
        rig.send(early)
        rig.drive_to(round_ + 40)
        aside = gtsam.Pose3(gtsam.Rot3.Yaw(2.0), np.array([9.0, 0.0, 3.0]))
        blind = rig.candidate(5, round_ + 25, 25)
        blind.has_transform = False
        elsewhere = rig.candidate(6, round_ + 25, 25)
        elsewhere.session_to = 'yesterday'
        unknown_error = rig.candidate(7, round_ + 25, 25)
        unknown_error.from_t_to.covariance = np.zeros(36)
        ahead = rig.candidate(8, round_ + 60, 60)
        never = rig.candidate(9, round_ + 60, 60)
        never.stamp_from = time_of(rig.drive.stamp(10_000))
        rig.send(
            rig.candidate(2, round_ + 15, 17), rig.candidate(3, round_ + 35, 33),
            rig.candidate(4, round_ + 20, 20, off=aside), blind, elsewhere, unknown_error, ahead,
            never,
        )  # fmt: skip

        assert [each.status for each in rig.answers(1, 2, 3)] == [ACCEPTED] * 3
        wrong, *unused = rig.answers(4, 5, 6, 7)
        assert wrong.status == REJECTED
        assert wrong.reason.startswith('odometry rules it out: chi-square')
        assert [each.status for each in unused] == [REJECTED] * 3
        reasons = ['no transform', 'no session yesterday', 'the covariance of the transform']
        for reason, answer in zip(reasons, unused, strict=True):
            assert reason in answer.reason and answer.reason.startswith('unused: ')
        assert {8, 9}.isdisjoint(rig.feedback)

        rig.drive_to(round_ + 80)
        assert rig.answers(8)[0].status == ACCEPTED
        assert 9 not in rig.feedback
        # A localizer that was started again counts its candidates from 1, in another session.
        again = rig.candidate(1, round_ + 70, 70)
        again.session_from = again.session_to = 'live-2'
        before = len(rig.feedback[1])
        rig.send(again, again)
        watch.until(lambda: len(rig.feedback[1]) > before)
        assert rig.feedback[1][-1].status == ACCEPTED
        # Until both the path and the transform are of the last change.
        watch.spin(0.8)
        corrected, odometry = rig.misses()
        assert corrected < 0.4 * odometry
        check_frames(rig)
        process.send_signal(signal.SIGTERM)
        assert process.wait(live.PATIENCE) == 0
    said = log.read_text()
    assert 'closure 9 rejected: unused: there is no odometry' in said
    assert said.count('closure 1 accepted') == 2


def check_frames(rig: Rig) -> None:
    path, transform = rig.paths[-1], rig.transforms[-1]
    assert {path.header.frame_id} | {each.header.frame_id for each in path.poses} == {'map'}
    stamps = [ns_of(each.header.stamp) for each in path.poses]
    assert stamps == sorted(set(stamps)) and stamps[0] == rig.drive.stamp(0)
    assert (transform.header.frame_id, transform.child_frame_id) == ('map', 'odom')
    at, turned = transform.transform.translation, transform.transform.rotation
    moved = gtsam.Pose3(
        gtsam.Rot3.Quaternion(turned.w, turned.x, turned.y, turned.z),
        np.array([at.x, at.y, at.z]),
    )
    number = (stamps[-1] - rig.drive.stamp(0)) // 100_000_000
    corrected = moved.compose(rig.drive.odometry[number]).translation()
    assert corrected == pytest.approx(pose_of(path.poses[-1].pose).translation(), abs=1e-3)


def test_a_camera_of_unknown_place_is_said(tmp_path):
    with backend(tmp_path / 'node.log'), live.observer() as watch:
        rig = Rig(watch, tmp_path / 'node.log')
        rig.drive_to(30)
        rig.send(rig.candidate(1, 25, 3))
        (answer,) = rig.answers(1)
        assert answer.status == REJECTED
        assert answer.reason.startswith('unused: where camera sits on the robot is not known')


@pytest.mark.parametrize(
    ('parameter', 'told'),
    [('gate:=1.5', 'gate is 1.5'), ('camera_mount:=[1.0, 0.0, 0.0, 2.0, 0.0, 0.0, 0.0]', 'unit')],
)
def test_a_wrong_parameter_ends_it(parameter, told, tmp_path):
    with backend(tmp_path / 'node.log', parameter) as process:
        assert process.wait(live.PATIENCE) == 2
    assert told in (tmp_path / 'node.log').read_text()
