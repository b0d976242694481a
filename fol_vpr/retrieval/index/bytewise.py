"""Exhaustive search on the CPU with descriptors rounded to 8 bits per number."""

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

# Largest magnitude of a rounded number.
MAX_CODE = 127
# References per block. FAISS doubles an index that grows; blocks bound the memory that this takes.
BLOCK = 512


class ByteIndex:
    """Search over all references by inner products of rounded descriptors; see `PlaceIndex`.

    A number x of a descriptor becomes the integer nearest to x / s. The step s of each descriptor,
    also of the query, is its largest magnitude divided by 127. Inner products of integers are
    exact and fast. Rounding one of two unit vectors changes their similarity by s / sqrt(12)
    (standard deviation), whatever their dimension.

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
        """Build the index of all references of a source, which is read block by block.

        Raises:
            MapError: a descriptor cannot be read.
            InputError: a descriptor is not finite.
        """
        index = cls(source.dim)
        size = block_rows(source.dim)
        for first in range(0, len(places), size):
            part = places[first : first + size]
            ids = np.array([place.index for place in part], np.int64)
            index.add(part, source.read(ids))
        return index

    @staticmethod
    def memory(references: int, dim: int) -> int:
        """Bytes of memory for so many references with descriptors of `dim` numbers."""
        return references * (dim + 4)

    problem = ''

    def __len__(self) -> int:
        return len(self._references)

    @property
    def description(self) -> str:
        """See `PlaceIndex.description`."""
        size = 1e-6 * self.memory(len(self), self._dim)
        return (
            f'bytes: exhaustive search, 8 bits per number, {len(self)} references, '
            f'{size:.0f} MB in memory'
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
        """[P] similarities of all references, in the order of the reference table."""
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
    """Integers [n, D] from -127 to 127, as float32 for FAISS, and the steps [n]."""
    steps = np.maximum(np.abs(rows).max(axis=1) / MAX_CODE, np.finfo(np.float32).tiny)
    return np.rint(rows / steps[:, None]), steps


def _block(dim: int) -> faiss.IndexScalarQuantizer:
    # The query must be integers: FAISS truncates other numbers, though not for every D.
    kind = faiss.ScalarQuantizer.QT_8bit_direct_signed
    return faiss.IndexScalarQuantizer(dim, kind, faiss.METRIC_INNER_PRODUCT)
