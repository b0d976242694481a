"""Which values of images with more than 8 bits become black and white.

ROS does not tell how many of the 16 bits of an image are used. Cameras with 10, 12 or 14 bits
leave their values as they are, and thermal cameras count within a narrow band. Both would be
nearly black or flat if 65535 were white. Black and white are therefore taken from the values of a
whole stream:

- white is the largest value of the smallest depth (8, 10, 12, 14 or 16 bits) that holds all values
- where nearly all values lie in a band that is narrower than an eighth of that depth, and farther
  from 0 than it is wide, black and white are the ends of that band, with a margin.

They are the same for all images of a stream, so that brightness stays comparable between images.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

import numpy as np

from fol_vpr.errors import InputError

SURVEYED = 64
"""How many images of a bag or folder, evenly spread, are looked at."""
DEPTHS = (8, 10, 12, 14, 16)

_BAND = 1 / 8
_NARROWEST = 1 / 256
"""Of a depth: a narrower band is not stretched further, because it would show noise alone."""
_MARGIN = 0.05
_PERCENTILES = (0.1, 99.9)
"""Values beyond these are taken for defect pixels, and for counters in the first row."""
_SAMPLES = 100_000
_DEFECTS = 0.001
"""Share of an image that defect pixels may be."""

Warn = Callable[[str], None]


class Range(NamedTuple):
    """The values that become black and white."""

    black: float
    white: float


class _Seen(NamedTuple):
    """Values of the images so far: percentiles, and the largest value of all."""

    low: float
    high: float
    largest: int

    def joined(self, other: _Seen) -> _Seen:
        return _Seen(
            min(self.low, other.low),
            max(self.high, other.high),
            max(self.largest, other.largest),
        )


class Levels:
    """Converts values with 16 bits to 8 bits, in the same way for all images of a stream.

    Safe to use from several threads.

    Args:
        fixed: the values that become black and white, as the user gives them; empty takes them
            from the images.
        survey: gives values of images of the whole stream. Then black and white stay as they are
            found in these. Without it they are those of the images so far: the range only grows.
        warn: called with what was found, and with every change of it.
        name: of the stream in warnings.
    """

    def __init__(
        self,
        fixed: Sequence[float] = (),
        *,
        survey: Callable[[], Iterable[np.ndarray]] | None = None,
        warn: Warn | None = None,
        name: str = 'the images',
    ) -> None:
        self._fixed = Range(*fixed) if fixed else None
        self._survey = survey
        self._warn = warn or (lambda _: None)
        self._name = name
        self._lock = threading.Lock()
        self._seen: _Seen | None = None
        self._range: Range | None = self._fixed
        self._table = None if self._fixed is None else _table(self._fixed)
        self._cut_off = False

    @property
    def are_found(self) -> bool:
        """Whether black and white were taken from images."""
        return self._fixed is None and self._range is not None

    def to_8bit(self, values: np.ndarray, what: str) -> np.ndarray:
        """Convert values to uint8 of the same shape.

        uint8 is returned as it is. Floats are brightness from 0 to 1. uint16, and int32, in which
        some decoders return 16-bit images, are scaled by the range of the stream and rounded.

        Args:
            values: brightness or colour channels.
            what: name of the image in error messages.

        Raises:
            InputError: floats outside 0 to 1, or integers outside 0 to 65535.
        """
        if values.dtype == np.uint8:
            return values
        if values.dtype.kind == 'f':
            return _brightness(values, what)
        words = as_words(values, what)
        with self._lock:
            table = self._table_for(words)
        scaled: np.ndarray = table[words]
        return scaled

    def _table_for(self, words: np.ndarray) -> np.ndarray:
        if self._fixed is None and self._survey is not None and self._range is None:
            # Not of this image, unless there is no other: a build that is resumed in the middle of
            # a bag must find the same.
            for each in self._survey():
                self._see(_seen(each))
            if self._seen is None:
                self._see(_seen(words))
            self._choose(f'{self._name} have 16 bits')
        elif self._fixed is None and self._survey is None:
            self._grow(words)
        elif self._fixed is None and not self._cut_off:
            self._report_cut_off(words)
        assert self._table is not None
        return self._table

    def _see(self, seen: _Seen) -> None:
        self._seen = seen if self._seen is None else self._seen.joined(seen)

    def _choose(self, said: str) -> None:
        assert self._seen is not None
        chosen = _range_of(self._seen)
        self._range, self._table = chosen, _table(chosen)
        if chosen != (0, 2**16 - 1):
            self._warn(
                f'{said} and values from {self._seen.low:.0f} to {self._seen.largest}: '
                f'{chosen.black:.0f} is taken as black and {chosen.white:.0f} as white'
                f'{_as_bits(chosen)}; --image-range LOW HIGH (parameter image_range) fixes both'
            )

    def _grow(self, words: np.ndarray) -> None:
        """Extend the range where an image does not fit into it."""
        seen = _seen(words)
        before = self._range
        if before is None:
            self._see(seen)
            self._choose(f'{self._name} have 16 bits')
            return
        assert self._seen is not None
        is_band = before.black > 0
        fits = (
            before.black <= seen.low and seen.high <= before.white
            if is_band
            else seen.largest <= before.white
        )
        self._see(seen)
        if not fits and _range_of(self._seen) != before:
            self._choose(f'{self._name} now have 16 bits')

    def _report_cut_off(self, words: np.ndarray) -> None:
        assert self._range is not None
        beyond = float((words > self._range.white).mean())
        if self._range.black == 0 and beyond > _DEFECTS:
            self._cut_off = True
            self._warn(
                f'{self._name}: values over {self._range.white:.0f} are cut off, because none of '
                f'the {SURVEYED} images that were looked at had such; --image-range LOW HIGH '
                'names the range'
            )


def as_words(values: np.ndarray, what: str) -> np.ndarray:
    """Integers as uint16.

    Raises:
        InputError: a value is outside 0 to 65535; `what` names the image.
    """
    if values.dtype == np.uint16:
        return values
    if values.min() < 0 or values.max() > 65535:
        raise InputError(
            f'{what} holds values from {values.min()} to {values.max()}, expected 16 bit, 0 to '
            '65535'
        )
    return values.astype(np.uint16)


def _brightness(values: np.ndarray, what: str) -> np.ndarray:
    low, high = float(values.min()), float(values.max())
    if not (low >= 0 and high <= 1):
        raise InputError(
            f'{what} holds floats from {low:g} to {high:g}, expected brightness from 0 to 1; '
            'a depth image cannot be used: choose a camera topic'
        )
    brightness: np.ndarray = np.rint(values * np.float32(255)).astype(np.uint8)
    return brightness


def _seen(words: np.ndarray) -> _Seen:
    flat = words.reshape(-1)
    sample = flat[:: flat.size // _SAMPLES | 1]  # odd, to meet all colours of a mosaic
    low, high = np.percentile(sample, _PERCENTILES)
    return _Seen(float(low), float(high), int(flat.max()))


def _range_of(seen: _Seen) -> Range:
    bits = next(depth for depth in DEPTHS if seen.largest < 2**depth)
    values = 2**bits
    width = seen.high - seen.low
    if width < values * _BAND and seen.low > max(width, values * _NARROWEST):
        missing = max(0.0, values * _NARROWEST - width)
        margin = max(1.0, round(width * _MARGIN + missing / 2))
        return Range(max(0.0, round(seen.low) - margin), round(seen.high) + margin)
    return Range(0.0, float(values - 1))


def _as_bits(chosen: Range) -> str:
    depth = math.log2(chosen.white + 1)
    is_depth = chosen.black == 0 and depth == round(depth)
    return f' ({depth:.0f} bits)' if is_depth else ' (a narrow band, as of a thermal camera)'


def _table(chosen: Range) -> np.ndarray:
    """[65536] uint8: the value of each 16-bit value."""
    shares = (np.arange(2**16) - chosen.black) / (chosen.white - chosen.black)
    table: np.ndarray = np.rint(np.clip(shares, 0, 1) * 255).astype(np.uint8)
    return table
