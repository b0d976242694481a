"""Reads the tables of one file, a map or its changes, and verifies every row by its digest."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np

from fol_vpr.database.format.camera_rows import read_cameras
from fol_vpr.database.format.codecs import CODECS
from fol_vpr.database.format.halves import finite_halves
from fol_vpr.database.format.records import (
    COLUMNS,
    PlaceRecord,
    SqlRow,
    place_digest,
    place_from_row,
)
from fol_vpr.database.format.schema import MapHeader, damaged, intact
from fol_vpr.database.storage.guard import TotalBytes, reason_of
from fol_vpr.datatypes import Camera, LocalFeatures, Place
from fol_vpr.errors import InputError, MapError

CONTENT = {
    'global_descriptors': ('descriptor', 'global descriptor'),
    'local_features': ('features', 'local features'),
    'images': ('jpeg', 'image'),
}
"""Tables with a blob for each place: the column, and its name in messages."""

PLACE_IDS = 'SELECT place_id FROM places ORDER BY place'
SESSIONS = 'SELECT session, session_id FROM sessions'
# Several rows by one query take half the time of one query for each.
READ_AT_ONCE = 256
DESCRIPTORS = 'SELECT place, descriptor, digest FROM global_descriptors WHERE place'
DESCRIPTORS_BETWEEN = f'{DESCRIPTORS} BETWEEN ? AND ?'
DESCRIPTORS_AMONG = f'{DESCRIPTORS} IN'
CAMERA = COLUMNS.split(', ').index('camera')


class Store:
    """The places of one file, by row number; each row is compared with its digest when read.

    Thread-safe: threads use the connection one at a time.

    Args:
        path: the file, for messages.
        connection: to the file; `close` closes it.
        header: what all places of the file have in common.
    """

    def __init__(self, path: Path, connection: sqlite3.Connection, header: MapHeader) -> None:
        self.path = path
        self.header = header
        self._connection = connection
        self._codec = CODECS[header.codec]
        self._lock = threading.Lock()
        self._verified: set[int] = set()
        self._first_read = TotalBytes(path)
        # Repairs and merges read some records twice.
        self._copied = TotalBytes(path, times=4)
        self._cached_rows: dict[int, SqlRow] = {}
        # Of a growing file of changes, which gets more sessions but never renames one.
        self._sessions: dict[int, str] = {}

    def places(self) -> list[Place]:
        """All places in order of their rows; `Place.index` is the row.

        Raises:
            MapError: a row is damaged.
        """
        with self.reading() as connection:
            sessions = dict(connection.execute(SESSIONS))
            cameras = read_cameras(self.path, connection)
            rows = connection.execute(f'SELECT {COLUMNS}, digest FROM places ORDER BY place')
            return [self._place(row, sessions, cameras) for row in rows]

    def _place(
        self, row: SqlRow, sessions: dict[int, str], cameras: dict[int, Camera] | None
    ) -> Place:
        *values, stored = row
        if place_digest(values) != stored:
            raise damaged(self.path, f'the record of place {values[0]} has changed')
        return place_from_row(tuple(values), sessions, cameras)

    def place_ids(self) -> list[str]:
        """Ids of all places in order of their rows."""
        with self.reading() as connection:
            return [name for (name,) in connection.execute(PLACE_IDS)]

    def descriptors(self) -> Iterator[tuple[int, np.ndarray]]:
        """SqlRow and global descriptor [D] float16 of every place, in order of the rows.

        Raises:
            MapError: a descriptor is damaged.
        """
        with self.reading() as connection:
            rows = connection.execute(
                'SELECT place, descriptor, digest FROM global_descriptors ORDER BY place'
            )
            for place, blob, stored in rows:
                yield place, self._descriptor(place, blob, stored)

    def descriptors_of(self, places: Sequence[int]) -> np.ndarray:
        """Global descriptors [K, D] float16 of some rows, in their order.

        Raises:
            MapError: a descriptor is missing or damaged.
        """
        found = np.empty((len(places), self.header.descriptor_dim), '<f2')
        positions: dict[int, list[int]] = {}
        for position, place in enumerate(places):
            positions.setdefault(place, []).append(position)
        wanted = sorted(positions)
        for first in range(0, len(wanted), READ_AT_ONCE):
            part = wanted[first : first + READ_AT_ONCE]
            with self.reading() as connection:
                if part[-1] - part[0] + 1 == len(part):
                    rows = connection.execute(DESCRIPTORS_BETWEEN, (part[0], part[-1]))
                else:
                    marks = ', '.join('?' * len(part))
                    rows = connection.execute(f'{DESCRIPTORS_AMONG} ({marks})', part)
                for place, blob, stored in rows:
                    found[positions.pop(place)] = self._descriptor(place, blob, stored)
        if positions:
            raise damaged(self.path, f'the global descriptor of place {min(positions)} is missing')
        return found

    def _descriptor(self, place: int, blob: object, stored: object) -> np.ndarray:
        if not intact(blob, stored):
            raise damaged(self.path, f'the global descriptor of place {place} has changed')
        assert isinstance(blob, bytes)
        if len(blob) != 2 * self.header.descriptor_dim:
            raise damaged(
                self.path,
                f'the global descriptor of place {place} has {len(blob)} bytes, not '
                f'{2 * self.header.descriptor_dim}',
            )
        descriptor = np.frombuffer(blob, '<f2')
        if not finite_halves(descriptor):
            raise damaged(self.path, f'the global descriptor of place {place} has NaN or infinity')
        return descriptor

    def local_features(self, place: int) -> LocalFeatures:
        """Local features of a row; compared with their digest when first read.

        Raises:
            MapError: the features are missing or damaged.
        """
        count, blob, stored = self._features_row(place)
        verified = place in self._verified
        if not verified:
            with map_errors(self.path):
                self._first_read.count(len(blob))
            if not intact(blob, stored):
                raise damaged(self.path, f'the local features of place {place} have changed')
        local = self._decoded(place, blob, count)
        if not verified:
            self._check_finite(place, local)
            self._verified.add(place)
        return local

    def hold_local_features(self) -> None:
        """Read and verify the local features of all rows, and keep them in memory, encoded.

        Raises:
            MapError: the features of a row are damaged.
        """
        query = 'SELECT place, count, features, digest FROM local_features'
        with self.reading() as connection:
            for place, count, blob, stored in connection.execute(query):
                if not intact(blob, stored):
                    raise damaged(self.path, f'the local features of place {place} have changed')
                self._cached_rows[place] = (count, blob, stored)

    def _features_row(self, place: int) -> SqlRow:
        if place in self._cached_rows:
            return self._cached_rows[place]
        query = 'SELECT count, features, digest FROM local_features WHERE place = ?'
        with self.reading() as connection:
            row: SqlRow | None = connection.execute(query, (place,)).fetchone()
        if row is None:
            raise damaged(self.path, f'the local features of place {place} are missing')
        return row

    def _decoded(self, place: int, blob: bytes, count: int) -> LocalFeatures:
        try:
            return self._codec.decode(blob, count, self.header.local_dim)
        except (TypeError, ValueError) as error:
            raise damaged(self.path, f'local features of place {place}: {error}') from error

    def _check_finite(self, place: int, local: LocalFeatures) -> None:
        arrays = (local.descriptors, local.positions, local.weights)
        if not all(np.isfinite(array).all() for array in arrays):
            raise damaged(self.path, f'the local features of place {place} hold NaN or infinity')

    def image(self, place: int) -> bytes | None:
        """JPEG of a row, or None if the file has no image of it.

        Raises:
            MapError: the image is damaged.
        """
        query = 'SELECT jpeg, digest FROM images WHERE place = ?'
        with self.reading() as connection:
            row = connection.execute(query, (place,)).fetchone()
        if row is None:
            return None
        if not intact(row[0], row[1]):
            raise damaged(self.path, f'the image of place {place} has changed')
        jpeg: bytes = row[0]
        return jpeg

    def record(self, place: int) -> PlaceRecord:
        """Everything that the file stores of a place.

        Raises:
            MapError: a part of the record is missing or damaged.
        """
        return replace(self.record_without_image(place), jpeg=self.image_to_copy(place))

    def image_to_copy(self, place: int) -> bytes | None:
        """As `image`, for a copy of all places, whose bytes are counted.

        Raises:
            MapError: the image is damaged, or the places have more bytes than the file.
        """
        jpeg = self.image(place)
        with map_errors(self.path):
            self._copied.count(len(jpeg or b''))
        return jpeg

    def record_without_image(self, place: int, *, camera: bool = True) -> PlaceRecord:
        """A record without its image, for the repair of a file whose image may be damaged.

        Args:
            place: the row.
            camera: False leaves the camera out too.

        Raises:
            MapError: another part of the record is missing or damaged.
        """
        with self.reading() as connection:
            row = connection.execute(
                f'SELECT {COLUMNS}, digest FROM places WHERE place = ?', (place,)
            ).fetchone()
            found = connection.execute(
                'SELECT descriptor, digest FROM global_descriptors WHERE place = ?', (place,)
            ).fetchone()
            if row is None or found is None:
                what = 'record' if row is None else 'global descriptor'
                raise damaged(self.path, f'the {what} of place {place} is missing')
            if row[2] not in self._sessions:
                self._sessions = dict(connection.execute(SESSIONS))
            wanted = camera and row[CAMERA] is not None
            cameras = read_cameras(self.path, connection, of_place=place) if wanted else {}
            known = self._place(row, self._sessions, cameras if camera else None)
            self._descriptor(place, *found)
        count, blob, stored = self._features_row(place)
        if not intact(blob, stored):
            raise damaged(self.path, f'the local features of place {place} have changed')
        with map_errors(self.path):
            self._copied.count(len(blob))
        self._check_finite(place, self._decoded(place, blob, count))
        return PlaceRecord(known, found[0], count, blob)

    @contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """The connection, for one thread at a time; errors of a damaged file become MapError."""
        with self._lock, map_errors(self.path):
            yield self._connection

    def close(self) -> None:
        """Close the file; nothing can be read afterwards."""
        with self._lock:
            self._connection.close()


@contextmanager
def map_errors(path: Path) -> Iterator[None]:
    """Translate the errors that a damaged or closed file causes into MapError."""
    try:
        yield
    except sqlite3.ProgrammingError as error:
        raise MapError(f'{path} was closed already') from error
    except (sqlite3.Error, KeyError, TypeError, ValueError, InputError) as error:
        raise damaged(path, reason_of(error)) from error
    except OSError as error:
        raise unreadable(path, error) from error


def unreadable(path: Path, error: OSError) -> MapError:
    """The error for a file that the operating system refuses to read."""
    return MapError(f'{path} cannot be read ({error.strerror}): check its name and permissions')
