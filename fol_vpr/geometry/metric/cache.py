"""A cache of limited size in bytes, for what is derived from the images of a map."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Hashable
from typing import Generic, TypeVar

Value = TypeVar('Value')


class ByteCache(Generic[Value]):
    """The most recently used values, limited in bytes; usable from any thread.

    A key must name everything that its value depends on, such as a digest of the image's bytes.
    So no value is ever out of date, whatever happens to the map, and none has to be dropped.

    Args:
        limit: bytes that all values together may take.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._lock = threading.Lock()
        self._values: OrderedDict[Hashable, tuple[Value, int]] = OrderedDict()
        self._bytes = 0

    @property
    def bytes(self) -> int:
        """Bytes that the values take, as `put` was told."""
        return self._bytes

    def __len__(self) -> int:
        return len(self._values)

    def get(self, key: Hashable) -> Value | None:
        """The value of a key; None where there is none, or not any more."""
        with self._lock:
            if key not in self._values:
                return None
            self._values.move_to_end(key)
            return self._values[key][0]

    def put(self, key: Hashable, value: Value, size: int) -> None:
        """Keep a value of `size` bytes instead of the key's earlier one.

        The values that were not used for the longest time are dropped. A value that exceeds the
        limit alone is not kept.
        """
        with self._lock:
            self._bytes -= self._values.pop(key, (None, 0))[1]
            self._values[key] = (value, size)
            self._bytes += size
            while self._bytes > self._limit:
                _, (_, dropped) = self._values.popitem(last=False)
                self._bytes -= dropped

    def clear(self) -> None:
        """Drop all values."""
        with self._lock:
            self._values.clear()
            self._bytes = 0
