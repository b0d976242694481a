"""The spatial score of matches: how similar they are, and how consistent their displacements."""

from collections.abc import Iterator

import numpy as np
import pytest
from helpers.processes.compiled_code import WAYS, computed

from fol_vpr.datatypes import LocalFeatures
from fol_vpr.retrieval.spatial_score import CELL, SpatialScorer

THRESHOLD = 0.7
ROWS = 60
ALL = np.repeat(np.arange(ROWS)[:, None], 2, axis=1)


@pytest.fixture(autouse=True, params=WAYS)
def way(request: pytest.FixtureRequest) -> Iterator[str]:
    """Everything holds for both ways to compute."""
    with computed(request.param):
        yield request.param


def features(positions: np.ndarray, cosines: np.ndarray | float = 1.0) -> LocalFeatures:
    """Descriptors that have these cosines with the rows of the identity matrix."""
    cosines = np.broadcast_to(cosines, len(positions))[:, None]
    rows, others = np.eye(ROWS, 2 * ROWS), np.eye(ROWS, 2 * ROWS, ROWS)
    descriptors = cosines * rows + np.sqrt(1 - cosines**2) * others
    return LocalFeatures(
        descriptors.astype(np.float32), positions.astype(np.float32), np.ones(ROWS, np.float32)
    )


def score_of(
    query: LocalFeatures, reference: LocalFeatures, pairs: np.ndarray, threshold: float = THRESHOLD
) -> float:
    (score,) = SpatialScorer(query, threshold).scores([reference], [pairs])
    return score


def spread(seed: int) -> np.ndarray:
    """Random positions in an image of 640 x 480, two of its corners included."""
    positions = np.random.default_rng(seed).random((ROWS, 2)) * (640, 480)
    positions[:2] = (0, 0), (640, 480)
    return positions


def test_matches_with_equal_displacements_count_in_full():
    cosines = np.random.default_rng(0).uniform(0.71, 1, ROWS)
    query = features(spread(1))
    for offset in ((0, 0), (500, -90)):
        reference = features(spread(1) + offset, cosines)
        score = score_of(query, reference, ALL)
        assert score == pytest.approx((cosines - THRESHOLD).sum(), rel=1e-4)


def test_images_of_different_sizes_agree():
    score = score_of(features(spread(1)), features(2.5 * spread(1)), ALL)
    assert score == pytest.approx(ROWS * (1 - THRESHOLD), rel=1e-4)


def test_random_displacements_score_less_than_half_as_many_consistent_ones():
    query = features(spread(1))
    scattered = score_of(query, features(spread(2)), ALL)
    half = score_of(query, features(spread(1)), ALL[: ROWS // 2])
    assert 0 < scattered < half


def test_the_score_follows_its_formula():
    """Compared with a loop over all pairs of matches."""
    rng = np.random.default_rng(3)
    cosines = rng.uniform(0.71, 1, ROWS)
    query, reference = features(spread(4)), features(spread(5), cosines)
    rows = rng.permutation(ROWS)[:40]
    excess = cosines - THRESHOLD
    cells = np.floor((query.positions - reference.positions) / 640 / CELL)
    total = 0.0
    for row in rows:
        alike = np.abs(cells[rows] - cells[row]).max(axis=1) <= 1
        total += excess[row] * np.sqrt(excess[rows][alike].sum())
    score = score_of(query, reference, ALL[rows])
    assert score == pytest.approx(total ** (2 / 3), rel=1e-4)


def test_only_the_direction_of_int8_descriptors_counts():
    query = features(spread(1))
    exact = features(spread(1), 0.9)
    coarse = LocalFeatures(
        np.rint(127 * exact.descriptors).astype(np.int8), exact.positions, exact.weights
    )
    score = score_of(query, coarse, ALL)
    assert score == pytest.approx(score_of(query, exact, ALL), rel=0.02)


def test_one_scorer_serves_many_references():
    """Also where the query has no local features."""
    query, others = features(spread(1)), [features(spread(seed)) for seed in (2, 1, 2)]
    scorer = SpatialScorer(query, THRESHOLD)
    pairs = [ALL, ALL[:40], ALL]
    found = scorer.scores(others, pairs)
    assert found == [score_of(query, *given) for given in zip(others, pairs, strict=True)]
    assert found[0] == found[2] != found[1]
    assert scorer.scores(others[:2], [ALL[:0], ALL[:40]]) == [0, found[1]]
    assert scorer.scores([], []) == []
    none = LocalFeatures(*(rows[:0] for rows in vars(query).values()))
    assert score_of(none, query, ALL[:0]) == 0


def test_matches_at_the_threshold_and_no_matches_score_zero():
    query, reference = features(spread(1)), features(spread(1), 0.8)
    assert score_of(query, reference, ALL, 0.8 + 1e-6) == 0
    assert score_of(query, reference, ALL[:0]) == 0
    assert score_of(query, reference, ALL[:1]) == pytest.approx(0.1, rel=1e-4)


@pytest.mark.parametrize('value', [np.nan, np.inf, -np.inf, 1e38])
def test_positions_that_are_not_finite_count_as_equal(value: float):
    broken = spread(1)
    broken[7] = value
    for query, reference in ((spread(1), broken), (broken, spread(1)), (broken, broken)):
        score = score_of(features(query), features(reference), ALL)
        assert 0 < score <= ROWS * (1 - THRESHOLD) * 1.001


@pytest.mark.parametrize('seed', range(20))
def test_both_ways_score_alike(seed: int):
    """Descriptors of any kind that a map holds, and matches of which many repeat a row."""
    rng = np.random.default_rng(seed)
    query, reference = (
        features(spread(seed)),
        features(spread(100 + seed), rng.uniform(0.6, 1, ROWS)),
    )
    if seed % 2:
        codes = np.rint(127 * reference.descriptors).astype(np.int8)
        reference = LocalFeatures(codes, reference.positions, reference.weights)
    pairs = rng.integers(0, ROWS, (seed * 10, 2))
    pairs[: seed * 5, 1] = pairs[: seed * 5, 0]
    scores = []
    for each in WAYS:
        with computed(each):
            scores.append(score_of(query, reference, pairs))
    assert scores[1] == pytest.approx(scores[0], rel=1e-5, abs=1e-9)
    assert (scores[0] > 0) == (seed > 0)
