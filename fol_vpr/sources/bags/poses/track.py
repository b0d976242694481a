"""Stamped poses or positions, interpolated to any time."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from fol_vpr.datatypes import GeoPosition, Pose

SAME_MOMENT_NS = 1_000_000
"""Nanoseconds; a pose this close to a time is the pose of that time where none can be
interpolated. Trajectories are often written with microseconds or four decimals; at 30 m/s a
robot drives 3 cm meanwhile."""
_NEARLY_PARALLEL = 0.9995
"""Cosine above which linear interpolation is more exact than slerp, which loses digits."""


@dataclass(frozen=True, eq=False)
class PoseTrack:
    """Stamped poses, or stamped geodetic positions.

    Attributes:
        stamps: [N] int64, nanoseconds, increasing.
        values: [N, 7] float64, x, y, z in metres and the unit quaternion x, y, z, w; or [N, 3],
            latitude and longitude in degrees and altitude in metres.
        covariances: [N, 36] float32 of the poses, NaN if unknown; or None.
        max_gap_ns: maximum time in nanoseconds between two poses to interpolate.
        jumps: [N] bool, whether no robot drives from the value before to this one, so that nothing
            is interpolated between the two; or None.
        frame_id: the frame that the poses are in; empty for geodetic positions.
        own_origin: whether the origin of that frame is the start of the drive.
        child_frame_id: the frame that the poses are of; empty if the messages do not name it.
    """

    stamps: np.ndarray
    values: np.ndarray
    covariances: np.ndarray | None
    max_gap_ns: int
    frame_id: str = ''
    own_origin: bool = False
    child_frame_id: str = ''
    jumps: np.ndarray | None = None

    def at(self, stamp_ns: int) -> tuple[Pose | None, GeoPosition | None]:
        """Interpolated pose or position at a time in nanoseconds.

        Where none can be interpolated, the nearest within `SAME_MOMENT_NS`. Both are None in a gap
        longer than `max_gap_ns`, at a jump, before the first stamp, and after the last.
        """
        after = int(np.searchsorted(self.stamps, stamp_ns))
        if after < len(self.stamps) and self.stamps[after] == stamp_ns:
            return self._between(after, after, 0.0)
        if self._is_joined(after):
            before_ns, after_ns = (int(stamp) for stamp in self.stamps[after - 1 : after + 1])
            return self._between(after - 1, after, (stamp_ns - before_ns) / (after_ns - before_ns))
        near = [index for index in (after - 1, after) if 0 <= index < len(self.stamps)]
        nearest = min(near, key=lambda index: abs(int(self.stamps[index]) - stamp_ns))
        if abs(int(self.stamps[nearest]) - stamp_ns) <= SAME_MOMENT_NS:
            return self._between(nearest, nearest, 0.0)
        return None, None

    def covers(self, stamp_ns: int) -> bool:
        """Whether a time lies between the first and the last stamp."""
        return bool(self.stamps[0] <= stamp_ns <= self.stamps[-1])

    @property
    def usual_gap(self) -> float:
        """Median time in seconds between two stamps; 0 with a single one."""
        return float(np.median(np.diff(self.stamps))) / 1e9 if len(self.stamps) > 1 else 0.0

    def _is_joined(self, after: int) -> bool:
        """Whether values may be interpolated between one and the value before it."""
        if not 0 < after < len(self.stamps):
            return False
        if self.jumps is not None and self.jumps[after]:
            return False
        return int(self.stamps[after] - self.stamps[after - 1]) <= self.max_gap_ns

    def _between(
        self, before: int, after: int, share: float
    ) -> tuple[Pose | None, GeoPosition | None]:
        first, second = self.values[before], self.values[after]
        if self.values.shape[1] == 3:
            return None, interpolate_geo(first, second, share)
        position = first[:3] + share * (second[:3] - first[:3])
        covariance = None
        if self.covariances is not None:
            # The weighted mean of two covariances is positive semidefinite, so a covariance.
            mean = (1 - share) * self.covariances[before] + share * self.covariances[after]
            covariance = None if np.isnan(mean).any() else mean.astype(np.float64).reshape(6, 6)
        return Pose(position, slerp(first[3:], second[3:], share), covariance), None


def slerp(first: np.ndarray, second: np.ndarray, share: float) -> np.ndarray:
    """Unit quaternion [4] at a share, 0 to 1, of the shorter rotation from `first` to `second`.

    Shoemake, "Animating rotation with quaternion curves", SIGGRAPH 1985.
    """
    cosine = float(np.dot(first, second))
    if cosine < 0:
        second, cosine = -second, -cosine
    if cosine > _NEARLY_PARALLEL:
        mixed = first + share * (second - first)
    else:
        angle = math.acos(cosine)
        mixed = math.sin((1 - share) * angle) * first + math.sin(share * angle) * second
    return np.asarray(mixed / np.linalg.norm(mixed))


def interpolate_geo(first: np.ndarray, second: np.ndarray, share: float) -> GeoPosition:
    """Position at a share, 0 to 1, of the shorter way between two fixes.

    Args:
        first: [3], latitude and longitude in degrees and altitude in metres.
        second: likewise.
        share: of the way.
    """
    east = (second[1] - first[1] + 180) % 360 - 180
    longitude = (first[1] + share * east + 180) % 360 - 180
    latitude = first[0] + share * (second[0] - first[0])
    altitude = first[2] + share * (second[2] - first[2])
    return GeoPosition(float(latitude), float(longitude), float(altitude))
