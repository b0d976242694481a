"""Reads the poses or positions of a topic of a bag, and counts what cannot be used."""

from __future__ import annotations

import logging
import math
from array import array
from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np

from fol_vpr.datatypes import (
    MAX_COORDINATE,
    NORM_TOLERANCE,
    bare_frame,
    covariance_of_message,
)
from fol_vpr.errors import InputError
from fol_vpr.sources.bags.bag import Bag, Message, deserialize
from fol_vpr.sources.bags.clocks import HEADER, TopicClock
from fol_vpr.sources.bags.poses.fixes import FixQuality, fix_values
from fol_vpr.sources.bags.poses.jumps import Jumps, find_jumps, sphere_metres
from fol_vpr.sources.bags.poses.track import PoseTrack

ODOMETRY = 'nav_msgs/msg/Odometry'
POSE = 'geometry_msgs/msg/PoseStamped'
POSE_WITH_COVARIANCE = 'geometry_msgs/msg/PoseWithCovarianceStamped'
NAV_SAT_FIX = 'sensor_msgs/msg/NavSatFix'
POSE_TYPES = (ODOMETRY, POSE, POSE_WITH_COVARIANCE, NAV_SAT_FIX)

POSE_GAP = 0.5
"""Seconds between two poses to interpolate, by default."""
FIX_GAP = 2.5
"""Seconds between two fixes to interpolate, by default. Receivers give one a second, and miss one.
A robot that brakes or turns with 2 m/s² meanwhile is 1.6 m from the straight line at most, less
than a receiver is wrong by."""

_FIXED_FRAMES = ('map', 'earth', 'utm')

log = logging.getLogger(__name__)


class _Collector:
    """Collects the usable messages of a topic, and counts the others by their problem."""

    def __init__(self, topic: str, msgtype: str, stamps: str) -> None:
        self.topic = topic
        self.msgtype = msgtype
        self.is_geodetic = msgtype == NAV_SAT_FIX
        self.width = 3 if self.is_geodetic else 7
        self.clock = TopicClock(stamps)
        self.quality = FixQuality()
        self.stamps = array('q')
        self.values = array('d')
        self.covariances = array('f')
        self.has_covariance = False
        self.frames: dict[tuple[str, str], int] = {}
        self.frame_of = array('l')
        self.total = 0
        self.troubles: Counter[str] = Counter()
        self._known: tuple[bytes, list[float] | None] = (b'', None)

    def add(self, message: Message) -> None:
        self.total += 1
        try:
            msg = deserialize(message)
        except InputError:
            self.troubles['are damaged and were skipped'] += 1
            return
        values = fix_values(msg) if self.is_geodetic else _pose_values(msg)
        if isinstance(values, str):
            self.troubles[values] += 1
            return
        self.stamps.append(self.clock.time_of(msg, message.receive_ns))
        self.values.extend(values)
        frames = ('', '')
        if self.is_geodetic:
            self.quality.add(msg)
            if math.isnan(values[2]) and not math.isnan(msg.altitude):
                self.troubles['have an impossible altitude, which is taken as unknown'] += 1
        else:
            covariance = self._covariance(msg)
            self.has_covariance |= covariance is not None
            self.covariances.extend([math.nan] * 36 if covariance is None else covariance)
            frames = (
                bare_frame(msg.header.frame_id),
                bare_frame(getattr(msg, 'child_frame_id', '')),
            )
        self.frame_of.append(self.frames.setdefault(frames, len(self.frames)))

    def _covariance(self, msg: Any) -> list[float] | None:
        """The covariance [36] of a pose message; None if it has none, or none that can be used."""
        numbers = getattr(msg.pose, 'covariance', None)
        if numbers is None:
            return None
        content = np.asarray(numbers, np.float64).tobytes()
        if content != self._known[0]:
            try:
                found = covariance_of_message(numbers)
            except InputError:
                self.troubles[
                    'have a covariance that is none (not symmetric, negative or NaN), which is '
                    'taken as unknown'
                ] += 1
                return None
            # Messages often repeat their covariance.
            self._known = content, None if found is None else found.reshape(36).tolist()
        return self._known[1]

    def track(self, max_gap: float) -> PoseTrack | None:
        """The usable poses or positions; None if there is none."""
        frames = self._most_common_frames()
        used = self._used(frames)
        if not used.any():
            return None
        stamps = np.array(self.stamps, np.int64)[used]
        values = np.array(self.values, np.float64).reshape(-1, self.width)[used]
        order = np.unique(stamps, return_index=True)[1]
        if len(order) < len(stamps):
            self.troubles['have the stamp of another; the first one of each is used'] += int(
                len(stamps) - len(order)
            )
        stamps, values = stamps[order], values[order]
        jumps = find_jumps(
            stamps, sphere_metres(values[:, :2]) if self.is_geodetic else values[:, :3]
        )
        self._count_jumps(jumps)
        stay = ~jumps.spikes
        covariances = None
        if self.has_covariance:
            covariances = np.array(self.covariances, np.float32).reshape(-1, 36)[used][order][stay]
        gap = max_gap or (FIX_GAP if self.is_geodetic else POSE_GAP)
        return PoseTrack(
            stamps[stay],
            values[stay],
            covariances,
            round(gap * 1e9),
            frames[0],
            _has_own_origin(self.msgtype, frames[0]),
            frames[1],
            jumps.breaks[stay],
        )

    def warnings(self) -> list[str]:
        counted = f'of {self.total} messages on {self.topic}'
        found = [f'{count} {counted} {trouble}' for trouble, count in self.troubles.items()]
        return found + self.clock.problems(f'messages on {self.topic}', 'they are sorted')

    def _most_common_frames(self) -> tuple[str, str]:
        """Frame and child frame of most messages that name one; publishers may start with none."""
        counts = Counter(self.frame_of)
        named = [each for each in self.frames if each[0]] or [*self.frames]
        return max(named, key=lambda each: counts[self.frames[each]], default=('', ''))

    def _used(self, chosen: tuple[str, str]) -> np.ndarray:
        """Which of the messages [N] are in the chosen frames and of enough quality."""
        if self.is_geodetic:
            return self.quality.select(self.troubles)
        numbers = np.array(self.frame_of, np.int64)
        for frames, number in self.frames.items():
            if frames == chosen:
                continue
            if not frames[0] or (frames[0] == chosen[0] and not frames[1]):
                trouble = 'do not name their frame, as the others do, and were skipped'
            elif frames[0] != chosen[0]:
                trouble = f'are not in the frame of most, {chosen[0]!r}, and were skipped'
            else:
                trouble = f'are not of the frame of most, {chosen[1]!r}, and were skipped'
            self.troubles[trouble] += int((numbers == number).sum())
        return np.asarray(numbers == self.frames.get(chosen, -1))

    def _count_jumps(self, jumps: Jumps) -> None:
        if jumps.spikes.any():
            self.troubles[
                f'are spikes, which jump by up to {jumps.largest:.6g} m from their neighbours '
                'faster than a robot drives, and were left out'
            ] += int(jumps.spikes.sum())
        elif jumps.breaks.any():
            self.troubles[
                f'follow a jump of up to {jumps.largest:.6g} m that no robot drives; positions on '
                'one side of it may be wrong, and none is interpolated across it'
            ] += int(jumps.breaks.sum())


def read_pose_track(
    bag: Bag, topic: str, max_gap: float = 0.0, stamps: str = HEADER
) -> tuple[PoseTrack, TopicClock, list[str]]:
    """Read the poses or positions of one topic.

    Left out are poses that are none, satellite messages without a fix or at latitude 0 and
    longitude 0, messages in another frame than most, and spikes.

    Args:
        bag: the bag.
        topic: of type Odometry, PoseStamped, PoseWithCovarianceStamped or NavSatFix.
        max_gap: maximum time in seconds between two messages to interpolate; 0 takes `POSE_GAP`
            or `FIX_GAP`.
        stamps: `HEADER` or `RECEPTION`, which time the messages have.

    Returns:
        The track, the clock that stamped it, and warnings about skipped or corrected messages.

    Raises:
        InputError: no such topic, a topic of another type, or no usable message on it.
    """
    found = bag.find_topic(topic)
    if found.msgtype not in POSE_TYPES:
        raise InputError(
            f'{found.name} in {bag.path} is of type {found.msgtype}, expected one of '
            f'{", ".join(POSE_TYPES)}; such topics there: {bag.list_topics(*POSE_TYPES)}'
        )
    collector = _Collector(found.name, found.msgtype, stamps)
    for message in bag.read([found.name]):
        collector.add(message)
    track = collector.track(max_gap)
    warnings = collector.warnings()
    if track is None:
        raise InputError(
            f'{found.name} in {bag.path} has no usable message among {collector.total} '
            f'({"; ".join(warnings) or "it is empty"}); choose another pose topic, or none: '
            f'{bag.list_topics(*POSE_TYPES)}'
        )
    for warning in warnings:
        log.warning(warning)
    return track, collector.clock, warnings


def _has_own_origin(msgtype: str, frame_id: str) -> bool:
    """Whether the origin of the poses is the start of the drive.

    This is so for Odometry, unless its frame is one of the fixed frames of REP 105 (a SLAM system
    or a filter with GPS may publish its result as Odometry), and for poses of any type in a frame
    whose name contains odom.
    """
    name = frame_id.rpartition('/')[2].lower()
    return 'odom' in name or (msgtype == ODOMETRY and name not in _FIXED_FRAMES)


def _pose_values(msg: Any) -> list[float] | str:
    """x, y, z and the unit quaternion, or the problem in words."""
    pose = msg.pose.pose if hasattr(msg.pose, 'pose') else msg.pose
    position, turn = pose.position, pose.orientation
    values: Sequence[float] = [position.x, position.y, position.z, turn.x, turn.y, turn.z, turn.w]
    if not all(abs(value) <= MAX_COORDINATE for value in values):
        return 'hold NaN or impossible numbers and were skipped'
    norm = math.hypot(*values[3:])
    if abs(norm - 1) > NORM_TOLERANCE:
        return 'have no unit quaternion as orientation and were skipped'
    return [*values[:3], *(value / norm for value in values[3:])]
