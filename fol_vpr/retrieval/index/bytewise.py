"""A search of all references on the CPU, at a byte for each number of a descriptor."""

from __future__ import annotations

from collections.abc import Sequence

import faiss
import numpy as np

from fol_vpr.datatypes import Candidate, Place, Prior
from fol_vpr.retrieval.index.protocol import (
    DescriptorSource,
    best_candidates,
    block_rows,
    checked_query,
    checked_rows,
)
from fol_vpr.retrieval.index.references import ReferenceMetadata

LARGEST = 127
# References whose codes lie together. What grows by doubling is a block and not the whole: there
# is never a second copy of all, nor room for as many again.
BLOCK = 512


class ByteIndex:
    """Search over all references by the inner product with rounded ones; see `PlaceIndex`.

    A number x of a descriptor becomes the integer nearest to x / s, with one step s for each
    descriptor, the query too, that makes its largest number 127. Products of integers are exact,
    and fast. The rounding of one of two unit vectors puts their similarity off by s / sqrt(12) as
    a standard deviation, however long they are.

    Args:
        dim: length D of a descriptor.
    """

    def __init__(self, dim: int) -> None:
        self._dim = dim
        self._references = ReferenceMetadata([])
        self._blocks: list[faiss.IndexScalarQuantizer] = []
        self._steps = np.empty(0, np.float32)

    @classmethod
    def read(cls, source: DescriptorSource, places: Sequence[Place]) -> ByteIndex:
        """An index of all references of a source, which is read block by block."""
        index = cls(source.dim)
        size = block_rows(source.dim)
        for first in range(0, len(places), size):
            part = places[first : first + size]
            ids = np.array([place.index for place in part], np.int64)
            index.add(part, source.read(ids))
        return index

    @staticmethod
    def memory(references: int, dim: int) -> int:
        """Bytes that it takes."""
        return references * (dim + 4)

    def __len__(self) -> int:
        return len(self._references)

    @property
    def description(self) -> str:
        """See `PlaceIndex.description`."""
        size = 1e-6 * self.memory(len(self), self._dim)
        return (
            f'bytes: rounded to a byte a number, {len(self)} references, {size:.0f} MB in memory'
        )

    def add(self, places: Sequence[Place], descriptors: np.ndarray) -> None:
        """See `PlaceIndex.add`."""
        rows = checked_rows(descriptors, self._dim)
        self._references.add(places)
        codes, steps = _rounded(rows)
        self._steps = np.concatenate([self._steps, steps])
        while len(codes):
            if not self._blocks or self._blocks[-1].ntotal >= BLOCK:
                self._blocks.append(_block(self._dim))
            room = BLOCK - self._blocks[-1].ntotal
            self._blocks[-1].add(codes[:room])
            codes = codes[room:]

    def remove(self, ids: Sequence[int]) -> None:
        """See `PlaceIndex.remove`."""
        stay = self._references.remove(ids)
        self._steps = self._steps[stay]
        first = 0
        for block in self._blocks:
            count = block.ntotal
            block.remove_ids(np.flatnonzero(~stay[first : first + count]))
            first += count
        self._blocks = [block for block in self._blocks if block.ntotal]

    def search(
        self, descriptor: np.ndarray, k: int, prior: Prior | None = None
    ) -> list[Candidate]:
        """See `PlaceIndex.search`."""
        query = checked_query(descriptor, self._dim)
        rows = self._references.allowed(prior)
        similarities, ids = self._similarities(query), self._references.ids
        if rows is not None:
            similarities, ids = similarities[rows], ids[rows]
        return best_candidates(ids, similarities, max(0, k))

    def _similarities(self, query: np.ndarray) -> np.ndarray:
        """[P] of all references, in their order."""
        codes, step = _rounded(query[None])
        products = np.empty(len(self), np.float32)
        first = 0
        for block in self._blocks:
            found, rows = block.search(codes, block.ntotal)
            products[first + rows[0]] = found[0]
            first += block.ntotal
        similarities: np.ndarray = products * (self._steps * step)
        return similarities

    def close(self) -> None:
        """See `PlaceIndex.close`."""
        self._blocks.clear()


def _rounded(rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Integers [n, D] from -127 to 127 as float32, as FAISS takes them, and their steps [n]."""
    steps = np.maximum(np.abs(rows).max(axis=1) / LARGEST, np.finfo(np.float32).tiny)
    return np.rint(rows / steps[:, None]), steps


def _block(dim: int) -> faiss.IndexScalarQuantizer:
    # Of a query that is no integers FAISS would cut the fractions off, but only for some D.
    kind = faiss.ScalarQuantizer.QT_8bit_direct_signed
    return faiss.IndexScalarQuantizer(dim, kind, faiss.METRIC_INNER_PRODUCT)
