"""What a source of frames is."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Protocol

from fol_vpr.config import MappingConfig
from fol_vpr.datatypes import Frame
from fol_vpr.errors import FolVprError

OnBad = Callable[[int, FolVprError], None]
"""Told of an item that cannot be used: its position and why."""


class FrameSource(Protocol):
    """Images in a fixed order, read one at a time.

    Attributes:
        description: one line for people.
        fingerprint: changes when the content would; an interrupted build resumes by it.
        session_id: the drive that the images belong to.
        frame_id: the map frame that the poses are in, '' where there are none.
        selects_keyframes: whether a map takes a choice of the frames, or all of them.
        warnings: what was tolerated so far, in words.
    """

    description: str
    fingerprint: str
    session_id: str
    frame_id: str
    warnings: list[str]
    selects_keyframes: bool

    def __len__(self) -> int:
        """Number of items, before keyframes are chosen."""
        ...

    def frames(self, start: int = 0, on_bad: OnBad | None = None) -> Iterator[tuple[int, Frame]]:
        """Yield (position, frame) from item `start` on.

        Positions count items from 0, bad ones included. A bad item goes to `on_bad`, or is
        raised where there is none; an error of the source as a whole is always raised.
        """
        ...

    def keyframes(
        self, config: MappingConfig, start: int = 0, on_bad: OnBad | None = None
    ) -> Iterator[tuple[int, Frame]]:
        """Those of `frames(start, on_bad)` that a map takes, the first one always among them."""
        ...
