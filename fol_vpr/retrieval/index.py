"""The search for the references with the largest global similarity."""

from __future__ import annotations

from typing import Protocol

import faiss
import numpy as np

from fol_vpr.datatypes import Candidate
from fol_vpr.errors import InputError


class PlaceIndex(Protocol):
    """Finds references by their global descriptors."""

    def search(self, descriptor: np.ndarray, k: int) -> list[Candidate]:
        """The `k` references of largest similarity to a descriptor [D], best first.

        Equal similarities come in the order of the index. Where there are fewer than `k`
        references, all are returned.

        Raises:
            InputError: the descriptor has another length, or is not finite.
        """
        ...

    def __len__(self) -> int:
        """How many references there are."""
        ...


class FlatIndex:
    """Exact search over all references by inner product, on the CPU.

    Args:
        descriptors: [P, D], unit length, so that inner products are cosines. Copied as float32.

    Raises:
        InputError: another shape, or numbers that are not finite.
    """

    def __init__(self, descriptors: np.ndarray) -> None:
        rows = np.ascontiguousarray(descriptors, dtype=np.float32)
        if rows.ndim != 2 or 0 in rows.shape:
            raise InputError(f'global descriptors [P, D] are needed, got shape {rows.shape}')
        if not np.isfinite(rows).all():
            raise InputError('the global descriptors hold NaN or infinity')
        self._index = faiss.IndexFlatIP(rows.shape[1])
        self._index.add(rows)

    def __len__(self) -> int:
        return self._index.ntotal

    def search(self, descriptor: np.ndarray, k: int) -> list[Candidate]:
        """See `PlaceIndex.search`."""
        query = np.ascontiguousarray(descriptor, dtype=np.float32)
        if query.shape != (self._index.d,) or not np.isfinite(query).all():
            raise InputError(
                f'a global descriptor of {self._index.d} finite numbers is needed, got shape '
                f'{query.shape}: the map is of another network, or the image is bad'
            )
        k = max(0, min(k, len(self)))
        if k == 0:
            return []
        similarities, indices = self._with_ties(query[None], k)
        order = np.lexsort((indices, -similarities))[:k]
        return [Candidate(int(indices[i]), float(similarities[i])) for i in order]

    def _with_ties(self, query: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
        """At least the first `k`, and all others that are as similar as the last of them.

        FAISS keeps any of several references that tie for the last rank.
        """
        asked = k
        while True:
            asked = min(2 * asked, len(self))
            similarities, indices = self._index.search(query, asked)
            if asked == len(self) or similarities[0, -1] < similarities[0, k - 1]:
                return similarities[0], indices[0]
