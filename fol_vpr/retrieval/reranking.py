"""Reordering what the global search found by local matching.

The released code orders candidates by their number of matches alone. A match that is barely over
the threshold counts there as much as one beyond doubt, and where many references look alike, or
few matches are to be had, the number is chance and the global similarity knows better. The order
`spatial` is that of

    evidence / most evidence + similarity_weight * relative similarity

Evidence of a candidate is how far its matches are over the threshold, and how well they agree with
each other (spatial_score.py); its relative similarity is 1 for the greatest similarity and 0 for
the median one of all candidates, which as a rule shows another place. Both terms are without a
unit, so that one weight serves networks whose similarities lie elsewhere.

Local matching takes most of the time, and most candidates cannot win. Only candidates of a minimum
relative similarity are matched; of those only a shortlist is matched in full, which a few of their
rows choose.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from fol_vpr.config import RetrievalConfig
from fol_vpr.datatypes import Candidate, LocalFeatures
from fol_vpr.retrieval.matching import match_candidates
from fol_vpr.retrieval.spatial_score import SpatialScorer

# Local features of candidates that are held at the same time, in bytes.
LOADED_BYTES = 64 << 20


class CoarseFeatures(NamedTuple):
    """Few rows that tell roughly what all of them do.

    Attributes:
        query: those of the query.
        of: gives those of a candidate, or None where it has no others.
    """

    query: LocalFeatures
    of: Callable[[LocalFeatures], LocalFeatures | None]


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
    """Order the first candidates by local evidence.

    At most `config.rerank` are looked at, and of those the ones whose relative similarity is at
    least `config.min_relative_similarity`. With `config.rerank_score` at `match_count` they are
    ordered by their number of matches, equal ones by similarity and then by index: the released
    code, which ignores the similarity here, puts the worse candidate first.

    Args:
        query: local features of the query.
        candidates: from the global search, best first.
        load: gives the local features of a place by `Candidate.index`.
        config: how many, in which order, and which cosine a match must exceed.
        device: where to compute.
        threshold: replaces `config.match_threshold` where the features are compressed in a way
            that changes cosines.
        coarse: where given, its rows are matched first, and only the best `config.shortlist`
            candidates by their evidence in full; the score `match_count` has no shortlist.
        matches: where given, the matches [K, 2] of every reordered candidate are put into it by
            `Candidate.index`, rows of the query first.

    Returns:
        All candidates: the reordered ones with their `match_score`, then those that did not get
        onto the shortlist by their coarse evidence, then the others as they came.

    Raises:
        InputError: local descriptors of different lengths.
        Whatever `load` raises.
    """
    matches = {} if matches is None else matches
    threshold = config.match_threshold if threshold is None else threshold
    relative = _relative_similarities(candidates)
    count = _match_limit(relative, config)
    doubted = [ScoredCandidate(candidates[row], float(relative[row])) for row in range(count)]
    held = FeatureCache(load)
    left: list[ScoredCandidate] = []
    if coarse is not None and config.rerank_score == 'spatial' and 0 < config.shortlist < count:
        doubted, left = _shortlisted(doubted, held, coarse, config, threshold, device)
    scored: list[ScoredCandidate] = []
    evidence: list[float] = []
    by_evidence = SpatialScorer(query, threshold)
    for group in _loaded(doubted, held.get):
        rows = [local.descriptors for _, local in group]
        found = match_candidates(query.descriptors, rows, threshold, device=device)
        for (item, local), pairs in zip(group, found, strict=True):
            candidate = replace(item.candidate, match_score=float(len(pairs)))
            matches[candidate.index] = pairs
            scored.append(item._replace(candidate=candidate))
            if config.rerank_score == 'spatial':
                evidence.append(by_evidence.of(local, pairs))
    if config.rerank_score == 'match_count':
        keys = [item.candidate.match_score for item in scored]
    else:
        keys = _fused(evidence, scored, config.similarity_weight)
    ordered = _by_key(scored, keys) + left
    return [item.candidate for item in ordered] + candidates[count:]


class FeatureCache:
    """Local features that were loaded once, as many as memory is granted for."""

    def __init__(self, load: Callable[[int], LocalFeatures]) -> None:
        self._load = load
        self._held: dict[int, LocalFeatures] = {}
        self._bytes = 0

    def get(self, index: int) -> LocalFeatures:
        """Those of a place."""
        local = self._held.get(index)
        if local is None:
            local = self._load(index)
            self._bytes += local.descriptors.nbytes
            if self._bytes <= LOADED_BYTES:
                self._held[index] = local
        return local


def _shortlisted(
    doubted: list[ScoredCandidate],
    held: FeatureCache,
    coarse: CoarseFeatures,
    config: RetrievalConfig,
    threshold: float,
    device: str,
) -> tuple[list[ScoredCandidate], list[ScoredCandidate]]:
    """The candidates that are worth to be matched in full, and the others; both best first."""
    few = [coarse.of(held.get(item.candidate.index)) for item in doubted]
    coarsened = [local for local in few if local is not None]
    if len(coarsened) < len(few):
        return doubted, []
    rows = [local.descriptors for local in coarsened]
    found = match_candidates(coarse.query.descriptors, rows, threshold, device=device)
    by_evidence = SpatialScorer(coarse.query, threshold)
    evidence = [
        by_evidence.of(local, pairs) for local, pairs in zip(coarsened, found, strict=True)
    ]
    ordered = _by_key(doubted, _fused(evidence, doubted, config.similarity_weight))
    return ordered[: config.shortlist], ordered[config.shortlist :]


def _by_key(items: list[ScoredCandidate], keys: list[float]) -> list[ScoredCandidate]:
    """Largest key first; equal ones by similarity, and then by index."""

    def rank(number: int) -> tuple[float, float, int]:
        candidate = items[number].candidate
        return -keys[number], -candidate.similarity, candidate.index

    return [items[number] for number in sorted(range(len(items)), key=rank)]


def _relative_similarities(candidates: list[Candidate]) -> np.ndarray:
    """Where each similarity lies between the median of all candidates, 0, and the best, 1."""
    similarities = np.array([candidate.similarity for candidate in candidates])
    if not len(similarities):
        return similarities
    usual = np.median(similarities)
    spread = similarities[0] - usual
    if spread <= 0:
        return np.ones_like(similarities)
    relative: np.ndarray = (similarities - usual) / spread
    return relative


def _match_limit(relative: np.ndarray, config: RetrievalConfig) -> int:
    """How many candidates, best first, local matching may still bring to the top."""
    if config.rerank_score == 'match_count':
        return min(config.rerank, len(relative))
    return int((relative[: config.rerank] >= config.min_relative_similarity).sum())


def _fused(evidence: list[float], items: list[ScoredCandidate], weight: float) -> list[float]:
    most = max(evidence, default=0.0)
    shares = [one / most if most > 0 else 0.0 for one in evidence]
    return [
        share + weight * item.relative_similarity
        for share, item in zip(shares, items, strict=True)
    ]


def _loaded(
    items: list[ScoredCandidate], load: Callable[[int], LocalFeatures]
) -> Iterator[list[tuple[ScoredCandidate, LocalFeatures]]]:
    """Candidates with their features, as many at a time as memory is granted for."""
    group: list[tuple[ScoredCandidate, LocalFeatures]] = []
    held = 0
    for item in items:
        local = load(item.candidate.index)
        group.append((item, local))
        held += local.descriptors.nbytes
        if held >= LOADED_BYTES:
            yield group
            group, held = [], 0
    if group:
        yield group
