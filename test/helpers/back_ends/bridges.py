"""A bridge to another back-end in a process of its own, and the robot that it listens to."""

from __future__ import annotations

import contextlib
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from helpers import live
from helpers.back_ends.message_packages import MessagePackage
from helpers.candidates import AHEAD, candidate
from nav_msgs.msg import Odometry

from fol_vpr.datatypes import Pose
from fol_vpr.geometry.rigid import compose, inverse
from fol_vpr.ros.messages.conversions import pose_message, time_from_ns
from fol_vpr_msgs.msg import LoopClosureCandidate, LoopClosureCandidateArray, LoopClosureFeedback

NS = 1_000_000_000
START = 1_700_000_000
MOUNT = ', '.join(f'{float(number):.9f}' for number in (*AHEAD.position, *AHEAD.orientation))


def odometry_at(stamp_ns: int) -> Pose:
    """The base by odometry: 2 m/s ahead, turning by 0.1 rad/s."""
    seconds = (stamp_ns - START * NS) / NS
    half = 0.05 * seconds
    return Pose(np.array([2 * seconds, 0, 0]), np.array([0, 0, np.sin(half), np.cos(half)]))


def moved(start_ns: int, end_ns: int) -> Pose:
    """Pose of the base at `end_ns` in the base at `start_ns`."""
    return compose(inverse(odometry_at(start_ns)), odometry_at(end_ns))


def odometry_message(stamp_ns: int) -> Odometry:
    """What the robot publishes on `odom`."""
    message = Odometry(child_frame_id='base_link')
    message.header.frame_id = 'odom'
    message.header.stamp = time_from_ns(stamp_ns)
    message.pose.pose = pose_message(odometry_at(stamp_ns))
    return message


def closure(candidate_id: int = 3, **changes: Any) -> LoopClosureCandidate:
    """A closure of the one camera whose mount the bridge is told."""
    return candidate(AHEAD, candidate_id=candidate_id, **changes)


class BridgeRig:
    """What the test exchanges with a bridge."""

    def __init__(self, watch: live.Observer) -> None:
        self.watch = watch
        self.feedback: dict[int, LoopClosureFeedback] = {}
        watch.node.create_subscription(
            LoopClosureFeedback, 'loop_closure_feedback', self._on_feedback, 100
        )
        self.closures = watch.publisher(LoopClosureCandidateArray, 'loop_closures')

    def _on_feedback(self, message: LoopClosureFeedback) -> None:
        self.feedback[message.candidate_id] = message

    def listen(self, kind: type, topic: str) -> list:
        """Messages that arrive on a topic from now on."""
        messages: list = []
        self.watch.node.create_subscription(kind, topic, messages.append, 100)
        self.watch.until(lambda: self.watch.node.count_publishers(topic))
        self.watch.spin(0.5)
        return messages

    def send(self, *candidates: LoopClosureCandidate) -> None:
        self.closures.publish(LoopClosureCandidateArray(candidates=list(candidates)))

    def drive(self, start_ns: int, *stamps_ns: int) -> None:
        """Publish odometry twice a second from a start on, and at the stamps."""
        odometry = self.watch.publisher(Odometry, 'odom')
        stamps = {*range(start_ns, max(stamps_ns) + NS, NS // 2), *stamps_ns}
        for stamp_ns in sorted(stamps):
            odometry.publish(odometry_message(stamp_ns))

    def answer(self, candidate_id: int) -> LoopClosureFeedback:
        """The answer to a closure, once it comes."""
        self.watch.until(lambda: candidate_id in self.feedback)
        return self.feedback[candidate_id]

    def refusal(self, candidate_id: int) -> str:
        """Why a closure was refused as of no use."""
        answer = self.answer(candidate_id)
        assert answer.status == LoopClosureFeedback.REJECTED
        assert answer.reason.startswith('unused: ')
        return answer.reason


def start(
    module: str, package: MessagePackage | None, log: Path, *parameters: str
) -> subprocess.Popen:
    """The process of a bridge."""
    command = [sys.executable, '-m', f'examples.bridges.{module}', '--ros-args']
    for each in (f'camera_mount:=[{MOUNT}]', *parameters):
        command += ['-p', each]
    environment = None if package is None else package.environment()
    with log.open('w') as file:
        return subprocess.Popen(
            command, stdout=file, stderr=subprocess.STDOUT, cwd=live.ROOT, env=environment
        )


@contextlib.contextmanager
def bridge(
    module: str, package: MessagePackage, log: Path, *parameters: str
) -> Iterator[BridgeRig]:
    """A bridge that runs for the length of a block, and ends well."""
    process = start(module, package, log, *parameters)
    try:
        with live.observer() as watch:
            yield BridgeRig(watch)
            process.terminate()
            assert process.wait(live.PATIENCE) == 0, log.read_text()
    except AssertionError as error:
        raise AssertionError(f'{error}\n{log.read_text()}') from error
    finally:
        process.kill()
        process.wait(live.PATIENCE)


def assert_pose(found: Any, expected: Pose) -> None:
    """A geometry_msgs Pose or Transform is that pose."""
    at = getattr(found, 'position', None) or found.translation
    turned = getattr(found, 'orientation', None) or found.rotation
    assert np.allclose([at.x, at.y, at.z], expected.position, atol=1e-6)
    quaternion = np.array([turned.x, turned.y, turned.z, turned.w])
    assert np.isclose(abs(quaternion @ expected.orientation), 1, atol=1e-9)
