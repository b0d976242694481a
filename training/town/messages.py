"""ROS messages of a drive: camera, odometry with drift, GNSS with noise, ground truth, tf."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from fol_vpr.datatypes import EARTH_RADIUS
from fol_vpr.sources import typestore
from fol_vpr.sources.bags.writing.messages import header

TYPES = {
    '/tf_static': 'tf2_msgs/msg/TFMessage',
    '/camera/camera_info': 'sensor_msgs/msg/CameraInfo',
    '/camera/image/compressed': 'sensor_msgs/msg/CompressedImage',
    '/odom': 'nav_msgs/msg/Odometry',
    '/gnss/fix': 'sensor_msgs/msg/NavSatFix',
    '/ground_truth': 'nav_msgs/msg/Odometry',
}
CAMERA_FRAME = 'camera_optical'
BASE_FRAME = 'base_link'


def _make(name: str, *values: Any) -> Any:
    return typestore().types[name](*values)


def _quaternion(yaw: float) -> Any:
    return _make('geometry_msgs/msg/Quaternion', 0.0, 0.0, math.sin(yaw / 2), math.cos(yaw / 2))


def image(stamp_ns: int, jpeg: bytes) -> Any:
    """CompressedImage."""
    return _make(
        TYPES['/camera/image/compressed'],
        header(stamp_ns, CAMERA_FRAME),
        'jpeg',
        np.frombuffer(jpeg, np.uint8),
    )


def camera_info(stamp_ns: int, width: int, height: int, fov: float, distortion: float) -> Any:
    """CameraInfo of a pinhole with barrel distortion, as plumb_bob coefficients fitted to it.

    Args:
        fov: horizontal field of view of the pinhole picture before it was bent, radians.
        distortion: see effects.
    """
    focal, coefficients = _plumb_bob(width, height, fov, distortion)
    k = [focal, 0.0, width / 2 - 0.5, 0.0, focal, height / 2 - 0.5, 0.0, 0.0, 1.0]
    p = [*k[:3], 0.0, *k[3:6], 0.0, *k[6:], 0.0]
    region = _make('sensor_msgs/msg/RegionOfInterest', 0, 0, 0, 0, False)
    return _make(
        TYPES['/camera/camera_info'],
        header(stamp_ns, CAMERA_FRAME),
        height,
        width,
        'plumb_bob',
        np.array(coefficients),
        np.array(k),
        np.eye(3).ravel(),
        np.array(p),
        0,
        0,
        region,
    )


def _plumb_bob(
    width: int, height: int, fov: float, distortion: float
) -> tuple[float, tuple[float, ...]]:
    """Focal length in pixels, and k1, k2, p1, p2, k3."""
    focal = width / 2 / math.tan(fov / 2)
    if not distortion:
        return focal, (0.0, 0.0, 0.0, 0.0, 0.0)
    corner = 1 + distortion * (1 + (height / width) ** 2)
    focal *= corner
    bent = np.linspace(0.01, math.hypot(1, height / width), 100)
    straight = bent * (1 + distortion * bent**2) / corner * math.tan(fov / 2)
    ratio = bent * width / 2 / focal / straight - 1
    # Weighted by the radius, the error that is made least is the one in pixels.
    powers = np.stack([straight**3, straight**5, straight**7], 1)
    k1, k2, k3 = (float(v) for v in np.linalg.lstsq(powers, ratio * straight, rcond=None)[0])
    return focal, (k1, k2, 0.0, 0.0, k3)


def odometry(
    stamp_ns: int,
    frame: str,
    position: np.ndarray,
    yaw: float,
    motion: tuple[float, float],
    variance: tuple[float, float],
) -> Any:
    """Odometry of the base.

    Args:
        frame: that the pose is in, map or odom.
        motion: m/s forwards and rad/s.
        variance: of the position in m² and the heading in rad².
    """
    covariance = np.diag([variance[0], variance[0], 1e-4, 1e-4, 1e-4, variance[1]]).ravel()
    pose = _make(
        'geometry_msgs/msg/Pose',
        _make('geometry_msgs/msg/Point', *(float(value) for value in position)),
        _quaternion(yaw),
    )
    twist = _make(
        'geometry_msgs/msg/Twist',
        _make('geometry_msgs/msg/Vector3', float(motion[0]), 0.0, 0.0),
        _make('geometry_msgs/msg/Vector3', 0.0, 0.0, float(motion[1])),
    )
    return _make(
        TYPES['/odom'],
        header(stamp_ns, frame),
        BASE_FRAME,
        _make('geometry_msgs/msg/PoseWithCovariance', pose, covariance),
        _make('geometry_msgs/msg/TwistWithCovariance', twist, np.zeros(36)),
    )


def fix(
    stamp_ns: int, position: np.ndarray, datum: tuple[float, float], deviation: float, valid: bool
) -> Any:
    """NavSatFix of a position in the map, whose origin lies at `datum` (degrees).

    Args:
        deviation: standard deviation of each horizontal coordinate, metres.
        valid: whether there is a fix; otherwise NaN, with the status that says so.
    """
    latitude = datum[0] + math.degrees(position[1] / EARTH_RADIUS)
    radius = EARTH_RADIUS * math.cos(math.radians(datum[0]))
    longitude = datum[1] + math.degrees(position[0] / radius)
    values = (latitude, longitude, 500.0) if valid else (math.nan,) * 3
    status = _make('sensor_msgs/msg/NavSatStatus', 0 if valid else -1, 1)
    covariance = np.diag([deviation**2, deviation**2, 4 * deviation**2]).ravel()
    head = header(stamp_ns, 'gnss')
    return _make(TYPES['/gnss/fix'], head, status, *values, covariance, 2 if valid else 0)


def mounting(stamp_ns: int, forwards: float, height: float, pitch: float) -> Any:
    """TFMessage base_link -> camera_optical: looking ahead, Z forwards, X right, Y down.

    Args:
        forwards, height: of the camera from the base, metres.
        pitch: radians, up is positive.
    """
    # Of the camera that looks ahead, turned about the Y of the base, by which up is negative.
    c, s = math.cos(pitch / 2) / 2, math.sin(-pitch / 2) / 2
    transform = _make(
        'geometry_msgs/msg/Transform',
        _make('geometry_msgs/msg/Vector3', forwards, 0.0, height),
        _make('geometry_msgs/msg/Quaternion', -c - s, c + s, s - c, c - s),
    )
    head = header(stamp_ns, BASE_FRAME)
    stamped = _make('geometry_msgs/msg/TransformStamped', head, CAMERA_FRAME, transform)
    return _make(TYPES['/tf_static'], [stamped])
