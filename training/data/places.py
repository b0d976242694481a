"""What can be learned from: places, each with several images."""

from __future__ import annotations

import bisect
from collections.abc import Sequence
from itertools import accumulate
from typing import Protocol, runtime_checkable

import numpy as np

from fol_vpr.errors import InputError
from training.data.views import View


class PlaceDataset(Protocol):
    """Places with images of each, in a fixed order.

    Attributes:
        description: one line for people.
    """

    description: str

    def __len__(self) -> int:
        """Number of places."""
        ...

    def images(self, place: int) -> Sequence[str]:
        """What the images of a place are called: paths, or names within a bag."""
        ...

    def load(self, place: int, number: int) -> np.ndarray:
        """Image `number` of a place: RGB [H, W, 3] uint8.

        Raises:
            InputError: it cannot be read; it is named.
        """
        ...

    def neighbours(self, place: int) -> Sequence[int]:
        """Other places that may show the same things, so that they are no negatives."""
        ...


@runtime_checkable
class ViewedPlaces(Protocol):
    """Places of whose images depth and camera may be known."""

    def view(self, place: int, number: int) -> View | None:
        """Depth and camera of image `number` of a place, where it has them.

        Raises:
            InputError: they are damaged; the file is named.
        """
        ...


class Places:
    """Several sources one after the other, as one.

    Args:
        sources: none of them empty.
        repeats: how often an epoch takes the places of each.
    """

    def __init__(self, sources: Sequence[PlaceDataset], repeats: Sequence[int] = ()) -> None:
        if not sources:
            raise InputError('there is nothing to learn from; name sources in data.train')
        self.sources = list(sources)
        self.repeats = list(repeats) or [1] * len(self.sources)
        self._ends = list(accumulate(len(source) for source in self.sources))
        self.description = '; '.join(source.description for source in self.sources)

    def __len__(self) -> int:
        return self._ends[-1]

    def images(self, place: int) -> Sequence[str]:
        """See `PlaceDataset`."""
        source, offset = self._find(place)
        return self.sources[source].images(place - offset)

    def load(self, place: int, number: int) -> np.ndarray:
        """See `PlaceDataset`."""
        source, offset = self._find(place)
        return self.sources[source].load(place - offset, number)

    def view(self, place: int, number: int) -> View | None:
        """See `ViewedPlaces`; None where the source does not know."""
        index, offset = self._find(place)
        source = self.sources[index]
        return source.view(place - offset, number) if isinstance(source, ViewedPlaces) else None

    def neighbours(self, place: int) -> Sequence[int]:
        """See `PlaceDataset`."""
        source, offset = self._find(place)
        return [offset + other for other in self.sources[source].neighbours(place - offset)]

    def epoch(self) -> np.ndarray:
        """Every place as often as an epoch takes it."""
        starts = [0, *self._ends[:-1]]
        parts = [
            np.tile(np.arange(start, end), repeat)
            for start, end, repeat in zip(starts, self._ends, self.repeats, strict=True)
        ]
        return np.concatenate(parts)

    def _find(self, place: int) -> tuple[int, int]:
        """The source that a place is of, and the number of its first place."""
        source = bisect.bisect_right(self._ends, place)
        return source, self._ends[source - 1] if source else 0
