"""Messages of other back-ends as plain values, field by field as their .msg files have them.

None of their packages is needed to make them; where one is installed, `to_message` fills the real
message.
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields, is_dataclass
from typing import Any, ClassVar

from fol_vpr.ros.bags.client import message_class


@dataclass(frozen=True)
class Time:
    """builtin_interfaces/Time."""

    sec: int = 0
    nanosec: int = 0


@dataclass(frozen=True)
class Header:
    """std_msgs/Header."""

    stamp: Time = field(default_factory=Time)
    frame_id: str = ''


@dataclass(frozen=True)
class Vector:
    """geometry_msgs/Point and geometry_msgs/Vector3, in metres."""

    x: float = 0.0
    y: float = 0.0
    z: float = 0.0


@dataclass(frozen=True)
class Quaternion:
    """geometry_msgs/Quaternion."""

    x: float = 0.0
    y: float = 0.0
    z: float = 0.0
    w: float = 1.0


@dataclass(frozen=True)
class Pose:
    """geometry_msgs/Pose."""

    position: Vector = field(default_factory=Vector)
    orientation: Quaternion = field(default_factory=Quaternion)


@dataclass(frozen=True)
class Transform:
    """geometry_msgs/Transform."""

    translation: Vector = field(default_factory=Vector)
    rotation: Quaternion = field(default_factory=Quaternion)


@dataclass(frozen=True)
class PoseGraphEdge:
    """pose_graph_tools_msgs/PoseGraphEdge.

    Attributes:
        key_from, key_to: names of the nodes.
        pose: of `to` in `from`.
        covariance: 36 numbers row by row as GTSAM has them: rotation, then translation, in the
            axes of `to`.
    """

    TYPE: ClassVar[str] = 'pose_graph_tools_msgs/msg/PoseGraphEdge'
    LOOPCLOSE: ClassVar[int] = 1

    header: Header
    key_from: int
    key_to: int
    robot_from: int
    robot_to: int
    type: int
    pose: Pose
    covariance: tuple[float, ...]


@dataclass(frozen=True)
class PoseGraph:
    """pose_graph_tools_msgs/PoseGraph with edges only."""

    TYPE: ClassVar[str] = 'pose_graph_tools_msgs/msg/PoseGraph'

    header: Header
    nodes: tuple[Any, ...]
    edges: tuple[PoseGraphEdge, ...]


@dataclass(frozen=True)
class Link:
    """rtabmap_msgs/Link.

    Attributes:
        transform: pose of `to` in `from`.
        information: 36 numbers row by row, the inverse of the covariance over x, y, z, rotation
            about X, Y, Z, in the axes of `to`.
    """

    TYPE: ClassVar[str] = 'rtabmap_msgs/msg/Link'
    USER_CLOSURE: ClassVar[int] = 4

    from_id: int
    to_id: int
    type: int
    transform: Transform
    information: tuple[float, ...]


@dataclass(frozen=True)
class InterRobotLoopClosure:
    """cslam_common_interfaces/InterRobotLoopClosure; the transform is the pose of 1 in 0."""

    TYPE: ClassVar[str] = 'cslam_common_interfaces/msg/InterRobotLoopClosure'

    robot0_keyframe_id: int
    robot0_id: int
    robot1_keyframe_id: int
    robot1_id: int
    success: bool
    transform: Transform


@dataclass(frozen=True)
class IntraRobotLoopClosure:
    """cslam_common_interfaces/IntraRobotLoopClosure; the transform is the pose of 1 in 0."""

    TYPE: ClassVar[str] = 'cslam_common_interfaces/msg/IntraRobotLoopClosure'

    keyframe0_id: int
    keyframe1_id: int
    success: bool
    transform: Transform


@dataclass(frozen=True)
class InterRobotMatch:
    """cslam_common_interfaces/InterRobotMatch; the weight is a similarity."""

    TYPE: ClassVar[str] = 'cslam_common_interfaces/msg/InterRobotMatch'

    robot0_id: int
    robot0_keyframe_id: int
    robot1_id: int
    robot1_keyframe_id: int
    weight: float


@dataclass(frozen=True)
class LocalKeyframeMatch:
    """cslam_common_interfaces/LocalKeyframeMatch."""

    TYPE: ClassVar[str] = 'cslam_common_interfaces/msg/LocalKeyframeMatch'

    keyframe0_id: int
    keyframe1_id: int


def to_message(plain: Any) -> Any:
    """The real message of a plain one that has a `TYPE`.

    Raises:
        FolVprError: its package is not installed, or not sourced.
    """
    return _filled(message_class(plain.TYPE)(), plain)


def _filled(message: Any, plain: Any) -> Any:
    for each in fields(plain):
        value = getattr(plain, each.name)
        if is_dataclass(value):
            _filled(getattr(message, each.name), value)
        elif isinstance(value, tuple) and value and is_dataclass(value[0]):
            setattr(message, each.name, [to_message(item) for item in value])
        else:
            setattr(message, each.name, value)
    return message
