"""Which places and which of their images come into a batch.

Everything is drawn from the seed, the epoch and what the network confuses, so that all processes
of a run draw the same, and each takes its share.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from fnmatch import fnmatch
from typing import NamedTuple

import numpy as np
from torch.utils.data import Sampler

from fol_vpr.errors import InputError
from training.data.mining import HardPlaceMiner
from training.data.places import Places


class Draw(NamedTuple):
    """One image of a batch.

    Attributes:
        place, number: which image.
        seed: what its augmentation is drawn from.
        mirrored: whether all images of the place are, this time.
        night: whether it is turned into night: True where the place has no image taken at night
            and is to have one, False where it was taken at night, None left to chance.
    """

    place: int
    number: int
    seed: tuple[int, ...]
    mirrored: bool
    night: bool | None = None


def batches_of_epoch(data: Places, places: int, batches: int = 0) -> int:
    """As many as are asked for, or as give each place once."""
    return batches or max(1, len(data.epoch()) // places)


class PlaceSampler(Sampler[list[Draw]]):
    """Batches of P places with K images each, drawn anew in every epoch.

    Args:
        data: the places.
        places: P, of all processes together.
        images: K.
        twins: whether the second of the K images is the first one once more.
        batches: of an epoch; 0 takes as many as give each place once.
        seed: of the run.
        mirror: probability of mirroring a place.
        miner: brings places that the network confuses into one batch; None leaves it to
            chance.
        day_and_night: share of the places that are shown by day and by night, 0 to 1.
        dark: patterns of the names of images that were taken at night.
        rank, world: the number of this process, and how many there are. Process r takes the
            places r·P/world to (r + 1)·P/world of each batch.
        done: batches that a resumed run has had; it goes on with the next one, be it in the
            middle of an epoch.

    Raises:
        InputError: there are too few places, or they cannot be shared out evenly.
    """

    def __init__(
        self,
        data: Places,
        places: int,
        images: int,
        *,
        twins: bool = False,
        batches: int = 0,
        seed: int = 0,
        mirror: float = 0.0,
        miner: HardPlaceMiner | None = None,
        day_and_night: float = 0.0,
        dark: Sequence[str] = (),
        rank: int = 0,
        world: int = 1,
        done: int = 0,
    ) -> None:
        if places % world:
            raise InputError(
                f'{places} places in a batch cannot be shared evenly by {world} processes'
            )
        if len(data) < places:
            raise InputError(
                f'a batch of {places} places needs as many, there are {len(data)}: lower '
                'data.places, or add sources'
            )
        self._data = data
        self._places, self._images, self._twins = places, images, twins
        self._batches = batches_of_epoch(data, places, batches)
        self._seed, self._mirror = seed, mirror
        self._miner = miner
        self._day_and_night, self._dark = day_and_night, tuple(dark)
        self._rank, self._world = rank, world
        self._epoch = 0
        self._begin = divmod(done, self._batches) if done else None

    def set_epoch(self, epoch: int) -> None:
        """Draw for this epoch from now on; Lightning calls it."""
        self._epoch = epoch

    def __len__(self) -> int:
        """Batches of an epoch."""
        return self._batches

    def __iter__(self) -> Iterator[list[Draw]]:
        """The draws of this process, batch by batch, place by place."""
        # Where a resumed run begins is known better here than from the epoch that it is told.
        epoch, skipped = self._begin or (self._epoch, 0)
        self._begin = None
        if self._miner is not None and not skipped:
            self._miner.begin_epoch()
        rng = np.random.default_rng([self._seed, epoch])
        share = self._places // self._world
        for number, places in enumerate(self._place_batches(rng)):
            draws = [
                self._draw(rng, place, (self._seed, epoch, number, slot))
                for slot, place in enumerate(places)
            ]
            if number < skipped:
                continue
            mine = draws[self._rank * share : (self._rank + 1) * share]
            yield [draw for of_place in mine for draw in of_place]

    def _draw(self, rng: np.random.Generator, place: int, seed: tuple[int, ...]) -> list[Draw]:
        """K images of a place, none twice where it has as many."""
        names = self._data.images(place)
        order = rng.permutation(len(names)).tolist()
        dark = [any(fnmatch(name, pattern) for pattern in self._dark) for name in names]
        both = rng.random() < self._day_and_night
        if both and len(set(dark)) == 2:
            # The first by day, the last at night; what is between them as it comes.
            day = next(n for n in order if not dark[n])
            night = next(n for n in order if dark[n])
            between = [n for n in order if n not in (day, night)][: self._images - 2]
            chosen = [day, *between, night]
        else:
            chosen = order[: self._images]
        missing = self._images - len(chosen)
        chosen[1:1] = rng.integers(len(names), size=missing).tolist()
        if self._twins:
            chosen[1] = chosen[0]
        mirrored = bool(rng.random() < self._mirror)
        draws = [
            Draw(place, n, (*seed, i), mirrored, False if dark[n] else None)
            for i, n in enumerate(chosen)
        ]
        if both and not any(dark):
            draws[-1] = draws[-1]._replace(night=True)
        return draws

    def _place_batches(self, rng: np.random.Generator) -> Iterator[list[int]]:
        """Batches of places of which no two are neighbours."""
        waiting: deque[int] = deque()
        for _ in range(self._batches):
            batch: list[int] = []
            blocked: set[int] = set()
            later = self._fill(batch, blocked, waiting)
            # Where the rest of a pass is too much alike, the next one is begun early.
            if len(batch) < self._places:
                waiting.extend(self._order(rng))
                later += self._fill(batch, blocked, waiting)
            if len(batch) < self._places:
                raise InputError(
                    f'only {len(batch)} of {len(self._data)} places are far enough apart to come '
                    f'into one batch of {self._places}: lower data.places, or margin or '
                    'separation of the sources'
                )
            waiting.extendleft(reversed(list(dict.fromkeys(later))))
            yield batch

    def _fill(self, batch: list[int], blocked: set[int], waiting: deque[int]) -> list[int]:
        """Move places from those that wait into the batch; returns those that do not fit in."""
        later = []
        while waiting and len(batch) < self._places:
            place = waiting.popleft()
            if place in blocked:
                later.append(place)
                continue
            batch.append(place)
            blocked.update((place, *self._data.neighbours(place)))
        return later

    def _order(self, rng: np.random.Generator) -> list[int]:
        """One pass over the places, those that are confused next to each other."""
        order = rng.permutation(self._data.epoch())
        if self._miner is not None:
            order = self._miner.group_similar(order, rng, self._data.neighbours)
        return order.tolist()
