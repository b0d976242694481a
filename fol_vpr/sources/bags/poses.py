"""The poses or positions of a topic of a bag, interpolated to any time."""

from __future__ import annotations

import logging
import math
from array import array
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from fol_vpr.datatypes import GeoPosition, Pose, bare_frame
from fol_vpr.errors import InputError
from fol_vpr.sources.bags.bag import Bag, Message, deserialize

ODOMETRY = 'nav_msgs/msg/Odometry'
POSE = 'geometry_msgs/msg/PoseStamped'
POSE_WITH_COVARIANCE = 'geometry_msgs/msg/PoseWithCovarianceStamped'
NAV_SAT_FIX = 'sensor_msgs/msg/NavSatFix'
POSE_TYPES = (ODOMETRY, POSE, POSE_WITH_COVARIANCE, NAV_SAT_FIX)

_NORM_TOLERANCE = 0.01
_MAX_COORDINATE = 1e9
"""Metres; larger coordinates are taken as errors."""
_MAX_VARIANCE = 1e30
"""Larger variances mean that the covariance is unknown."""
_NEARLY_PARALLEL = 0.9995
"""Cosine above which linear interpolation is more exact than slerp, which loses digits."""
_FIXED_FRAMES = ('map', 'earth', 'utm')
_MIN_FIX_STATUS = 0
"""NavSatStatus.STATUS_FIX; smaller values mean that there is no fix."""

log = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class PoseTrack:
    """Stamped poses, or stamped geodetic positions.

    Attributes:
        stamps: [N] int64, nanoseconds, increasing.
        values: [N, 7] float64, x, y, z in metres and the unit quaternion x, y, z, w; or [N, 3],
            latitude and longitude in degrees and altitude in metres.
        covariances: [N, 36] float32 of the poses, NaN if unknown; or None.
        max_gap_ns: maximum time in nanoseconds between two poses to interpolate.
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

    def at(self, stamp_ns: int) -> tuple[Pose | None, GeoPosition | None]:
        """Interpolated pose or position at a time in nanoseconds.

        Both are None in a gap longer than `max_gap_ns`, before the first stamp, and after the
        last.
        """
        after = int(np.searchsorted(self.stamps, stamp_ns))
        if after == len(self.stamps):
            return None, None
        if self.stamps[after] == stamp_ns:
            return self._between(after, after, 0.0)
        gap = int(self.stamps[after] - self.stamps[after - 1]) if after else 0
        if not after or gap > self.max_gap_ns:
            return None, None
        return self._between(after - 1, after, int(stamp_ns - self.stamps[after - 1]) / gap)

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


class _Collector:
    """Collects the usable messages of a topic, and counts the others by their problem."""

    def __init__(self, topic: str, msgtype: str) -> None:
        self.topic = topic
        self.msgtype = msgtype
        self.width = 3 if msgtype == NAV_SAT_FIX else 7
        self.stamps = array('q')
        self.values = array('d')
        self.covariances = array('f')
        self.has_covariance = False
        self.frame_id: str | None = None
        self.child_frame_id = ''
        self.total = 0
        self.troubles: Counter[str] = Counter()
        self._last_ns = 0

    def add(self, message: Message) -> None:
        self.total += 1
        try:
            msg = deserialize(message)
        except InputError:
            self.troubles['are damaged and were skipped'] += 1
            return
        values = _geo_values(msg) if self.width == 3 else _pose_values(msg)
        if isinstance(values, str):
            self.troubles[values] += 1
            return
        frame_id = '' if self.width == 3 else bare_frame(msg.header.frame_id)
        if self.frame_id is None:
            self.frame_id = frame_id
            self.child_frame_id = bare_frame(getattr(msg, 'child_frame_id', ''))
        if frame_id != self.frame_id:
            self.troubles[
                f'are not in the frame of the first, {self.frame_id!r}, and were skipped'
            ] += 1
            return
        stamp_ns = header_stamp(msg)
        if not stamp_ns:
            self.troubles['have no header stamp; the time of reception is used'] += 1
            stamp_ns = message.receive_ns
        if stamp_ns < self._last_ns:
            self.troubles['have a stamp that runs backwards; they are sorted'] += 1
        self._last_ns = stamp_ns
        self.stamps.append(stamp_ns)
        self.values.extend(values)
        covariance = _covariance(msg)
        self.has_covariance |= covariance is not None
        if self.width == 7:
            self.covariances.extend([math.nan] * 36 if covariance is None else covariance)

    def track(self, max_gap: float) -> PoseTrack:
        # Of several messages with the same stamp, the first is used.
        stamps, order = np.unique(np.frombuffer(self.stamps, np.int64), return_index=True)
        values = np.frombuffer(self.values, np.float64).reshape(-1, self.width)[order]
        covariances = None
        if self.has_covariance:
            covariances = np.frombuffer(self.covariances, np.float32).reshape(-1, 36)[order]
        frame_id = self.frame_id or ''
        return PoseTrack(
            stamps,
            values,
            covariances,
            round(max_gap * 1e9),
            frame_id,
            _has_own_origin(self.msgtype, frame_id),
            self.child_frame_id,
        )

    def warnings(self) -> list[str]:
        return [
            f'{count} of {self.total} messages on {self.topic} {trouble}'
            for trouble, count in self.troubles.items()
        ]


def read_pose_track(bag: Bag, topic: str, max_gap: float) -> tuple[PoseTrack, list[str]]:
    """Read the poses or positions of one topic.

    Poses with NaN or without a unit quaternion, and satellite messages without a fix, are skipped.

    Args:
        bag: the bag.
        topic: of type Odometry, PoseStamped, PoseWithCovarianceStamped or NavSatFix.
        max_gap: maximum time in seconds between two messages to interpolate.

    Returns:
        The track, and warnings about skipped or corrected messages.

    Raises:
        InputError: no such topic, a topic of another type, or no usable message on it.
    """
    found = bag.find_topic(topic)
    if found.msgtype not in POSE_TYPES:
        raise InputError(
            f'{found.name} in {bag.path} is of type {found.msgtype}, expected one of '
            f'{", ".join(POSE_TYPES)}; such topics there: {bag.list_topics(*POSE_TYPES)}'
        )
    collector = _Collector(found.name, found.msgtype)
    for message in bag.read([found.name]):
        collector.add(message)
    warnings = collector.warnings()
    if not collector.stamps:
        raise InputError(
            f'{found.name} in {bag.path} has no usable message among {collector.total} '
            f'({"; ".join(warnings) or "it is empty"}); choose another pose topic, or none: '
            f'{bag.list_topics(*POSE_TYPES)}'
        )
    for warning in warnings:
        log.warning(warning)
    return collector.track(max_gap), warnings


def _has_own_origin(msgtype: str, frame_id: str) -> bool:
    """Whether the origin of the poses is the start of the drive.

    This is so for Odometry, unless its frame is one of the fixed frames of REP 105 (a SLAM system
    or a filter with GPS may publish its result as Odometry), and for poses of any type in a frame
    whose name contains odom.
    """
    name = frame_id.rpartition('/')[2].lower()
    return 'odom' in name or (msgtype == ODOMETRY and name not in _FIXED_FRAMES)


def header_stamp(msg: Any) -> int:
    """The stamp of a message's header in nanoseconds; 0 if it was not set or is negative."""
    stamp = msg.header.stamp
    return max(0, int(stamp.sec) * 1_000_000_000 + int(stamp.nanosec))


def _pose_values(msg: Any) -> list[float] | str:
    """x, y, z and the unit quaternion, or the problem in words."""
    pose = msg.pose.pose if hasattr(msg.pose, 'pose') else msg.pose
    position, turn = pose.position, pose.orientation
    values = [position.x, position.y, position.z, turn.x, turn.y, turn.z, turn.w]
    if not all(abs(value) <= _MAX_COORDINATE for value in values):
        return 'hold NaN or impossible numbers and were skipped'
    norm = math.hypot(*values[3:])
    if abs(norm - 1) > _NORM_TOLERANCE:
        return 'have no unit quaternion as orientation and were skipped'
    return values[:3] + [value / norm for value in values[3:]]


def _geo_values(msg: Any) -> list[float] | str:
    """Latitude, longitude and altitude, or the problem in words."""
    if msg.status.status < _MIN_FIX_STATUS:
        return 'have no satellite fix and were skipped'
    if not (abs(msg.latitude) <= 90 and abs(msg.longitude) <= 180):
        return 'have no valid latitude and longitude and were skipped'
    altitude = msg.altitude if math.isfinite(msg.altitude) else math.nan
    return [msg.latitude, msg.longitude, altitude]


def _covariance(msg: Any) -> list[float] | None:
    """The covariance [36] of a pose message, or None if it has none or it is unknown."""
    values = getattr(getattr(msg, 'pose', None), 'covariance', None)
    if values is None or not (np.abs(values) <= _MAX_VARIANCE).all():
        return None
    return [float(value) for value in values] if is_covariance_known(values) else None


def is_covariance_known(covariance: Sequence[float] | np.ndarray) -> bool:
    """Whether the [36] of a message is a covariance; zeros or a negative variance mean unknown."""
    numbers = np.asarray(covariance, dtype=np.float64)
    return bool(numbers.any() and (numbers[::7] >= 0).all())
