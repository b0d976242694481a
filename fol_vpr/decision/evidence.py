"""The evidence of one image for each place that it may show, as numbers."""

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
    'similarity_zscore': 'similarity above the median of the candidates, in their standard '
    'deviations',
    'similarity_margin': 'similarity above the best candidate of a place farther off, in standard '
    'deviations of the candidates',
    'matches': 'local matches n, as log(1 + n)',
    'match_margin': 'log(1 + n) of the local matches, less that of the best other place',
    'inliers': 'inliers n of the geometric verification, as log(1 + n)',
    'inlier_ratio': 'share of the matches that are inliers',
    'regions': 'image regions n that the inliers cover, as log(1 + n)',
    'size_agreement': 'minus the |log| of the ratio of the sizes that both images show the '
    'inliers in',
    'geometry_checked': '1 where the geometric verification was run, else 0',
}
"""The features of a place, in the order of `PlaceEvidence.features`, and what each means."""

MORE_IS_BETTER = tuple(name for name in FEATURES if name != 'geometry_checked')
"""Features whose weight is never negative: more of one never makes a place less probable."""

MAX_PLACES = 6
# Standard deviations of the similarities below this are within chance.
MIN_SPREAD = 1e-3
# Least agreement of sizes: one image shows the inliers twice as large. Also the value where it was
# not measured.
MIN_AGREEMENT = -math.log(2.0)
# Largest match margin: log of twenty times as many matches as any other place.
MAX_MARGIN = 3.0


@dataclass(frozen=True, eq=False)
class Observation:
    """The result of retrieval and verification for one image: the input of the decision.

    Attributes:
        stamp_ns: time of exposure of the image.
        candidates: of the global search, best first.
        places: the references of these candidates, in the same order.
        hypotheses: the candidates that were re-ranked or verified, best first.
        descriptor: [D] global descriptor of the image, unit length, or None.
        odometry: pose of the base in the odometry frame, or None.
        quality: quality score of the image, 0 (unusable) to 1.
        quality_reason: what is wrong with the image; empty where nothing is.
    """

    stamp_ns: int
    candidates: Sequence[Candidate]
    places: Sequence[Place]
    hypotheses: Sequence[PlaceHypothesis]
    descriptor: np.ndarray | None = None
    odometry: Pose | None = None
    quality: float = 1.0
    quality_reason: str = ''

    @property
    def median_similarity(self) -> float:
        """Similarity of the median candidate, which as a rule shows another place."""
        similarities = [candidate.similarity for candidate in self.candidates]
        return float(np.median(similarities)) if similarities else 0.0


@dataclass(frozen=True, eq=False)
class PlaceEvidence:
    """The hypotheses of one image that show one place, taken together.

    Attributes:
        best: the verified hypothesis with most inliers, or the first one where none is verified.
        members: `Place.index` of all of them.
        features: [F] numbers named by `FEATURES`, each the maximum over the hypotheses, but
            `size_agreement`, which is that of `best`.
    """

    best: PlaceHypothesis
    members: frozenset[int]
    features: np.ndarray


def collect_evidence(observation: Observation, config: VerificationConfig) -> list[PlaceEvidence]:
    """Evidence for each of the leading places of an image, at most `MAX_PLACES`, best first.

    Args:
        observation: of the image.
        config: `place_radius` and `place_index_gap`, which tell the references of one place.
    """
    groups = _group_by_place(observation.hypotheses, config)
    if not groups:
        return []
    similarities = np.array([c.similarity for c in observation.candidates])
    spread = max(float(similarities.std()), MIN_SPREAD) if len(similarities) else 1.0
    median = observation.median_similarity
    locations = Locations(observation.places)
    leaders = Locations([group[0].place for group in groups])
    matches = np.array([_matches(group) for group in groups])
    evidence = []
    for number, group in enumerate(groups[:MAX_PLACES]):
        best = _best(group)
        similarity = max(h.similarity for h in group)
        others = similarities[~locations.same(best.place, config, radius_factor=NEIGHBOUR_FACTOR)]
        rival = float(others.max()) if len(others) else median
        apart = ~leaders.same(best.place, config, radius_factor=NEIGHBOUR_FACTOR)
        rival_matches = float(matches[apart].max(initial=0.0))
        features = [
            similarity,
            (similarity - median) / spread,
            (similarity - rival) / spread,
            float(matches[number]),
            min(float(matches[number]) - rival_matches, MAX_MARGIN),
            *_geometry(group),
        ]
        members = frozenset(h.place.index for h in group)
        evidence.append(PlaceEvidence(best, members, np.array(features)))
    return evidence


def _group_by_place(
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
    """log(1 + n) of the matches given to the geometric verification, else of re-ranking.

    Rivals are verified too, so that matches of the geometric verification are compared with
    their like.
    """
    checked = [float(h.matches) for h in group if h.query_xy is not None]
    scores = [h.match_score for h in group if not math.isnan(h.match_score)]
    return math.log1p(max(checked or scores, default=0.0))


def _geometry(group: list[PlaceHypothesis]) -> tuple[float, float, float, float, float]:
    """The last five of `FEATURES`."""
    checked = [h for h in group if h.query_xy is not None]
    if not checked:
        return 0.0, 0.0, 0.0, MIN_AGREEMENT, 0.0
    return (
        math.log1p(max(h.inliers for h in checked)),
        max(h.inliers / h.matches if h.matches else 0.0 for h in checked),
        math.log1p(max(h.regions for h in checked)),
        _size_agreement(_best(group).size_ratio),
        1.0,
    )


def _size_agreement(ratio: float) -> float:
    """0 where both images show the inliers equally large, down to `MIN_AGREEMENT`.

    A camera that is nearer to what it sees than that of the reference, or farther from it, sees it
    larger or smaller. A camera that only turned sees it in nearly the same size.
    """
    return max(MIN_AGREEMENT, -abs(math.log(ratio))) if ratio > 0 else MIN_AGREEMENT
