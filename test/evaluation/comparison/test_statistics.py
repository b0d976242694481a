"""Tests and intervals of paired results, against published examples and by simulation."""

from __future__ import annotations

import math

import numpy as np
import pytest

from fol_vpr.config import ComparisonConfig
from fol_vpr.evaluation.comparison.statistics import (
    PairedCounts,
    bootstrap_difference,
    holm,
)


@pytest.mark.parametrize(
    ('counts', 'p_value'),
    [
        # Bentur et al. 2009, as in Fagerland, Lydersen and Laake, Statistics in Medicine 33
        # (2014), where the exact conditional test gives 0.070.
        ((1, 1, 7, 12), 0.0703125),
        # Altman et al., Statistics with Confidence (2000), table 6.2: five against none.
        ((14, 5, 0, 22), 0.0625),
        # Newcombe 1998: twelve against two.
        ((36, 12, 2, 0), 0.0129395),
        ((50, 0, 0, 10), 1.0),
        ((50, 4, 4, 10), 1.0),
        # A thousand pairs that differ: no overflow, and near what chi-squared gives (0.0018).
        ((0, 450, 550, 0), 0.00173),
    ],
)
def test_mcnemar_agrees_with_published_examples(counts, p_value):
    assert PairedCounts(*counts).p_value() == pytest.approx(p_value, rel=5e-3)


@pytest.mark.parametrize(
    ('counts', 'low', 'high'),
    [
        # Newcombe, Statistics in Medicine 17 (1998) 2635, first less second.
        ((36, 12, 2, 0), 0.0569, 0.3404),
        ((18, 12, 2, 18), 0.0562, 0.3290),
        ((53, 0, 0, 1), -0.0729, 0.0729),
        # Cavo et al. 2012, as the R package contingencytables gives it.
        ((59, 6, 16, 80), -0.1186, -0.0046),
        # Altman et al. 2000, chapter 6.
        ((14, 5, 0, 22), 0.0115, 0.2265),
    ],
)
def test_the_interval_of_a_difference_agrees_with_published_ones(counts, low, high):
    found = PairedCounts(*counts).interval()
    # They subtract the second from the first.
    assert (-found[1], -found[0]) == pytest.approx((low, high), abs=1e-4)


def test_an_interval_has_width_where_no_query_differs():
    low, high = PairedCounts(20, 0, 0, 0).interval()
    assert low == pytest.approx(-high)
    assert high > 0.1


def test_without_pairs_there_is_no_interval_and_no_difference():
    nothing = PairedCounts(0, 0, 0, 0)
    assert math.isnan(nothing.difference)
    assert all(math.isnan(end) for end in nothing.interval())
    assert nothing.p_value() == 1.0


def test_pairs_are_counted():
    counts = PairedCounts.of([True, True, False, False, True], [True, False, True, False, True])
    assert counts == PairedCounts(2, 1, 1, 1)
    assert (counts.first.hits, counts.second.hits, counts.discordant) == (3, 3, 2)
    with pytest.raises(ValueError, match='no pairs'):
        PairedCounts.of([True], [True, False])


def coverage(share: float, flips: float, pairs: int, draws: int = 400) -> float:
    """How often the interval holds the true difference, which is 0."""
    random = np.random.default_rng(7)
    held = 0
    for _ in range(draws):
        truth = random.random(pairs) < share
        seen = [truth ^ (random.random(pairs) < flips) for _ in range(2)]
        low, high = PairedCounts.of(*seen).interval()
        held += low <= 0 <= high
    return held / draws


@pytest.mark.parametrize(('share', 'flips', 'pairs'), [(0.9, 0.02, 50), (0.7, 0.1, 200)])
def test_the_interval_covers_the_truth_as_often_as_it_says(share, flips, pairs):
    assert coverage(share, flips, pairs) >= 0.93


def test_holm_agrees_with_a_published_example():
    # Holm's step-down: the smallest is multiplied by the number of tests, and none falls below
    # one before it.
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.9, 0.8]) == [1.0, 1.0]
    assert holm([0.03]) == [0.03]
    assert holm([]) == []


def median(values: np.ndarray, axis: int = -1) -> np.ndarray:
    return np.median(values, axis=axis)


def test_the_bootstrap_sees_a_paired_difference_that_two_intervals_would_hide():
    random = np.random.default_rng(0)
    # Queries differ by hundreds of milliseconds, the two results by ten.
    first = random.uniform(50, 400, 200)
    second = first + random.normal(10, 2, 200)
    found = bootstrap_difference([first], [second], median)
    assert found.excludes_zero
    assert found.low < found.value < found.high
    assert found.pairs == 200


def test_the_bootstrap_covers_the_truth_as_often_as_it_says():
    random, held, draws = np.random.default_rng(5), 0, 150
    config = ComparisonConfig(resamples=300)
    for _ in range(draws):
        first = random.exponential(100, 60)
        second = random.exponential(100, 60)
        found = bootstrap_difference([first], [second], median, config)
        held += found.low <= 0 <= found.high
    assert held / draws >= 0.90


def test_the_same_seed_gives_the_same_interval():
    random = np.random.default_rng(1)
    first, second = random.random(50), random.random(50)
    same = [bootstrap_difference([first], [second], median) for _ in range(2)]
    assert same[0] == same[1]
    other = bootstrap_difference([first], [second], median, ComparisonConfig(seed=1))
    assert other != same[0]


def test_equal_values_give_a_difference_of_zero_and_no_warning(recwarn):
    values = np.full(20, 3.0)
    found = bootstrap_difference([values], [values], median)
    assert (found.value, found.low, found.high) == (0, 0, 0)
    assert not found.excludes_zero
    assert not recwarn.list


@pytest.mark.parametrize('pairs', [0, 1])
def test_one_pair_gives_no_interval(pairs):
    found = bootstrap_difference([np.ones(pairs)], [np.ones(pairs)], median)
    assert math.isnan(found.low)
    assert math.isnan(found.high)
    assert not found.excludes_zero
