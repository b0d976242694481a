"""Poses, geodetic positions and cameras."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np

from fol_vpr.datatypes.covariance import checked_covariance
from fol_vpr.errors import InputError

EARTH_RADIUS = 6_371_008.8
"""Mean radius in metres (IUGG)."""
UNKNOWN_ANGLE_VARIANCE = math.pi**2 / 3
"""Variance in rad² of an unknown angle: uniform on the circle."""
MAX_COORDINATE = 1e9
"""Metres; larger coordinates are errors: the moon is nearer."""
MAX_ALTITUDE = 1e6
"""Metres above and below the ellipsoid; larger altitudes are errors."""
NORM_TOLERANCE = 0.01
"""How far the length of a quaternion may be from 1: four rounded decimals need 0.0001."""
DISTORTION_MODELS = {
    '': (0,),
    'plumb_bob': (4, 5),
    'rational_polynomial': (8, 12, 14),
    'equidistant': (4,),
}
"""Names of sensor_msgs/distortion_models, and how many coefficients each may have."""


@dataclass(frozen=True, eq=False)
class Pose:
    """Pose of the base frame in the map frame (REP-103, REP-105).

    Attributes:
        position: [3] float64, metres.
        orientation: [4] float64, unit quaternion x, y, z, w.
        covariance: [6, 6] float64 over x, y, z, rotation about X, Y, Z (m², m·rad, rad²), or None
            where the source gives none.

    Raises:
        InputError: a coordinate is not finite or over `MAX_COORDINATE`, the orientation is no
            unit quaternion, or the covariance is none; see `checked_covariance`.
    """

    position: np.ndarray
    orientation: np.ndarray
    covariance: np.ndarray | None = None

    def __post_init__(self) -> None:
        position = np.asarray(self.position, dtype=np.float64)
        orientation = np.asarray(self.orientation, dtype=np.float64)
        # Comparisons with NaN are false.
        if position.shape != (3,) or not (np.abs(position) <= MAX_COORDINATE).all():
            raise InputError(
                f'a position of three numbers within ±{MAX_COORDINATE:g} m is needed, got '
                f'{self.position}'
            )
        norm = math.hypot(*orientation) if orientation.shape == (4,) else math.nan
        if not math.isfinite(norm) or abs(norm - 1) > NORM_TOLERANCE:
            raise InputError(
                f'a unit quaternion x, y, z, w is needed, got {self.orientation}; '
                'an all-zero or NaN orientation usually means that the source never filled it'
            )
        object.__setattr__(self, 'position', position)
        object.__setattr__(self, 'orientation', orientation / norm)
        if self.covariance is not None:
            object.__setattr__(self, 'covariance', checked_covariance(self.covariance))

    @classmethod
    def unchecked(
        cls, position: np.ndarray, orientation: np.ndarray, covariance: np.ndarray | None
    ) -> Pose:
        """A pose that was computed from checked ones; the checks take longer than that.

        Args:
            position: [3] float64, finite.
            orientation: [4] float64, of unit length.
            covariance: [6, 6] float64, without negative eigenvalues beyond rounding; made
                symmetric.
        """
        pose = object.__new__(cls)
        object.__setattr__(pose, 'position', position)
        object.__setattr__(pose, 'orientation', orientation)
        symmetric = None if covariance is None else (covariance + covariance.T) / 2
        object.__setattr__(pose, 'covariance', symmetric)
        return pose

    @property
    def has_orientation(self) -> bool:
        """Whether the orientation is known, by the variance of the rotation about Z.

        The variances about X and Y are ignored: planar odometry reports them as unknown although
        the rotations are zero.
        """
        # A little less than the constant, because covariances pass through float32.
        known = 0.999 * UNKNOWN_ANGLE_VARIANCE
        return self.covariance is None or float(self.covariance[5, 5]) < known


@dataclass(frozen=True)
class GeoPosition:
    """WGS 84 position: latitude and longitude in degrees, altitude in metres (NaN: unknown).

    Raises:
        InputError: a number is out of range.
    """

    latitude: float
    longitude: float
    altitude: float = math.nan

    def __post_init__(self) -> None:
        if not (-90 <= self.latitude <= 90 and -180 <= self.longitude <= 180):
            raise InputError(
                f'latitude within ±90° and longitude within ±180° are needed, '
                f'got {self.latitude}, {self.longitude}'
            )
        if not math.isnan(self.altitude) and abs(self.altitude) > MAX_ALTITUDE:
            raise InputError(
                f'an altitude within ±{MAX_ALTITUDE:g} m is needed, or NaN where it is unknown, '
                f'got {self.altitude}'
            )
        # rclpy ends the process where a message has an int in a field of floats.
        for name in ('latitude', 'longitude', 'altitude'):
            object.__setattr__(self, name, float(getattr(self, name)))

    def distance(self, other: GeoPosition) -> float:
        """Metres along the ground, on a sphere (haversine formula)."""
        here, there = math.radians(self.latitude), math.radians(other.latitude)
        half_east = math.radians(other.longitude - self.longitude) / 2
        chord = (
            math.sin((there - here) / 2) ** 2
            + math.cos(here) * math.cos(there) * math.sin(half_east) ** 2
        )
        return 2 * EARTH_RADIUS * math.asin(math.sqrt(min(1.0, chord)))


@dataclass(frozen=True, eq=False)
class Camera:
    """A calibrated camera: intrinsics, distortion, and mount on the robot.

    Attributes:
        size: width and height in pixels of the images that the intrinsics are for.
        matrix: [3, 3] float64, the intrinsics K in pixels. K[0, 1] is the skew: a pixel is K
            times the distorted direction, for every model.
        model: how the lens distorts, as sensor_msgs/CameraInfo names it: '' (not at all),
            plumb_bob, rational_polynomial or equidistant. Coefficients of zero mean an ideal
            f-theta lens for equidistant: it is no pinhole camera.
        distortion: [n] float64, its coefficients in the order of CameraInfo.d.
        mount: pose of the optical frame (REP-103: x right, y down, z forward) in the base frame,
            or None where it is not known.
    """

    size: tuple[int, int]
    matrix: np.ndarray
    model: str = ''
    distortion: np.ndarray = field(default_factory=lambda: np.zeros(0))
    mount: Pose | None = None

    def __post_init__(self) -> None:
        if min(self.size) <= 0:
            raise InputError(f'a camera needs the size of its images, got {self.size}')
        matrix = np.asarray(self.matrix, dtype=np.float64)
        if not _is_pinhole(matrix):
            raise InputError(
                'a camera needs the matrix fx s cx / 0 fy cy / 0 0 1 with focal lengths over 0 '
                f'pixels and a skew s between -fx and fx, got {matrix.ravel().tolist()}; is the '
                'camera calibrated?'
            )
        distortion = np.asarray(self.distortion, dtype=np.float64).reshape(-1)
        if self.model not in DISTORTION_MODELS:
            raise InputError(
                f'the distortion model is {self.model!r}, expected one of '
                f'{", ".join(filter(None, DISTORTION_MODELS))}, or none'
            )
        if len(distortion) not in DISTORTION_MODELS[self.model]:
            raise InputError(
                f'the distortion model {self.model!r} has {len(distortion)} coefficients, '
                f'expected {" or ".join(map(str, DISTORTION_MODELS[self.model]))}'
            )
        if not np.isfinite(distortion).all():
            raise InputError(f'the distortion needs finite coefficients, got {self.distortion}')
        object.__setattr__(self, 'matrix', matrix)
        object.__setattr__(self, 'distortion', distortion)


def _is_pinhole(matrix: np.ndarray) -> bool:
    if matrix.shape != (3, 3) or not np.isfinite(matrix).all():
        return False
    (fx, skew, _), (below, fy, _), last = matrix
    return bool(fx > 0 and fy > 0 and abs(skew) < fx and below == 0 and (last == (0, 0, 1)).all())


@dataclass(frozen=True, eq=False)
class RelativePose:
    """Pose of one camera in the frame of another, measured from their images.

    Both frames are optical ones (REP-103): x right, y down, z forward.

    Attributes:
        translation: [3] float64, in metres where `metric`, else a direction of length 1.
        orientation: [4] float64, unit quaternion x, y, z, w.
        covariance: [6, 6] float64 over x, y, z, rotation about X, Y, Z of the frame that the pose
            is in; that of a direction is zero along the direction itself.
        metric: whether the length of the translation was measured.
    """

    translation: np.ndarray
    orientation: np.ndarray
    covariance: np.ndarray
    metric: bool
