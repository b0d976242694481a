"""A search index that places can be added to and removed from."""

from __future__ import annotations

import threading

import numpy as np

from fol_vpr.datatypes import Candidate
from fol_vpr.retrieval import FlatIndex


class GrowingIndex:
    """An exact index of what was loaded, and of what was added since.

    References are numbered in the order in which they came, and keep their number: that of a
    removed one is not given again. May be used by several threads.

    Args:
        descriptors: [P, D], unit length.
    """

    def __init__(self, descriptors: np.ndarray) -> None:
        self._loaded = FlatIndex(descriptors)
        self._added = np.empty((0, descriptors.shape[1]), np.float32)
        self._used = 0
        self._removed: set[int] = set()
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._loaded) + self._used - len(self._removed)

    def add(self, descriptor: np.ndarray) -> int:
        """Add a reference with a descriptor [D]; its number."""
        with self._lock:
            if self._used == len(self._added):
                grown = np.empty((max(16, 2 * self._used), self._added.shape[1]), np.float32)
                grown[: self._used] = self._added
                self._added = grown
            self._added[self._used] = descriptor
            self._used += 1
            return len(self._loaded) + self._used - 1

    def remove(self, number: int) -> None:
        """Find a reference no more."""
        with self._lock:
            self._removed.add(number)

    def search(self, descriptor: np.ndarray, k: int) -> list[Candidate]:
        """As `PlaceIndex.search`; equal similarities come in the order of the numbers."""
        with self._lock:
            removed = set(self._removed)
            added = self._added[: self._used]
        first = len(self._loaded)
        hidden = sum(number < first for number in removed)
        found = self._loaded.search(descriptor, k + hidden)
        similarities = added @ np.asarray(descriptor, np.float32)
        found += [Candidate(first + i, float(value)) for i, value in enumerate(similarities)]
        left = [candidate for candidate in found if candidate.index not in removed]
        left.sort(key=lambda candidate: (-candidate.similarity, candidate.index))
        return left[: max(0, k)]
