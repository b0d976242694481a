"""What the robot's odometry said around the time of an image."""

from __future__ import annotations

import threading
from collections import deque

import numpy as np
from nav_msgs.msg import Odometry
from rclpy.node import Node
from rclpy.qos import qos_profile_sensor_data
from rclpy.subscription import Subscription

from fol_vpr.datatypes import Pose
from fol_vpr.errors import InputError
from fol_vpr.ros.conversions import stamp_to_ns

KEPT = 2000


class OdometryInput:
    """Listens to `odom`.

    Attributes:
        track: what was heard.
    """

    def __init__(self, node: Node) -> None:
        self._node = node
        self.track = OdometryTrack()
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


class OdometryTrack:
    """The last odometry messages, to be asked for the pose at the stamp of an image.

    Attributes:
        problem: why the last pose was not known though there is odometry; empty where it was.
    """

    def __init__(self) -> None:
        self.problem = ''
        self._lock = threading.Lock()
        self._messages: deque[tuple[int, Odometry]] = deque(maxlen=KEPT)

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

    def pose_at(self, stamp_ns: int, allowed: float) -> Pose | None:
        """Pose of the base in the frame of the odometry at a time; None where it is not known.

        Args:
            stamp_ns: the time.
            allowed: seconds between messages that may be interpolated across.
        """
        try:
            before, after = self.around(stamp_ns, allowed)
            pose = pose_between(before, after, stamp_ns)
        except InputError as error:
            self.problem = f'odom is of no use: {error}' if self._messages else ''
            return None
        self.problem = ''
        return pose

    def around(self, stamp_ns: int, allowed: float) -> tuple[Odometry, Odometry]:
        """The messages before and after a time, which may be the same one.

        Raises:
            InputError: there are none, or they are more than `allowed` seconds apart.
        """
        with self._lock:
            messages = list(self._messages)
        if not messages:
            raise InputError('no odometry on odom: map -> odom cannot be published')
        before = next((m for m in reversed(messages) if m[0] <= stamp_ns), None)
        after = next((m for m in messages if m[0] >= stamp_ns), None)
        # A camera is often a little ahead of the odometry that is there when it was answered.
        before, after = before or after, after or before
        assert before is not None and after is not None
        gap = max(after[0] - before[0], abs(stamp_ns - before[0]), abs(after[0] - stamp_ns)) / 1e9
        if gap > allowed:
            raise InputError(
                f'the odometry around the stamp of the image has a gap of {gap:.3f} s, '
                f'allowed are {allowed} s (odom_gap)'
            )
        return before[1], after[1]


def pose_between(first: Odometry, second: Odometry, stamp_ns: int) -> Pose:
    """The pose at a time between two odometry messages.

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
    return Pose(
        np.array([position.x, position.y, position.z]),
        np.array([orientation.x, orientation.y, orientation.z, orientation.w]),
    )
