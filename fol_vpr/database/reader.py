"""Reads a map: places and global descriptors at once, local features when they are asked for."""

from __future__ import annotations

import os
import sqlite3
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType

import numpy as np

from fol_vpr.database import schema
from fol_vpr.database.codecs import CODECS
from fol_vpr.database.records import COLUMNS, Row, place_from_row
from fol_vpr.database.schema import FileHeader, MapHeader, damaged, intact
from fol_vpr.datatypes import LocalFeatures, MapInfo, Place
from fol_vpr.errors import InputError, MapError

NEEDED = 'a .folmap file made by `fol_vpr map build` is needed'
FLOAT16_EXPONENT = np.uint16(0x7C00)


class MapReader:
    """An open map. Needs read permission for the file only, and may be used by several threads.

    A map that is replaced meanwhile stays readable here as it was.

    Args:
        path: the map file.

    Attributes:
        info: what the map says of itself.
        header: what all its places have in common.
        places: the references; `Place.index` is the row of `global_descriptors`.

    Raises:
        MapError: the file is missing, not a map, unfinished, cut, damaged, empty, or of a newer
            schema.
    """

    info: MapInfo
    header: MapHeader
    places: tuple[Place, ...]

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)
        version = check_file(self.path)
        if version < schema.SCHEMA_VERSION:
            _migrate(self.path, version)
        self._lock = threading.Lock()
        self._connection = connect_read_only(self.path)
        try:
            with self._reading() as connection:
                self._load(connection)
        except BaseException:
            self._connection.close()
            raise

    def _load(self, connection: sqlite3.Connection) -> None:
        meta = schema.read_meta(connection)
        if meta.get('state') != 'complete':
            raise MapError(f'{self.path} is an unfinished map: run its build again to go on')
        self.header = MapHeader.from_meta(meta)
        if self.header.codec not in CODECS:
            raise MapError(
                f'{self.path} stores local features with the codec {self.header.codec!r}, known '
                f'are {", ".join(CODECS)}: use a newer fol_vpr, or build the map again'
            )
        self._codec = CODECS[self.header.codec]
        if meta.get('digest') != schema.meta_digest(connection):
            raise damaged(self.path, 'the meta table or the sessions have changed')
        sessions = dict(connection.execute('SELECT session, session_id FROM sessions'))
        self.places = self._load_places(connection, sessions)
        self._check_places(int(meta['places']))
        self._descriptors = self._load_descriptors(connection)
        self.info = self._load_info(connection, meta, len(sessions))

    def _load_places(
        self, connection: sqlite3.Connection, sessions: dict[int, str]
    ) -> tuple[Place, ...]:
        places = []
        rows = connection.execute(f'SELECT {COLUMNS}, digest FROM places ORDER BY place')
        for *row, stored in rows:
            if schema.record_digest(row) != stored:
                raise damaged(self.path, f'the record of place {row[0]} has changed')
            places.append(place_from_row(tuple(row), sessions))
        return tuple(places)

    def _check_places(self, expected: int) -> None:
        if not self.places and not expected:
            raise MapError(f'{self.path} has no places: build it again')
        if [place.index for place in self.places] != list(range(expected)):
            raise damaged(self.path, f'it lists {len(self.places)} of {expected} places')

    def _load_descriptors(self, connection: sqlite3.Connection) -> np.ndarray:
        """All global descriptors as stored, [P, D] float16, checked against their digests."""
        shape = len(self.places), self.header.descriptor_dim
        if shape[1] < 1 or 2 * shape[0] * shape[1] > self.path.stat().st_size:
            raise damaged(self.path, f'it has no room for {shape[0]} x {shape[1]} descriptors')
        descriptors = np.empty(shape, '<f2')
        rows = connection.execute(
            'SELECT place, descriptor, digest FROM global_descriptors ORDER BY place'
        )
        count = 0
        for place, blob, stored in rows:
            if place != count or place >= shape[0]:
                raise damaged(self.path, f'the global descriptor of place {count} is missing')
            if not intact(blob, stored) or len(blob) != 2 * shape[1]:
                raise damaged(self.path, f'the global descriptor of place {place} has changed')
            descriptors[place] = np.frombuffer(blob, '<f2')
            exponents = descriptors[place].view(np.uint16) & FLOAT16_EXPONENT
            if (exponents == FLOAT16_EXPONENT).any():
                raise damaged(
                    self.path, f'the global descriptor of place {place} has NaN or infinity'
                )
            count += 1
        if count != shape[0]:
            raise damaged(self.path, f'it has {count} global descriptors for {shape[0]} places')
        return descriptors

    def _load_info(
        self, connection: sqlite3.Connection, meta: Mapping[str, str], sessions: int
    ) -> MapInfo:
        (calibrated,) = connection.execute('SELECT count(*) FROM calibration').fetchone()
        header = self.header
        return MapInfo(
            path=str(self.path),
            map_id=meta['map_id'],
            name=header.name,
            schema_version=schema.SCHEMA_VERSION,
            model_id=header.model_id,
            preprocessing_id=header.preprocessing_id,
            weights_name=header.weights_name,
            codec=header.codec,
            places=len(self.places),
            sessions=sessions,
            descriptor_dim=header.descriptor_dim,
            local_dim=header.local_dim,
            bytes=self.path.stat().st_size,
            frame_id=header.frame_id,
            georeferenced=header.datum is not None
            or any(place.geo is not None for place in self.places),
            datum=header.datum,
            calibrated=calibrated > 0,
        )

    def global_descriptors(self) -> np.ndarray:
        """A new array of all global descriptors, [P, D] float32."""
        return self._descriptors.astype(np.float32)

    def local_features(self, index: int) -> LocalFeatures:
        """Local features of a place, read from the file.

        Raises:
            InputError: there is no such place.
            MapError: the features are damaged.
        """
        row = self._row('SELECT count, features, digest FROM local_features', index)
        if row is None:
            raise damaged(self.path, f'the local features of place {index} are missing')
        count, blob, stored = row
        if not intact(blob, stored):
            raise damaged(self.path, f'the local features of place {index} have changed')
        try:
            return self._codec.decode(blob, count, self.header.local_dim)
        except ValueError as error:
            raise damaged(self.path, f'local features of place {index}: {error}') from error

    def image(self, index: int) -> bytes | None:
        """JPEG of a place, or None where the map keeps none of it.

        Raises:
            InputError: there is no such place.
            MapError: the image is damaged.
        """
        row = self._row('SELECT jpeg, digest FROM images', index)
        if row is None:
            return None
        jpeg: bytes = row[0]
        if not intact(jpeg, row[1]):
            raise damaged(self.path, f'the image of place {index} has changed')
        return jpeg

    def _row(self, query: str, index: int) -> Row | None:
        if not 0 <= index < len(self.places):
            last = len(self.places) - 1
            raise InputError(f'place {index} is asked for, the map has 0 to {last}')
        with self._reading() as connection:
            found = connection.execute(f'{query} WHERE place = ?', (int(index),))
            row: Row | None = found.fetchone()
        return row

    @contextmanager
    def _reading(self) -> Iterator[sqlite3.Connection]:
        """The connection for one thread at a time; whatever it finds broken is a MapError."""
        with self._lock:
            try:
                yield self._connection
            except sqlite3.ProgrammingError as error:
                raise MapError(f'{self.path} was closed already') from error
            except (sqlite3.Error, KeyError, TypeError, ValueError, InputError) as error:
                raise damaged(self.path, str(error)) from error

    def close(self) -> None:
        """Close the file; the reader is of no use afterwards."""
        with self._lock:
            self._connection.close()

    def __enter__(self) -> MapReader:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def check_file(path: Path) -> int:
    """Tell from the outside whether a file can be a map, and of which schema version.

    Raises:
        MapError: it cannot, or the version is newer than known.
    """
    if not path.exists():
        partial = path.with_name(path.name + '.partial')
        if partial.exists():
            raise MapError(
                f'{path} is not finished, {partial.name} is what there is of it: run its build '
                'again to go on'
            )
        raise MapError(f'{path} does not exist: check the name, or build a map first')
    if path.name.endswith('.partial'):
        raise MapError(f'{path} is an unfinished map: run its build again to go on')
    if not path.is_file():
        raise MapError(f'{path} is a folder or a device: a map is a single file')
    try:
        header = schema.read_file_header(path)
        size = path.stat().st_size
    except OSError as error:
        raise MapError(f'{path} cannot be read ({error.strerror}): check permissions') from error
    if header is None:
        raise MapError(f'{path} is not a map: {NEEDED}')
    return _check_header(path, header, size)


def _check_header(path: Path, header: FileHeader, size: int) -> int:
    if header.application_id != schema.APPLICATION_ID:
        raise MapError(f'{path} is a database of another program: {NEEDED}')
    if header.user_version > schema.SCHEMA_VERSION:
        raise MapError(
            f'{path} has schema version {header.user_version}, this fol_vpr knows up to '
            f'{schema.SCHEMA_VERSION}: use a newer fol_vpr, or build the map again with this one'
        )
    if header.user_version < 1:
        raise damaged(path, f'its schema version is {header.user_version}')
    if size < header.expected_bytes:
        raise damaged(path, f'it was cut to {size} of {header.expected_bytes} bytes')
    return header.user_version


def connect_read_only(path: Path) -> sqlite3.Connection:
    """A connection that any thread may use, one at a time, and that never writes."""
    uri = f'{path.absolute().as_uri()}?mode=ro'
    try:
        connection = sqlite3.connect(uri, uri=True, isolation_level=None, check_same_thread=False)
    except sqlite3.Error as error:
        raise MapError(f'{path} cannot be opened ({error}): check permissions') from error
    # The file may be from anybody: its schema must not run functions.
    connection.execute('PRAGMA trusted_schema = OFF')
    return connection


def _migrate(path: Path, version: int) -> None:
    try:
        connection = sqlite3.connect(path, isolation_level=None)
        try:
            schema.migrate(connection, version, schema.MIGRATIONS)
        finally:
            connection.close()
    except sqlite3.OperationalError as error:
        raise MapError(
            f'{path} has the older schema version {version} and could not be brought to '
            f'{schema.SCHEMA_VERSION} ({error}): open it once where it can be written'
        ) from error
