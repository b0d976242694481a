"""Makes ROS messages for a bag, without a ROS installation."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from fol_vpr.config import BagWriterConfig
from fol_vpr.datatypes import GeoPosition, Pose
from fol_vpr.sources.bags.bag import typestore
from fol_vpr.sources.bags.poses import NAV_SAT_FIX, ODOMETRY, POSE, POSE_WITH_COVARIANCE
from fol_vpr.sources.folder import read_image_file
from fol_vpr.sources.images.orientation import UPRIGHT, orientation_of_file
from fol_vpr.sources.images.stream import StreamDecoder
from fol_vpr.sources.utm_positions import Location

# Files that begin with these bytes are stored in a CompressedImage unchanged.
_MAGIC = {'jpeg': b'\xff\xd8\xff', 'png': b'\x89PNG'}


def header(stamp_ns: int, frame_id: str) -> Any:
    """A std_msgs/Header with this stamp in nanoseconds."""
    types = typestore().types
    stamp = types['builtin_interfaces/msg/Time'](*divmod(stamp_ns, 1_000_000_000))
    return types['std_msgs/msg/Header'](stamp, frame_id)


def compressed_image(path: Path, head: Any, decoder: StreamDecoder, upright: bool) -> Any:
    """A CompressedImage with the bytes of a JPEG or PNG file.

    Other formats, and photographs that have to be turned, become PNG.

    Args:
        path: the image file.
        head: the header.
        decoder: of the folder.
        upright: whether the EXIF orientation is applied. Nobody applies it to a message.

    Raises:
        InputError: the file cannot be read, or is damaged or no image.
    """
    data = read_image_file(path)
    pixels = decoder.decode_file(data, str(path), upright=upright)
    kept = [name for name, magic in _MAGIC.items() if data.startswith(magic)]
    if not kept or (upright and orientation_of_file(data) != UPRIGHT):
        kept, data = ['png'], _as_png(pixels)
    message = typestore().types['sensor_msgs/msg/CompressedImage']
    return message(head, kept[0], np.frombuffer(data, np.uint8))


def raw_image(path: Path, head: Any, decoder: StreamDecoder, upright: bool) -> Any:
    """An Image, rgb8, of an image file.

    Args and errors as of `compressed_image`.
    """
    pixels = decoder.decode_file(read_image_file(path), str(path), upright=upright)
    height, width = pixels.shape[:2]
    message = typestore().types['sensor_msgs/msg/Image']
    return message(head, height, width, 'rgb8', 0, width * 3, pixels.reshape(-1))


def pose_message(location: Location, msgtype: str, config: BagWriterConfig) -> Any:
    """A pose as a message of the given type, or a geodetic position as NavSatFix."""
    head = header(location.stamp_ns or 0, config.map_frame)
    if location.pose is None:
        assert location.geo is not None
        return _fix(head, location.geo)
    pose = _pose(location.pose)
    if msgtype == POSE:
        return typestore().types[POSE](head, pose)
    types = typestore().types
    covariance = np.zeros(36) if location.pose.covariance is None else location.pose.covariance
    uncertain = types['geometry_msgs/msg/PoseWithCovariance'](pose, covariance.reshape(36))
    if msgtype == POSE_WITH_COVARIANCE:
        return types[POSE_WITH_COVARIANCE](head, uncertain)
    still = types['geometry_msgs/msg/Vector3'](0.0, 0.0, 0.0)
    twist = types['geometry_msgs/msg/TwistWithCovariance'](
        types['geometry_msgs/msg/Twist'](still, still), np.zeros(36)
    )
    return types[ODOMETRY](head, config.base_frame, uncertain, twist)


def _as_png(pixels: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, 'PNG')
    return buffer.getvalue()


def _pose(pose: Pose) -> Any:
    types = typestore().types
    return types['geometry_msgs/msg/Pose'](
        types['geometry_msgs/msg/Point'](*map(float, pose.position)),
        types['geometry_msgs/msg/Quaternion'](*map(float, pose.orientation)),
    )


def _fix(head: Any, geo: GeoPosition) -> Any:
    types = typestore().types
    status = types['sensor_msgs/msg/NavSatStatus'](status=0, service=1)
    return types[NAV_SAT_FIX](
        head, status, geo.latitude, geo.longitude, geo.altitude, np.zeros(9), 0
    )
