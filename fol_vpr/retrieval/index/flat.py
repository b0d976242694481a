"""Exact exhaustive search on the CPU."""

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


class FlatIndex:
    """Exact search over all references by inner product, on the CPU; see `PlaceIndex`.

    Args:
        descriptors: [P, D], unit length, so that inner products are cosines. Copied as float32.
        places: the places of the descriptors. None takes row numbers as ids, and a prior then
            excludes nothing.

    Raises:
        InputError: the descriptors have another shape or are not finite.
    """

    def __init__(self, descriptors: np.ndarray, places: Sequence[Place] | None = None) -> None:
        rows = checked_rows(descriptors, None)
        self._references = (
            ReferenceMetadata.unplaced(len(rows)) if places is None else ReferenceMetadata(places)
        )
        self._index = faiss.IndexFlatIP(rows.shape[1])
        self._index.add(rows)

    @classmethod
    def read(cls, source: DescriptorSource, places: Sequence[Place]) -> FlatIndex:
        """Build the index of all references of a source, which is read block by block.

        Raises:
            MapError: a descriptor cannot be read.
            InputError: a descriptor is not finite.
        """
        size = block_rows(source.dim)
        ids = np.array([place.index for place in places], np.int64)
        index = cls(source.read(ids[:size]), places[:size])
        for first in range(size, len(ids), size):
            index.add(places[first : first + size], source.read(ids[first : first + size]))
        return index

    problem = ''

    def __len__(self) -> int:
        return int(self._index.ntotal)

    @property
    def description(self) -> str:
        """See `PlaceIndex.description`."""
        size = 4e-6 * len(self) * self._index.d
        return f'flat: exact search on the CPU, {len(self)} references, {size:.0f} MB in memory'

    def add(self, places: Sequence[Place], descriptors: np.ndarray) -> None:
        """See `PlaceIndex.add`."""
        rows = checked_rows(descriptors, self._index.d)
        self._references.add(places)
        self._index.add(rows)

    def remove(self, ids: Sequence[int]) -> None:
        """See `PlaceIndex.remove`."""
        stay = self._references.remove(ids)
        self._index.remove_ids(np.flatnonzero(~stay))

    def search(
        self, descriptor: np.ndarray, k: int, prior: Prior | None = None
    ) -> list[Candidate]:
        """See `PlaceIndex.search`."""
        query = checked_query(descriptor, self._index.d)
        rows = self._references.allowed(prior)
        total = len(self) if rows is None else len(rows)
        k = max(0, min(k, total))
        if k == 0:
            return []
        selector = None if rows is None else faiss.IDSelectorBatch(rows)
        similarities, found = self._with_ties(query[None], k, total, selector)
        return best_candidates(self._references.ids[found], similarities, k)

    def _with_ties(
        self, query: np.ndarray, k: int, total: int, selector: faiss.IDSelector | None
    ) -> tuple[np.ndarray, np.ndarray]:
        """Similarities and rows of the `k` best, and of all that tie with the last of them.

        FAISS alone returns an arbitrary one of several references that tie for the last rank.
        """
        params = None if selector is None else faiss.SearchParameters(sel=selector)
        asked = k
        while True:
            asked = min(2 * asked, total)
            similarities, rows = self._index.search(query, asked, params=params)
            if asked == total or similarities[0, -1] < similarities[0, k - 1]:
                return similarities[0], rows[0]

    def close(self) -> None:
        """See `PlaceIndex.close`."""
        self._index.reset()
