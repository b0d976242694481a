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

# Largest error of the odometry that is allowed for, in its standard deviations.
MAX_DEVIATIONS = 3.0


class SessionKeyframes:
    """The keyframes of a drive, by their number, and how far the drive was at each.

    An image is due as a keyframe after some distance, or after some time with a changed view. A
    due image that shows an older keyframe again may be skipped, so that a round that is driven
    all day keeps each place once.

    Args:
        config: when an image is due, and which keyframes are recent.
        tracker: distance of the drive, updated by each image before this class is asked.

    Attributes:
        due_count: number of images that were due so far, skipped ones included.
    """

    def __init__(self, config: LoopsConfig, tracker: DistanceTracker) -> None:
        self._config = config
        self._tracker = tracker
        self._selector = KeyframeSelector(_mapping(config))
        self._last_view: np.ndarray | None = None
        self.due_count = 0
        # By keyframe, in their order: metres, seconds, and `due_count` when it was stored.
        self._distances = array('d')
        self._seconds = array('d')
        self._numbers = array('q')

    def set_config(self, config: LoopsConfig) -> None:
        """Take other settings for the images from now on."""
        self._config = config
        self._selector.set_config(_mapping(config))

    def __len__(self) -> int:
        return len(self._distances)

    def distance_at(self, number: int) -> float:
        """Metres driven when a keyframe was taken."""
        return self._distances[number]

    def is_due(self, frame: Frame, features: Features) -> bool:
        """Whether an image is due as a keyframe."""
        due = self._selector.wants(frame.stamp_ns, frame.odometry, None)
        if frame.odometry is not None or self._last_view is None:
            return due
        similarity = float(self._last_view @ features.global_descriptor)
        changed = self._config.keyframe_similarity
        return similarity < changed or (due and similarity < (1 + changed) / 2)

    def is_redundant(
        self, frame: Frame, features: Features, revisited: PlaceHypothesis | None
    ) -> bool:
        """Whether a due image is as close to an older keyframe as keyframes are to each other.

        The odometry has to agree, within its error since the older keyframe, which after a long
        drive excludes little. In addition the image has to be as similar to the older keyframe as
        to the image that was due last, which is one keyframe spacing away.

        Args:
            frame: the image; without odometry it is not redundant.
            features: of the image.
            revisited: hypothesis of an older keyframe that the image is confirmed to show; None
                where there is none.
        """
        if revisited is None or revisited.verification != Verification.GEOMETRY:
            return False
        if self._last_view is None or not self._config.skip_revisits:
            return False
        if not self._may_be_near(frame, revisited.place):
            return False
        return revisited.similarity >= float(self._last_view @ features.global_descriptor)

    def _may_be_near(self, frame: Frame, place: Place) -> bool:
        if frame.odometry is None or place.pose is None:
            return False
        apart = float(np.linalg.norm(frame.odometry.position - place.pose.position))
        driven = max(0.0, self._tracker.distance - self._distances[place.index])
        return apart <= self._config.keyframe_distance + MAX_DEVIATIONS * self._drift(driven)

    def _drift(self, driven: float) -> float:
        """Standard deviation in metres of the odometry's position after metres driven.

        The error of the heading is a random walk; its integral along the path adds an error to
        the side.
        """
        turn = math.radians(self._config.odometry_turn_stddev)
        return math.sqrt(self._config.odometry_stddev**2 * driven + turn**2 * driven**3 / 3)

    def skip(self, frame: Frame, features: Features) -> None:
        """Record that an image was due, and is not a keyframe."""
        self._selector.stored(frame.stamp_ns, frame.odometry, None)
        self._last_view = features.global_descriptor
        self.due_count += 1

    def store(self, frame: Frame, features: Features) -> None:
        """Record that an image was due, and is the next keyframe."""
        self.skip(frame, features)
        self._distances.append(self._tracker.distance)
        self._seconds.append(self._tracker.seconds)
        self._numbers.append(self.due_count)

    def searchable_count(self) -> int:
        """Number of keyframes, from the first, that are not recent; all later ones are."""
        config, tracker = self._config, self._tracker
        by_distance = bisect_right(self._distances, tracker.distance - config.exclude_distance)
        if tracker.measured:
            return by_distance
        by_time = bisect_right(self._seconds, tracker.seconds - config.exclude_time)
        by_number = bisect_right(self._numbers, self.due_count - config.exclude_keyframes)
        by_both = min(by_time, by_number)
        # In a gap of the odometry, time alone must not make the view of a standing robot old.
        return min(by_both, by_distance) if tracker.was_measured else by_both


def _mapping(config: LoopsConfig) -> MappingConfig:
    return MappingConfig(
        keyframe_distance=config.keyframe_distance,
        keyframe_angle=config.keyframe_angle,
        keyframe_interval=config.keyframe_interval,
    )
