"""map -> odom from where the robot was recognised and what odometry said at that moment."""

from __future__ import annotations

import threading
from collections import deque

import numpy as np
from geometry_msgs.msg import Quaternion, TransformStamped, Vector3
from nav_msgs.msg import Odometry
from rclpy.node import Node
from rclpy.qos import qos_profile_sensor_data

from fol_vpr.config import NodeConfig
from fol_vpr.datatypes import Pose
from fol_vpr.errors import FolVprError, InputError
from fol_vpr.ros.conversions import stamp_to_ns, time_from_ns

KEPT = 2000


class MapToOdom:
    """Listens to `odom` and publishes map -> odom.

    Raises:
        FolVprError: tf2_ros is not installed.
    """

    def __init__(self, node: Node) -> None:
        try:
            from tf2_ros import TransformBroadcaster
        except ImportError as error:
            raise FolVprError(
                'publish_tf needs tf2_ros, which is not installed: install ros-jazzy-tf2-ros-py, '
                'or set publish_tf to false'
            ) from error
        self._broadcaster = TransformBroadcaster(node)
        self._node = node
        self._track = OdometryTrack()
        self._subscription = node.create_subscription(
            Odometry, 'odom', self._track.add, qos_profile_sensor_data
        )
        self.problem = ''

    def publish(self, robot: Pose, map_frame: str, stamp_ns: int, settings: NodeConfig) -> None:
        """Publish map -> odom at an image's stamp; where that fails, `problem` says why."""
        try:
            transform = self._track.map_to_odom(robot, map_frame, stamp_ns, settings)
        except InputError as error:
            self.problem = str(error)
            return
        self.problem = ''
        self._broadcaster.sendTransform(transform)

    def close(self) -> None:
        """Stop listening."""
        self._node.destroy_subscription(self._subscription)
        self._node.destroy_publisher(self._broadcaster.pub_tf)


class OdometryTrack:
    """The last odometry messages, to be asked for the pose at the stamp of an image."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._messages: deque[tuple[int, Odometry]] = deque(maxlen=KEPT)

    def add(self, message: Odometry) -> None:
        """Remember a message; going back in time forgets the ones before."""
        stamp_ns = stamp_to_ns(message.header.stamp)
        with self._lock:
            if self._messages and stamp_ns < self._messages[-1][0]:
                self._messages.clear()
            self._messages.append((stamp_ns, message))

    def map_to_odom(
        self, robot: Pose, map_frame: str, stamp_ns: int, settings: NodeConfig
    ) -> TransformStamped:
        """The transform of the odometry's frame in the map.

        Args:
            robot: pose of the base in the map at `stamp_ns`.
            settings: the base frame, and how far apart odometry may be.

        Raises:
            InputError: no odometry around that time, odometry of another base frame or in the
                frame of the map, or no orientation in the map.
        """
        if not robot.has_orientation:
            raise InputError(
                'the map has positions without orientations, and so no map -> odom: build it from '
                'poses, or set publish_tf to false'
            )
        before, after = self._around(stamp_ns, settings.odom_gap)
        base = before.child_frame_id
        if base != settings.base_frame:
            raise InputError(
                f'odom is of the frame {base or "(empty)"}, the map of '
                f'{settings.base_frame}: set base_frame, or remap odom'
            )
        if before.header.frame_id == map_frame:
            raise InputError(
                f'the poses of the map and the odometry are both in the frame {map_frame}: set '
                'map_frame, or build the map with --frame-id'
            )
        rotation, translation = _between(before, after, stamp_ns)
        map_rotation = _matrix(robot.orientation) @ rotation.T
        map_translation = robot.position - map_rotation @ translation
        message = TransformStamped(child_frame_id=before.header.frame_id)
        message.header.stamp = time_from_ns(stamp_ns)
        message.header.frame_id = map_frame
        x, y, z = (float(value) for value in map_translation)
        message.transform.translation = Vector3(x=x, y=y, z=z)
        qx, qy, qz, qw = (float(value) for value in _quaternion(map_rotation))
        message.transform.rotation = Quaternion(x=qx, y=qy, z=qz, w=qw)
        return message

    def _around(self, stamp_ns: int, allowed: float) -> tuple[Odometry, Odometry]:
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


def _between(first: Odometry, second: Odometry, stamp_ns: int) -> tuple[np.ndarray, np.ndarray]:
    """Rotation [3, 3] and translation [3] at a time between two odometry messages."""
    start, end = stamp_to_ns(first.header.stamp), stamp_to_ns(second.header.stamp)
    share = 0.0 if end == start else (stamp_ns - start) / (end - start)
    a, b = _pose(first), _pose(second)
    # The messages are close in time, where the normalised mean is as good as a spherical one.
    sign = 1.0 if a.orientation @ b.orientation >= 0 else -1.0
    mixed = (1 - share) * a.orientation + share * sign * b.orientation
    return _matrix(mixed / np.linalg.norm(mixed)), (1 - share) * a.position + share * b.position


def _pose(message: Odometry) -> Pose:
    position, orientation = message.pose.pose.position, message.pose.pose.orientation
    return Pose(
        np.array([position.x, position.y, position.z]),
        np.array([orientation.x, orientation.y, orientation.z, orientation.w]),
    )


def _matrix(quaternion: np.ndarray) -> np.ndarray:
    """[3, 3] rotation of a unit quaternion x, y, z, w."""
    x, y, z, w = quaternion
    return np.array(
        [
            [1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w)],
            [2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w)],
            [2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y)],
        ]
    )


def _quaternion(rotation: np.ndarray) -> np.ndarray:
    """Unit quaternion x, y, z, w of a rotation [3, 3], as the largest eigenvector of Bar-Itzhack's
    symmetric matrix (J. Guidance 23(6), 2000), which is stable for every angle.
    """
    r = rotation
    k = np.array(
        [
            [r[0, 0] - r[1, 1] - r[2, 2], r[0, 1] + r[1, 0], r[0, 2] + r[2, 0], r[2, 1] - r[1, 2]],
            [r[0, 1] + r[1, 0], r[1, 1] - r[0, 0] - r[2, 2], r[1, 2] + r[2, 1], r[0, 2] - r[2, 0]],
            [r[0, 2] + r[2, 0], r[1, 2] + r[2, 1], r[2, 2] - r[0, 0] - r[1, 1], r[1, 0] - r[0, 1]],
            [r[2, 1] - r[1, 2], r[0, 2] - r[2, 0], r[1, 0] - r[0, 1], np.trace(r)],
        ]
    )
    vector = np.linalg.eigh(k)[1][:, -1]
    return vector if vector[3] >= 0 else -vector
