"""Matches local descriptors of two images: mutual nearest neighbours with a cosine threshold.

A row of the query and a row of a candidate match where each is the nearest of all rows to the
other and their cosine is over a threshold; the number of matches is the candidate's score (FoL,
arXiv 2504.09881, section 3.4). Of several equally near rows the first one counts.

Candidates may be int8, of which only the direction counts.

On the CPU several candidates are matched at a time, in threads of their own (cpu_matching.py). On
a GPU it is computed by torch (tensor_matching.py).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from fol_vpr.config import RetrievalConfig
from fol_vpr.errors import InputError
from fol_vpr.retrieval.cpu_matching import match_on_cpu, unit_rows


def match_scores(
    query: np.ndarray,
    candidates: Sequence[np.ndarray],
    threshold: float = RetrievalConfig.match_threshold,
    *,
    device: str = 'cpu',
) -> np.ndarray:
    """Count the matches of each candidate with the query; see `match_candidates`.

    This is the score of the released code, except that a candidate with exactly one match scores
    1 here and 0 there.

    Returns:
        [len(candidates)] int64.

    Raises:
        InputError: the arrays have another shape.
    """
    matches = match_candidates(query, candidates, threshold, device=device)
    return np.array([len(pairs) for pairs in matches], dtype=np.int64)


def match_candidates(
    query: np.ndarray,
    candidates: Sequence[np.ndarray],
    threshold: float = RetrievalConfig.match_threshold,
    *,
    device: str = 'cpu',
) -> list[np.ndarray]:
    """Find the mutual nearest neighbours of the query in each candidate.

    Args:
        query: [N, C], unit length.
        candidates: arrays [Mi, C], unit length, or int8 of which only the direction counts; the Mi
            may differ and may be 0.
        threshold: cosine that a match must exceed.
        device: where to compute, as torch calls it.

    Returns:
        For each candidate [K, 2] int64: row of the query and row of the candidate, ordered by the
        row of the query.

    Raises:
        InputError: the arrays have another shape.
    """
    rows = unit_rows(_checked(query, 'the query', None))
    checked = [
        _checked(candidate, f'candidate {number}', rows.shape[1])
        for number, candidate in enumerate(candidates)
    ]
    if device == 'cpu':
        found = match_on_cpu(rows, checked, threshold)
    else:
        # Imported here, because matching on the CPU needs no torch.
        from fol_vpr.retrieval.tensor_matching import match_on_device

        found = match_on_device(rows, checked, threshold, device)
    return [pairs[pairs[:, 0].argsort()] for pairs in found]


def match_pair(
    query: np.ndarray,
    reference: np.ndarray,
    threshold: float = RetrievalConfig.match_threshold,
    *,
    device: str = 'cpu',
) -> np.ndarray:
    """Matches [K, 2] of the query with one reference [M, C]; see `match_candidates`."""
    return match_candidates(query, [reference], threshold, device=device)[0]


def _checked(rows: np.ndarray, what: str, dim: int | None) -> np.ndarray:
    if rows.ndim != 2 or (dim is not None and rows.shape[1] != dim):
        wanted = '[N, C]' if dim is None else f'[M, {dim}]'
        raise InputError(f'{what} must have local descriptors {wanted}, got {rows.shape}')
    return np.ascontiguousarray(rows, dtype=np.int8 if rows.dtype == np.int8 else np.float32)
