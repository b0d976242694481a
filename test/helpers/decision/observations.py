"""Synthetic observations for tests."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from fol_vpr.config import RecognizerConfig, settings_of
from fol_vpr.datatypes import Candidate, Place, PlaceHypothesis, Pose, Verification
from fol_vpr.decision import FEATURES, Calibration, Observation, PlattScaling

SECOND = 1_000_000_000
EVERYWHERE = 40
SPACING = 30.0
LEARNED = Calibration(
    mean=np.linspace(-1, 1, len(FEATURES)),
    scale=np.linspace(0.5, 2, len(FEATURES)),
    weights=np.linspace(0, 1, len(FEATURES)),
    offset=-0.3,
    miss_rate=0.1,
    repeat_rate=0.2,
    exact_weights=np.linspace(1, 0, len(FEATURES)),
    exact_offset=0.6,
    place_scaling=PlattScaling(0.7, -0.2, 1.5, 0.3),
    outside_scaling=PlattScaling(0.9, 0.4),
    settings=settings_of(RecognizerConfig()),
    provenance={'drives': ['monday'], 'images': 100, 'reliability': [[10, 0.5, 0.4]]},
)


def place(index: int) -> Place:
    """Every one of them is a place of its own, 30 m from the next."""
    pose = Pose(np.array([SPACING * index, 0.0, 0.0]), np.array([0.0, 0, 0, 1]))
    return Place(index, f'p{index}', 's', 0, '', (640, 480), pose)


def hypothesis(
    index: int, similarity: float, matches: int, inliers: int | None = None, rank: int = 0
) -> PlaceHypothesis:
    """Geometry was run where there are inliers, and passed where they are 40."""
    checked = inliers is not None
    passed = checked and inliers >= 40
    pairs = np.zeros((matches, 2)) if checked else None
    return PlaceHypothesis(
        place(index),
        rank,
        similarity,
        match_score=float(matches),
        inliers=inliers or 0,
        regions=(inliers or 0) // 2,
        verification=Verification.GEOMETRY if passed else Verification.LOCAL,
        query_xy=pairs,
        reference_xy=pairs,
    )


def observation(
    stamp: float, hypotheses: Sequence[PlaceHypothesis], **fields: object
) -> Observation:
    """Of a map of 40 places, all but those of the hypotheses alike."""
    rng = np.random.default_rng(7)
    others = {index: float(s) for index, s in enumerate(rng.normal(0.4, 0.03, EVERYWHERE))}
    found = others | {h.place.index: h.similarity for h in hypotheses}
    candidates = [Candidate(index, value) for index, value in found.items()]
    candidates.sort(key=lambda candidate: -candidate.similarity)
    values: dict = {'descriptor': None, 'odometry': None, 'quality': 1.0, **fields}
    return Observation(
        stamp_ns=round(stamp * SECOND),
        candidates=candidates,
        places=[place(candidate.index) for candidate in candidates],
        hypotheses=hypotheses,
        **values,
    )


def clear(stamp: float, index: int, **fields: object) -> Observation:
    """An image that shows one place beyond doubt."""
    seen = [hypothesis(index, 0.9, 400, 300), hypothesis((index + 15) % 40, 0.45, 90, 12, 1)]
    return observation(stamp, seen, **fields)


def poor(stamp: float, index: int, **fields: object) -> Observation:
    """An image that shows nothing of the map: the best place is no better than others."""
    seen = [hypothesis(index, 0.45, 90, 12), hypothesis((index + 15) % 40, 0.44, 88, 12, 1)]
    return observation(stamp, seen, **fields)


def two_places(rival: int, apart: int = 20, second: int = 300) -> list:
    """Two places, and how many inliers each has."""
    return [hypothesis(5, 0.9, 400, rival), hypothesis(5 + apart, 0.9, 400, second, 1)]
