"""Reordering what the global search found by local matching."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

from fol_vpr.config import RetrievalConfig
from fol_vpr.datatypes import Candidate, LocalFeatures
from fol_vpr.retrieval.matching import match_scores

# Local features of candidates that are held at the same time, in bytes.
LOADED_BYTES = 64 << 20


def rerank(
    query: LocalFeatures,
    candidates: list[Candidate],
    load: Callable[[int], LocalFeatures],
    config: RetrievalConfig,
) -> list[Candidate]:
    """Order the first `config.rerank` candidates by their number of local matches.

    Equal scores are ordered by the global similarity, then by index: the released code, which
    ignores the similarity here, puts the worse candidate first.

    Args:
        query: local features of the query.
        candidates: from the global search, best first.
        load: gives the local features of a place by `Candidate.index`.
        config: how many, and which cosine a match must exceed.

    Returns:
        All candidates: the reordered ones with their `match_score`, then the others as they came.

    Raises:
        InputError: local descriptors of different lengths.
        Whatever `load` raises.
    """
    scored = []
    for group in _loaded(candidates[: config.rerank], load):
        scores = match_scores(
            query.descriptors,
            [local.descriptors for _, local in group],
            config.match_threshold,
        )
        scored += [
            replace(candidate, match_score=float(score))
            for (candidate, _), score in zip(group, scores, strict=True)
        ]
    scored.sort(key=lambda found: (-found.match_score, -found.similarity, found.index))
    return scored + candidates[config.rerank :]


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
