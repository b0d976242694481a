"""Reduced descriptors in two codes: one that is looked through as a whole, and one that is finer.

The coarse code is product quantisation with 4 bits for each four dimensions, which FAISS compares
with a query in registers, some two hundred million references a second on one core. Its best go on
to the fine code, 8 bits for each dimension, which may stay in a mapped file.

FAISS's own file format is not used: reading a hostile one is not safe. What is kept is plain
arrays, from which the index is put together again.
"""

from __future__ import annotations

import math
from typing import Any

import faiss
import numpy as np

from fol_vpr.retrieval.index.cache import UnusableCacheError

DIMS = 4
BITS = 4
LEVELS = 255
# References that the coarse code leaves for the fine one; more where more are asked for.
SCANNED = 2000
SCANNED_FOR_EACH = 8
# Up to so many references the fine code compares all.
DIRECT = 8192
BLOCK = 4096
# Dtype and dimensions of the arrays that make up the codes: `span` is the least number of each
# dimension and the step between its levels.
KINDS = {
    'fine': ('|u1', 2),
    'coarse': ('|u1', 2),
    'span': ('<f4', 2),
    'centroids': ('<f4', 1),
}


class Codes:
    """Codes of rows [n, d] that are only ever appended to.

    Args:
        found: arrays of the `KINDS`, which may be mapped; they stay as they are.
    """

    def __init__(self, found: dict[str, np.ndarray]) -> None:
        self._span = np.array(found['span'])
        self._centroids = np.array(found['centroids'])
        self._fine, self._coarse = _Rows(found['fine']), _Rows(found['coarse'])
        index = faiss.IndexPQ(_padded(self.dim), _padded(self.dim) // DIMS, BITS)
        faiss.copy_array_to_vector(self._centroids, index.pq.centroids)
        faiss.copy_array_to_vector(np.ascontiguousarray(found['coarse']).ravel(), index.codes)
        index.is_trained, index.ntotal = True, len(found['coarse'])
        self._scan = faiss.IndexPQFastScan(index)

    @classmethod
    def fit(cls, sample: np.ndarray, seed: int) -> Codes:
        """No rows yet, with levels and centroids of a sample [S, d] float32 of them."""
        dim = sample.shape[1]
        low, high = sample.min(axis=0), sample.max(axis=0)
        quantiser = faiss.ProductQuantizer(_padded(dim), _padded(dim) // DIMS, BITS)
        quantiser.cp.seed = seed
        quantiser.cp.min_points_per_centroid = 1
        # k-means wants as many points as centroids.
        quantiser.train(_pad(np.resize(sample, (max(len(sample), 1 << BITS), dim))))
        return cls(
            {
                'fine': np.empty((0, dim), np.uint8),
                'coarse': np.empty((0, quantiser.code_size), np.uint8),
                'span': np.stack([low, (high - low) / LEVELS]).astype(np.float32),
                'centroids': faiss.vector_to_array(quantiser.centroids).astype(np.float32),
            }
        )

    @classmethod
    def from_arrays(cls, found: dict[str, np.ndarray], dim: int) -> Codes:
        """From arrays of a file, of rows of `dim` numbers.

        Raises:
            UnusableCacheError: they do not fit each other.
        """
        padded = _padded(dim)
        shapes = {
            'fine': (len(found['fine']), dim),
            'coarse': (len(found['fine']), -(-padded // DIMS * BITS // 8)),
            'span': (2, dim),
            'centroids': (padded << BITS,),
        }
        for name, shape in shapes.items():
            if found[name].shape != shape:
                raise UnusableCacheError(f'its {name} are {found[name].shape}, not {shape}')
        if not (np.isfinite(found['span']).all() and np.isfinite(found['centroids']).all()):
            raise UnusableCacheError('its codes stand for nothing finite')
        return cls(found)

    def __len__(self) -> int:
        return len(self._fine)

    @property
    def dim(self) -> int:
        """Length d of a row."""
        return int(self._span.shape[1])

    def add(self, rows: np.ndarray) -> None:
        """Append rows [n, d] float32."""
        low, step = self._span
        levels = (rows - low) / np.where(step > 0, step, 1)
        self._fine.append(np.rint(levels).clip(0, LEVELS).astype(np.uint8))
        padded = _pad(rows)
        self._coarse.append(self._scan.pq.compute_codes(padded))
        self._scan.add(padded)

    def arrays(self, rows: np.ndarray) -> dict[str, Any]:
        """The arrays of some rows, in this order."""
        return {
            'fine': self._fine.take(rows),
            'coarse': self._coarse.take(rows),
            'span': self._span,
            'centroids': self._centroids,
        }

    def nearest(self, query: np.ndarray, count: int, allowed: np.ndarray | None) -> np.ndarray:
        """Rows [up to `count`] that seem nearest to a query [d] float32, in no order.

        Args:
            allowed: [n] bool, the rows that come into question; None for all.
        """
        rows = self._scanned(query, count, allowed)
        if len(rows) <= count:
            return rows
        low, step = self._span
        distances = np.empty(len(rows), np.float32)
        for first in range(0, len(rows), BLOCK):
            part = rows[first : first + BLOCK]
            offsets = self._fine.take(part) * step + (low - query)
            distances[first : first + BLOCK] = np.einsum('ij,ij->i', offsets, offsets)
        nearest: np.ndarray = rows[np.argpartition(distances, count - 1)[:count]]
        return nearest

    def _scanned(self, query: np.ndarray, count: int, allowed: np.ndarray | None) -> np.ndarray:
        """Rows for the fine code."""
        total = len(self)
        usable = total if allowed is None else int(np.count_nonzero(allowed))
        wanted = max(SCANNED, SCANNED_FOR_EACH * count)
        if usable <= max(DIRECT, wanted):
            return np.arange(total) if allowed is None else np.flatnonzero(allowed)
        asked = math.ceil(wanted * total / usable)
        while True:
            asked = min(asked, total)
            _, found = self._scan.search(_pad(query[None]), asked)
            rows: np.ndarray = found[0][found[0] >= 0]
            rows = rows if allowed is None else rows[allowed[rows]]
            if len(rows) >= wanted or asked == total:
                return rows
            asked *= 2


class _Rows:
    """Rows of bytes: first ones that never change, and may be mapped, then others in memory."""

    def __init__(self, first: np.ndarray) -> None:
        self._first = first
        self._others = np.empty((0, first.shape[1]), np.uint8)
        self._count = 0

    def __len__(self) -> int:
        return len(self._first) + self._count

    def append(self, rows: np.ndarray) -> None:
        room = self._count + len(rows)
        if room > len(self._others):
            larger = np.empty((max(room, 2 * len(self._others)), rows.shape[1]), np.uint8)
            larger[: self._count] = self._others[: self._count]
            self._others = larger
        self._others[self._count : room] = rows
        self._count = room

    def take(self, rows: np.ndarray) -> np.ndarray:
        known = len(self._first)
        found = np.empty((len(rows), self._first.shape[1]), np.uint8)
        old = rows < known
        found[old] = self._first[rows[old]]
        found[~old] = self._others[rows[~old] - known]
        return found


def _padded(dim: int) -> int:
    return -(-dim // (2 * DIMS)) * 2 * DIMS


def _pad(rows: np.ndarray) -> np.ndarray:
    """Rows [n, d] with zeros up to a whole number of bytes of the coarse code."""
    padded = np.zeros((len(rows), _padded(rows.shape[1])), np.float32)
    padded[:, : rows.shape[1]] = rows
    return padded
