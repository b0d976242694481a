"""The threads of the geometry, for what releases Python's lock: OpenCV, and compiled loops."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TypeVar

import cv2

from fol_vpr.threads import shared_out

Item = TypeVar('Item')
Found = TypeVar('Found')


def threads() -> int:
    """How many may run, as OpenCV was told."""
    return int(cv2.getNumThreads())


def side_by_side(function: Callable[[Item], Found], items: Iterable[Item]) -> list[Found]:
    """What the function makes of each item, in their order; several of them at a time."""
    return shared_out(function, list(items), threads(), 'geometry')
