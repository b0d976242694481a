"""The threads of the geometry, for what releases Python's lock: OpenCV, and compiled loops."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager
from typing import TypeVar

import cv2

from fol_vpr.threads import run_beside, shared_out

Item = TypeVar('Item')
Found = TypeVar('Found')


def threads() -> int:
    """How many may run, as OpenCV was told."""
    return int(cv2.getNumThreads())


def side_by_side(function: Callable[[Item], Found], items: Iterable[Item]) -> list[Found]:
    """What the function makes of each item, in their order; several of them at a time."""
    return shared_out(function, list(items), threads(), 'geometry')


def beside(function: Callable[[], Found]) -> AbstractContextManager[Callable[[], Found]]:
    """Run a function beside a `with` block, which gets what waits for its result.

    See `run_beside`.
    The threads are others than those of `side_by_side`, so that what the block shares out begins
    at once.
    """
    return run_beside(function, threads(), 'geometry beside')
