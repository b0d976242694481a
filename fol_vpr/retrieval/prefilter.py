"""Which rows can have a match at all, by a product of half the precision.

A match needs a cosine over the threshold, so it lies where the maximum of its row and the maximum
of its column are over it. A product in bfloat16, whose error is bounded, tells which rows and
columns may be: none that has a match is missed. Mutual nearest neighbours among the remaining rows
are the same pairs as among all rows, because whatever is as near to a row as its match is over the
threshold too, and therefore remains.
"""

from __future__ import annotations

import functools
from pathlib import Path

import numpy as np
import torch

# Unit roundoff of bfloat16. Both factors are rounded, and so is the product: 3 u, and a little for
# their products and for the sum in float32.
ROUNDOFF = 2.0**-8
ERROR = 3.2 * ROUNDOFF

# Where fewer pairs of rows are to be looked at, the product is too cheap to be worth it.
MIN_PAIRS = 500_000
TILE_BYTES = 4 << 20


@functools.cache
def has_fast_bfloat16() -> bool:
    """Whether this processor multiplies bfloat16 faster than float32."""
    try:
        flags = set(Path('/proc/cpuinfo').read_text().split())
    except OSError:
        return False
    return bool(flags & {'avx512_bf16', 'amx_bf16'})


class Prefilter:
    """Reduces candidates to the rows that can match a query's.

    It keeps account of whether that pays, which depends on the images: where most rows of most
    candidates remain, it is better left out.

    Args:
        query: [N, C] float32; on another device than the CPU it never pays.
        threshold: cosine that a match must exceed.
    """

    def __init__(self, query: torch.Tensor, threshold: float) -> None:
        self._useful = query.device.type == 'cpu' and threshold > 0 and has_fast_bfloat16()
        self._query = query
        self._threshold = threshold
        self._paid = 0

    def is_worthwhile(self, rows: int) -> bool:
        """Whether to reduce a candidate of so many rows."""
        large = rows * len(self._query) >= MIN_PAIRS
        return self._useful and large and self._paid > -2

    @functools.cached_property
    def _rounded(self) -> torch.Tensor:
        return self._query.bfloat16()

    @functools.cached_property
    def _norm(self) -> float:
        return _largest_norm(self._query.numpy())

    def reduce(self, candidate: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Rows of a candidate [M, C] and of the query that can have a match, ascending."""
        floor = self._threshold - ERROR * self._norm * _largest_norm(candidate)
        rounded = torch.from_numpy(candidate).bfloat16()
        step = max(1, TILE_BYTES // (2 * len(self._query)))
        product = self._rounded.new_empty((min(step, len(candidate)), len(self._query)))
        of_rows, of_columns = [], np.full(len(self._query), np.iinfo(np.int16).min, np.int16)
        for start in range(0, len(candidate), step):
            rows = rounded[start : start + step]
            tile = torch.mm(rows, self._rounded.T, out=product[: len(rows)])
            # The bits of positive numbers are ordered like the numbers; negative ones stay below.
            bits = tile.view(torch.int16).numpy()
            of_rows.append(bits.max(1))
            np.maximum(of_columns, bits.max(0), out=of_columns)
        kept = _over(np.concatenate(of_rows), floor), _over(of_columns, floor)
        share = len(kept[0]) * len(kept[1]) / (len(candidate) * len(self._query))
        self._paid += 1 if share < 0.5 else -1
        return kept


def _over(bits: np.ndarray, floor: float) -> np.ndarray:
    """Indices of the bfloat16 numbers over a floor; all where that is not positive."""
    if floor <= 0:
        return np.arange(len(bits))
    values = torch.from_numpy(bits).view(torch.bfloat16).float().numpy()
    return np.flatnonzero(values > floor)


def _largest_norm(rows: np.ndarray) -> float:
    return float(np.sqrt(np.einsum('ij,ij->i', rows, rows).max(initial=0)))
