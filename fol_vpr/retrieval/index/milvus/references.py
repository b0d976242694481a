"""What a collection should hold: the references of a map, with those added since it was opened."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterable, Iterator, Sequence

import numpy as np

from fol_vpr.datatypes import Place
from fol_vpr.retrieval.index.milvus.filters import session_number
from fol_vpr.retrieval.index.protocol import DescriptorSource, checked_rows
from fol_vpr.retrieval.index.references import fingerprints


class WantedRows:
    """References by id and by the key of their row; may be read on one thread and changed on one.

    Args:
        source: descriptors of the references that were there from the start.
        places: the references of the source.
    """

    def __init__(self, source: DescriptorSource, places: Sequence[Place]) -> None:
        self._source = source
        self._lock = threading.Lock()
        self._places = {place.index: place for place in places}
        self._keys = dict(zip(self._places, row_keys(places), strict=True))
        self._ids = {key: number for number, key in self._keys.items()}
        self._added: dict[int, np.ndarray] = {}
        self._unwritten: set[int] = set()
        self._doomed: set[int] = set()

    def id_of(self, key: int) -> int | None:
        """Id of the reference of a row; None for a row of another robot, or of a removed one."""
        return self._ids.get(key)

    def keys(self) -> dict[int, int]:
        """Ids by the keys of all rows."""
        with self._lock:
            return dict(self._ids)

    def doomed(self) -> set[int]:
        """Keys of rows that are still to be deleted."""
        with self._lock:
            return set(self._doomed)

    def add(self, places: Sequence[Place], rows: np.ndarray) -> None:
        """Add references with their descriptors [len(places), D], which are kept in float16."""
        with self._lock:
            for place, key, row in zip(places, row_keys(places), rows, strict=True):
                self._places[place.index] = place
                self._keys[place.index] = key
                self._ids[key] = place.index
                self._added[place.index] = row.astype(np.float16)
                self._unwritten.add(key)
                self._doomed.discard(key)

    def remove(self, ids: Sequence[int]) -> None:
        """Remove references; their rows are to be deleted."""
        with self._lock:
            for number in map(int, ids):
                key = self._keys.pop(number)
                self._ids.pop(key, None)
                self._places.pop(number)
                self._added.pop(number, None)
                self._unwritten.discard(key)
                self._doomed.add(key)

    def unwritten(self) -> list[int]:
        """Keys of rows that were added and are still to be written."""
        with self._lock:
            return sorted(self._unwritten)

    def written(self, keys: Iterable[int]) -> None:
        """Rows have been written."""
        with self._lock:
            self._unwritten.difference_update(keys)

    def deleted(self, keys: set[int]) -> None:
        """Rows have been deleted."""
        with self._lock:
            self._doomed -= keys

    def places(self, ids: Sequence[int]) -> list[Place]:
        """References by their ids."""
        return [self._places[number] for number in ids]

    def original(self) -> list[Place]:
        """The references whose descriptors the source has."""
        with self._lock:
            return [place for number, place in self._places.items() if number not in self._added]

    def added(self) -> list[int]:
        """Ids of the references that were added since the start, in that order."""
        with self._lock:
            return list(self._added)

    def descriptors(self, ids: Sequence[int]) -> np.ndarray:
        """Descriptors [len(ids), D] float32 of references.

        Raises:
            MapError: one cannot be read.
        """
        with self._lock:
            added = {number: self._added[number] for number in ids if number in self._added}
        rows = np.empty((len(ids), self._source.dim), np.float32)
        from_source = [row for row, number in enumerate(ids) if number not in added]
        if from_source:
            wanted = np.array([ids[row] for row in from_source], np.int64)
            rows[from_source] = checked_rows(self._source.read(wanted), self._source.dim)
        for row, number in enumerate(ids):
            if number in added:
                rows[row] = added[number]
        return rows

    def batches(
        self, keys: Sequence[int], size: int
    ) -> Iterator[tuple[list[int], list[Place], np.ndarray]]:
        """Keys, references and descriptors of rows, `size` at a time, without removed ones."""
        for first in range(0, len(keys), size):
            with self._lock:
                found = [key for key in keys[first : first + size] if key in self._ids]
                ids = [self._ids[key] for key in found]
                places = [self._places[number] for number in ids]
            if ids:
                yield found, places, self.descriptors(ids)


def row_keys(places: Sequence[Place]) -> list[int]:
    """Keys of the rows of references: hashes of 63 bits of all that a row says of its reference.

    The descriptor is not part of it: the collection is of one network, which gives one descriptor
    for an image.
    """
    keys = []
    for name, place in zip(fingerprints(places).tolist(), places, strict=True):
        x, y = (None, None) if place.pose is None else place.pose.position[:2].tolist()
        geo = None if place.geo is None else (place.geo.latitude, place.geo.longitude)
        said = f'{name} {session_number(place.session_id)} {x!r} {y!r} {geo!r}'
        digest = hashlib.blake2b(said.encode(), digest_size=8).digest()
        keys.append(int.from_bytes(digest, 'little') % (2**63 - 1))
    return keys
