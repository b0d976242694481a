"""Reads a map: its places at once, descriptors and features when they are asked for."""

from __future__ import annotations

import os
import sqlite3
import threading
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from types import TracebackType

import numpy as np

from fol_vpr.database import schema
from fol_vpr.database.codecs import CODECS, Codec
from fol_vpr.database.records import COLUMNS, Row, place_from_row
from fol_vpr.database.schema import FileHeader, MapHeader, damaged, intact
from fol_vpr.datatypes import LocalFeatures, MapInfo, Place
from fol_vpr.errors import InputError, MapError

NEEDED = 'a .folmap file made by `fol_vpr map build` is needed'


class MapReader:
    """An open map. Needs read permission for the file only, and may be used by several threads.

    A map that is replaced meanwhile stays readable here as it was.

    Args:
        path: the map file.

    Attributes:
        info: what the map says of itself.
        header: what all its places have in common.
        codec: how local features are stored, and what queries are to be compared by.
        places: the references; `Place.index` is the row of `global_descriptors`.

    Raises:
        MapError: the file is missing, not a map, unfinished, cut, damaged, empty, or of a newer
            schema.
    """

    info: MapInfo
    header: MapHeader
    codec: Codec
    places: tuple[Place, ...]

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)
        self._lock = threading.Lock()
        self._connection = _open(self.path)
        try:
            with self._reading() as connection:
                self.header, self.info = _read_info(self.path, connection)
                self.codec = CODECS[self.header.codec]
                self.places = self._load_places(connection)
        except BaseException:
            self._connection.close()
            raise
        self._sound: set[int] = set()

    def _load_places(self, connection: sqlite3.Connection) -> tuple[Place, ...]:
        sessions = dict(connection.execute('SELECT session, session_id FROM sessions'))
        places = []
        rows = connection.execute(f'SELECT {COLUMNS}, digest FROM places ORDER BY place')
        for *row, stored in rows:
            if schema.record_digest(row) != stored:
                raise damaged(self.path, f'the record of place {row[0]} has changed')
            places.append(place_from_row(tuple(row), sessions))
        if [place.index for place in places] != list(range(self.info.places)):
            raise damaged(self.path, f'it lists {len(places)} of {self.info.places} places')
        return tuple(places)

    def global_descriptors(self) -> np.ndarray:
        """All global descriptors, [P, D] float32; read from the file, and not kept here.

        Raises:
            MapError: one of them is missing or damaged.
        """
        with self._reading() as connection:
            return self._read_descriptors(connection)

    def descriptors(self, indices: Sequence[int]) -> np.ndarray:
        """Global descriptors [K, D] float32 of some places; each is verified.

        Raises:
            InputError: there is no such place.
            MapError: one of them is missing or damaged.
        """
        descriptors = self._room(len(indices))
        for row, index in enumerate(indices):
            found = self._row('SELECT descriptor, digest FROM global_descriptors', index)
            if found is None:
                raise damaged(self.path, f'the global descriptor of place {index} is missing')
            descriptors[row] = self._descriptor(index, *found)
        return descriptors

    def _read_descriptors(self, connection: sqlite3.Connection) -> np.ndarray:
        count = len(self.places)
        descriptors = self._room(count)
        rows = connection.execute(
            'SELECT place, descriptor, digest FROM global_descriptors ORDER BY place'
        )
        found = 0
        for place, blob, stored in rows:
            if place != found or place >= count:
                raise damaged(self.path, f'the global descriptor of place {found} is missing')
            descriptors[place] = self._descriptor(place, blob, stored)
            found += 1
        if found != count:
            raise damaged(self.path, f'it has {found} global descriptors for {count} places')
        return descriptors

    def _room(self, count: int) -> np.ndarray:
        """For `count` descriptors, where the file is large enough to hold so many."""
        dim = self.header.descriptor_dim
        if dim < 1 or 2 * min(count, len(self.places)) * dim > self.info.bytes:
            raise damaged(self.path, f'it has no room for {count} x {dim} descriptors')
        return np.empty((count, dim), np.float32)

    def _descriptor(self, place: int, blob: object, stored: object) -> np.ndarray:
        """[D] float16 of a blob, verified."""
        if not intact(blob, stored) or len(blob) != 2 * self.header.descriptor_dim:  # type: ignore[arg-type]
            raise damaged(self.path, f'the global descriptor of place {place} has changed')
        descriptor = np.frombuffer(blob, '<f2')  # type: ignore[call-overload]
        if not np.isfinite(descriptor).all():
            raise damaged(self.path, f'the global descriptor of place {place} has NaN or infinity')
        return descriptor

    def local_features(self, index: int) -> LocalFeatures:
        """Local features of a place, read from the file; verified where read the first time.

        Raises:
            InputError: there is no such place.
            MapError: the features are damaged.
        """
        row = self._row('SELECT count, features, digest FROM local_features', index)
        if row is None:
            raise damaged(self.path, f'the local features of place {index} are missing')
        count, blob, stored = row
        verified = index in self._sound
        if not verified and not intact(blob, stored):
            raise damaged(self.path, f'the local features of place {index} have changed')
        try:
            local = self.codec.decode(blob, count, self.header.local_dim)
        except (TypeError, ValueError) as error:
            raise damaged(self.path, f'local features of place {index}: {error}') from error
        if not verified:
            arrays = (local.descriptors, local.positions, local.weights)
            if not all(np.isfinite(array).all() for array in arrays):
                raise damaged(
                    self.path, f'the local features of place {index} hold NaN or infinity'
                )
            self._sound.add(index)
        return local

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
        with self._lock, _explained(self.path):
            yield self._connection

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


def read_info(path: str | os.PathLike[str]) -> MapInfo:
    """What a map says of itself, without its places and descriptors: a matter of milliseconds.

    Raises:
        MapError: as for `MapReader`, but damage outside the meta table and the sessions is not
            looked for.
    """
    path = Path(path)
    with closing(_open(path)) as connection, _explained(path):
        return _read_info(path, connection)[1]


def _read_info(path: Path, connection: sqlite3.Connection) -> tuple[MapHeader, MapInfo]:
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
    places = int(meta['places'])
    if places < 1:
        raise MapError(f'{path} has no places: build it again')

    def number(query: str) -> int:
        return int(connection.execute(query).fetchone()[0])

    located = number('SELECT EXISTS (SELECT 1 FROM places WHERE latitude IS NOT NULL)')
    return header, MapInfo(
        path=str(path),
        map_id=meta['map_id'],
        name=header.name,
        schema_version=schema.SCHEMA_VERSION,
        model_id=header.model_id,
        preprocessing_id=header.preprocessing_id,
        weights_name=header.weights_name,
        codec=header.codec,
        places=places,
        sessions=number('SELECT count(*) FROM sessions'),
        descriptor_dim=header.descriptor_dim,
        local_dim=header.local_dim,
        bytes=path.stat().st_size,
        frame_id=header.frame_id,
        georeferenced=header.datum is not None or located > 0,
        datum=header.datum,
        calibrated=number('SELECT count(*) FROM calibration') > 0,
    )


def _open(path: Path) -> sqlite3.Connection:
    """A read-only connection to what looks like a map, brought to the newest schema version."""
    version = check_file(path)
    if version < schema.SCHEMA_VERSION:
        _migrate(path, version)
    return connect_read_only(path)


@contextmanager
def _explained(path: Path) -> Iterator[None]:
    """Turn what a broken map makes SQLite and its readers raise into a MapError."""
    try:
        yield
    except sqlite3.ProgrammingError as error:
        raise MapError(f'{path} was closed already') from error
    except (sqlite3.Error, KeyError, TypeError, ValueError, InputError) as error:
        raise damaged(path, str(error)) from error
    except OSError as error:
        raise _unreadable(path, error) from error


def _unreadable(path: Path, error: OSError) -> MapError:
    return MapError(f'{path} cannot be read ({error.strerror}): check its name and permissions')


def check_file(path: Path) -> int:
    """Tell from the outside whether a file can be a map, and of which schema version.

    Raises:
        MapError: it cannot, or the version is newer than known.
    """
    try:
        _check_kind(path)
        header = schema.read_file_header(path)
        size = path.stat().st_size
    except OSError as error:
        raise _unreadable(path, error) from error
    if header is None:
        raise MapError(f'{path} is not a map: {NEEDED}')
    return _check_header(path, header, size)


def _check_kind(path: Path) -> None:
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
    try:
        uri = f'{path.absolute().as_uri()}?mode=ro'
        connection = sqlite3.connect(uri, uri=True, isolation_level=None, check_same_thread=False)
        # The file may be from anybody: its schema must not run functions.
        connection.execute('PRAGMA trusted_schema = OFF')
    except (sqlite3.Error, OSError) as error:
        raise MapError(f'{path} cannot be opened ({error}): check permissions') from error
    return connection


def _migrate(path: Path, version: int) -> None:
    try:
        with closing(sqlite3.connect(path, isolation_level=None)) as connection:
            schema.migrate(connection, version, schema.MIGRATIONS)
    except sqlite3.OperationalError as error:
        raise MapError(
            f'{path} has the older schema version {version} and could not be brought to '
            f'{schema.SCHEMA_VERSION} ({error}): open it once where it can be written'
        ) from error
    except sqlite3.Error as error:
        raise damaged(path, str(error)) from error
