"""What matches say: how near they are, and how well they agree."""

import numpy as np
import pytest

from fol_vpr.datatypes import LocalFeatures
from fol_vpr.retrieval.spatial_score import CELL, SpatialScorer

THRESHOLD = 0.7
ROWS = 60
ALL = np.repeat(np.arange(ROWS)[:, None], 2, axis=1)


def features(positions: np.ndarray, cosines: np.ndarray | float = 1.0) -> LocalFeatures:
    """Rows that have these cosines with the rows of the identity."""
    cosines = np.broadcast_to(cosines, len(positions))[:, None]
    rows, others = np.eye(ROWS, 2 * ROWS), np.eye(ROWS, 2 * ROWS, ROWS)
    descriptors = cosines * rows + np.sqrt(1 - cosines**2) * others
    return LocalFeatures(
        descriptors.astype(np.float32), positions.astype(np.float32), np.ones(ROWS, np.float32)
    )


def spread(seed: int) -> np.ndarray:
    """Positions across an image of 640 x 480, its corners among them."""
    positions = np.random.default_rng(seed).random((ROWS, 2)) * (640, 480)
    positions[:2] = (0, 0), (640, 480)
    return positions


def test_matches_that_moved_alike_count_in_full():
    cosines = np.random.default_rng(0).uniform(0.71, 1, ROWS)
    query = features(spread(1))
    for offset in ((0, 0), (500, -90)):
        reference = features(spread(1) + offset, cosines)
        evidence = SpatialScorer(query, THRESHOLD).of(reference, ALL)
        assert evidence == pytest.approx((cosines - THRESHOLD).sum(), rel=1e-4)


def test_an_image_of_another_size_is_no_disagreement():
    evidence = SpatialScorer(features(spread(1)), THRESHOLD).of(features(2.5 * spread(1)), ALL)
    assert evidence == pytest.approx(ROWS * (1 - THRESHOLD), rel=1e-4)


def test_matches_that_moved_anyhow_count_less_than_half_of_them_that_agree():
    query = features(spread(1))
    anyhow = SpatialScorer(query, THRESHOLD).of(features(spread(2)), ALL)
    half = SpatialScorer(query, THRESHOLD).of(features(spread(1)), ALL[: ROWS // 2])
    assert 0 < anyhow < half


def test_it_is_what_its_description_says():
    """Against each match with each other one, by itself."""
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
    evidence = SpatialScorer(query, THRESHOLD).of(reference, ALL[rows])
    assert evidence == pytest.approx(total ** (2 / 3), rel=1e-4)


def test_rows_of_eight_bits_count_by_their_direction():
    query = features(spread(1))
    exact = features(spread(1), 0.9)
    coarse = LocalFeatures(
        np.rint(127 * exact.descriptors).astype(np.int8), exact.positions, exact.weights
    )
    evidence = SpatialScorer(query, THRESHOLD).of(coarse, ALL)
    assert evidence == pytest.approx(SpatialScorer(query, THRESHOLD).of(exact, ALL), rel=0.02)


def test_one_query_answers_for_many_references():
    """And for one without any rows, of which no positions can be told."""
    query, others = features(spread(1)), [features(spread(seed)) for seed in (2, 1, 2)]
    together = SpatialScorer(query, THRESHOLD)
    found = [together.of(other, ALL) for other in others]
    assert found == [SpatialScorer(query, THRESHOLD).of(other, ALL) for other in others]
    assert found[0] == found[2] != found[1]
    none = LocalFeatures(*(rows[:0] for rows in vars(query).values()))
    assert SpatialScorer(none, THRESHOLD).of(query, ALL[:0]) == 0


def test_a_match_at_the_threshold_and_none_at_all():
    query, reference = features(spread(1)), features(spread(1), 0.8)
    assert SpatialScorer(query, 0.8 + 1e-6).of(reference, ALL) == 0
    assert SpatialScorer(query, THRESHOLD).of(reference, ALL[:0]) == 0
    assert SpatialScorer(query, THRESHOLD).of(reference, ALL[:1]) == pytest.approx(0.1, rel=1e-4)


@pytest.mark.parametrize('value', [np.nan, np.inf, -np.inf, 1e38])
def test_positions_that_are_none_are_told_apart_by_nothing(value: float):
    broken = spread(1)
    broken[7] = value
    for query, reference in ((spread(1), broken), (broken, spread(1)), (broken, broken)):
        evidence = SpatialScorer(features(query), THRESHOLD).of(features(reference), ALL)
        assert 0 < evidence <= ROWS * (1 - THRESHOLD) * 1.001
