"""Where the cameras sit on the robot."""

from __future__ import annotations

from typing import Any

import gtsam
from rclpy.node import Node
from rclpy.time import Time

from examples.pose_graph_backend.messages import pose_of_transform


class Mounts:
    """Poses of sensor frames in the base frame.

    Args:
        given: the pose of every sensor frame but the base frame itself; None asks tf2, where it is
            installed.
    """

    def __init__(self, node: Node, given: gtsam.Pose3 | None) -> None:
        self._given = given
        self._buffer: Any = None
        if given is None:
            try:
                from tf2_ros import Buffer, TransformListener
            except ImportError:
                return
            self._buffer = Buffer()
            self._listener = TransformListener(self._buffer, node)

    def of(self, frame: str, base_frame: str) -> gtsam.Pose3 | None:
        """Pose of a frame in the base frame, None where it is not known."""
        if frame and frame == base_frame:
            return gtsam.Pose3()
        if self._given is not None or self._buffer is None or not (frame and base_frame):
            return self._given
        if not self._buffer.can_transform(base_frame, frame, Time()):
            return None
        found = self._buffer.lookup_transform(base_frame, frame, Time())
        return pose_of_transform(found.transform)

    def unknown(self, frame: str) -> str:
        """In words: that the pose of a frame is not known, and what to do."""
        return (
            f'where {frame or "a camera without a frame"} sits on the robot is not known: '
            'publish its transform, or set camera_mount'
        )
