"""Reads a map: its places at once, descriptors and local features when they are asked for."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import numpy as np

from fol_vpr.database.format.codecs import CODECS, Codec
from fol_vpr.database.format.halves import widened
from fol_vpr.database.format.records import PlaceRecord
from fol_vpr.database.format.schema import MapHeader, calibration_rows, damaged, read_meta
from fol_vpr.database.storage.changes import ChangesReader
from fol_vpr.database.storage.info import open_with_changes, read_meta_and_info
from fol_vpr.database.storage.store import READ_AT_ONCE, Store, map_errors
from fol_vpr.datatypes import LocalFeatures, MapInfo, Place
from fol_vpr.errors import InputError


class MapReader:
    """An open map, including the changes in the file beside it.

    Needs read permission only, and is thread-safe. If the map is replaced or changed while it is
    open, the reader goes on showing the state that it opened.

    Args:
        path: the map file.
        changes: False ignores the changes and reads the map file alone.

    Attributes:
        info: the summary of the map.
        header: what all places of the map have in common.
        codec: decodes local features, and transforms those of a query for comparison.
        meta: the meta table of the map file.
        places: the references; `Place.index` is the row of `global_descriptors`.

    Raises:
        MapError: the file is missing, not a map, unfinished, cut, damaged, empty, or of a newer
            schema; or the changes belong to another map.
    """

    info: MapInfo
    header: MapHeader
    codec: Codec
    meta: dict[str, str]
    places: tuple[Place, ...]

    def __init__(self, path: str | os.PathLike[str], *, changes: bool = True) -> None:
        self.path = Path(path)
        with ExitStack() as opened:
            connection, found = open_with_changes(self.path, changes=changes)
            opened.callback(connection.close)
            if found is not None:
                opened.callback(found.close)
            with map_errors(self.path):
                self.meta, self.header, self.info = read_meta_and_info(
                    self.path, connection, found
                )
            self.codec = CODECS[self.header.codec]
            self._base = Store(self.path, connection, self.header)
            self._added = None if found is None else found.store
            self._changed_calibration = {} if found is None else found.calibration
            self._state = _state_of(found)
            base = self._load_base()
            if found is None:
                self._rows: list[int] | None = None
                self.places = tuple(base)
            else:
                self._merge(base, found)
            opened.pop_all()

    def _load_base(self) -> list[Place]:
        places = self._base.places()
        expected = self.info.places
        if len(places) != expected or any(p.index != row for row, p in enumerate(places)):
            raise damaged(self.path, f'it lists {len(places)} of {expected} places')
        return places

    def _merge(self, base: list[Place], changes: ChangesReader) -> None:
        """Number the remaining places of the map file first, then those of the changes.

        `_rows` holds the row of each place: a row r of the map file as r, a row r of the changes
        as -1 - r.
        """
        added = changes.store.places()
        remaining = [place for place in base if place.place_id not in changes.removed]
        expected = changes.meta.get('places', 'unknown')
        if expected != f'{len(added)}':
            raise damaged(changes.path, f'it lists {len(added)} of {expected[:20]} places')
        self._rows = [place.index for place in remaining] + [-1 - place.index for place in added]
        self.places = tuple(
            place if place.index == index else replace(place, index=index)
            for index, place in enumerate([*remaining, *added])
        )
        removed = len(base) - len(remaining)
        self.info = replace(
            self.info,
            places=len(self.places),
            sessions=len({place.session_id for place in self.places}),
            georeferenced=self.info.georeferenced or any(place.geo for place in added),
            cameras=sum(place.camera is not None for place in self.places),
            mounts=sum(p.camera is not None and p.camera.mount is not None for p in self.places),
            poses=sum(place.pose is not None for place in self.places),
            geo_positions=sum(place.geo is not None for place in self.places),
            added=len(added),
            removed=removed,
        )

    def is_current(self) -> bool:
        """Whether the files on the disk still hold the places that this reader shows.

        Takes milliseconds: a map file is never changed but replaced, by one of another content id.

        Raises:
            MapError: as when the map is opened.
        """
        with ExitStack() as opened:
            connection, found = open_with_changes(self.path, changes=True)
            opened.callback(connection.close)
            if found is not None:
                opened.callback(found.close)
            with map_errors(self.path):
                return read_meta(connection) == self.meta and _state_of(found) == self._state

    def _located(self, index: int) -> tuple[Store, int]:
        """The file that holds a place, and the row of the place in that file."""
        if not 0 <= index < len(self.places):
            last = len(self.places) - 1
            raise InputError(f'place {index} is asked for, expected 0 to {last}')
        row = int(index) if self._rows is None else self._rows[index]
        if row >= 0:
            return self._base, row
        assert self._added is not None
        return self._added, -1 - row

    def global_descriptors(self) -> np.ndarray:
        """All global descriptors, [P, D] float32; each call reads them from the file.

        Raises:
            MapError: a descriptor is missing or damaged.
        """
        descriptors = self._allocate(len(self.places))
        for index, descriptor in self.iterate_descriptors():
            descriptors[index] = descriptor
        return descriptors

    def descriptors(self, indices: Sequence[int]) -> np.ndarray:
        """Global descriptors [K, D] float32 of some places; each is compared with its digest.

        Raises:
            InputError: an index is out of range.
            MapError: a descriptor is missing or damaged.
        """
        descriptors = self._allocate(len(indices))
        for first in range(0, len(indices), READ_AT_ONCE):
            part = range(first, min(first + READ_AT_ONCE, len(indices)))
            places: dict[Store, list[tuple[int, int]]] = {}
            for position in part:
                store, row = self._located(indices[position])
                places.setdefault(store, []).append((position, row))
            for store, found in places.items():
                positions, rows = zip(*found, strict=True)
                descriptors[list(positions)] = widened(store.descriptors_of(rows))
        return descriptors

    def _allocate(self, count: int) -> np.ndarray:
        """An array for `count` descriptors, after a check that the files can hold so many."""
        dim = self.header.descriptor_dim
        if dim < 1 or 2 * min(count, len(self.places)) * dim > self.info.bytes:
            raise damaged(
                self.path, f'the file is too small for {count} descriptors of {dim} numbers'
            )
        return np.empty((count, dim), np.float32)

    def iterate_descriptors(self) -> Iterator[tuple[int, np.ndarray]]:
        """Index and global descriptor [D] float16 of every place, in order of the index.

        Raises:
            MapError: a descriptor is missing or damaged.
        """
        rows = self._rows
        if rows is None:
            yield from _complete(self._base, range(len(self.places)))
            return
        base = [row for row in rows if row >= 0]
        for index, (_, descriptor) in enumerate(_complete(self._base, base)):
            yield index, descriptor
        added = [-1 - row for row in rows[len(base) :]]
        assert self._added is not None
        for index, (_, descriptor) in enumerate(_complete(self._added, added), len(base)):
            yield index, descriptor

    def local_features(self, index: int) -> LocalFeatures:
        """Local features of a place, read from the file.

        They are compared with their digest when they are read for the first time.

        Raises:
            InputError: `index` is out of range.
            MapError: the features are damaged.
        """
        store, row = self._located(index)
        return store.local_features(row)

    def image(self, index: int) -> bytes | None:
        """JPEG of a place, or None if the map stores no image of it.

        Raises:
            InputError: `index` is out of range.
            MapError: the image is damaged.
        """
        store, row = self._located(index)
        return store.image(row)

    def record(self, index: int) -> PlaceRecord:
        """Everything that the map stores of a place, for copying it to another map.

        Raises:
            InputError: `index` is out of range.
            MapError: a part of the record is damaged.
        """
        store, row = self._located(index)
        return store.record(row)

    def calibration(self) -> dict[str, str]:
        """Rows of the calibration table by name; those of the changes replace the map's."""
        with self._base.reading() as connection:
            rows = calibration_rows(connection)
        return {**rows, **self._changed_calibration}

    def hold_local_features(self) -> None:
        """Read the local features of all places into memory, `local_bytes` in all.

        Raises:
            MapError: the features of a place are damaged.
        """
        for store in (self._base, self._added):
            if store is not None:
                store.hold_local_features()

    def local_bytes(self) -> int:
        """Number of bytes of the encoded local features of all places."""
        total = 0
        for store in (self._base, self._added):
            if store is not None:
                with store.reading() as connection:
                    query = 'SELECT coalesce(sum(length(features)), 0) FROM local_features'
                    total += int(connection.execute(query).fetchone()[0])
        return total

    def close(self) -> None:
        """Close the files; nothing can be read afterwards."""
        self._base.close()
        if self._added is not None:
            self._added.close()

    def __enter__(self) -> MapReader:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _state_of(changes: ChangesReader | None) -> tuple[str, set[str], list[str]] | None:
    """What tells two states of a file of changes apart, as far as places go."""
    if changes is None:
        return None
    return changes.meta['changes_id'], changes.removed, changes.store.place_ids()


def _complete(store: Store, rows: range | list[int]) -> Iterator[tuple[int, np.ndarray]]:
    """Descriptors of these rows, ascending; MapError if one is missing."""
    wanted = iter(rows)
    expected = next(wanted, None)
    found = 0
    for row, descriptor in store.descriptors():
        if expected is not None and row > expected:
            break
        if row == expected:
            yield row, descriptor
            found += 1
            expected = next(wanted, None)
    if expected is not None:
        raise damaged(
            store.path,
            f'the global descriptor of place {expected} is missing ({found} global descriptors '
            f'for {len(rows)} places)',
        )


def read_info(path: str | os.PathLike[str]) -> MapInfo:
    """The summary of a map, read in milliseconds, without its places and descriptors.

    If there is a file of changes beside the map, the places have to be read too.

    Raises:
        MapError: as for `MapReader`, except that damage outside the meta table and the sessions
            is not detected.
    """
    path = Path(path)
    with ExitStack() as opened:
        connection, found = open_with_changes(path, changes=True)
        opened.callback(connection.close)
        if found is None:
            with map_errors(path):
                return read_meta_and_info(path, connection, None)[2]
        found.close()
    with MapReader(path) as reader:
        return reader.info
