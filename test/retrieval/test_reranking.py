"""The order of candidates after re-ranking."""

import math
from dataclasses import replace

import numpy as np
import pytest

from fol_vpr.config import RetrievalConfig
from fol_vpr.datatypes import Candidate, LocalFeatures
from fol_vpr.errors import InputError, MapError
from fol_vpr.retrieval import CoarseFeatures, rerank, reranking

QUERY = np.eye(8, 16, dtype=np.float32)


def local(matches: int, dim: int = 16) -> LocalFeatures:
    """Features of which so many rows match rows of the query."""
    rows = np.eye(8, dim, k=8 - matches, dtype=np.float32)
    return LocalFeatures(rows, np.zeros((8, 2), np.float32), np.ones(8, np.float32))


class Store:
    """Local features by index, which records what was loaded."""

    def __init__(self, matches: dict[int, int]) -> None:
        self.matches = matches
        self.loaded: list[int] = []

    def __call__(self, index: int) -> LocalFeatures:
        self.loaded.append(index)
        return local(self.matches[index])


RELEASED = RetrievalConfig(rerank_score='match_count')
SPATIAL = RetrievalConfig(rerank_score='spatial')
FOUND = [Candidate(4, 0.9), Candidate(2, 0.8), Candidate(7, 0.7), Candidate(1, 0.6)]
LOCAL = LocalFeatures(QUERY, np.zeros((8, 2), np.float32), np.ones(8, np.float32))


def order(candidates: list[Candidate]) -> list[int]:
    return [candidate.index for candidate in candidates]


def test_match_count_orders_by_the_number_of_matches():
    ranked = rerank(LOCAL, FOUND, Store({4: 2, 2: 5, 7: 0, 1: 8}), RELEASED)
    assert order(ranked) == [1, 2, 4, 7]
    assert [candidate.match_score for candidate in ranked] == [8, 5, 2, 0]
    assert [candidate.similarity for candidate in ranked] == [0.6, 0.8, 0.9, 0.7]


def test_equal_scores_are_ordered_by_similarity_then_index():
    found = [Candidate(9, 0.9), Candidate(5, 0.8), Candidate(3, 0.8), Candidate(1, 0.7)]
    ranked = rerank(LOCAL, found, Store(dict.fromkeys((9, 5, 3, 1), 4)), RELEASED)
    assert order(ranked) == [9, 3, 5, 1]


def test_only_the_first_are_loaded_and_the_others_keep_their_order():
    store = Store({4: 1, 2: 3})
    ranked = rerank(LOCAL, FOUND, store, replace(RELEASED, rerank=2))
    assert order(ranked) == [2, 4, 7, 1]
    assert store.loaded == [4, 2]
    assert [math.isnan(candidate.match_score) for candidate in ranked] == [False] * 2 + [True] * 2


def test_re_ranking_may_be_off_and_candidates_may_be_none():
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


def test_few_candidates_are_in_memory_at_a_time(monkeypatch):
    held, most = [], 0

    def load(index: int) -> LocalFeatures:
        held.append(index)
        return local(index % 8)

    def match(query, candidates, threshold, **options):
        nonlocal most
        most = max(most, len(candidates))
        return original(query, candidates, threshold, **options)

    original = reranking.match_candidates
    monkeypatch.setattr(reranking, 'match_candidates', match)
    monkeypatch.setattr(reranking, 'LOADED_BYTES', 3 * QUERY.nbytes)
    found = [Candidate(index, 1 - index / 100) for index in range(20)]
    ranked = rerank(LOCAL, found, load, RELEASED)
    assert most == 3
    assert [candidate.match_score for candidate in ranked] == sorted(
        (index % 8 for index in range(20)), reverse=True
    )


def test_errors_of_loading_and_matching_are_raised():
    def broken(index: int) -> LocalFeatures:
        raise MapError('gone')

    with pytest.raises(MapError, match='gone'):
        rerank(LOCAL, FOUND, broken, RetrievalConfig())
    with pytest.raises(InputError, match=r'\[M, 16\]'):
        rerank(LOCAL, FOUND, lambda _: local(3, dim=12), RetrievalConfig())


def shared(rows: int, cosine: float) -> LocalFeatures:
    """Features of which so many rows have that cosine with a row of the query."""
    other = np.eye(8, 16, k=8, dtype=np.float32)
    descriptors = cosine * QUERY + np.sqrt(1 - cosine**2) * other
    return LocalFeatures(descriptors[:rows], LOCAL.positions[:rows], LOCAL.weights[:rows])


def test_similar_matches_count_more_than_many_matches():
    """8 matches barely over the threshold against 3 with a cosine of 1."""
    places = {0: shared(8, 0.72), 1: shared(3, 1.0)}
    found = [Candidate(0, 0.8), Candidate(1, 0.8)]
    ranked = rerank(LOCAL, found, places.__getitem__, SPATIAL)
    assert [(c.index, c.match_score) for c in ranked] == [(1, 3), (0, 8)]
    ranked = rerank(LOCAL, found, places.__getitem__, RELEASED)
    assert [(c.index, c.match_score) for c in ranked] == [(0, 8), (1, 3)]


def test_the_similarity_counts_as_its_weight_says():
    """Relative similarities of 1, 0.9 and 0; the second has a spatial score a quarter larger."""
    places = {0: shared(4, 1.0), 1: shared(5, 1.0), 2: shared(0, 1.0)}
    found = [Candidate(0, 0.9), Candidate(1, 0.88), *(Candidate(2, 0.7) for _ in range(9))]
    orders = [
        order(rerank(LOCAL, found, places.__getitem__, replace(SPATIAL, similarity_weight=weight)))
        for weight in (0.0, 1.9, 2.1, 100.0)
    ]
    assert [found[0] for found in orders] == [1, 1, 0, 0]


def test_without_any_match_the_order_stays():
    ranked = rerank(LOCAL, FOUND, lambda _: local(0), replace(SPATIAL, min_relative_similarity=-9))
    assert order(ranked) == [4, 2, 7, 1]
    assert [candidate.match_score for candidate in ranked] == [0] * 4


def test_only_candidates_of_the_minimum_relative_similarity_are_matched():
    """Their relative similarities are 1, 1/3, -1/3 and -1."""
    matches = {4: 2, 2: 5, 7: 8, 1: 8}
    for least, loaded in ((1.0, [4]), (0.3, [4, 2]), (-0.5, [4, 2, 7]), (-1.1, [4, 2, 7, 1])):
        store = Store(matches)
        ranked = rerank(LOCAL, FOUND, store, replace(SPATIAL, min_relative_similarity=least))
        assert store.loaded == loaded
        assert order(ranked)[len(loaded) :] == order(FOUND)[len(loaded) :]
        assert all(math.isnan(candidate.match_score) for candidate in ranked[len(loaded) :])


def test_equally_similar_candidates_are_all_matched():
    found = [Candidate(index, 0.5) for index in range(4)]
    store = Store({0: 1, 1: 5, 2: 3, 3: 5})
    assert order(rerank(LOCAL, found, store, SPATIAL)) == [1, 3, 2, 0]


def test_compressed_candidates_are_matched_at_their_own_threshold():
    signs = np.where(QUERY > 0, 1, -1).astype(np.int8)
    compressed = LocalFeatures(signs, LOCAL.positions, LOCAL.weights)
    for threshold, expected in ((0.24, 8), (0.26, 0)):
        matches: dict[int, np.ndarray] = {}
        (ranked,) = rerank(
            LOCAL,
            [Candidate(0, 0.5)],
            lambda _: compressed,
            SPATIAL,
            threshold=threshold,
            matches=matches,
        )
        assert ranked.match_score == len(matches[0]) == expected


def part(features: LocalFeatures, rows: slice) -> LocalFeatures:
    return LocalFeatures(
        features.descriptors[rows], features.positions[rows], features.weights[rows]
    )


# The first three rows of `local` match equally for candidates 2 and 7.
COARSE = CoarseFeatures(LOCAL, lambda features: part(features, slice(0, 3)))
FEW = replace(SPATIAL, shortlist=2, similarity_weight=0.0, min_relative_similarity=-1000.0)


def test_only_the_shortlist_is_matched_in_full():
    store = Store({4: 0, 2: 3, 7: 7, 1: 1})
    matches: dict[int, np.ndarray] = {}
    ranked = rerank(LOCAL, FOUND, store, FEW, coarse=COARSE, matches=matches)
    assert order(ranked) == [7, 2, 1, 4]
    assert [candidate.match_score for candidate in ranked[:2]] == [7, 3]
    assert all(math.isnan(candidate.match_score) for candidate in ranked[2:])
    assert set(matches) == {7, 2}
    assert sorted(store.loaded) == [1, 2, 4, 7]


def test_a_long_enough_shortlist_changes_nothing():
    numbers = {4: 0, 2: 3, 7: 7, 1: 1}
    plain = order(rerank(LOCAL, FOUND, Store(numbers), FEW))
    for shortlist in (0, 4, 100):
        config = replace(FEW, shortlist=shortlist)
        assert order(rerank(LOCAL, FOUND, Store(numbers), config, coarse=COARSE)) == plain


def test_match_count_has_no_shortlist():
    store = Store({4: 2, 2: 5, 7: 0, 1: 8})
    ranked = rerank(LOCAL, FOUND, store, replace(RELEASED, shortlist=1), coarse=COARSE)
    assert order(ranked) == [1, 2, 4, 7]
    assert not any(math.isnan(candidate.match_score) for candidate in ranked)


def test_without_coarse_rows_all_are_matched():
    nothing = CoarseFeatures(LOCAL, lambda _features: None)
    ranked = rerank(LOCAL, FOUND, Store({4: 0, 2: 3, 7: 7, 1: 1}), FEW, coarse=nothing)
    assert [candidate.match_score for candidate in ranked] == [7, 3, 1, 0]
