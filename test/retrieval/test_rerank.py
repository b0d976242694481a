"""The order of candidates after local matching."""

import math

import numpy as np
import pytest

from fol_vpr.config import RetrievalConfig
from fol_vpr.datatypes import Candidate, LocalFeatures
from fol_vpr.errors import InputError, MapError
from fol_vpr.retrieval import rerank
from fol_vpr.retrieval import rerank as rerank_function

QUERY = np.eye(8, 16, dtype=np.float32)


def local(matches: int, dim: int = 16) -> LocalFeatures:
    """Features of which so many rows match the query's."""
    rows = np.eye(8, dim, k=8 - matches, dtype=np.float32)
    return LocalFeatures(rows, np.zeros((8, 2), np.float32), np.ones(8, np.float32))


class Store:
    """Local features by index, with a record of what was asked for."""

    def __init__(self, matches: dict[int, int]) -> None:
        self.matches = matches
        self.loaded: list[int] = []

    def __call__(self, index: int) -> LocalFeatures:
        self.loaded.append(index)
        return local(self.matches[index])


FOUND = [Candidate(4, 0.9), Candidate(2, 0.8), Candidate(7, 0.7), Candidate(1, 0.6)]
LOCAL = LocalFeatures(QUERY, np.zeros((8, 2), np.float32), np.ones(8, np.float32))


def order(candidates: list[Candidate]) -> list[int]:
    return [candidate.index for candidate in candidates]


def test_more_matches_come_first():
    ranked = rerank(LOCAL, FOUND, Store({4: 2, 2: 5, 7: 0, 1: 8}), RetrievalConfig())
    assert order(ranked) == [1, 2, 4, 7]
    assert [candidate.match_score for candidate in ranked] == [8, 5, 2, 0]
    assert [candidate.similarity for candidate in ranked] == [0.6, 0.8, 0.9, 0.7]


def test_equal_scores_are_ordered_by_similarity_then_index():
    found = [Candidate(9, 0.9), Candidate(5, 0.8), Candidate(3, 0.8), Candidate(1, 0.7)]
    ranked = rerank(LOCAL, found, Store(dict.fromkeys((9, 5, 3, 1), 4)), RetrievalConfig())
    assert order(ranked) == [9, 3, 5, 1]


def test_only_the_first_are_loaded_and_the_others_follow_as_they_were():
    store = Store({4: 1, 2: 3})
    ranked = rerank(LOCAL, FOUND, store, RetrievalConfig(rerank=2))
    assert order(ranked) == [2, 4, 7, 1]
    assert store.loaded == [4, 2]
    assert [math.isnan(candidate.match_score) for candidate in ranked] == [False] * 2 + [True] * 2


def test_it_can_be_turned_off_and_may_have_nothing_to_do():
    store = Store({})
    assert rerank(LOCAL, FOUND, store, RetrievalConfig(rerank=0)) == FOUND
    assert rerank(LOCAL, [], store, RetrievalConfig()) == []
    assert store.loaded == []


def test_the_threshold_is_the_setting():
    half = LocalFeatures(QUERY * 0.5, LOCAL.positions, LOCAL.weights)
    for threshold, expected in ((0.45, 8), (0.55, 0)):
        config = RetrievalConfig(match_threshold=threshold)
        (ranked,) = rerank(half, [Candidate(0, 0.5)], lambda _: LOCAL, config)
        assert ranked.match_score == expected


def test_candidates_are_held_a_few_at_a_time(monkeypatch):
    held, most = [], 0

    def load(index: int) -> LocalFeatures:
        held.append(index)
        return local(index % 8)

    def match(query, candidates, threshold, **options):
        nonlocal most
        most = max(most, len(candidates))
        return original(query, candidates, threshold, **options)

    module = rerank_function.__globals__
    original = module['match_candidates']
    monkeypatch.setitem(module, 'match_candidates', match)
    monkeypatch.setitem(module, 'LOADED_BYTES', 3 * QUERY.nbytes)
    found = [Candidate(index, 1 - index / 100) for index in range(20)]
    ranked = rerank(LOCAL, found, load, RetrievalConfig(rerank=20))
    assert most == 3
    assert [candidate.match_score for candidate in ranked] == sorted(
        (index % 8 for index in range(20)), reverse=True
    )


def test_what_cannot_be_loaded_or_does_not_fit_is_raised():
    def broken(index: int) -> LocalFeatures:
        raise MapError('gone')

    with pytest.raises(MapError, match='gone'):
        rerank(LOCAL, FOUND, broken, RetrievalConfig())
    with pytest.raises(InputError, match=r'\[M, 16\]'):
        rerank(LOCAL, FOUND, lambda _: local(3, dim=12), RetrievalConfig())
