"""Reordering what the global search found by local matching."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np

from fol_vpr.config import RetrievalConfig
from fol_vpr.datatypes import Candidate, LocalFeatures
from fol_vpr.retrieval.matching import match_candidates

# Local features of candidates that are held at the same time, in bytes.
LOADED_BYTES = 64 << 20


def rerank(
    query: LocalFeatures,
    candidates: list[Candidate],
    load: Callable[[int], LocalFeatures],
    config: RetrievalConfig,
    *,
    device: str = 'cpu',
    matches: dict[int, np.ndarray] | None = None,
) -> list[Candidate]:
    """Order the first `config.rerank` candidates by their number of local matches.

    Equal scores are ordered by the global similarity, then by index: the released code, which
    ignores the similarity here, puts the worse candidate first.

    Args:
        query: local features of the query.
        candidates: from the global search, best first.
        load: gives the local features of a place by `Candidate.index`.
        config: how many, and which cosine a match must exceed.
        device: where to compute.
        matches: where given, the matches [K, 2] of every reordered candidate are put into it by
            `Candidate.index`, rows of the query first.

    Returns:
        All candidates: the reordered ones with their `match_score`, then the others as they came.

    Raises:
        InputError: local descriptors of different lengths.
        Whatever `load` raises.
    """
    matches = {} if matches is None else matches
    scored = []
    for group in _loaded(candidates[: config.rerank], load):
        descriptors = [local.descriptors for _, local in group]
        found = match_candidates(
            query.descriptors, descriptors, config.match_threshold, device=device
        )
        for (candidate, _), pairs in zip(group, found, strict=True):
            matches[candidate.index] = pairs
            scored.append(replace(candidate, match_score=float(len(pairs))))
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
