"""Keeps the local features of references that were used last."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable

from fol_vpr.datatypes import LocalFeatures


class FeatureCache:
    """Local features by number, the least recently used of which are dropped; thread-safe.

    Args:
        load: gives the local features of a number that is not in the cache. They are shared by
            all callers, who must not change them.
        limit: most bytes of the features that are kept.
    """

    def __init__(self, load: Callable[[int], LocalFeatures], limit: int) -> None:
        self._load = load
        self._limit = limit
        self._lock = threading.Lock()
        self._kept: OrderedDict[int, LocalFeatures] = OrderedDict()
        self.bytes = 0

    def get(self, number: int) -> LocalFeatures:
        """Local features of a number; raises whatever `load` raises."""
        with self._lock:
            local = self._kept.get(number)
            if local is not None:
                self._kept.move_to_end(number)
                return local
        # Without the lock: another thread need not wait for the disk. Both may load the same.
        local = self._load(number)
        with self._lock:
            if number not in self._kept:
                self._kept[number] = local
                self.bytes += _bytes(local)
            while self.bytes > self._limit:
                self.bytes -= _bytes(self._kept.popitem(last=False)[1])
        return local

    def clear(self) -> None:
        """Drop all."""
        with self._lock:
            self._kept.clear()
            self.bytes = 0


def _bytes(local: LocalFeatures) -> int:
    return local.descriptors.nbytes + local.positions.nbytes + local.weights.nbytes
