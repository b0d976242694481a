"""The pose of the robot by its odometry at the time of an image."""

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
from fol_vpr.datatypes import Pose, bare_frame
from fol_vpr.errors import InputError
from fol_vpr.geometry.rigid import compose
from fol_vpr.ros.messages.conversions import stamp_to_ns
from fol_vpr.ros.node.inputs.publishers import is_remapped, published_elsewhere

MAX_MESSAGES = 2000

FixedTransform = Callable[[str, str], Pose | None]
"""Returns the pose of the second frame in the first; None if they are not known to be fixed."""


def no_fixed_transform(_parent: str, _child: str) -> Pose | None:
    """A `FixedTransform` without any transforms."""
    return None


class OdometryInput:
    """Listens to `odom`.

    Args:
        node: that subscribes.
        fixed_transform: tells the pose of the base in the frame that the odometry is of.

    Attributes:
        track: the last messages.
    """

    def __init__(self, node: Node, fixed_transform: FixedTransform = no_fixed_transform) -> None:
        self._node = node
        self.track = OdometryTrack(fixed_transform)
        self._subscription: Subscription | None = None

    def subscribe(self) -> None:
        """Start to listen."""
        if self._subscription is None:
            self._subscription = self._node.create_subscription(
                Odometry, 'odom', self.track.add, qos_profile_sensor_data
            )

    def unsubscribe(self) -> None:
        """Stop listening, and forget all messages."""
        if self._subscription is not None:
            self._node.destroy_subscription(self._subscription)
            self._subscription = None
        self.track.clear()

    def problem(self) -> str:
        """Why odometry is not used; empty if it is, or if there is none and nobody named it."""
        if self.track.problem or not self._is_silent() or not is_remapped(self._node, 'odom'):
            return self.track.problem
        others = self._others()
        if not others:
            return ''
        return f'no odometry: nobody publishes on {self._topic}, but on {", ".join(others)}'

    def description(self) -> str:
        """What is known of the odometry, in words."""
        if not self._is_silent():
            return f'on {self._topic}'
        others = self._others()
        said = f'none on {self._topic}: motion is estimated from the images and the time alone'
        return f'{said}; it is published on {", ".join(others)}: remap `odom`' if others else said

    @property
    def _topic(self) -> str:
        return self._node.resolve_topic_name('odom')

    def _is_silent(self) -> bool:
        return self._subscription is not None and not self._node.count_publishers(self._topic)

    def _others(self) -> list[str]:
        return published_elsewhere(self._node, self._topic, {'nav_msgs/msg/Odometry'})


class BaseInOdometry(NamedTuple):
    """The pose of the base by the odometry.

    Attributes:
        frame_id: frame of the pose.
        child_frame_id: the frame on the robot that the odometry messages are of; may be empty.
        pose: of the base in `frame_id`, without covariance.
    """

    frame_id: str
    child_frame_id: str
    pose: Pose


class OdometryTrack:
    """The last odometry messages, which give the pose at the stamp of an image.

    Args:
        fixed_transform: tells the pose of the base in the frame that the odometry is of.

    Attributes:
        problem: why the last pose was unknown though there was odometry; empty if it was known.
    """

    def __init__(self, fixed_transform: FixedTransform = no_fixed_transform) -> None:
        self._fixed_transform = fixed_transform
        self._changed = threading.Condition()
        self._messages: deque[tuple[int, Odometry]] = deque(maxlen=MAX_MESSAGES)
        self.problem = ''

    def add(self, message: Odometry) -> None:
        """Keep a message; one that does not go on from the last one removes all others.

        It does not where its stamp is earlier, or it names other frames, as where a publisher
        names none at its start: poses in two frames cannot be interpolated.
        """
        stamp_ns = stamp_to_ns(message.header.stamp)
        with self._changed:
            if self._messages:
                last_ns, last = self._messages[-1]
                if stamp_ns < last_ns or _frames(message) != _frames(last):
                    self._messages.clear()
            self._messages.append((stamp_ns, message))
            self._changed.notify_all()

    def clear(self) -> None:
        """Forget all messages."""
        with self._changed:
            self._messages.clear()
            self._changed.notify_all()
        self.problem = ''

    def wait_for(self, stamp_ns: int, seconds: float) -> bool:
        """Wait for a message that is not earlier than a time; returns whether there is one.

        Args:
            stamp_ns: the time in nanoseconds.
            seconds: after which to wait no longer.
        """
        with self._changed:
            return self._changed.wait_for(
                lambda: bool(self._messages) and self._messages[-1][0] >= stamp_ns, seconds
            )

    @property
    def is_empty(self) -> bool:
        """Whether no message has come."""
        return not self._messages

    @property
    def last_ns(self) -> int:
        """Stamp of the last message in nanoseconds, 0 where none has come."""
        with self._changed:
            return self._messages[-1][0] if self._messages else 0

    def pose_at(self, stamp_ns: int, settings: NodeConfig) -> Pose | None:
        """Pose of the base in the frame of the odometry at a time; None if it is unknown.

        Args:
            stamp_ns: the time in nanoseconds.
            settings: the base frame, and the allowed gap in the odometry.
        """
        try:
            pose = self.base_at(stamp_ns, settings).pose
        except InputError as error:
            self.problem = str(error) if self._messages else ''
            return None
        self.problem = ''
        return pose

    def base_at(self, stamp_ns: int, settings: NodeConfig) -> BaseInOdometry:
        """The same as `pose_at`, with the frames.

        Raises:
            InputError: there is no odometry around that time, its message holds no pose, or no
                fixed transform is known from its frame to the base.
        """
        before, after = self.messages_around(stamp_ns, settings.odom_gap)
        pose, child = pose_between(before, after, stamp_ns), bare_frame(before.child_frame_id)
        if child not in ('', settings.base_frame):
            base = self._fixed_transform(child, settings.base_frame)
            if base is None:
                raise InputError(
                    f'odom is of the frame {child}, and /tf_static does not tell where '
                    f'{settings.base_frame} is in that: set base_frame, or remap odom'
                )
            pose = compose(pose, base)
        return BaseInOdometry(bare_frame(before.header.frame_id), child, pose)

    def messages_around(self, stamp_ns: int, max_gap: float) -> tuple[Odometry, Odometry]:
        """The messages before and after a time, or the two from which to extrapolate to it.

        The stamp of an image is often a little later than the last odometry message. Then the
        second of the two is the last message, and the first is at least as close to it as it is
        to the time. Both may be the same message.

        Args:
            stamp_ns: the time in nanoseconds.
            max_gap: seconds allowed between the two messages, and between a message and the time.

        Raises:
            InputError: there are no messages, or the gap is larger.
        """
        with self._changed:
            messages = list(self._messages)
        if not messages:
            raise InputError('no odometry on odom: map -> odom cannot be published')
        before = next((m for m in reversed(messages) if m[0] <= stamp_ns), None)
        after = next((m for m in messages if m[0] >= stamp_ns), None)
        before, after = before or messages[0], after or messages[-1]
        gap = max(after[0] - before[0], abs(stamp_ns - before[0]), abs(after[0] - stamp_ns)) / 1e9
        if gap > max_gap:
            raise InputError(
                f'the odometry around the stamp of the image has a gap of {gap:.3f} s, '
                f'allowed are {max_gap} s (odom_gap)'
            )
        if after[0] < stamp_ns:
            earliest, latest = after[0] - 1e9 * max_gap, 2 * after[0] - stamp_ns
            earlier = (m for m in reversed(messages) if earliest <= m[0] <= latest)
            before = next(earlier, after)
        return before[1], after[1]


def pose_between(first: Odometry, second: Odometry, stamp_ns: int) -> Pose:
    """The pose at a time, interpolated between two odometry messages or extrapolated.

    Linear in the position; in the orientation the normalised mean of the quaternions.

    Raises:
        InputError: a message holds no pose.
    """
    start, end = stamp_to_ns(first.header.stamp), stamp_to_ns(second.header.stamp)
    weight = 0.0 if end == start else (stamp_ns - start) / (end - start)
    a, b = _pose(first), _pose(second)
    # For messages close in time the normalised mean is as accurate as spherical interpolation.
    sign = 1.0 if a.orientation @ b.orientation >= 0 else -1.0
    mixed = (1 - weight) * a.orientation + weight * sign * b.orientation
    position = (1 - weight) * a.position + weight * b.position
    return Pose(position, mixed / np.linalg.norm(mixed))


def _frames(message: Odometry) -> tuple[str, str]:
    return message.header.frame_id, message.child_frame_id


def _pose(message: Odometry) -> Pose:
    position, orientation = message.pose.pose.position, message.pose.pose.orientation
    try:
        return Pose(
            np.array([position.x, position.y, position.z]),
            np.array([orientation.x, orientation.y, orientation.z, orientation.w]),
        )
    except InputError as error:
        raise InputError(f'odom holds no pose: {error}') from error
