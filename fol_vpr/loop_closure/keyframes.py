"""Which images of a running drive become keyframes, and which keyframes are recent."""

from __future__ import annotations

import math
from array import array
from bisect import bisect_right

import numpy as np

from fol_vpr.config import LoopsConfig, MappingConfig
from fol_vpr.datatypes import Features, Frame, Place, PlaceHypothesis, Verification
from fol_vpr.loop_closure.distance import DistanceTracker
from fol_vpr.mapping import KeyframeSelector

# What the odometry may be off by, in standard deviations.
DEVIATIONS = 3.0


class DriveKeyframes:
    """The keyframes of a drive by their number: where on its way each was taken.

    An image is due by the way driven, or by time and view. Where it shows an older keyframe again
    it may be skipped: a round that is driven all day keeps each place once.

    Args:
        config: when an image is due, and which keyframes are recent.
        travel: how far the drive has gone; told of every image before this is.

    Attributes:
        due: how many images were due so far, skipped ones too.
    """

    def __init__(self, config: LoopsConfig, travel: DistanceTracker) -> None:
        self._config = config
        self._travel = travel
        self._selector = KeyframeSelector(
            MappingConfig(
                keyframe_distance=config.keyframe_distance,
                keyframe_angle=config.keyframe_angle,
                keyframe_interval=config.keyframe_interval,
            )
        )
        self._last_view: np.ndarray | None = None
        self.due = 0
        # By keyframe, in their order: metres, seconds, and `due` when it was taken.
        self._paths = array('d')
        self._seconds = array('d')
        self._numbers = array('q')

    def __len__(self) -> int:
        return len(self._paths)

    def path_at(self, number: int) -> float:
        """Metres of the drive at a keyframe."""
        return self._paths[number]

    def wants(self, frame: Frame, features: Features) -> bool:
        """Whether an image is due."""
        due = self._selector.wants(frame.stamp_ns, frame.odometry, None)
        if frame.odometry is not None or self._last_view is None:
            return due
        similarity = float(self._last_view @ features.global_descriptor)
        changed = self._config.keyframe_similarity
        return similarity < changed or (due and similarity < (1 + changed) / 2)

    def is_redundant(
        self, frame: Frame, features: Features, shown: PlaceHypothesis | None
    ) -> bool:
        """Whether an image that is due shows a keyframe as nearly as keyframes follow each other.

        The odometry, as good as it is after the way between both, must not speak against that.
        After a long way it says little. But the image that was due last is one spacing of
        keyframes away, and what is that near resembles this image as much.

        Args:
            frame: the image; without odometry it is not skipped.
            features: of the image.
            shown: an older keyframe that it is certain to show again; None where there is none.
        """
        if shown is None or shown.verification != Verification.GEOMETRY:
            return False
        if self._last_view is None or not self._config.skip_revisits:
            return False
        if not self._may_be_near(frame, shown.place):
            return False
        return shown.similarity >= float(self._last_view @ features.global_descriptor)

    def _may_be_near(self, frame: Frame, place: Place) -> bool:
        if frame.odometry is None or place.pose is None:
            return False
        distance = float(np.linalg.norm(frame.odometry.position - place.pose.position))
        way = max(0.0, self._travel.path - self._paths[place.index])
        return distance <= self._config.keyframe_distance + DEVIATIONS * self._drift(way)

    def _drift(self, way: float) -> float:
        """Standard deviation of the odometry's position in metres after a way.

        A heading that is off by a random walk leads aside by its integral along the way.
        """
        turn = math.radians(self._config.odometry_turn_stddev)
        return math.sqrt(self._config.odometry_stddev**2 * way + turn**2 * way**3 / 3)

    def skip(self, frame: Frame, features: Features) -> None:
        """Take note that an image was due, and is no keyframe."""
        self._selector.stored(frame.stamp_ns, frame.odometry, None)
        self._last_view = features.global_descriptor
        self.due += 1

    def store(self, frame: Frame, features: Features) -> None:
        """Take note that an image was due, and is the next keyframe."""
        self.skip(frame, features)
        self._paths.append(self._travel.path)
        self._seconds.append(self._travel.seconds)
        self._numbers.append(self.due)

    def old(self) -> int:
        """How many of the first keyframes are not recent; the others are."""
        config, travel = self._config, self._travel
        by_path = bisect_right(self._paths, travel.path - config.exclude_distance)
        if travel.measured:
            return by_path
        by_time = bisect_right(self._seconds, travel.seconds - config.exclude_time)
        by_number = bisect_right(self._numbers, self.due - config.exclude_keyframes)
        by_both = min(by_time, by_number)
        # A gap in the odometry must not make old what a standing robot sees.
        return min(by_both, by_path) if travel.was_measured else by_both
