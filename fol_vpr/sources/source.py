"""What a source of frames is."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple, Protocol

from fol_vpr.datatypes import Frame, GeoPosition, Pose
from fol_vpr.errors import FolVprError, InputError

OnBad = Callable[[int, FolVprError], None]
"""Told of an item that cannot be used: its position and why."""


class Capture(NamedTuple):
    """What is known of an item without its pixels; the fields are those of `Frame`."""

    stamp_ns: int
    uri: str
    pose: Pose | None
    geo: GeoPosition | None


class FrameSelector(Protocol):
    """Chooses the frames of a source that are decoded; see `mapping.KeyframeSelector`."""

    def wants(self, stamp_ns: int, pose: Pose | None, geo: GeoPosition | None, /) -> bool:
        """Whether a frame of this time and place is chosen."""
        ...

    def stored(self, stamp_ns: int, pose: Pose | None, geo: GeoPosition | None, /) -> None:
        """Called once a chosen frame was decoded."""
        ...


class FrameSource(Protocol):
    """Images in a fixed order, read one at a time.

    Attributes:
        description: one line for people.
        fingerprint: changes when the content would; an interrupted build resumes by it.
        session_id: the drive that the images belong to.
        frame_id: the frame for a map of these poses, '' where there are none.
        own_origin: whether the poses count from wherever this drive began, as odometry does:
            then those of another drive mean other places, even under the same frame_id.
        selects_keyframes: whether a map takes a choice of the frames, or all of them.
        warnings: what was tolerated so far, in words.
    """

    description: str
    fingerprint: str
    session_id: str
    frame_id: str
    own_origin: bool
    warnings: list[str]
    selects_keyframes: bool

    def __len__(self) -> int:
        """Number of items, before keyframes are chosen."""
        ...

    def captures(self) -> Iterator[Capture]:
        """What is known of each item, in order, bad ones included; nothing is decoded."""
        ...

    def frames(
        self, start: int = 0, on_bad: OnBad | None = None, stop: int | None = None
    ) -> Iterator[tuple[int, Frame]]:
        """Yield (position, frame) from item `start` on, and before item `stop`.

        Positions count items from 0, bad ones included. A bad item goes to `on_bad`, or is
        raised where there is none; an error of the source as a whole is always raised.
        """
        ...

    def keyframes(
        self, selector: FrameSelector, start: int = 0, on_bad: OnBad | None = None
    ) -> Iterator[tuple[int, Frame]]:
        """Those of `frames(start, on_bad)` that a map takes: of a bag those that are selected."""
        ...


@contextmanager
def path_errors(path: Path) -> Iterator[None]:
    """Turn the system's refusal to look at a path, or below it, into an InputError."""
    try:
        yield
    except OSError as error:
        raise InputError(
            f'{error.filename or path} cannot be looked at: {error.strerror or error}; check the '
            'name, and the permissions of it and of the folders above it'
        ) from error
