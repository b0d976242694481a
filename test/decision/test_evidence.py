"""The features of each place, one by one."""

from __future__ import annotations

import itertools
import math
from dataclasses import replace

import numpy as np
import pytest
from helpers.decision.observations import hypothesis, place

from fol_vpr.config import VerificationConfig
from fol_vpr.datatypes import Candidate, PlaceHypothesis, Verification
from fol_vpr.decision import FEATURES, Observation, collect_evidence
from fol_vpr.decision.evidence import (
    MAX_MARGIN,
    MAX_PLACES,
    MIN_AGREEMENT,
    MIN_SPREAD,
)

# Places lie 30 m apart: 0, 1 and 2 are one place, up to 4 is beside it.
CONFIG = VerificationConfig(place_radius=65.0)
APART = VerificationConfig(place_radius=10.0)


def evidence_of(
    similarities: dict[int, float],
    hypotheses: list[PlaceHypothesis],
    config: VerificationConfig = APART,
) -> list[dict[str, float]]:
    """The numbers of each place by their names."""
    candidates = [Candidate(index, similarity) for index, similarity in similarities.items()]
    places = [place(index) for index in similarities]
    found = collect_evidence(Observation(0, candidates, places, hypotheses), config)
    return [dict(zip(FEATURES, each.features.tolist(), strict=True)) for each in found]


def test_similarity_is_compared_with_the_median_and_with_the_best_place_farther_off():
    similarities = {0: 0.9, 1: 0.8, 4: 0.7, 9: 0.6, 20: 0.2, 30: 0.1}
    spread = float(np.std(list(similarities.values())))
    (first,) = evidence_of(similarities, [hypothesis(0, 0.9, 10)], CONFIG)
    assert first['similarity'] == 0.9
    assert first['similarity_zscore'] == pytest.approx((0.9 - 0.65) / spread)
    # 1 is the same place and 4 is beside it: neither contradicts.
    assert first['similarity_margin'] == pytest.approx((0.9 - 0.6) / spread)


def test_where_no_other_place_was_found_the_margin_is_over_the_median():
    (only,) = evidence_of({0: 0.9, 1: 0.8, 2: 0.5}, [hypothesis(0, 0.9, 10)], CONFIG)
    assert only['similarity_margin'] == only['similarity_zscore'] > 0


def test_similarities_that_hardly_differ_differ_by_chance():
    (alike,) = evidence_of({0: 0.5 + 1e-6, 9: 0.5, 20: 0.5}, [hypothesis(0, 0.5, 10)])
    assert abs(alike['similarity_zscore']) <= 1e-6 / MIN_SPREAD + 1e-9
    (single,) = evidence_of({0: 0.5}, [hypothesis(0, 0.5, 10)])
    assert single['similarity_zscore'] == 0.0


def test_matches_are_those_that_the_geometry_was_given_and_else_those_of_re_ranking():
    checked = replace(hypothesis(0, 0.9, 99, 10), match_score=500.0)
    ranked = hypothesis(20, 0.8, 49, rank=1)
    unmatched = replace(hypothesis(40, 0.7, 0, rank=2), match_score=math.nan)
    found = evidence_of({0: 0.9, 20: 0.8, 40: 0.7}, [checked, ranked, unmatched])
    assert [each['matches'] for each in found] == pytest.approx([math.log(100), math.log(50), 0.0])
    assert [each['geometry_checked'] for each in found] == [1, 0, 0]
    assert [each['match_margin'] for each in found] == pytest.approx(
        [math.log(2), math.log(0.5), -math.log(100)]
    )


def test_the_matches_of_a_place_beside_contradict_no_more_than_its_similarity():
    found = evidence_of(
        {0: 0.9, 4: 0.8, 20: 0.7},
        [hypothesis(0, 0.9, 99), hypothesis(4, 0.8, 98, rank=1), hypothesis(20, 0.7, 9, rank=2)],
        CONFIG,
    )
    assert found[0]['match_margin'] == pytest.approx(math.log(100) - math.log(10))
    (alone,) = evidence_of({0: 0.9, 9: 0.1}, [hypothesis(0, 0.9, 10_000)])
    assert alone['match_margin'] == MAX_MARGIN


def test_the_geometry_of_a_place_is_the_best_that_one_of_its_references_has():
    first = replace(hypothesis(0, 0.9, 200, 50), regions=10)
    second = replace(hypothesis(1, 0.95, 60, 45, rank=1), regions=30)
    (one,) = evidence_of({0: 0.9, 1: 0.95}, [first, second], CONFIG)
    assert one['similarity'] == 0.95
    assert one['inliers'] == pytest.approx(math.log(51))
    assert one['inlier_ratio'] == pytest.approx(45 / 60)
    assert one['regions'] == pytest.approx(math.log(31))
    nothing = hypothesis(20, 0.9, 0, 0)
    (empty,) = evidence_of({20: 0.9}, [nothing])
    assert (empty['inlier_ratio'], empty['geometry_checked']) == (0.0, 1.0)


@pytest.mark.parametrize(
    ('ratio', 'expected'),
    [
        (1.0, 0.0),
        (1.25, -math.log(1.25)),
        (0.8, -math.log(1.25)),
        (3.0, MIN_AGREEMENT),
        (0.2, MIN_AGREEMENT),
        (math.nan, MIN_AGREEMENT),
    ],
)
def test_sizes_agree_less_the_larger_or_smaller_one_image_shows_the_inliers(ratio, expected):
    (one,) = evidence_of({0: 0.9}, [replace(hypothesis(0, 0.9, 99, 50), size_ratio=ratio)])
    assert one['size_agreement'] == pytest.approx(expected)
    (unchecked,) = evidence_of({0: 0.9}, [hypothesis(0, 0.9, 99)])
    assert unchecked['size_agreement'] == MIN_AGREEMENT


@pytest.mark.parametrize('order', itertools.permutations(range(3)))
def test_the_sizes_of_a_place_are_those_of_the_reference_that_is_believed(order):
    near = replace(hypothesis(0, 0.9, 99, 39), size_ratio=1.0)
    believed = replace(hypothesis(1, 0.9, 99, 50), size_ratio=1.25)
    unverified = replace(
        hypothesis(2, 0.9, 99, 60), size_ratio=1.1, verification=Verification.LOCAL
    )
    found = [near, believed, unverified]
    seen = [replace(found[row], rank=rank) for rank, row in enumerate(order)]
    (one,) = evidence_of({0: 0.9, 1: 0.9, 2: 0.9}, seen, CONFIG)
    assert one['size_agreement'] == pytest.approx(-math.log(1.25))


def test_the_references_of_one_place_are_taken_together_and_the_surest_is_believed():
    seen = [
        hypothesis(0, 0.9, 99, 39),
        hypothesis(20, 0.8, 99, 60, rank=1),
        hypothesis(1, 0.7, 99, 50, rank=2),
        hypothesis(2, 0.7, 99, 50, rank=3),
    ]
    candidates = [Candidate(h.place.index, h.similarity) for h in seen]
    places = [h.place for h in seen]
    first, other = collect_evidence(Observation(0, candidates, places, seen), CONFIG)
    assert first.members == {0, 1, 2} and other.members == {20}
    # The first one was not verified, and the last one is no better than the one before it.
    assert first.best is seen[2]
    assert collect_evidence(Observation(0, [], [], []), CONFIG) == []


def test_only_the_leading_places_are_gone_into():
    seen = [hypothesis(10 * rank, 0.9 - 0.05 * rank, 50, rank=rank) for rank in range(9)]
    found = evidence_of({h.place.index: h.similarity for h in seen}, seen)
    assert len(found) == MAX_PLACES
    assert [each['similarity'] for each in found] == sorted(
        (each['similarity'] for each in found), reverse=True
    )
