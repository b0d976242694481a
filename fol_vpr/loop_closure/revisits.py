"""Which older keyframes an image of a drive may show again, and views to measure them by."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from fol_vpr.config import LoopsConfig, RecognizerConfig
from fol_vpr.datatypes import Features, Frame, Place, PlaceHypothesis
from fol_vpr.loop_closure.recorder import SessionRecorder
from fol_vpr.mapping.candidate_matcher import CandidateMatcher

# Largest number of metres driven between two keyframes whose baseline the odometry measures.
MAX_BASELINE_DISTANCE = 20.0


class BaselineView:
    """The keyframes around one of them, with poses relative to it.

    A transform in metres is measured by two keyframes whose baseline is known. The error of that
    baseline is the odometry's error over the distance driven between the two, and not its drift
    since the drive began. The two therefore belong to the same pass of the place.

    Args:
        session: the drive.
        number: of the keyframe.
        config: `odometry_stddev` and `odometry_turn_stddev`.
    """

    def __init__(self, session: SessionRecorder, number: int, config: LoopsConfig) -> None:
        self._session = session
        self._distance = session.distance_at(number)
        self._variances = np.repeat(
            [config.odometry_stddev**2, math.radians(config.odometry_turn_stddev) ** 2], 3
        )

    def with_baseline_covariance(self, place: Place) -> Place:
        """A keyframe whose pose has the covariance of the odometry between the two."""
        if place.pose is None:
            return place
        driven = abs(self._session.distance_at(place.index) - self._distance)
        pose = replace(place.pose, covariance=np.diag(driven * self._variances))
        return replace(place, pose=pose)

    def is_within_baseline(self, place: Place) -> bool:
        """Whether at most `MAX_BASELINE_DISTANCE` metres were driven between the two."""
        driven = abs(self._session.distance_at(place.index) - self._distance)
        return driven <= MAX_BASELINE_DISTANCE

    def image(self, number: int) -> bytes | None:
        """JPEG of a keyframe; see `SessionRecorder.image`."""
        return self._session.image(number)

    def neighbours(self, number: int, reach: int) -> list[Place]:
        """Neighbouring keyframes of the same pass; see `SessionRecorder.neighbours`."""
        nearby = self._session.neighbours(number, reach)
        return [
            self.with_baseline_covariance(place)
            for place in nearby
            if self.is_within_baseline(place)
        ]


def find_revisits(
    session: SessionRecorder,
    frame: Frame,
    features: Features,
    config: RecognizerConfig,
    device: str,
) -> list[PlaceHypothesis]:
    """The older keyframes of a drive that an image may show again, verified; best first.

    Args:
        session: the drive.
        frame: the image.
        features: of the image.
        config: how keyframes are searched, re-ranked and verified.
        device: where features are matched.

    Raises:
        MapError: the keyframes cannot be read any more.
    """
    matcher = CandidateMatcher(frame, features, session, config, device)
    ranked = matcher.rank(session.search(features, config.loops.candidates))
    return matcher.verify(ranked, range(min(len(ranked), config.loops.verify)))
