"""What the robot's odometry said around the time of an image."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from nav_msgs.msg import Odometry
from rclpy.node import Node
from rclpy.qos import qos_profile_sensor_data
from rclpy.subscription import Subscription

from fol_vpr.config import NodeConfig
from fol_vpr.datatypes import Pose
from fol_vpr.errors import InputError
from fol_vpr.geometry.rigid import compose
from fol_vpr.ros.messages.conversions import stamp_to_ns

KEPT = 2000

Fixed = Callable[[str, str], Pose | None]
"""Pose of the second frame in the first, where both are fixed to each other; else None."""


def unknown(_parent: str, _child: str) -> Pose | None:
    """A `Fixed` that knows nothing."""
    return None


class OdometryInput:
    """Listens to `odom`.

    Args:
        node: that subscribes.
        fixed: tells where the base is in the frame that the odometry is of.

    Attributes:
        track: what was heard.
    """

    def __init__(self, node: Node, fixed: Fixed = unknown) -> None:
        self._node = node
        self.track = OdometryTrack(fixed)
        self._subscription: Subscription | None = None

    def subscribe(self) -> None:
        """Listen."""
        if self._subscription is None:
            self._subscription = self._node.create_subscription(
                Odometry, 'odom', self.track.add, qos_profile_sensor_data
            )

    def unsubscribe(self) -> None:
        """Stop listening, and forget what was heard."""
        if self._subscription is not None:
            self._node.destroy_subscription(self._subscription)
            self._subscription = None
        self.track.clear()


class BaseInOdometry(NamedTuple):
    """Where the base is by the odometry.

    Attributes:
        frame_id: of the odometry.
        child_frame_id: that the odometry is of; empty where it does not tell.
        pose: of the base in that of the odometry, without covariance.
    """

    frame_id: str
    child_frame_id: str
    pose: Pose


class OdometryTrack:
    """The last odometry messages, to be asked for the pose at the stamp of an image.

    Args:
        fixed: tells where the base is in the frame that the odometry is of.

    Attributes:
        problem: why the last pose was not known though there was odometry; empty where it was.
    """

    def __init__(self, fixed: Fixed = unknown) -> None:
        self._fixed = fixed
        self._lock = threading.Lock()
        self._messages: deque[tuple[int, Odometry]] = deque(maxlen=KEPT)
        self.problem = ''

    def add(self, message: Odometry) -> None:
        """Remember a message; going back in time forgets the ones before."""
        stamp_ns = stamp_to_ns(message.header.stamp)
        with self._lock:
            if self._messages and stamp_ns < self._messages[-1][0]:
                self._messages.clear()
            self._messages.append((stamp_ns, message))

    def clear(self) -> None:
        """Forget everything."""
        with self._lock:
            self._messages.clear()
        self.problem = ''

    def pose_at(self, stamp_ns: int, settings: NodeConfig) -> Pose | None:
        """Pose of the base in the frame of the odometry at a time; None where it is not known.

        Args:
            stamp_ns: the time.
            settings: the base frame, and how far apart odometry may be.
        """
        try:
            pose = self.base_at(stamp_ns, settings).pose
        except InputError as error:
            self.problem = str(error) if self._messages else ''
            return None
        self.problem = ''
        return pose

    def base_at(self, stamp_ns: int, settings: NodeConfig) -> BaseInOdometry:
        """As `pose_at`, with the frames.

        Raises:
            InputError: there is no odometry around that time, it holds no pose, or it is of a
                frame that the base is not known to be fixed to.
        """
        before, after = self.around(stamp_ns, settings.odom_gap)
        pose, child = pose_between(before, after, stamp_ns), before.child_frame_id
        if child not in ('', settings.base_frame):
            base = self._fixed(child, settings.base_frame)
            if base is None:
                raise InputError(
                    f'odom is of the frame {child}, and /tf_static does not tell where '
                    f'{settings.base_frame} is in that: set base_frame, or remap odom'
                )
            pose = compose(pose, base)
        return BaseInOdometry(before.header.frame_id, child, pose)

    def around(self, stamp_ns: int, allowed: float) -> tuple[Odometry, Odometry]:
        """The messages before and after a time, or two that tell where the robot was going.

        A camera is often a little ahead of the odometry that is there when it was answered: the
        second message is the last one then, and lies no farther from the first than from the time.
        Both may be the same one.

        Args:
            stamp_ns: the time.
            allowed: seconds that may lie between two messages, or a message and the time.

        Raises:
            InputError: there are none, or they are more than `allowed` seconds apart.
        """
        with self._lock:
            messages = list(self._messages)
        if not messages:
            raise InputError('no odometry on odom: map -> odom cannot be published')
        before = next((m for m in reversed(messages) if m[0] <= stamp_ns), None)
        after = next((m for m in messages if m[0] >= stamp_ns), None)
        before, after = before or messages[0], after or messages[-1]
        gap = max(after[0] - before[0], abs(stamp_ns - before[0]), abs(after[0] - stamp_ns)) / 1e9
        if gap > allowed:
            raise InputError(
                f'the odometry around the stamp of the image has a gap of {gap:.3f} s, '
                f'allowed are {allowed} s (odom_gap)'
            )
        if after[0] < stamp_ns:
            earliest, latest = after[0] - 1e9 * allowed, 2 * after[0] - stamp_ns
            going = (m for m in reversed(messages) if earliest <= m[0] <= latest)
            before = next(going, after)
        return before[1], after[1]


def pose_between(first: Odometry, second: Odometry, stamp_ns: int) -> Pose:
    """The pose at a time between two odometry messages, or as if it went on after them.

    Raises:
        InputError: they hold no pose.
    """
    start, end = stamp_to_ns(first.header.stamp), stamp_to_ns(second.header.stamp)
    share = 0.0 if end == start else (stamp_ns - start) / (end - start)
    a, b = _pose(first), _pose(second)
    # The messages are close in time, where the normalised mean is as good as a spherical one.
    sign = 1.0 if a.orientation @ b.orientation >= 0 else -1.0
    mixed = (1 - share) * a.orientation + share * sign * b.orientation
    position = (1 - share) * a.position + share * b.position
    return Pose(position, mixed / np.linalg.norm(mixed))


def _pose(message: Odometry) -> Pose:
    position, orientation = message.pose.pose.position, message.pose.pose.orientation
    try:
        return Pose(
            np.array([position.x, position.y, position.z]),
            np.array([orientation.x, orientation.y, orientation.z, orientation.w]),
        )
    except InputError as error:
        raise InputError(f'odom holds no pose: {error}') from error
