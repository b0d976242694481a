"""Images and bags for the tests of sources, written by rosbags itself."""

from __future__ import annotations

import io
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from PIL import Image
from rosbags.rosbag2 import CompressionFormat, CompressionMode, StoragePlugin, Writer

from fol_vpr.sources import typestore

SECOND = 1_000_000_000
# As camera_calibration of ROS 2 Jazzy writes it.
CALIBRATION = """
image_width: 48
image_height: 32
camera_name: narrow_stereo
camera_matrix:
  rows: 3
  cols: 3
  data: [40.5, 0.     , 23.5,
         0.     , 41.25, 15.5,
         0.     , 0.     , 1.     ]
distortion_model: plumb_bob
distortion_coefficients:
  rows: 1
  cols: 5
  data: [-0.25, 0.05, 0.001, -0.002, 0.]
rectification_matrix:
  rows: 3
  cols: 3
  data: [1., 0., 0., 0., 1., 0., 0., 0., 1.]
projection_matrix:
  rows: 3
  cols: 4
  data: [39., 0., 23., 0., 0., 40., 15., 0., 0., 0., 1., 0.]
"""
AHEAD = (0.2, 0.0, 1.3, -0.5, 0.5, -0.5, 0.5)


class Sent(NamedTuple):
    """A message for a bag: an object, or bytes that are written as they are."""

    topic: str
    msgtype: str
    receive_ns: int
    message: Any


def types(name: str) -> Any:
    return typestore().types[name]


def picture(seed: int = 0, width: int = 48, height: int = 32) -> np.ndarray:
    """[H, W, 3] uint8 with structure that JPEG keeps: coarse random blocks."""
    coarse = np.random.default_rng(seed).integers(0, 256, (4, 6, 3), np.uint8)
    return np.asarray(Image.fromarray(coarse).resize((width, height), Image.Resampling.BILINEAR))


def encode(pixels: np.ndarray, kind: str = 'JPEG', **options: Any) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, kind, **options)
    return buffer.getvalue()


def image_folder(path: Path, count: int = 3, suffix: str = '.jpg') -> Path:
    path.mkdir(parents=True, exist_ok=True)
    for index in range(count):
        Image.fromarray(picture(index)).save(path / f'{index:03d}{suffix}')
    return path


def header(stamp_ns: int, frame_id: str = 'map') -> Any:
    time = types('builtin_interfaces/msg/Time')(*divmod(stamp_ns, SECOND))
    return types('std_msgs/msg/Header')(time, frame_id)


def compressed(
    stamp_ns: int,
    data: bytes,
    *,
    topic: str = '/camera/compressed',
    receive_ns: int | None = None,
    kind: str = 'jpeg',
) -> Sent:
    msgtype = 'sensor_msgs/msg/CompressedImage'
    message = types(msgtype)(header(stamp_ns, 'camera'), kind, np.frombuffer(data, np.uint8))
    return Sent(topic, msgtype, stamp_ns if receive_ns is None else receive_ns, message)


def pose_message(position: Iterable[float], orientation: Iterable[float] = (0, 0, 0, 1)) -> Any:
    return types('geometry_msgs/msg/Pose')(
        types('geometry_msgs/msg/Point')(*map(float, position)),
        types('geometry_msgs/msg/Quaternion')(*map(float, orientation)),
    )


def pose(
    stamp_ns: int,
    position: Iterable[float],
    orientation: Iterable[float] = (0, 0, 0, 1),
    *,
    frame_id: str = 'map',
    receive_ns: int | None = None,
) -> Sent:
    msgtype = 'geometry_msgs/msg/PoseStamped'
    message = types(msgtype)(header(stamp_ns, frame_id), pose_message(position, orientation))
    return Sent('/pose', msgtype, stamp_ns if receive_ns is None else receive_ns, message)


def odometry(
    stamp_ns: int,
    position: Iterable[float],
    covariance: np.ndarray,
    *,
    orientation: Iterable[float] = (0, 0, 0, 1),
    frame_id: str = 'odom',
    child_frame_id: str = 'base_link',
) -> Sent:
    msgtype = 'nav_msgs/msg/Odometry'
    still = types('geometry_msgs/msg/Vector3')(0.0, 0.0, 0.0)
    twist = types('geometry_msgs/msg/TwistWithCovariance')(
        types('geometry_msgs/msg/Twist')(still, still), np.zeros(36)
    )
    located = types('geometry_msgs/msg/PoseWithCovariance')(
        pose_message(position, orientation), covariance.reshape(36)
    )
    message = types(msgtype)(header(stamp_ns, frame_id), child_frame_id, located, twist)
    return Sent('/odom', msgtype, stamp_ns, message)


def fix(
    stamp_ns: int,
    latitude: float,
    longitude: float,
    status: int = 0,
    *,
    service: int = 1,
    altitude: float = 10.0,
    variance: float = 0.0,
    covariance_type: int = 0,
    receive_ns: int | None = None,
) -> Sent:
    msgtype = 'sensor_msgs/msg/NavSatFix'
    state = types('sensor_msgs/msg/NavSatStatus')(status=status, service=service)
    covariance = variance * np.eye(3).reshape(9)
    message = types(msgtype)(
        header(stamp_ns, 'gps'), state, latitude, longitude, altitude, covariance, covariance_type
    )
    return Sent('/fix', msgtype, stamp_ns if receive_ns is None else receive_ns, message)


def text(receive_ns: int, content: str = 'x', topic: str = '/chatter') -> Sent:
    msgtype = 'std_msgs/msg/String'
    return Sent(topic, msgtype, receive_ns, types(msgtype)(content))


def bag(
    path: Path,
    messages: Iterable[Sent],
    storage: str = 'sqlite3',
    compression: CompressionMode = CompressionMode.NONE,
) -> Path:
    """Write messages in the given order, each with its time of reception."""
    unopened = Writer(path, version=9, storage_plugin=StoragePlugin[storage.upper()])
    unopened.set_compression(compression, CompressionFormat.ZSTD)
    with unopened as writer:
        connections: dict[tuple[str, str], Any] = {}
        for topic, msgtype, receive_ns, message in messages:
            key = (topic, msgtype)
            if key not in connections:
                connections[key] = writer.add_connection(topic, msgtype, typestore=typestore())
            data = (
                message
                if isinstance(message, bytes)
                else bytes(typestore().serialize_cdr(message, msgtype))
            )
            writer.write(connections[key], receive_ns, data)
    return path


def storage_file(bag_folder: Path) -> Path:
    return next(path for path in bag_folder.iterdir() if path.suffix in ('.db3', '.mcap'))


def camera_info(stamp_ns: int = SECOND, topic: str = '/camera_info', **changes: Any) -> Sent:
    """Of the pictures of `picture`, in the frame of `compressed`."""
    values = {
        'header': header(stamp_ns, changes.pop('frame_id', 'camera')),
        'height': 32,
        'width': 48,
        'distortion_model': 'plumb_bob',
        'd': np.array([-0.2, 0.05, 0.001, -0.001, 0.0]),
        'k': np.array([40.0, 0.0, 23.5, 0.0, 41.0, 15.5, 0.0, 0.0, 1.0]),
        'r': np.eye(3).ravel(),
        'p': np.array([38.0, 0.0, 23.0, 0.0, 0.0, 39.0, 15.0, 0.0, 0.0, 0.0, 1.0, 0.0]),
        'binning_x': 0,
        'binning_y': 0,
        'roi': types('sensor_msgs/msg/RegionOfInterest')(0, 0, 0, 0, False),
        **changes,
    }
    msgtype = 'sensor_msgs/msg/CameraInfo'
    return Sent(topic, msgtype, stamp_ns, types(msgtype)(**values))


def transforms(
    stamp_ns: int, *edges: tuple[str, str, Iterable[float]], topic: str = '/tf_static'
) -> Sent:
    """Edges of parent, child, and x y z qx qy qz qw of the child in the parent."""
    stamped = []
    for parent, child, numbers in edges:
        x, y, z, *turn = map(float, numbers)
        transform = types('geometry_msgs/msg/Transform')(
            types('geometry_msgs/msg/Vector3')(x, y, z),
            types('geometry_msgs/msg/Quaternion')(*turn),
        )
        message = types('geometry_msgs/msg/TransformStamped')
        stamped.append(message(header(stamp_ns, parent), child, transform))
    msgtype = 'tf2_msgs/msg/TFMessage'
    return Sent(topic, msgtype, stamp_ns, types(msgtype)(stamped))
