"""What an image of a drive may have come back to, and the keyframes beside it."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from fol_vpr.config import LoopsConfig, RecognizerConfig
from fol_vpr.datatypes import Features, Frame, Place, PlaceHypothesis
from fol_vpr.loop_closure.recorder import SessionRecorder
from fol_vpr.mapping.candidate_matcher import CandidateMatcher

# Metres of driving over which the odometry tells a baseline of one metre or a few.
MAX_BASELINE_PATH = 20.0


class BaselineView:
    """Keyframes as seen from one of them: a closure is measured by two that know their baseline.

    How far the odometry has drifted since the drive began says nothing of that; what it adds on
    the way between two keyframes does. So they are of one and the same pass.

    Args:
        session: the drive.
        number: the keyframe.
        config: how good the odometry is.
    """

    def __init__(self, session: SessionRecorder, number: int, config: LoopsConfig) -> None:
        self._session = session
        self._path = session.path_at(number)
        self._variances = np.repeat(
            [config.odometry_stddev**2, math.radians(config.odometry_turn_stddev) ** 2], 3
        )

    def view(self, place: Place) -> Place:
        """A keyframe, the covariance of its pose being that of the way to it."""
        if place.pose is None:
            return place
        way = abs(self._session.path_at(place.index) - self._path)
        pose = replace(place.pose, covariance=np.diag(way * self._variances))
        return replace(place, pose=pose)

    def reaches(self, place: Place) -> bool:
        """Whether the way to a keyframe is short enough to know the baseline."""
        return abs(self._session.path_at(place.index) - self._path) <= MAX_BASELINE_PATH

    def image(self, number: int) -> bytes | None:
        """JPEG of a keyframe; see `SessionRecorder.image`."""
        return self._session.image(number)

    def neighbours(self, number: int, reach: int) -> list[Place]:
        """Keyframes beside one; see `SessionRecorder.neighbours`."""
        nearby = self._session.neighbours(number, reach)
        return [self.view(place) for place in nearby if self.reaches(place)]


def find_revisits(
    session: SessionRecorder,
    frame: Frame,
    features: Features,
    config: RecognizerConfig,
    device: str,
) -> list[PlaceHypothesis]:
    """The older keyframes of a drive that an image may have come back to, verified; best first.

    Args:
        session: the drive.
        frame: the image.
        features: of the image.
        config: how keyframes are searched, compared and verified.
        device: where features are matched.

    Raises:
        MapError: the keyframes cannot be read any more.
    """
    comparison = CandidateMatcher(frame, features, session, config, device)
    ranked = comparison.rank(session.search(features, config.loops.candidates))
    return comparison.verify(ranked, range(min(len(ranked), config.loops.verify)))
