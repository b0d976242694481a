"""The coarse and fine codes: what they find, and which arrays they accept."""

from __future__ import annotations

import numpy as np
import pytest

from fol_vpr.retrieval.index import codes
from fol_vpr.retrieval.index.cache import UnusableCacheError
from fol_vpr.retrieval.index.codes import Codes

COUNT, DIM = 10_000, 20


@pytest.fixture(scope='module')
def rows() -> np.ndarray:
    rng = np.random.default_rng(2)
    return (rng.standard_normal((COUNT, DIM)) * np.linspace(3, 0.3, DIM)).astype(np.float32)


@pytest.fixture(scope='module')
def filled(rows) -> Codes:
    made = Codes.fit(rows[:3000].copy(), 1)
    made.add(rows)
    return made


def truth(rows: np.ndarray, query: np.ndarray, allowed: np.ndarray | None, count: int) -> set[int]:
    distances = np.square(rows - query).sum(axis=1)
    if allowed is not None:
        distances[~allowed] = np.inf
    return set(np.argsort(distances)[:count].tolist())


@pytest.mark.parametrize('share', [1.0, 0.9, 0.05, 0.001])
def test_the_nearest_allowed_rows_are_found(filled, rows, share):
    rng = np.random.default_rng(3)
    allowed = None if share == 1 else rng.random(COUNT) < share
    hits = []
    for query in rows[:40] + rng.normal(0, 0.1, (40, DIM)).astype(np.float32):
        found = filled.nearest(query, 20, allowed)
        assert len(set(found.tolist())) == len(found)
        assert allowed is None or allowed[found].all()
        wanted = truth(rows, query, allowed, 10)
        hits.append(len(wanted & set(found.tolist())) / len(wanted))
    assert np.mean(hits) > 0.99


def test_all_rows_are_returned_where_no_more_exist(filled):
    allowed = np.zeros(COUNT, bool)
    allowed[[5, 900]] = True
    assert sorted(filled.nearest(np.zeros(DIM, np.float32), 20, allowed).tolist()) == [5, 900]


def test_the_arrays_give_the_same_codes_again(filled, rows, monkeypatch):
    monkeypatch.setattr(codes, 'MIN_SELECTED', 300)
    monkeypatch.setattr(codes, 'MAX_DIRECT', 300)
    again = Codes.from_arrays(filled.arrays(np.arange(COUNT)), DIM)
    order = np.random.default_rng(4).permutation(COUNT)
    mixed = Codes.from_arrays(filled.arrays(order), DIM)
    grown = Codes.from_arrays(filled.arrays(np.arange(6000)), DIM)
    grown.add(rows[6000:7000])
    grown.add(rows[7000:])
    assert len(grown) == COUNT
    for query in rows[::500]:
        found = set(filled.nearest(query, 15, None).tolist())
        assert set(again.nearest(query, 15, None).tolist()) == found
        assert set(grown.nearest(query, 15, None).tolist()) == found
        # The last of the selected rows may tie.
        assert len(set(order[mixed.nearest(query, 15, None)].tolist()) & found) >= 14


@pytest.mark.parametrize('count', [1, 3])
def test_few_rows_are_enough_to_learn_from(count):
    rows = np.ones((count, 5), np.float32)
    made = Codes.fit(rows, 1)
    made.add(rows)
    assert sorted(made.nearest(rows[0], 9, None).tolist()) == list(range(count))


@pytest.mark.parametrize(
    'spoil',
    [
        lambda parts: parts.update(coarse=parts['coarse'][:-1]),
        lambda parts: parts.update(coarse=parts['coarse'][:, :-1]),
        lambda parts: parts.update(fine=parts['fine'][:, :-1]),
        lambda parts: parts.update(span=parts['span'][:1]),
        lambda parts: parts.update(span=np.full_like(parts['span'], np.nan)),
        lambda parts: parts.update(centroids=parts['centroids'][:-1]),
        lambda parts: parts.update(centroids=np.full_like(parts['centroids'], np.inf)),
    ],
)
def test_invalid_arrays_never_reach_faiss(filled, spoil):
    parts = filled.arrays(np.arange(COUNT))
    Codes.from_arrays(parts, DIM)
    spoil(parts)
    with pytest.raises(UnusableCacheError):
        Codes.from_arrays(parts, DIM)
