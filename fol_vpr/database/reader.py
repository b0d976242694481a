"""Reads a map: its places at once, descriptors and features when they are asked for."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from types import TracebackType

import numpy as np

from fol_vpr.database.format import schema
from fol_vpr.database.format.codecs import CODECS, Codec
from fol_vpr.database.format.records import Record
from fol_vpr.database.format.schema import MapHeader, damaged
from fol_vpr.database.storage.changes import ChangesReader, open_changes
from fol_vpr.database.storage.opening import open_map_file
from fol_vpr.database.storage.store import Store, explained
from fol_vpr.datatypes import LocalFeatures, MapInfo, Place
from fol_vpr.errors import InputError, MapError


class MapReader:
    """An open map, with the changes that lie beside its file.

    Needs read permission only, and may be used by several threads. A map that is replaced or
    changed meanwhile stays readable here as it was.

    Args:
        path: the map file.
        changes: False leaves the changes out, and reads the file alone.

    Attributes:
        info: what the map says of itself.
        header: what all its places have in common.
        codec: how local features are stored, and what queries are to be compared by.
        meta: the meta table of the file.
        places: the references; `Place.index` is the row of `global_descriptors`.

    Raises:
        MapError: the file is missing, not a map, unfinished, cut, damaged, empty, or of a newer
            schema; or there are changes that belong to another map.
    """

    info: MapInfo
    header: MapHeader
    codec: Codec
    meta: dict[str, str]
    places: tuple[Place, ...]

    def __init__(self, path: str | os.PathLike[str], *, changes: bool = True) -> None:
        self.path = Path(path)
        with ExitStack() as opened:
            connection, found = _open(self.path, changes)
            opened.callback(connection.close)
            if found is not None:
                opened.callback(found.close)
            with explained(self.path):
                self.meta, self.header, self.info = _read_info(self.path, connection, found)
            self.codec = CODECS[self.header.codec]
            self._base = Store(self.path, connection, self.header)
            self._added = None if found is None else found.store
            self._changed_calibration = {} if found is None else found.calibration
            base = self._load_base()
            if found is None:
                self._rows: list[int] | None = None
                self.places = tuple(base)
            else:
                self._merge(base, found)
            opened.pop_all()

    def _load_base(self) -> list[Place]:
        places = self._base.places()
        expected = int(self.meta['places'])
        if [place.index for place in places] != list(range(expected)):
            raise damaged(self.path, f'it lists {len(places)} of {expected} places')
        return places

    def _merge(self, base: list[Place], changes: ChangesReader) -> None:
        """Take the places that are left of the file, then the added ones; numbered anew.

        `_rows` holds their rows: those of the file as they are, those of the changes as -1 - row.
        """
        added = changes.store.places()
        left = [place for place in base if place.place_id not in changes.removed]
        if len(added) != int(changes.meta['places']):
            raise damaged(
                changes.path, f'it lists {len(added)} of {changes.meta["places"]} places'
            )
        self._rows = [place.index for place in left] + [-1 - place.index for place in added]
        self.places = tuple(
            place if place.index == index else replace(place, index=index)
            for index, place in enumerate([*left, *added])
        )
        removed = len(base) - len(left)
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

    def _located(self, index: int) -> tuple[Store, int]:
        """The file that a place lies in, and its row there."""
        if not 0 <= index < len(self.places):
            last = len(self.places) - 1
            raise InputError(f'place {index} is asked for, the map has 0 to {last}')
        row = int(index) if self._rows is None else self._rows[index]
        if row >= 0:
            return self._base, row
        assert self._added is not None
        return self._added, -1 - row

    def global_descriptors(self) -> np.ndarray:
        """All global descriptors, [P, D] float32; read from the file, and not kept here.

        Raises:
            MapError: one of them is missing or damaged.
        """
        descriptors = self._room(len(self.places))
        for index, descriptor in self.iterate_descriptors():
            descriptors[index] = descriptor
        return descriptors

    def descriptors(self, indices: Sequence[int]) -> np.ndarray:
        """Global descriptors [K, D] float32 of some places; each is verified.

        Raises:
            InputError: there is no such place.
            MapError: one of them is missing or damaged.
        """
        descriptors = self._room(len(indices))
        for position, index in enumerate(indices):
            store, row = self._located(index)
            descriptors[position] = store.descriptor(row)
        return descriptors

    def _room(self, count: int) -> np.ndarray:
        """For `count` descriptors, where the files are large enough to hold so many."""
        dim = self.header.descriptor_dim
        if dim < 1 or 2 * min(count, len(self.places)) * dim > self.info.bytes:
            raise damaged(self.path, f'it has no room for {count} x {dim} descriptors')
        return np.empty((count, dim), np.float32)

    def iterate_descriptors(self) -> Iterator[tuple[int, np.ndarray]]:
        """Index and global descriptor [D] float16 of every place, in order.

        Raises:
            MapError: one of them is missing or damaged.
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
        """Local features of a place, read from the file; verified where read the first time.

        Raises:
            InputError: there is no such place.
            MapError: the features are damaged.
        """
        store, row = self._located(index)
        return store.local_features(row)

    def image(self, index: int) -> bytes | None:
        """JPEG of a place, or None where the map keeps none of it.

        Raises:
            InputError: there is no such place.
            MapError: the image is damaged.
        """
        store, row = self._located(index)
        return store.image(row)

    def record(self, index: int) -> Record:
        """All that the map holds of a place, for copying it to another map.

        Raises:
            InputError: there is no such place.
            MapError: anything of it is damaged.
        """
        store, row = self._located(index)
        return store.record(row)

    def calibration(self) -> dict[str, str]:
        """The rows of the calibration table, those of the changes in place of the map's."""
        with self._base.reading() as connection:
            rows = connection.execute('SELECT name, parameters FROM calibration').fetchall()
        return {**dict(rows), **self._changed_calibration}

    def hold_local_features(self) -> None:
        """Keep the local features of all places in memory from now on; see `local_bytes`.

        Raises:
            MapError: they are damaged.
        """
        for store in (self._base, self._added):
            if store is not None:
                store.hold_local_features()

    def local_bytes(self) -> int:
        """Bytes of the local features of all places, as they are stored."""
        total = 0
        for store in (self._base, self._added):
            if store is not None:
                with store.reading() as connection:
                    query = 'SELECT coalesce(sum(length(features)), 0) FROM local_features'
                    total += int(connection.execute(query).fetchone()[0])
        return total

    def close(self) -> None:
        """Close the file; the reader is of no use afterwards."""
        self._base.close()
        if self._added is not None:
            self._added.close()

    def __enter__(self) -> MapReader:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def _complete(store: Store, rows: range | list[int]) -> Iterator[tuple[int, np.ndarray]]:
    """The descriptors of some rows, ascending; MapError where the store lacks or has others."""
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
            f'the global descriptor of place {expected} is missing: it has {found} global '
            f'descriptors for {len(rows)} places',
        )


def read_info(path: str | os.PathLike[str]) -> MapInfo:
    """What a map says of itself, without its places and descriptors: a matter of milliseconds.

    Where there are changes beside the map, its places have to be read.

    Raises:
        MapError: as for `MapReader`, but damage outside the meta table and the sessions is not
            looked for.
    """
    path = Path(path)
    with ExitStack() as opened:
        connection, found = _open(path, changes=True)
        opened.callback(connection.close)
        if found is None:
            with explained(path):
                return _read_info(path, connection, None)[2]
        found.close()
    with MapReader(path) as reader:
        return reader.info


def _open(path: Path, changes: bool) -> tuple[sqlite3.Connection, ChangesReader | None]:
    """The map, and the changes that are to be applied to it; see `open_changes` for the order."""
    with ExitStack() as opened:
        found = open_changes(path) if changes else None
        if found is not None:
            opened.callback(found.close)
        connection = open_map_file(path)
        opened.callback(connection.close)
        if found is not None:
            with explained(path):
                apply = found.belong_to(schema.read_meta(connection))
            if not apply:
                found.close()
                found = None
        opened.pop_all()
    return connection, found


def _read_info(
    path: Path, connection: sqlite3.Connection, changes: ChangesReader | None
) -> tuple[dict[str, str], MapHeader, MapInfo]:
    meta = schema.read_meta(connection)
    if meta.get('state') != 'complete':
        raise MapError(f'{path} is an unfinished map: run its build again to go on')
    header = MapHeader.from_meta(meta)
    if header.codec not in CODECS:
        raise MapError(
            f'{path} stores local features with the codec {header.codec!r}, known '
            f'are {", ".join(CODECS)}: use a newer fol_vpr, or build the map again'
        )
    if meta.get('digest') != schema.meta_digest(connection):
        raise damaged(path, 'the meta table or the sessions have changed')
    if int(meta['places']) < 1:
        raise MapError(f'{path} has no places: build it again')

    def number(query: str) -> int:
        return int(connection.execute(query).fetchone()[0])

    geo_positions = number('SELECT count(latitude) FROM places')
    info = MapInfo(
        path=str(path),
        map_id=meta['map_id'],
        name=header.name,
        schema_version=schema.file_version(connection),
        model_id=header.model_id,
        preprocessing_id=header.preprocessing_id,
        weights_name=header.weights_name,
        codec=header.codec,
        places=int(meta['places']),
        sessions=number('SELECT count(*) FROM sessions'),
        descriptor_dim=header.descriptor_dim,
        local_dim=header.local_dim,
        bytes=path.stat().st_size + (0 if changes is None else changes.path.stat().st_size),
        frame_id=header.frame_id,
        georeferenced=header.datum is not None or geo_positions > 0,
        datum=header.datum,
        calibrated=number(f"SELECT count(*) FROM calibration WHERE name = '{schema.DECISION}'")
        > 0,
        content_id=meta.get('content_id', meta['map_id']),
        cameras=number('SELECT count(camera) FROM places'),
        mounts=number('SELECT count(mount) FROM places JOIN cameras USING (camera)'),
        poses=number('SELECT count(x) FROM places'),
        geo_positions=geo_positions,
    )
    return meta, header, info
