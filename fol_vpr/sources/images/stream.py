"""Decodes the images of one stream: a folder, a topic of a bag, or a live topic."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import numpy as np

from fol_vpr.errors import InputError
from fol_vpr.sources.images.decode import read_file, read_image
from fol_vpr.sources.images.levels import SURVEYED, Levels, Warn, as_words
from fol_vpr.sources.images.orientation import UPRIGHT, turned_upright
from fol_vpr.sources.images.raw_image import to_rgb
from fol_vpr.sources.images.stored_image import StoredImage

_HOLES = 0.02
"""Share of an image that is 0 in few photographs, and in most depth images."""

Read = Callable[[], StoredImage]
"""Reads one image of a stream; raises InputError where it cannot be used."""


class StreamDecoder:
    """Keeps what holds for all images of a stream: black and white, and what was said already.

    Safe to use from several threads.

    Args:
        name: of the stream in warnings.
        warn: called with every warning, the same one only once.
        image_range: the setting of that name; empty takes black and white from the images.
        survey: gives readers of images spread over the whole stream; without it, as on live
            topics, black and white are those of the images so far.
    """

    def __init__(
        self,
        name: str,
        warn: Warn,
        *,
        image_range: Sequence[float] = (),
        survey: Callable[[], Iterable[Read]] | None = None,
    ) -> None:
        self._name = name
        self._warn_all = warn
        self._said: set[str] = set()
        looked_at = None if survey is None else lambda: _wide_values(survey())
        self.levels = Levels(image_range, survey=looked_at, warn=warn, name=name)

    def decode(self, msg: Any) -> np.ndarray:
        """The pixels of a message; see `decode_image`."""
        return self._pixels(read_image(msg))

    def decode_file(self, data: bytes, what: str, *, upright: bool) -> np.ndarray:
        """The pixels of an image file; see `decode_bytes`. Warns where a turn is not applied."""
        stored = read_file(data, what, heif=True)
        pixels = self._pixels(stored)
        if upright:
            return turned_upright(pixels, stored.orientation)
        if stored.orientation != UPRIGHT:
            self._warn(
                'photographs carry an EXIF orientation, which is not applied because a '
                'calibration of the camera is given: it belongs to the pixels as they are stored'
            )
        return pixels

    def _pixels(self, stored: StoredImage) -> np.ndarray:
        for remark in (*stored.remarks, *_as_of_depths(stored)):
            self._warn(remark)
        return to_rgb(stored, self.levels)

    def _warn(self, remark: str) -> None:
        if remark not in self._said:
            self._said.add(remark)
            self._warn_all(f'{self._name}: {remark}')


def spread(count: int) -> list[int]:
    """At most `SURVEYED` positions, evenly spread over `count` images."""
    number = min(count, SURVEYED)
    return [round(index * (count - 1) / max(1, number - 1)) for index in range(number)]


def _as_of_depths(stored: StoredImage) -> tuple[str, ...]:
    """What to say of grey values with 16 bits among which there are many zeros."""
    if stored.values.dtype != np.uint16 or stored.layout != 'mono8' or stored.remarks:
        return ()
    zeros = 1 - np.count_nonzero(stored.values) / stored.values.size
    if zeros < _HOLES:
        return ()
    return (
        f'{zeros:.0%} of the 16-bit values of an image are 0, as where a depth camera measures '
        'nothing: depth images are no photographs, and places are not recognised by them; if '
        "these are depths, choose the camera's colour or grey images",
    )


def _wide_values(reads: Iterable[Read]) -> Iterator[np.ndarray]:
    """The values of those images that have 16 bits; others, and damaged ones, are left out."""
    for read in reads:
        try:
            stored = read()
            if stored.values.dtype != np.uint8 and stored.values.dtype.kind != 'f':
                yield as_words(stored.values, stored.what)
        except InputError:
            continue
