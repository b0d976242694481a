"""Closures between the numbered keyframes of a back-end, which are found by their stamps."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from typing import Any

from nav_msgs.msg import Odometry
from rclpy.qos import QoSProfile, ReliabilityPolicy

from examples.bridges.common import Bridge, WaitError
from examples.bridges.motion import NS, STANDING, OdometrySamples, measured_motion
from fol_vpr.datatypes import Pose
from fol_vpr.errors import InputError
from fol_vpr.geometry.rigid import compose
from fol_vpr.ros.messages.conversions import pose_from_message, stamp_to_ns

# RTAB-Map keeps stamps as seconds in a double, which is off by 0.2 µs.
SAME_STAMP_NS = 1_000_000
ODOMETRY_QOS = QoSProfile(depth=200, reliability=ReliabilityPolicy.BEST_EFFORT)


class KeyframeBridge(Bridge):
    """A bridge to a back-end whose constraints tie numbered keyframes together.

    Where a keyframe was not taken at the stamp of the closure, odometry carries the closure from
    there to the nearest keyframe.

    Attributes:
        robot_id: number of this robot in the back-end.
    """

    robot_id = 0

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self._session_robots: dict[str, int] = {}
        self._max_offset = float(
            self.declared(
                'max_offset',
                1.0,
                'Longest time in seconds between a stamp of a closure and the nearest keyframe of '
                'the back-end, across which odometry carries the closure.',
            )
        )
        self._odometry = OdometrySamples()
        self.create_subscription(Odometry, 'odom', self._on_odometry, ODOMETRY_QOS)

    @abstractmethod
    def keyframes(self, robot: int) -> Mapping[int, int]:
        """Stamp in nanoseconds of each keyframe of a robot that may be an end of a constraint."""

    def declare_robots(self) -> set[int]:
        """Take the numbers of the robots from parameters, for a back-end of several robots.

        Raises:
            InputError: `session_robots` is not of its form.
        """
        self.robot_id = self.declared('robot_id', 0, 'Number of this robot in the back-end.')
        others = self.declared(
            'session_robots',
            '',
            'Robots that recorded other sessions of the map: SESSION=ROBOT, separated by commas.',
        )
        self._session_robots = session_robots(others)
        return {self.robot_id, *self._session_robots.values()}

    def robots(self, candidate: Any) -> tuple[int, int]:
        """Numbers of the robots that took the images `from` and `to`.

        Raises:
            InputError: the other end is in a session of which no robot is known.
        """
        session = candidate.session_to
        if session == candidate.session_from:
            return self.robot_id, self.robot_id
        if session not in self._session_robots:
            raise InputError(
                f'it ends in the session {session}, which session_robots does not name'
            )
        return self.robot_id, self._session_robots[session]

    def nearest_keyframes(self, candidate: Any) -> tuple[int, int]:
        """Keyframes whose stamps are nearest to those of a closure.

        Raises:
            WaitError: the back-end has no keyframe as late as a stamp yet.
            InputError: the nearest keyframe is more than `max_offset` seconds away, or both ends
                of the closure have the same one.
        """
        robots = self.robots(candidate)
        stamps = stamp_to_ns(candidate.stamp_from), stamp_to_ns(candidate.stamp_to)
        ends = [self._nearest(*end) for end in zip(robots, stamps, strict=True)]
        if robots[0] == robots[1] and ends[0] == ends[1]:
            raise InputError(f'both ends have the same nearest keyframe, {ends[0]}')
        return ends[0], ends[1]

    def constraint(self, candidate: Any) -> tuple[int, int, Pose]:
        """Keyframes nearest to `from` and `to`, and the pose of the base between them.

        The pose is that of the base at the second keyframe in the base at the first. Its
        covariance is that of the closure: odometry from a keyframe to the image counts as exact.

        Raises:
            WaitError: keyframes, odometry or the place of a camera are not known yet.
            InputError: the back-end cannot use this closure; says why.
        """
        cameras = measured_motion(candidate)
        start, end = self.nearest_keyframes(candidate)
        motion = self.motion_of_base(candidate, cameras)
        robots = self.robots(candidate)
        stamps = stamp_to_ns(candidate.stamp_from), stamp_to_ns(candidate.stamp_to)
        start_ns, end_ns = self.keyframes(robots[0])[start], self.keyframes(robots[1])[end]
        before = self._by_odometry(robots[0], start_ns, stamps[0])
        after = self._by_odometry(robots[1], stamps[1], end_ns)
        return start, end, compose(compose(before, motion), after)

    def _nearest(self, robot: int, stamp_ns: int) -> int:
        known = self.keyframes(robot)
        best = min(known, key=lambda number: abs(known[number] - stamp_ns), default=None)
        if best is None:
            raise WaitError(f'no keyframe of robot {robot} is known')
        offset = abs(known[best] - stamp_ns)
        if offset > SAME_STAMP_NS and max(known.values()) < stamp_ns:
            raise WaitError(
                f'the last of {len(known)} keyframes is {offset / NS:.3f} s earlier than the '
                f'image at {stamp_ns} ns'
            )
        if offset > max(SAME_STAMP_NS, NS * self._max_offset):
            raise InputError(
                f'the nearest of {len(known)} keyframes is {offset / NS:.3f} s away from the '
                f'image at {stamp_ns} ns, expected at most max_offset = {self._max_offset:g} s'
            )
        return best

    def _by_odometry(self, robot: int, start_ns: int, end_ns: int) -> Pose:
        if abs(end_ns - start_ns) <= SAME_STAMP_NS:
            return STANDING
        if robot != self.robot_id:
            raise InputError(
                f'robot {robot} has no keyframe at the stamp of the image, and its odometry is '
                'not known here'
            )
        motion = self._odometry.motion(start_ns, end_ns)
        if motion is None:
            raise WaitError(
                f'odom does not cover {min(start_ns, end_ns)} to {max(start_ns, end_ns)} ns, '
                'between a keyframe and the image'
            )
        return motion

    def _on_odometry(self, message: Odometry) -> None:
        try:
            pose = pose_from_message(message.pose)
        except InputError as error:
            self.get_logger().error(f'odom is left out: {error}', throttle_duration_sec=5.0)
            return
        self._odometry.add(stamp_to_ns(message.header.stamp), pose)


def session_robots(text: str) -> dict[str, int]:
    """Number of the robot of each session, of a text like alpha=1,beta=2.

    Raises:
        InputError: it is not of that form.
    """
    robots = {}
    for entry in filter(None, text.split(',')):
        session, _, robot = entry.strip().rpartition('=')
        if not (session and robot.isdecimal()):
            raise InputError(
                f'session_robots is {text!r}, expected SESSION=ROBOT separated by commas, such '
                'as alpha=1,beta=2'
            )
        robots[session] = int(robot)
    return robots
