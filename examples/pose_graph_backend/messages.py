"""Between ROS messages and what the graph takes and gives."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import gtsam
import numpy as np
from builtin_interfaces.msg import Time
from geometry_msgs.msg import Point, Pose, PoseStamped, Quaternion, TransformStamped, Vector3
from nav_msgs.msg import Path
from std_msgs.msg import Header

from examples.pose_graph_backend.closures import Closure, Measurement
from examples.pose_graph_backend.geometry import pose3, quaternion_of

NS = 1_000_000_000


def ns_of(stamp: Any) -> int:
    """Nanoseconds of a builtin_interfaces/Time."""
    return int(stamp.sec) * NS + int(stamp.nanosec)


def time_of(stamp_ns: int) -> Time:
    """The stamp of so many nanoseconds."""
    seconds, rest = divmod(stamp_ns, NS)
    return Time(sec=seconds, nanosec=rest)


def pose_of(message: Any) -> gtsam.Pose3:
    """The pose of a geometry_msgs/Pose.

    Raises:
        ValueError: numbers that are not finite, or no unit quaternion.
    """
    at, turned = message.position, message.orientation
    return pose3([at.x, at.y, at.z], [turned.x, turned.y, turned.z, turned.w])


def pose_of_transform(message: Any) -> gtsam.Pose3:
    """The pose of a geometry_msgs/Transform; errors as of `pose_of`."""
    at, turned = message.translation, message.rotation
    return pose3([at.x, at.y, at.z], [turned.x, turned.y, turned.z, turned.w])


def closure_of(
    candidate: Any, closure_id: int, mount_from: gtsam.Pose3, mount_to: gtsam.Pose3
) -> Closure:
    """What a fol_vpr_msgs/LoopClosureCandidate measured.

    Args:
        candidate: the message.
        closure_id: what it is called from now on.
        mount_from, mount_to: pose of either sensor frame in the base frame.

    Raises:
        ValueError: its transform, or the covariance of that, is none.
    """
    measured = None
    if candidate.has_transform:
        stated = candidate.from_t_to
        measured = Measurement.from_ros(
            pose_of(stated.pose), np.array(stated.covariance), metric=candidate.metric_scale
        )
    return Closure(
        closure_id,
        ns_of(candidate.stamp_from),
        ns_of(candidate.stamp_to),
        measured,
        mount_from,
        mount_to,
    )


def path_message(frame: str, stamps: Sequence[int], poses: Sequence[gtsam.Pose3]) -> Path:
    """nav_msgs/Path; its own stamp is that of the last pose."""
    path = Path(header=Header(frame_id=frame, stamp=time_of(stamps[-1])))
    for stamp, pose in zip(stamps, poses, strict=True):
        x, y, z = (float(value) for value in pose.translation())
        qx, qy, qz, qw = quaternion_of(pose)
        stamped = PoseStamped(header=Header(frame_id=frame, stamp=time_of(stamp)))
        stamped.pose = Pose(
            position=Point(x=x, y=y, z=z), orientation=Quaternion(x=qx, y=qy, z=qz, w=qw)
        )
        path.poses.append(stamped)
    return path


def transform_message(
    stamp_ns: int, parent: str, child: str, pose: gtsam.Pose3
) -> TransformStamped:
    """geometry_msgs/TransformStamped: pose of `child` in `parent`."""
    message = TransformStamped(header=Header(frame_id=parent, stamp=time_of(stamp_ns)))
    message.child_frame_id = child
    x, y, z = (float(value) for value in pose.translation())
    qx, qy, qz, qw = quaternion_of(pose)
    message.transform.translation = Vector3(x=x, y=y, z=z)
    message.transform.rotation = Quaternion(x=qx, y=qy, z=qz, w=qw)
    return message
