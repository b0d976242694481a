"""Reordering what the global search found by local matching.

The released code orders candidates by their number of matches alone. A match that is barely over
the threshold counts there as much as one beyond doubt, and where many references look alike, or
few matches are to be had, the number is chance and the global similarity knows better. The order
`evidence` is that of

    evidence / most evidence + similarity_weight * standing

Evidence of a candidate is the sum over its matches of how far their cosine is over the threshold;
its standing is 1 for the greatest similarity and 0 for the median one of all candidates, which as
a rule shows another place. Both terms are without a unit, so that one weight serves networks whose
similarities lie elsewhere.

Local matching is what costs, and most candidates cannot win: only those are matched whose standing
leaves them in doubt.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np

from fol_vpr.config import RetrievalConfig
from fol_vpr.datatypes import Candidate, LocalFeatures
from fol_vpr.retrieval.matching import match_candidates, unit_rows

# Local features of candidates that are held at the same time, in bytes.
LOADED_BYTES = 64 << 20


def rerank(
    query: LocalFeatures,
    candidates: list[Candidate],
    load: Callable[[int], LocalFeatures],
    config: RetrievalConfig,
    *,
    device: str = 'cpu',
    threshold: float | None = None,
    matches: dict[int, np.ndarray] | None = None,
) -> list[Candidate]:
    """Order the first candidates by local evidence.

    At most `config.rerank` are looked at, and of those the ones whose standing is at least
    `config.least_standing`. With `config.order` at `matches` they are ordered by their number of
    matches, equal ones by similarity and then by index: the released code, which ignores the
    similarity here, puts the worse candidate first.

    Args:
        query: local features of the query.
        candidates: from the global search, best first.
        load: gives the local features of a place by `Candidate.index`.
        config: how many, in which order, and which cosine a match must exceed.
        device: where to compute.
        threshold: replaces `config.match_threshold` where the features are compressed in a way
            that changes cosines.
        matches: where given, the matches [K, 2] of every reordered candidate are put into it by
            `Candidate.index`, rows of the query first.

    Returns:
        All candidates: the reordered ones with their `match_score`, then the others as they came.

    Raises:
        InputError: local descriptors of different lengths.
        Whatever `load` raises.
    """
    matches = {} if matches is None else matches
    threshold = config.match_threshold if threshold is None else threshold
    standings = _standings(candidates)
    count = _in_doubt(standings, config)
    scored: list[Candidate] = []
    evidence: list[float] = []
    for group in _loaded(candidates[:count], load):
        rows = [local.descriptors for _, local in group]
        found = match_candidates(query.descriptors, rows, threshold, device=device)
        for (candidate, local), pairs in zip(group, found, strict=True):
            matches[candidate.index] = pairs
            scored.append(replace(candidate, match_score=float(len(pairs))))
            if config.order == 'evidence':
                evidence.append(_evidence(query.descriptors, local.descriptors, pairs, threshold))
    if config.order == 'matches':
        keys = [candidate.match_score for candidate in scored]
    else:
        keys = _fused(evidence, standings[:count], config.similarity_weight)
    order = sorted(
        range(len(scored)), key=lambda i: (-keys[i], -scored[i].similarity, scored[i].index)
    )
    return [scored[i] for i in order] + candidates[count:]


def _standings(candidates: list[Candidate]) -> np.ndarray:
    """Where each similarity lies between the median of all candidates, 0, and the best, 1."""
    similarities = np.array([candidate.similarity for candidate in candidates])
    if not len(similarities):
        return similarities
    usual = np.median(similarities)
    spread = similarities[0] - usual
    if spread <= 0:
        return np.ones_like(similarities)
    standings: np.ndarray = (similarities - usual) / spread
    return standings


def _in_doubt(standings: np.ndarray, config: RetrievalConfig) -> int:
    """How many candidates, best first, local matching may still bring to the top."""
    if config.order == 'matches':
        return min(config.rerank, len(standings))
    return int((standings[: config.rerank] >= config.least_standing).sum())


def _evidence(
    query: np.ndarray, candidate: np.ndarray, pairs: np.ndarray, threshold: float
) -> float:
    """Sum over the matches of how far their cosine is over the threshold."""
    rows = unit_rows(candidate[pairs[:, 1]])
    cosines = np.einsum('ij,ij->i', query[pairs[:, 0]], rows)
    return float((cosines - threshold).sum())


def _fused(evidence: list[float], standings: np.ndarray, weight: float) -> list[float]:
    most = max(evidence, default=0.0)
    shares = np.asarray(evidence) / most if most > 0 else np.zeros(len(evidence))
    keys: list[float] = (shares + weight * standings).tolist()
    return keys


def _loaded(
    candidates: list[Candidate], load: Callable[[int], LocalFeatures]
) -> Iterator[list[tuple[Candidate, LocalFeatures]]]:
    """Candidates with their features, as many at a time as memory is granted for."""
    group: list[tuple[Candidate, LocalFeatures]] = []
    held = 0
    for candidate in candidates:
        local = load(candidate.index)
        group.append((candidate, local))
        held += local.descriptors.nbytes
        if held >= LOADED_BYTES:
            yield group
            group, held = [], 0
    if group:
        yield group
