"""Mutual nearest neighbours by torch, on the GPU of the network; see matching.py.

The similarities are computed in tiles that are reduced at once. The candidates are sent to the
device as they are stored, int8 ones in 8 bits a number, and are scaled to unit length there.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
import torch

# Bytes of the similarities of one tile: large enough for the product to run at full speed.
TILE_BYTES = 256 << 20
# Bytes kept of the tiles of a group of candidates: one maximum per block and query row.
GROUP_BYTES = 16 << 20
BLOCK_ROWS = 64


class _Block(NamedTuple):
    """Consecutive rows of one candidate of a group: its number, which block, and the rows."""

    candidate: int
    position: int
    rows: np.ndarray


def match_on_device(
    query: np.ndarray, candidates: Sequence[np.ndarray], threshold: float, device: str
) -> list[np.ndarray]:
    """Matches of the query with each candidate; see `matching.match_candidates`.

    Args:
        query: [N, C] float32, unit length.
        candidates: [Mi, C] float32 of unit length, or int8 of which only the direction counts.
        threshold: cosine that a match must exceed.
        device: as torch calls it.

    Returns:
        For each candidate [K, 2] int64, row of the query and row of the candidate, in no order.
    """
    # torch warns about read-only arrays, such as those read from a map.
    columns = torch.from_numpy(query if query.flags.writeable else query.copy()).to(device)
    blocks = -(-max(map(len, candidates), default=0) // BLOCK_ROWS)
    size = max(1, GROUP_BYTES // max(1, 4 * blocks * len(query)))
    found = []
    for first in range(0, len(candidates), size):
        group = candidates[first : first + size]
        matches = _match_group(columns, group, threshold)
        found += [matches[matches[:, 0] == number][:, [2, 1]] for number in range(len(group))]
    return found


def _match_group(
    query: torch.Tensor, candidates: Sequence[np.ndarray], threshold: float
) -> np.ndarray:
    """Matches [K, 3]: number of the candidate, row of the candidate, row of the query.

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
    found = []
    for blocks, similarities in _tiles(query, candidates, block_rows):
        candidate = np.array([block.candidate for block in blocks])
        position = np.array([block.position for block in blocks])
        tile_best = similarities.amax(1)
        best[candidate, position] = tile_best
        block, row, column = _block_matches(similarities, tile_best, threshold)
        found.append(np.stack((candidate[block], position[block], row, column), axis=1))
    candidate, position, row, column = np.concatenate(found).T
    nearest = best[candidate, :, column].argmax(-1).cpu().numpy() == position
    matches = np.stack((candidate, position * block_rows + row, column), axis=1)
    kept: np.ndarray = matches[nearest]
    return kept


def _tiles(
    query: torch.Tensor, candidates: Sequence[np.ndarray], block_rows: int
) -> Iterator[tuple[list[_Block], torch.Tensor]]:
    """Cosines of some blocks with the query, [blocks, block_rows, N]; -inf in padded rows.

    The array is overwritten with the next tile.
    """
    blocks = [
        _Block(number, position, rows[start : start + block_rows])
        for number, rows in enumerate(candidates)
        for position, start in enumerate(range(0, len(rows), block_rows))
    ]
    step = max(1, min(len(blocks), TILE_BYTES // (4 * block_rows * len(query))))
    product = query.new_empty((step * block_rows, len(query)))
    for first in range(0, len(blocks), step):
        tile = blocks[first : first + step]
        rows = _packed(tile, block_rows).to(query.device).flatten(0, 1)
        if rows.dtype == torch.int8:
            rows = rows.float()
            rows /= torch.linalg.vector_norm(rows, dim=1, keepdim=True).clamp(min=1)
        flat = torch.mm(rows, query.T, out=product[: len(rows)])
        similarities = flat.view(len(tile), block_rows, len(query))
        for slot, block in enumerate(tile):
            similarities[slot, len(block.rows) :] = -torch.inf
        yield tile, similarities


def _packed(tile: Sequence[_Block], block_rows: int) -> torch.Tensor:
    """The rows of some blocks [blocks, block_rows, C]: int8 where all are, else unit float32."""
    compressed = all(block.rows.dtype == np.int8 for block in tile)
    dtype = np.int8 if compressed else np.float32
    packed = np.zeros((len(tile), block_rows, tile[0].rows.shape[1]), dtype=dtype)
    for slot, block in enumerate(tile):
        packed[slot, : len(block.rows)] = block.rows
        if block.rows.dtype == np.int8 and not compressed:
            lengths = np.linalg.norm(packed[slot], axis=1, keepdims=True)
            packed[slot] /= lengths.clip(1)
    return torch.from_numpy(packed)


def _block_matches(
    similarities: torch.Tensor, best: torch.Tensor, threshold: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Pairs over the threshold that are mutual nearest neighbours within their block.

    Args:
        similarities: [B, R, N].
        best: [B, N], the maximum of the similarities over R.
        threshold: cosine that a match must exceed.

    Returns:
        Block, row in the block, and column of each, [K].
    """
    columns = similarities.argmax(-1)  # the first one
    blocks, rows = np.indices(columns.shape, sparse=True)
    nearest = similarities[blocks, rows, columns]
    mutual = (nearest > np.float32(threshold)) & (nearest == best[blocks, columns])
    block, row = mutual.cpu().numpy().nonzero()
    column = columns.cpu().numpy()[block, row]
    first = similarities[block, :, column].argmax(-1).cpu().numpy() == row
    return block[first], row[first], column[first]
