"""Bags of ROS 1, written by rosbags."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from rosbags.rosbag1 import Writer
from rosbags.typesys import Stores, get_types_from_msg, get_typestore
from rosbags.typesys.store import Typestore

SECOND = 1_000_000_000


class Sent1(NamedTuple):
    """A message of ROS 1."""

    topic: str
    msgtype: str
    receive_ns: int
    message: Any


@cache
def noetic() -> Typestore:
    store = get_typestore(Stores.ROS1_NOETIC)
    definition = 'geometry_msgs/TransformStamped[] transforms'
    store.register(get_types_from_msg(definition, 'tf2_msgs/msg/TFMessage'))
    return store


def types(name: str) -> Any:
    return noetic().types[name]


def header(stamp_ns: int, frame_id: str = 'camera', seq: int = 7) -> Any:
    time = types('builtin_interfaces/msg/Time')(*divmod(stamp_ns, SECOND))
    return types('std_msgs/msg/Header')(seq, time, frame_id)


def compressed(stamp_ns: int, data: bytes, topic: str = '/camera/compressed') -> Sent1:
    name = 'sensor_msgs/msg/CompressedImage'
    message = types(name)(header(stamp_ns), 'jpeg', np.frombuffer(data, np.uint8))
    return Sent1(topic, name, stamp_ns, message)


def pose_stamped(stamp_ns: int, x: float, topic: str = '/pose') -> Sent1:
    name = 'geometry_msgs/msg/PoseStamped'
    place = types('geometry_msgs/msg/Point')(x, 2.0, 3.0)
    turn = types('geometry_msgs/msg/Quaternion')(0.0, 0.0, 0.0, 1.0)
    pose = types('geometry_msgs/msg/Pose')(place, turn)
    return Sent1(topic, name, stamp_ns, types(name)(header(stamp_ns, 'map'), pose))


def camera_info(stamp_ns: int, topic: str = '/camera/camera_info') -> Sent1:
    """With the fields of ROS 1: D, K, R, P in capitals; they fit `source_files.picture`."""
    name = 'sensor_msgs/msg/CameraInfo'
    roi = types('sensor_msgs/msg/RegionOfInterest')(0, 0, 0, 0, False)
    message = types(name)(
        header(stamp_ns), 32, 48, 'plumb_bob', np.array([-0.2, 0.05, 0.001, -0.001, 0.0]),
        np.array([40.0, 0.0, 23.5, 0.0, 41.0, 15.5, 0.0, 0.0, 1.0]), np.eye(3).ravel(),
        np.array([38.0, 0.0, 23.0, 0.0, 0.0, 39.0, 15.0, 0.0, 0.0, 0.0, 1.0, 0.0]), 0, 0, roi,
    )  # fmt: skip
    return Sent1(topic, name, stamp_ns, message)


def transform(stamp_ns: int, parent: str, child: str, x: float, kind: str = 'tf/msg') -> Sent1:
    """On /tf_static, as tf/tfMessage or tf2_msgs/TFMessage."""
    name = 'tf/msg/tfMessage' if kind == 'tf/msg' else 'tf2_msgs/msg/TFMessage'
    moved = types('geometry_msgs/msg/Transform')(
        types('geometry_msgs/msg/Vector3')(x, 0.0, 0.0),
        types('geometry_msgs/msg/Quaternion')(0.0, 0.0, 0.0, 1.0),
    )
    stamped = types('geometry_msgs/msg/TransformStamped')(header(stamp_ns, parent), child, moved)
    return Sent1('/tf_static', name, stamp_ns, types('tf2_msgs/msg/TFMessage')([stamped]))


def ros1_bag(path: Path, messages: Iterable[Sent1], compression: str = '') -> Path:
    """Write messages in the given order.

    Args:
        path: of the file.
        messages: with their topic, type, and time of reception.
        compression: BZ2 or LZ4.
    """
    writer = Writer(path)
    if compression:
        writer.set_compression(Writer.CompressionFormat[compression])
    with writer:
        connections: dict[tuple[str, str], Any] = {}
        for topic, msgtype, receive_ns, message in messages:
            known = 'tf2_msgs/msg/TFMessage' if msgtype == 'tf/msg/tfMessage' else msgtype
            if (topic, msgtype) not in connections:
                text, digest = noetic().generate_msgdef(known, ros_version=1)
                connections[topic, msgtype] = writer.add_connection(
                    topic, msgtype, msgdef=text, md5sum=digest
                )
            data = noetic().serialize_ros1(message, known)
            writer.write(connections[topic, msgtype], receive_ns, data)
    return path
