"""References, queries and which of them show one place."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from fol_vpr.datatypes import Frame
from fol_vpr.errors import InputError
from fol_vpr.evaluation.ground_truth import Positives
from fol_vpr.sources import Capture, FrameSelector, OnBad


class LoadableImage(NamedTuple):
    """An image that can be loaded.

    Attributes:
        uri: what it is called.
        load: gives its RGB pixels [H, W, 3] uint8.
    """

    uri: str
    load: Callable[[], np.ndarray]


class ImageList:
    """A list of images as a `fol_vpr.sources.FrameSource`, so that a map can be built of it."""

    selects_keyframes = False
    own_origin = False
    frame_id = ''

    def __init__(self, description: str, items: Sequence[LoadableImage]) -> None:
        self.description = description
        self.items = list(items)
        self.session_id = 'validation'
        self.warnings: list[str] = []
        names = '\0'.join(item.uri for item in self.items)
        self.fingerprint = hashlib.sha256(names.encode()).hexdigest()

    def __len__(self) -> int:
        return len(self.items)

    def captures(self) -> Iterator[Capture]:
        """See `FrameSource`; nothing is known but the names."""
        return (Capture(0, item.uri, None, None) for item in self.items)

    def frames(
        self, start: int = 0, on_bad: OnBad | None = None, stop: int | None = None
    ) -> Iterator[tuple[int, Frame]]:
        """See `FrameSource`."""
        for position, item in list(enumerate(self.items))[start:stop]:
            try:
                frame = Frame(item.load(), uri=item.uri)
            except InputError as error:
                if on_bad is None:
                    raise
                on_bad(position, error)
                continue
            yield position, frame

    def keyframes(
        self, _selector: FrameSelector, start: int = 0, on_bad: OnBad | None = None
    ) -> Iterator[tuple[int, Frame]]:
        """All of them; see `FrameSource`."""
        return self.frames(start, on_bad)


@dataclass(frozen=True, eq=False)
class ValidationSet:
    """What recall is measured on.

    Attributes:
        positives: for each query the references that show its place.
    """

    name: str
    references: ImageList
    queries: ImageList
    positives: Positives

    def subsampled(self, queries: int) -> ValidationSet:
        """The same with at most so many queries, evenly taken from all; 0 takes all."""
        if not queries or queries >= len(self.queries):
            return self
        chosen = np.linspace(0, len(self.queries) - 1, queries).round().astype(int).tolist()
        return ValidationSet(
            self.name,
            self.references,
            ImageList(self.queries.description, [self.queries.items[i] for i in chosen]),
            [self.positives[i] for i in chosen],
        )
