"""The interface of a source of frames."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple, Protocol

from fol_vpr.datatypes import Frame, GeoPosition, Pose
from fol_vpr.errors import FolVprError, InputError

OnBad = Callable[[int, FolVprError], None]
"""Called with the position and the error of an item that cannot be used."""


class Capture(NamedTuple):
    """What is known of an item without decoding it.

    Attributes:
        stamp_ns: time of exposure in nanoseconds, 0 if unknown.
        uri: see `Frame.uri`.
        pose: of the base in the map frame, or None.
        geo: geodetic position, or None.
    """

    stamp_ns: int
    uri: str
    pose: Pose | None
    geo: GeoPosition | None


class FrameSelector(Protocol):
    """Chooses the frames of a source to decode; see `mapping.KeyframeSelector`."""

    def wants(self, stamp_ns: int, pose: Pose | None, geo: GeoPosition | None, /) -> bool:
        """Whether a frame with this stamp in nanoseconds, pose and position is chosen."""
        ...

    def stored(self, stamp_ns: int, pose: Pose | None, geo: GeoPosition | None, /) -> None:
        """Called after a chosen frame was decoded successfully."""
        ...


class FrameSource(Protocol):
    """Images in a fixed order, read one at a time.

    Attributes:
        description: one line for people.
        fingerprint: identifies the content; an interrupted build is resumed only if it is equal.
        session_id: the drive that the images belong to.
        frame_id: the frame of the poses, empty if there are none.
        own_origin: whether the origin of the poses is the start of this drive, as with odometry,
            so that they cannot be compared with those of other drives with the same `frame_id`.
        selects_keyframes: whether a map takes keyframes only, or all frames.
        warnings: problems so far that did not stop the reading, in words.
    """

    description: str
    fingerprint: str
    session_id: str
    frame_id: str
    own_origin: bool
    warnings: list[str]
    selects_keyframes: bool

    def __len__(self) -> int:
        """Number of items, including those that are no keyframes or cannot be used."""
        ...

    def captures(self) -> Iterator[Capture]:
        """What is known of each item, in order, including damaged ones; decodes nothing."""
        ...

    def frames(
        self, start: int = 0, on_bad: OnBad | None = None, stop: int | None = None
    ) -> Iterator[tuple[int, Frame]]:
        """Yield (position, frame) of the items from `start` up to but not including `stop`.

        Args:
            start: position of the first item.
            on_bad: called for items that cannot be used; None raises their error instead.
            stop: position after the last item; None reads to the end.

        Yields:
            The position, which counts all items from 0, and the frame.

        Raises:
            InputError: an item cannot be used and `on_bad` is None, or the source as a whole
                cannot be read.
        """
        ...

    def keyframes(
        self, selector: FrameSelector, start: int = 0, on_bad: OnBad | None = None
    ) -> Iterator[tuple[int, Frame]]:
        """The frames of `frames(start, on_bad)` that a map takes.

        Args:
            selector: chooses them, if `selects_keyframes`; otherwise all frames are taken.
            start: position of the first item.
            on_bad: called for items that cannot be used; None raises their error instead.
        """
        ...


@contextmanager
def path_errors(path: Path) -> Iterator[None]:
    """Translate errors of the operating system about a path into InputError.

    Raises:
        InputError: the path, or one below it, cannot be accessed.
    """
    try:
        yield
    except OSError as error:
        raise InputError(
            f'{error.filename or path} cannot be accessed: {error.strerror or error}; check its '
            'name and permissions, and the permissions of its parent folders'
        ) from error
