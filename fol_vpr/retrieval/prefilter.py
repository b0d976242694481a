"""Rules out rows of local descriptors that cannot match, by a product in bfloat16.

The cosine of a match is over the threshold, so the maxima of its row and of its column are, too. A
product in bfloat16, whose rounding error is bounded, finds all rows and columns whose maximum may
be over the threshold. Mutual nearest neighbours among the remaining rows are the same pairs as
among all rows, because anything at least as near to a row as its match is over the threshold as
well, and so remains.
"""

from __future__ import annotations

import functools
from pathlib import Path

import numpy as np
import torch

# Unit roundoff u of bfloat16. Both factors and the product are rounded, which gives 3 u; the rest
# is for second-order terms and for the sum in float32.
ROUNDOFF = 2.0**-8
ERROR = 3.2 * ROUNDOFF

# Below this number of pairs of rows the product in float32 is fast enough.
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
    """Finds the rows of candidates that can match a query.

    It records whether filtering saves time, which depends on the images: where most rows of most
    candidates remain, `is_worthwhile` becomes false.

    Args:
        query: [N, C] float32; on a device other than the CPU filtering is never worthwhile.
        threshold: cosine that a match must exceed.
    """

    def __init__(self, query: torch.Tensor, threshold: float) -> None:
        self._available = query.device.type == 'cpu' and threshold > 0 and has_fast_bfloat16()
        self._query = query
        self._threshold = threshold
        self._balance = 0

    def is_worthwhile(self, rows: int) -> bool:
        """Whether to filter a candidate of so many rows."""
        large = rows * len(self._query) >= MIN_PAIRS
        return self._available and large and self._balance > -2

    @functools.cached_property
    def _rounded(self) -> torch.Tensor:
        return self._query.bfloat16()

    @functools.cached_property
    def _norm(self) -> float:
        return _largest_norm(self._query.numpy())

    def candidate_rows(self, candidate: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Find the rows that can have a match.

        Args:
            candidate: [M, C] float32.

        Returns:
            Row numbers of the candidate and of the query, both ascending.
        """
        floor = self._threshold - ERROR * self._norm * _largest_norm(candidate)
        rounded = torch.from_numpy(candidate).bfloat16()
        step = max(1, TILE_BYTES // (2 * len(self._query)))
        product = self._rounded.new_empty((min(step, len(candidate)), len(self._query)))
        of_rows, of_columns = [], np.full(len(self._query), np.iinfo(np.int16).min, np.int16)
        for start in range(0, len(candidate), step):
            rows = rounded[start : start + step]
            tile = torch.mm(rows, self._rounded.T, out=product[: len(rows)])
            # Read as int16, positive bfloat16 numbers keep their order, and negative ones are
            # negative.
            bits = tile.view(torch.int16).numpy()
            of_rows.append(bits.max(1))
            np.maximum(of_columns, bits.max(0), out=of_columns)
        kept = _over(np.concatenate(of_rows), floor), _over(of_columns, floor)
        share = len(kept[0]) * len(kept[1]) / (len(candidate) * len(self._query))
        self._balance += 1 if share < 0.5 else -1
        return kept


def _over(bits: np.ndarray, floor: float) -> np.ndarray:
    """Indices of the bfloat16 numbers over a floor; all where the floor is not positive."""
    if floor <= 0:
        return np.arange(len(bits))
    values = torch.from_numpy(bits).view(torch.bfloat16).float().numpy()
    return np.flatnonzero(values > floor)


def _largest_norm(rows: np.ndarray) -> float:
    return float(np.sqrt(np.einsum('ij,ij->i', rows, rows).max(initial=0)))
