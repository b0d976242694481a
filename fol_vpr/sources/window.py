"""A part of a drive, between two times."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import NamedTuple

from fol_vpr.datatypes import Frame, GeoPosition, Pose
from fol_vpr.errors import FolVprError, InputError
from fol_vpr.sources.source import Capture, FrameSelector, FrameSource, OnBad
from fol_vpr.sources.stamps import unit_of

_FIRST_STAMP = 10**8
"""Seconds; smaller numbers count from the start of a drive. Drives are shorter than three years,
and stamps that count from 1970 are later than 1973."""


class Moment(NamedTuple):
    """A time of a drive, as the user gave it.

    Attributes:
        text: as given.
        ns: nanoseconds.
        is_stamp: whether it is a stamp, and not the time since the start of the drive.
        option: where it was given.
    """

    text: str
    ns: int
    is_stamp: bool
    option: str

    def in_drive(self, start_ns: int) -> int:
        """The stamp in nanoseconds, in a drive that starts at a time."""
        return self.ns if self.is_stamp else start_ns + self.ns


def parse_moment(text: str, option: str) -> Moment:
    """Read seconds from the start of a drive, or a stamp in s, ms, µs or ns, told by magnitude.

    Args:
        text: the number.
        option: where it was given, for the error.

    Raises:
        InputError: no number, a negative one, or a stamp after the year 2262.
    """
    try:
        number = Decimal(text.strip())
        if not number.is_finite() or number < 0:
            raise ValueError(text)
        unit = unit_of([text])
        return Moment(text.strip(), unit.stamp_ns(text), number >= _FIRST_STAMP, option)
    except (ArithmeticError, ValueError) as error:
        raise InputError(
            f'{option} is {text!r}, expected seconds from the start of the drive such as 12.5, '
            'or a stamp such as 1700000012.5'
        ) from error


class DriveWindow:
    """The images of a source between two times, both included.

    Positions count the images of the window from 0; `positions` gives those in the drive.

    Attributes:
        source: the whole drive.
        positions: positions in the source of the images of the window, increasing.
        whole: number of images in the source.
        description, fingerprint, session_id, frame_id, own_origin, selects_keyframes, warnings:
            see `FrameSource`.
    """

    def __init__(
        self, source: FrameSource, begin: Moment | None = None, end: Moment | None = None
    ) -> None:
        """Find the images of the window; this reads the times of all.

        Args:
            source: the whole drive.
            begin: time of the first image; None takes the first of the drive.
            end: time of the last image; None takes the last of the drive.

        Raises:
            InputError: no image lies in the window, or the images have no times.
        """
        self.source = source
        stamps = [capture.stamp_ns for capture in source.captures()]
        self.whole = len(source)
        if not any(stamps):
            raise InputError(
                f'{source.description} have no times, so that a part between two times cannot be '
                'chosen; give their times with --positions, or leave the part out'
            )
        start = min(stamp for stamp in stamps if stamp)
        first = start if begin is None else begin.in_drive(start)
        last = max(stamps) if end is None else end.in_drive(start)
        self.positions = [
            position for position, stamp in enumerate(stamps) if first <= stamp <= last
        ]
        if not self.positions:
            given = ' and '.join(
                f'{each.option} {each.text} ({"a stamp" if each.is_stamp else "s from the start"})'
                for each in (begin, end)
                if each is not None
            )
            remedy = ''
            if start == max(stamps) and len(stamps) > 1:
                remedy = '; their clock does not run: --stamps reception takes those of a bag'
            raise InputError(
                f'no image lies within {given}: {source.description}, are of '
                f'{start / 1e9:.3f} to {max(stamps) / 1e9:.3f} s, 0 to '
                f'{(max(stamps) - start) / 1e9:.3f} s from the start{remedy}'
            )
        self._range = first, last
        self._number = {position: number for number, position in enumerate(self.positions)}
        self.selects_keyframes = source.selects_keyframes
        self.own_origin = source.own_origin
        self.session_id = source.session_id
        self.frame_id = source.frame_id
        self.warnings = source.warnings
        self.fingerprint = f'{source.fingerprint} {first} {last}'
        self.description = (
            f'{len(self.positions)} of {source.description}, from {(first - start) / 1e9:.3f} to '
            f'{(last - start) / 1e9:.3f} s from the start (stamps {first / 1e9:.3f} to '
            f'{last / 1e9:.3f} s)'
        )

    def __len__(self) -> int:
        return len(self.positions)

    def captures(self) -> Iterator[Capture]:
        """What is known of each image of the window; see `FrameSource.captures`."""
        for position, capture in enumerate(self.source.captures()):
            if position in self._number:
                yield capture

    def frames(
        self, start: int = 0, on_bad: OnBad | None = None, stop: int | None = None
    ) -> Iterator[tuple[int, Frame]]:
        """Yield (number, frame) of images of the window; see `FrameSource.frames`."""
        chosen = self.positions[start:stop]
        if not chosen:
            return
        found = self.source.frames(chosen[0], self._renumbered(on_bad), chosen[-1] + 1)
        wanted = set(chosen)
        for position, frame in found:
            if position in wanted:
                yield self._number[position], frame

    def keyframes(
        self, selector: FrameSelector, start: int = 0, on_bad: OnBad | None = None
    ) -> Iterator[tuple[int, Frame]]:
        """The keyframes of the window; see `FrameSource.keyframes`."""
        if start >= len(self.positions):
            return
        first = self.positions[start]
        if not self.selects_keyframes:
            yield from self.frames(start, on_bad)
            return
        chosen = _WindowSelector(selector, *self._range)
        found = self.source.keyframes(chosen, first, self._renumbered(on_bad))
        for position, frame in found:
            if position in self._number:
                yield self._number[position], frame
            if position >= self.positions[-1]:
                return

    def _renumbered(self, on_bad: OnBad | None) -> OnBad | None:
        """Reports damaged images of the window by their number in it, and no others."""

        def report(position: int, error: FolVprError) -> None:
            if position not in self._number:
                return
            if on_bad is None:
                raise error
            on_bad(self._number[position], error)

        return report


class _WindowSelector:
    """Chooses keyframes among the images between two times."""

    def __init__(self, selector: FrameSelector, first: int, last: int) -> None:
        self._selector = selector
        self._first, self._last = first, last

    def wants(self, stamp_ns: int, pose: Pose | None, geo: GeoPosition | None, /) -> bool:
        inside = self._first <= stamp_ns <= self._last
        return inside and self._selector.wants(stamp_ns, pose, geo)

    def stored(self, stamp_ns: int, pose: Pose | None, geo: GeoPosition | None, /) -> None:
        self._selector.stored(stamp_ns, pose, geo)


def numbers_in_drive(source: FrameSource) -> tuple[int, list[int]]:
    """How many images the whole drive has, and the numbers of those of the source in it."""
    if isinstance(source, DriveWindow):
        return source.whole, source.positions
    return len(source), list(range(len(source)))
