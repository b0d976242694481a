"""Re-ranking: reorders the candidates of the global search by matching local features.

The released code orders candidates by their number of matches alone. There a match that is barely
over the threshold counts as much as a very similar one, and where many references look alike, or
matches are few, the number is random and the global similarity is the better measure. The score
`spatial` is

    spatial score / largest spatial score + similarity_weight * relative similarity

The spatial score of a candidate measures how far the cosines of its matches exceed the threshold,
and how consistent their displacements are (spatial_score.py). Its relative similarity is 1 for the
most similar candidate and 0 for the median candidate, which usually shows another place. Both
terms are without unit, so one weight serves networks with different ranges of similarities.

Local matching takes most of the time, and most candidates cannot become the best one. So only
candidates of a minimum relative similarity are matched. Of those, a shortlist is selected by
matching a subsample of their features, and only the shortlist is matched with all features.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from fol_vpr.config import RetrievalConfig
from fol_vpr.datatypes import Candidate, LocalFeatures
from fol_vpr.retrieval.feature_cache import FeatureCache
from fol_vpr.retrieval.matching import match_candidates
from fol_vpr.retrieval.spatial_score import SpatialScorer

# Bytes of local descriptors that are in memory at a time: of one group, and in the cache.
LOADED_BYTES = 64 << 20


class CoarseFeatures(NamedTuple):
    """Subsampled local features, from which the shortlist is selected.

    Attributes:
        query: the subsample of the query's local features.
        subsample: gives the subsample of a candidate's local features, or None where the codec
            has none.
    """

    query: LocalFeatures
    subsample: Callable[[LocalFeatures], LocalFeatures | None]


class ScoredCandidate(NamedTuple):
    """A candidate and its relative similarity."""

    candidate: Candidate
    relative_similarity: float


def rerank(
    query: LocalFeatures,
    candidates: list[Candidate],
    load: Callable[[int], LocalFeatures],
    config: RetrievalConfig,
    *,
    device: str = 'cpu',
    threshold: float | None = None,
    coarse: CoarseFeatures | None = None,
    matches: dict[int, np.ndarray] | None = None,
) -> list[Candidate]:
    """Reorder the first candidates by local matching.

    At most `config.rerank` candidates are matched, and of those the ones whose relative similarity
    is at least `config.min_relative_similarity`. With `config.rerank_score` at `match_count`, all
    `config.rerank` candidates are matched and ordered by their number of matches, equal ones by
    similarity and then by index; the released code, which ignores the similarity, puts the worse
    candidate first there.

    Args:
        query: local features of the query.
        candidates: from the global search, best first.
        load: gives the local features of a place by `Candidate.index`.
        config: `rerank`, `rerank_score`, `min_relative_similarity`, `similarity_weight`,
            `shortlist` and `match_threshold`.
        device: where to compute, as torch calls it.
        threshold: replaces `config.match_threshold` for codecs that change cosines.
        coarse: subsampled features. Where given, with the score `spatial`, only the best
            `config.shortlist` candidates by their coarse scores are matched with all features.
        matches: where given, receives the matches [K, 2] (row of the query, row of the reference)
            of every candidate that was matched with all features, by `Candidate.index`.

    Returns:
        All candidates: the reordered ones with their `match_score`, then those that are not on the
        shortlist by their coarse score, then the others in their old order.

    Raises:
        InputError: local descriptors of different lengths.
        FolVprError: raised by `load`.
    """
    matches = {} if matches is None else matches
    threshold = config.match_threshold if threshold is None else threshold
    relative = _relative_similarities(candidates)
    count = _candidates_to_match(relative, config)
    selected = [ScoredCandidate(candidates[row], float(relative[row])) for row in range(count)]
    cache = FeatureCache(load, LOADED_BYTES)
    rejected: list[ScoredCandidate] = []
    if coarse is not None and config.rerank_score == 'spatial' and 0 < config.shortlist < count:
        selected, rejected = _shortlisted(selected, cache, coarse, config, threshold, device)
    matched: list[ScoredCandidate] = []
    spatial_scores: list[float] = []
    scorer = SpatialScorer(query, threshold)
    for group in _groups(selected, cache.get):
        rows = [local.descriptors for _, local in group]
        found = match_candidates(query.descriptors, rows, threshold, device=device)
        for (item, _), pairs in zip(group, found, strict=True):
            candidate = replace(item.candidate, match_score=float(len(pairs)))
            matches[candidate.index] = pairs
            matched.append(item._replace(candidate=candidate))
        if config.rerank_score == 'spatial':
            spatial_scores += scorer.scores([local for _, local in group], found)
    if config.rerank_score == 'match_count':
        scores = [item.candidate.match_score for item in matched]
    else:
        scores = _combined_scores(spatial_scores, matched, config.similarity_weight)
    ordered = _by_score(matched, scores) + rejected
    return [item.candidate for item in ordered] + candidates[count:]


def _shortlisted(
    items: list[ScoredCandidate],
    cache: FeatureCache,
    coarse: CoarseFeatures,
    config: RetrievalConfig,
    threshold: float,
    device: str,
) -> tuple[list[ScoredCandidate], list[ScoredCandidate]]:
    """The shortlist and the other candidates, both ordered by coarse score.

    Where any candidate has no subsample, all are on the shortlist.
    """
    subsamples = [coarse.subsample(cache.get(item.candidate.index)) for item in items]
    references = [local for local in subsamples if local is not None]
    if len(references) < len(subsamples):
        return items, []
    rows = [local.descriptors for local in references]
    found = match_candidates(coarse.query.descriptors, rows, threshold, device=device)
    spatial_scores = SpatialScorer(coarse.query, threshold).scores(references, found)
    scores = _combined_scores(spatial_scores, items, config.similarity_weight)
    ordered = _by_score(items, scores)
    return ordered[: config.shortlist], ordered[config.shortlist :]


def _by_score(items: list[ScoredCandidate], scores: list[float]) -> list[ScoredCandidate]:
    """Largest score first; equal ones by similarity, and then by index."""

    def key(number: int) -> tuple[float, float, int]:
        candidate = items[number].candidate
        return -scores[number], -candidate.similarity, candidate.index

    return [items[number] for number in sorted(range(len(items)), key=key)]


def _relative_similarities(candidates: list[Candidate]) -> np.ndarray:
    """Similarities scaled so that the median of all candidates is 0 and the best is 1."""
    similarities = np.array([candidate.similarity for candidate in candidates])
    if not len(similarities):
        return similarities
    median = np.median(similarities)
    spread = similarities[0] - median
    if spread <= 0:
        return np.ones_like(similarities)
    relative: np.ndarray = (similarities - median) / spread
    return relative


def _candidates_to_match(relative: np.ndarray, config: RetrievalConfig) -> int:
    """How many candidates, best first, are matched locally."""
    if config.rerank_score == 'match_count':
        return min(config.rerank, len(relative))
    return int((relative[: config.rerank] >= config.min_relative_similarity).sum())


def _combined_scores(
    spatial_scores: list[float], items: list[ScoredCandidate], weight: float
) -> list[float]:
    """Spatial scores as fractions of the largest, plus weighted relative similarities."""
    largest = max(spatial_scores, default=0.0)
    fractions = [score / largest if largest > 0 else 0.0 for score in spatial_scores]
    return [
        fraction + weight * item.relative_similarity
        for fraction, item in zip(fractions, items, strict=True)
    ]


def _groups(
    items: list[ScoredCandidate], load: Callable[[int], LocalFeatures]
) -> Iterator[list[tuple[ScoredCandidate, LocalFeatures]]]:
    """Candidates with their local features, in groups of about `LOADED_BYTES`."""
    group: list[tuple[ScoredCandidate, LocalFeatures]] = []
    size = 0
    for item in items:
        local = load(item.candidate.index)
        group.append((item, local))
        size += local.descriptors.nbytes
        if size >= LOADED_BYTES:
            yield group
            group, size = [], 0
    if group:
        yield group
