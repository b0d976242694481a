"""The threads of the geometry, for what releases Python's lock: OpenCV, and compiled loops."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TypeVar

import cv2

from fol_vpr.threads import lasting_pool

Item = TypeVar('Item')
Found = TypeVar('Found')


def threads() -> int:
    """How many may run, as OpenCV was told."""
    return int(cv2.getNumThreads())


def side_by_side(function: Callable[[Item], Found], items: Iterable[Item]) -> list[Found]:
    """What the function makes of each item, in their order; several of them at a time.

    Args:
        function: must not call this one: it would wait for a thread that waits for it.
        items: of a single one, or where only one thread may run, no other thread is asked.
    """
    listed = list(items)
    if min(len(listed), threads()) < 2:
        return [function(item) for item in listed]
    return list(lasting_pool('geometry', threads()).map(function, listed))
