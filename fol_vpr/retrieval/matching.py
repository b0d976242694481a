"""Mutual nearest neighbours among the local descriptors of two images.

A row of the query and a row of a candidate match where each is the nearest of all rows to the
other and their cosine is over a threshold; the number of matches is the candidate's score (FoL,
arXiv 2504.09881, section 3.4). Of several rows that are equally near the first one counts.

All pairs of rows have to be looked at, which is a matrix product of 3.3 GFLOP for 3,600 rows of
128 on either side. It is computed in tiles that fit the processor's cache and are reduced before
they leave it, so that little is added to the time of the product itself, and nothing of the size
of all similarities is ever in memory.

Where the processor is fast at it, a product of half the precision first tells which rows cannot
match (see prefilter.py).

Candidates may come as int8, of which only the direction counts. They stay so until their tile is
multiplied, and on the way to a GPU.

The product is torch's. What follows it is NumPy's on the CPU: its argmax is vectorised and about
ten times faster than torch's there, and it starts no threads for the small arrays.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch

from fol_vpr.config import RetrievalConfig
from fol_vpr.errors import InputError
from fol_vpr.retrieval.prefilter import Prefilter

# Similarities of one tile, in bytes: small enough for the last level of cache, large enough for
# the product to run at full speed. A GPU wants larger ones.
CPU_TILE_BYTES = 8 << 20
GPU_TILE_BYTES = 256 << 20
# What is kept of the tiles of a group of candidates: one maximum per block and query row.
GROUP_BYTES = 16 << 20
BLOCK_ROWS = 64

# np.ndarray on the CPU, torch.Tensor elsewhere: indexing and comparing are written alike.
Array = Any


def match_scores(
    query: np.ndarray,
    candidates: Sequence[np.ndarray],
    threshold: float = RetrievalConfig.match_threshold,
    *,
    device: torch.device | str = 'cpu',
) -> np.ndarray:
    """Score candidates by their number of matches with the query.

    This is the score of the released code, except that a candidate with exactly one match scores
    1 here and 0 there.

    Args:
        query: [N, C], unit length.
        candidates: arrays [Mi, C], unit length, or int8 of which only the direction counts; Mi may
            be 0 and differ.
        threshold: cosine that a match must exceed.
        device: where to compute.

    Returns:
        [len(candidates)] int64.

    Raises:
        InputError: arrays of another shape.
    """
    matches = match_candidates(query, candidates, threshold, device=device)
    return np.array([len(pairs) for pairs in matches], dtype=np.int64)


def match_candidates(
    query: np.ndarray,
    candidates: Sequence[np.ndarray],
    threshold: float = RetrievalConfig.match_threshold,
    *,
    device: torch.device | str = 'cpu',
) -> list[np.ndarray]:
    """The matches that `match_scores` counts.

    Args:
        query: [N, C], unit length.
        candidates: arrays [Mi, C], unit length, or int8 of which only the direction counts; Mi may
            be 0 and differ.
        threshold: cosine that a match must exceed.
        device: where to compute.

    Returns:
        For each candidate [K, 2] int64: row of the query, row of the candidate; ordered by the
        former.

    Raises:
        InputError: arrays of another shape.
    """
    found = []
    for group, matches in _match_groups(query, candidates, threshold, torch.device(device)):
        for number in range(group.stop - group.start):
            pairs = matches[matches[:, 0] == number][:, [2, 1]]
            found.append(pairs[pairs[:, 0].argsort()])
    return found


def match_pair(
    query: np.ndarray,
    reference: np.ndarray,
    threshold: float = RetrievalConfig.match_threshold,
    *,
    device: torch.device | str = 'cpu',
) -> np.ndarray:
    """`match_candidates` for a single reference [M, C]: its matches [K, 2]."""
    return match_candidates(query, [reference], threshold, device=device)[0]


class _Block(NamedTuple):
    """Some consecutive rows of one candidate of a group."""

    candidate: int
    position: int
    rows: np.ndarray


def _match_groups(
    query: np.ndarray, candidates: Sequence[np.ndarray], threshold: float, device: torch.device
) -> Iterator[tuple[slice, np.ndarray]]:
    """Matches of a few candidates at a time.

    Yields:
        Which candidates, and their matches [K, 3]: candidate counted from the first of these, row
        of the candidate, row of the query.
    """
    rows = unit_rows(_checked(query, 'the query', None))
    checked = [
        _checked(candidate, f'candidate {number}', rows.shape[1])
        for number, candidate in enumerate(candidates)
    ]
    # torch warns about arrays that cannot be written, such as those read from a map.
    columns = torch.from_numpy(rows if rows.flags.writeable else rows.copy()).to(device)
    prefilter = Prefilter(columns, threshold)
    blocks = -(-max(map(len, checked), default=0) // BLOCK_ROWS)
    most = max(1, GROUP_BYTES // max(1, 4 * blocks * len(rows)))
    first = 0
    while first < len(checked):
        if prefilter.is_worthwhile(len(checked[first])):
            size, matches = 1, _match_reduced(columns, checked[first], threshold, prefilter)
        else:
            size = most
            matches = _match_group(columns, checked[first : first + size], threshold)
        last = min(first + size, len(checked))
        yield slice(first, last), matches
        first = last


def _checked(rows: np.ndarray, what: str, dim: int | None) -> np.ndarray:
    if rows.ndim != 2 or (dim is not None and rows.shape[1] != dim):
        wanted = '[N, C]' if dim is None else f'[M, {dim}]'
        raise InputError(f'{what} must have local descriptors {wanted}, got {rows.shape}')
    return np.ascontiguousarray(rows, dtype=np.int8 if rows.dtype == np.int8 else np.float32)


def unit_rows(rows: np.ndarray) -> np.ndarray:
    """Rows [N, C] as float32: those of int8 brought to unit length, others as they are."""
    if rows.dtype != np.int8:
        return rows
    numbers = rows.astype(np.float32)
    lengths = np.sqrt(np.einsum('ij,ij->i', numbers, numbers))
    unit: np.ndarray = numbers / lengths.clip(1)[:, None]
    return unit


def _match_reduced(
    query: torch.Tensor, candidate: np.ndarray, threshold: float, prefilter: Prefilter
) -> np.ndarray:
    """Matches [K, 3] of one candidate, from the rows that can have any."""
    candidate = unit_rows(candidate)
    rows, columns = prefilter.reduce(candidate)
    matches = _match_group(query[torch.from_numpy(columns)], [candidate[rows]], threshold)
    matches[:, 1] = rows[matches[:, 1]]
    matches[:, 2] = columns[matches[:, 2]]
    return matches


def _match_group(
    query: torch.Tensor, candidates: Sequence[np.ndarray], threshold: float
) -> np.ndarray:
    """Matches [K, 3] as `_match_groups` yields them.

    Every candidate is cut into blocks; a tile is the product of some blocks with the whole query.
    A row's nearest query row is known within its tile. A query row's nearest row of a candidate is
    known within each block, and the best block when all have been seen.
    """
    longest = max(map(len, candidates))
    if longest == 0 or len(query) == 0:
        return np.zeros((0, 3), dtype=np.int64)
    blocks_each = -(-longest // BLOCK_ROWS)
    block_rows = -(-longest // blocks_each)
    best = torch.full((len(candidates), blocks_each, len(query)), -torch.inf, device=query.device)
    block_best: Array = _natural(best)
    found = []
    for blocks, similarities in _tiles(query, candidates, block_rows):
        candidate = np.array([block.candidate for block in blocks])
        position = np.array([block.position for block in blocks])
        tile_best = _maximum(similarities)
        block_best[candidate, position] = tile_best
        block, row, column = _block_matches(similarities, tile_best, threshold)
        found.append(np.stack((candidate[block], position[block], row, column), axis=1))
    candidate, position, row, column = np.concatenate(found).T
    nearest = _host(block_best[candidate, :, column].argmax(-1)) == position
    matches = np.stack((candidate, position * block_rows + row, column), axis=1)
    kept: np.ndarray = matches[nearest]
    return kept


def _tiles(
    query: torch.Tensor, candidates: Sequence[np.ndarray], block_rows: int
) -> Iterator[tuple[list[_Block], Array]]:
    """Cosines of some blocks with the query, [blocks, block_rows, N]; -inf in padded rows.

    The array is overwritten by the next tile.
    """
    blocks = [
        _Block(number, position, rows[start : start + block_rows])
        for number, rows in enumerate(candidates)
        for position, start in enumerate(range(0, len(rows), block_rows))
    ]
    limit = CPU_TILE_BYTES if query.device.type == 'cpu' else GPU_TILE_BYTES
    step = max(1, min(len(blocks), limit // (4 * block_rows * len(query))))
    compressed = all(block.rows.dtype == np.int8 for block in blocks)
    dtype = np.int8 if compressed else np.float32
    packed = np.zeros((step, block_rows, query.shape[1]), dtype=dtype)
    product = query.new_empty((step * block_rows, len(query)))
    for first in range(0, len(blocks), step):
        tile = blocks[first : first + step]
        for slot, block in enumerate(tile):
            packed[slot, : len(block.rows)] = block.rows if compressed else unit_rows(block.rows)
        rows = torch.from_numpy(packed[: len(tile)]).to(query.device).flatten(0, 1)
        if compressed:
            rows = rows.float()
            rows /= torch.linalg.vector_norm(rows, dim=1, keepdim=True).clamp(min=1)
        flat = torch.mm(rows, query.T, out=product[: len(rows)])
        similarities = _natural(flat.view(len(tile), block_rows, len(query)))
        for slot, block in enumerate(tile):
            if len(block.rows) < block_rows:
                similarities[slot, len(block.rows) :] = -np.inf
        yield tile, similarities


def _block_matches(
    similarities: Array, best: Array, threshold: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Pairs over the threshold that are nearest to each other within their block.

    Args:
        similarities: [B, R, N].
        best: [B, N], their maximum over R.
        threshold: cosine that a match must exceed.

    Returns:
        Block, row in the block, and column of each, [K].
    """
    columns = similarities.argmax(-1)  # the first one, of NumPy and of torch
    blocks, rows = np.indices(columns.shape, sparse=True)
    nearest = similarities[blocks, rows, columns]
    mutual = (nearest > np.float32(threshold)) & (nearest == best[blocks, columns])
    block, row = _host(mutual).nonzero()
    column = _host(columns)[block, row]
    first = _host(similarities[block, :, column].argmax(-1)) == row
    return block[first], row[first], column[first]


def _maximum(similarities: Array) -> Array:
    """Over the rows of each block: [B, R, N] to [B, N]."""
    if isinstance(similarities, torch.Tensor):
        return similarities.amax(1)
    return similarities.max(1)


def _natural(values: torch.Tensor) -> Array:
    """The same memory as the kind of array that is faster on its device."""
    return values.numpy() if values.device.type == 'cpu' else values


def _host(values: Array) -> np.ndarray:
    """As an array on the CPU."""
    return values.cpu().numpy() if isinstance(values, torch.Tensor) else np.asarray(values)
