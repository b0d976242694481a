"""Matches local descriptors of two images: mutual nearest neighbours with a cosine threshold.

A row of the query and a row of a candidate match where each is the nearest of all rows to the
other and their cosine is over a threshold; the number of matches is the candidate's score (FoL,
arXiv 2504.09881, section 3.4). Of several equally near rows the first one counts.

All pairs of rows have to be compared, a matrix product of 3.3 GFLOP for 3,600 rows of 128 on
either side. It is computed in tiles that fit the processor's cache and are reduced there, so that
the whole takes little longer than the product, and the matrix of all similarities is never in
memory.

On processors with fast bfloat16, a product in bfloat16 first rules out rows that cannot match (see
prefilter.py).

Candidates may be int8, of which only the direction counts. They are converted to float32 tile by
tile, and on a GPU after the upload.

The product is computed by torch. The reductions on the CPU are computed by NumPy: its argmax is
vectorised and about ten times faster than torch's, and it starts no threads for small arrays.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch

from fol_vpr.config import RetrievalConfig
from fol_vpr.errors import InputError
from fol_vpr.retrieval.prefilter import Prefilter

# Bytes of the similarities of one tile: small enough for the last level of cache, large enough for
# the product to run at full speed. A GPU needs larger ones.
CPU_TILE_BYTES = 8 << 20
GPU_TILE_BYTES = 256 << 20
# Bytes kept of the tiles of a group of candidates: one maximum per block and query row.
GROUP_BYTES = 16 << 20
BLOCK_ROWS = 64

# np.ndarray on the CPU, torch.Tensor elsewhere; indexing and comparison are written the same way.
Array = Any


def match_scores(
    query: np.ndarray,
    candidates: Sequence[np.ndarray],
    threshold: float = RetrievalConfig.match_threshold,
    *,
    device: torch.device | str = 'cpu',
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
    device: torch.device | str = 'cpu',
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
    """Matches [K, 2] of the query with one reference [M, C]; see `match_candidates`."""
    return match_candidates(query, [reference], threshold, device=device)[0]


class _Block(NamedTuple):
    """Consecutive rows of one candidate of a group: its number, which block, and the rows."""

    candidate: int
    position: int
    rows: np.ndarray


def _match_groups(
    query: np.ndarray, candidates: Sequence[np.ndarray], threshold: float, device: torch.device
) -> Iterator[tuple[slice, np.ndarray]]:
    """Matches of a few candidates at a time.

    Yields:
        Which candidates, and their matches [K, 3]: number of the candidate within the group, row
        of the candidate, row of the query.
    """
    rows = unit_rows(_checked(query, 'the query', None))
    checked = [
        _checked(candidate, f'candidate {number}', rows.shape[1])
        for number, candidate in enumerate(candidates)
    ]
    # torch warns about read-only arrays, such as those read from a map.
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
    """Rows [N, C] as float32: int8 rows normalised to unit length, others unchanged."""
    if rows.dtype != np.int8:
        return rows
    numbers = rows.astype(np.float32)
    lengths = np.sqrt(np.einsum('ij,ij->i', numbers, numbers))
    unit: np.ndarray = numbers / lengths.clip(1)[:, None]
    return unit


def _match_reduced(
    query: torch.Tensor, candidate: np.ndarray, threshold: float, prefilter: Prefilter
) -> np.ndarray:
    """Matches [K, 3] of one candidate, computed from the rows that the prefilter keeps."""
    candidate = unit_rows(candidate)
    rows, columns = prefilter.candidate_rows(candidate)
    matches = _match_group(query[torch.from_numpy(columns)], [candidate[rows]], threshold)
    matches[:, 1] = rows[matches[:, 1]]
    matches[:, 2] = columns[matches[:, 2]]
    return matches


def _match_group(
    query: torch.Tensor, candidates: Sequence[np.ndarray], threshold: float
) -> np.ndarray:
    """Matches [K, 3] as `_match_groups` yields them.

    Every candidate is cut into blocks; a tile is the product of some blocks with the whole query.
    The nearest query row of a candidate's row follows from its tile alone. The nearest row of a
    candidate for a query row is found within each block first, then among the blocks.
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

    The array is overwritten with the next tile.
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
    """Pairs over the threshold that are mutual nearest neighbours within their block.

    Args:
        similarities: [B, R, N].
        best: [B, N], the maximum of the similarities over R.
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
    """A view as the array type that is faster there: NumPy on the CPU, torch elsewhere."""
    return values.numpy() if values.device.type == 'cpu' else values


def _host(values: Array) -> np.ndarray:
    """The values as a NumPy array."""
    return values.cpu().numpy() if isinstance(values, torch.Tensor) else np.asarray(values)
