"""What speaks for each place that an image may show, in numbers."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from fol_vpr.config import VerificationConfig
from fol_vpr.datatypes import Candidate, Place, PlaceHypothesis, Pose, Verification
from fol_vpr.decision.places import NEIGHBOUR_FACTOR, Locations

FEATURES = {
    'similarity': 'cosine of the global descriptors',
    'standing': 'similarity over the median candidate, in standard deviations of all of them',
    'margin': 'similarity over the best candidate of a place farther off, in the same unit',
    'matches': 'local matches, log(1 + n)',
    'match_margin': 'the same, less that of the best other place',
    'inliers': 'inliers of the geometry, log(1 + n)',
    'inlier_ratio': 'share of the matches that are inliers',
    'regions': 'image regions that the inliers cover, log(1 + n)',
    'checked': '1 where the geometry was run',
}
"""The numbers of a place, in the order of `PlaceEvidence.features`."""

MORE_IS_BETTER = tuple(name for name in FEATURES if name != 'checked')
"""More of these never makes a place less probable."""

MAX_PLACES = 6
# Similarities that lie closer together than this differ by chance.
MIN_SPREAD = 1e-3
# In logarithms: twenty times as many matches as any other place, or no other place at all.
MAX_MARGIN = 3.0


@dataclass(frozen=True, eq=False)
class Observation:
    """What one image gave.

    Attributes:
        candidates: of the global search, best first.
        places: what they are.
        hypotheses: those that were re-ranked or verified, best first.
        descriptor: [D] global descriptor of the image, unit length, or None.
        odometry: pose of the base in the frame of the odometry, or None.
        quality: of the image, 0 (unusable) to 1.
    """

    stamp_ns: int
    candidates: Sequence[Candidate]
    places: Sequence[Place]
    hypotheses: Sequence[PlaceHypothesis]
    descriptor: np.ndarray | None = None
    odometry: Pose | None = None
    quality: float = 1.0

    @property
    def usual_similarity(self) -> float:
        """That of the median candidate, which as a rule shows another place."""
        similarities = [candidate.similarity for candidate in self.candidates]
        return float(np.median(similarities)) if similarities else 0.0


@dataclass(frozen=True, eq=False)
class PlaceEvidence:
    """The hypotheses of one image that show one place, taken together.

    Attributes:
        best: the one to believe if the place is right: the verified one with most inliers, else
            the first.
        members: `Place.index` of all of them.
        features: [F] numbers named by `FEATURES`, each the best that one of them has.
    """

    best: PlaceHypothesis
    members: frozenset[int]
    features: np.ndarray


def gather(observation: Observation, config: VerificationConfig) -> list[PlaceEvidence]:
    """Evidence for each of the leading places of an image, at most `MAX_PLACES`, best first."""
    groups = _grouped(observation.hypotheses, config)
    if not groups:
        return []
    similarities = np.array([c.similarity for c in observation.candidates])
    spread = max(float(similarities.std()), MIN_SPREAD) if len(similarities) else 1.0
    usual = observation.usual_similarity
    locations = Locations(observation.places)
    leaders = Locations([group[0].place for group in groups])
    matches = np.array([_matches(group) for group in groups])
    found = []
    for number, group in enumerate(groups[:MAX_PLACES]):
        best = _best(group)
        similarity = max(h.similarity for h in group)
        others = similarities[~locations.same(best.place, config, radius_factor=NEIGHBOUR_FACTOR)]
        rival = float(others.max()) if len(others) else usual
        apart = ~leaders.same(best.place, config, radius_factor=NEIGHBOUR_FACTOR)
        other_matches = float(matches[apart].max(initial=0.0))
        features = [
            similarity,
            (similarity - usual) / spread,
            (similarity - rival) / spread,
            float(matches[number]),
            min(float(matches[number]) - other_matches, MAX_MARGIN),
            *_geometry(group),
        ]
        members = frozenset(h.place.index for h in group)
        found.append(PlaceEvidence(best, members, np.array(features)))
    return found


def _grouped(
    hypotheses: Sequence[PlaceHypothesis], config: VerificationConfig
) -> list[list[PlaceHypothesis]]:
    """Hypotheses of one place together, in the order of the best of each."""
    locations = Locations([h.place for h in hypotheses])
    free = np.ones(len(hypotheses), bool)
    groups = []
    for row, hypothesis in enumerate(hypotheses):
        if free[row]:
            rows = np.flatnonzero(free & locations.same(hypothesis.place, config))
            free[rows] = False
            groups.append([hypotheses[int(each)] for each in rows])
    return groups


def _best(group: list[PlaceHypothesis]) -> PlaceHypothesis:
    verified = [h for h in group if h.verification == Verification.GEOMETRY]
    return max(verified, key=lambda h: (h.inliers, -h.rank)) if verified else group[0]


def _matches(group: list[PlaceHypothesis]) -> float:
    """Those that the geometry was given, which has rivals too, else those of re-ranking."""
    checked = [float(h.matches) for h in group if h.query_xy is not None]
    scores = [h.match_score for h in group if not math.isnan(h.match_score)]
    return math.log1p(max(checked or scores, default=0.0))


def _geometry(group: list[PlaceHypothesis]) -> tuple[float, float, float, float]:
    checked = [h for h in group if h.query_xy is not None]
    if not checked:
        return 0.0, 0.0, 0.0, 0.0
    return (
        math.log1p(max(h.inliers for h in checked)),
        max(h.inliers / h.matches if h.matches else 0.0 for h in checked),
        math.log1p(max(h.regions for h in checked)),
        1.0,
    )
