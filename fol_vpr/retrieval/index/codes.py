"""Quantised descriptors: a coarse code that is scanned as a whole, and a fine code.

The coarse code is product quantisation with 4 bits per four dimensions, which FAISS compares with
a query in registers, about two hundred million references a second on one core. The best
references by the coarse code are compared by the fine code, 8 bits per dimension, which may stay
in a mapped file.

FAISS's own file format is not used, because reading an untrusted one is not safe. Plain arrays are
stored, from which the index is rebuilt.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import faiss
import numpy as np

from fol_vpr.retrieval.index.cache import UnusableCacheError

# Dimensions and bits of each part of the coarse code.
DIMS = 4
BITS = 4
# Largest number of the fine code.
MAX_LEVEL = 255
# References that the coarse code selects for the fine one: at least so many, and so many for each
# one that is asked for.
MIN_SELECTED = 2000
SELECTED_PER_RESULT = 8
# Up to so many references, all are compared by the fine code.
MAX_DIRECT = 8192
# Fewest rows of a part of the coarse code; threads begin sooner than they scan fewer.
MIN_PART = 100_000
# Bytes of the squared length behind the levels of a row.
NORM_BYTES = 4
# Dtype and number of dimensions of the arrays that make up the codes. `span` holds the smallest
# number of each dimension and the step between its levels.
ARRAY_KINDS = {
    'fine': ('|u1', 2),
    'coarse': ('|u1', 2),
    'span': ('<f4', 2),
    'centroids': ('<f4', 1),
}


class Codes:
    """Fine and coarse codes of rows [n, d]; rows can be appended, not removed.

    A row of the fine code is d levels, and the squared length of the row that they stand for, as
    four bytes of a float32.

    Args:
        found: the arrays of `ARRAY_KINDS` by name, which may be mapped; they are not changed.
    """

    def __init__(self, found: Mapping[str, np.ndarray]) -> None:
        self._span = np.array(found['span'])
        self._centroids = np.array(found['centroids'])
        self._fine, self._coarse = _Rows(found['fine']), _Rows(found['coarse'])
        # The quantiser of an index is freed with it.
        self._encoder = self._product_index()
        self._packed: faiss.IndexShards | None = None

    @classmethod
    def fit(cls, sample: np.ndarray, seed: int) -> Codes:
        """Empty codes with levels and centroids learned from a sample [S, d] float32 of rows."""
        dim = sample.shape[1]
        low, high = sample.min(axis=0), sample.max(axis=0)
        quantiser = faiss.ProductQuantizer(_padded(dim), _padded(dim) // DIMS, BITS)
        quantiser.cp.seed = seed
        quantiser.cp.min_points_per_centroid = 1
        # k-means needs at least as many points as centroids.
        quantiser.train(_pad(np.resize(sample, (max(len(sample), 1 << BITS), dim))))
        span = np.stack([low, (high - low) / MAX_LEVEL]).astype(np.float32)
        return cls.empty(span, faiss.vector_to_array(quantiser.centroids).astype(np.float32))

    @classmethod
    def empty(cls, span: np.ndarray, centroids: np.ndarray) -> Codes:
        """Codes without rows, of what was learned before."""
        fine, coarse = code_widths(span.shape[1])
        return cls(
            {
                'fine': np.empty((0, fine), np.uint8),
                'coarse': np.empty((0, coarse), np.uint8),
                'span': span,
                'centroids': centroids,
            }
        )

    @classmethod
    def from_arrays(cls, found: Mapping[str, np.ndarray], dim: int) -> Codes:
        """Codes from the arrays of a file, for rows of `dim` numbers.

        Raises:
            UnusableCacheError: the arrays have wrong shapes or are not finite.
        """
        fine, coarse = code_widths(dim)
        shapes = {
            'fine': (len(found['fine']), fine),
            'coarse': (len(found['fine']), coarse),
            'span': (2, dim),
            'centroids': (_padded(dim) << BITS,),
        }
        for name, shape in shapes.items():
            if found[name].shape != shape:
                raise UnusableCacheError(
                    f'its {name} have shape {found[name].shape}, expected {shape}'
                )
        if not (np.isfinite(found['span']).all() and np.isfinite(found['centroids']).all()):
            raise UnusableCacheError('its codes are not finite')
        return cls(found)

    def __len__(self) -> int:
        return len(self._fine)

    @property
    def dim(self) -> int:
        """Length d of a row."""
        return int(self._span.shape[1])

    @property
    def learned(self) -> dict[str, np.ndarray]:
        """What the codes of a row depend on, beside the row: `span` and `centroids`."""
        return {'span': self._span, 'centroids': self._centroids}

    def encode(self, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Fine and coarse codes [n, width] uint8 of rows [n, d] float32."""
        low, step = self._span
        levels = np.rint((rows - low) / np.where(step > 0, step, 1)).clip(0, MAX_LEVEL)
        fine = np.empty((len(rows), self.dim + NORM_BYTES), np.uint8)
        fine[:, : self.dim] = levels
        restored = levels * step + low
        lengths = np.einsum('ij,ij->i', restored, restored).astype('<f4')
        fine[:, self.dim :] = lengths[:, None].view(np.uint8)
        return fine, self._encoder.pq.compute_codes(_pad(rows))

    def append(self, fine: np.ndarray, coarse: np.ndarray) -> None:
        """Append codes [n, width] uint8 of `encode`; many are to follow before the next search."""
        self._fine.append(fine)
        self._coarse.append(coarse)
        self._packed = None

    def add(self, rows: np.ndarray) -> None:
        """Append rows [n, d] float32."""
        packed = self._packed
        self.append(*self.encode(rows))
        if packed is not None:
            packed.at(packed.count() - 1).add(_pad(rows))
            packed.syncWithSubIndexes()
            self._packed = packed

    def arrays(self, rows: np.ndarray) -> dict[str, np.ndarray]:
        """The arrays of the codes of some rows, in this order, for a file."""
        return {'fine': self._fine.take(rows), 'coarse': self._coarse.take(rows), **self.learned}

    def pack(self) -> faiss.IndexShards:
        """The coarse codes as FAISS scans them, in one part for each thread."""
        if self._packed is None:
            total = len(self)
            parts = max(1, min(faiss.omp_get_max_threads(), total // MIN_PART))
            # FAISS scans with one thread for one query, however many there may be.
            packed = faiss.IndexShards(_padded(self.dim), parts > 1, True)
            for rows in np.array_split(np.arange(total), parts):
                index = self._product_index()
                if len(rows):
                    codes = self._coarse.take(rows)
                    faiss.copy_array_to_vector(codes.ravel(), index.codes)
                    index.ntotal = len(rows)
                packed.add_shard(faiss.IndexPQFastScan(index))
            self._packed = packed
        return self._packed

    def _product_index(self) -> faiss.IndexPQ:
        index = faiss.IndexPQ(_padded(self.dim), _padded(self.dim) // DIMS, BITS)
        faiss.copy_array_to_vector(self._centroids, index.pq.centroids)
        index.is_trained = True
        return index

    def nearest(self, query: np.ndarray, count: int, allowed: np.ndarray | None) -> np.ndarray:
        """Find the rows nearest to a query by the codes.

        Args:
            query: [d] float32.
            count: how many rows are wanted.
            allowed: [n] bool, the rows to search; None for all.

        Returns:
            Up to `count` row numbers, in no particular order.
        """
        rows = self._selected(query, count, allowed)
        if len(rows) <= count:
            return rows
        codes = self._fine.take(rows)
        lengths = codes[:, self.dim :].copy().view('<f4')[:, 0]
        low, step = self._span
        # Less what is the same for all rows: the squared query, and its product with `low`.
        products = codes[:, : self.dim].astype(np.float32) @ (step * query)
        distances = lengths - 2 * (products + float(low @ query))
        nearest: np.ndarray = rows[np.argpartition(distances, count - 1)[:count]]
        return nearest

    def _selected(self, query: np.ndarray, count: int, allowed: np.ndarray | None) -> np.ndarray:
        """Row numbers that are compared by the fine code."""
        total = len(self)
        usable = total if allowed is None else int(np.count_nonzero(allowed))
        wanted = max(MIN_SELECTED, SELECTED_PER_RESULT * count)
        if usable <= max(MAX_DIRECT, wanted):
            return np.arange(total) if allowed is None else np.flatnonzero(allowed)
        asked = math.ceil(wanted * total / usable)
        while True:
            asked = min(asked, total)
            _, found = self.pack().search(_pad(query[None]), asked)
            rows: np.ndarray = found[0][found[0] >= 0]
            rows = rows if allowed is None else rows[allowed[rows]]
            if len(rows) >= wanted or asked == total:
                return rows
            asked *= 2


class _Rows:
    """Rows of bytes: fixed ones, which may be mapped, followed by appended ones in memory."""

    def __init__(self, first: np.ndarray) -> None:
        # Not a memmap, whose every part would be one too.
        self._first = first.view(np.ndarray)
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
        found: np.ndarray
        if not self._count:
            found = self._first[rows]
            return found
        found = np.empty((len(rows), self._first.shape[1]), np.uint8)
        old = rows < known
        found[old] = self._first[rows[old]]
        found[~old] = self._others[rows[~old] - known]
        return found


def code_widths(dim: int) -> tuple[int, int]:
    """Bytes of the fine and of the coarse code of a row of `dim` numbers."""
    return dim + NORM_BYTES, _padded(dim) // DIMS * BITS // 8


def _padded(dim: int) -> int:
    return -(-dim // (2 * DIMS)) * 2 * DIMS


def _pad(rows: np.ndarray) -> np.ndarray:
    """Rows [n, d] with zeros up to a whole number of bytes of the coarse code."""
    padded = np.zeros((len(rows), _padded(rows.shape[1])), np.float32)
    padded[:, : rows.shape[1]] = rows
    return padded
