"""Writes a map, one place at a time, so that an interruption loses nothing.

The map grows in `PATH.partial`, a SQLite file in WAL mode held under an exclusive lock, one
transaction per place. `finish` folds the log into the file and renames it, so that `PATH` is
absent, the old map, or the whole new one, whatever happens.
"""

from __future__ import annotations

import os
import sqlite3
import time
import uuid
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path
from types import TracebackType

import numpy as np

from fol_vpr.database.codecs import CODECS
from fol_vpr.database.reader import MapReader
from fol_vpr.database.records import INSERT_PLACE, place_row
from fol_vpr.database.schema import (
    APPLICATION_ID,
    PAGE_SIZE,
    SCHEMA_VERSION,
    MapHeader,
    create_tables,
    digest,
    meta_digest,
    read_meta,
)
from fol_vpr.datatypes import Features, GeoPosition, LocalFeatures, MapInfo, Place, Pose
from fol_vpr.errors import InputError, MapError, StorageError

# A WAL beside the map, or a rollback journal, would be replayed into whatever file bears its name.
SIDECARS = ('-wal', '-shm', '-journal')


class MapWriter:
    """Makes a map file, or goes on with one that was begun from the same source.

    Use it as a context manager. Leaving without `finish` keeps what was added in `PATH.partial`,
    from which a writer with the same header and source goes on; a partial without any place is
    removed. Not for several threads at once.

    Args:
        path: the map to be made.
        header: what all its places have in common.
        source_id: tells sources apart; an unfinished map of another source is not gone on with.
        overwrite: replace an existing map, and discard an unfinished one that differs.

    Raises:
        MapError: the map exists, an unfinished one of something else is in the way, or another
            writer is at work on it.
        InputError: the header cannot be used.
        StorageError: no space, no permission, or no such folder.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        header: MapHeader,
        *,
        source_id: str = '',
        overwrite: bool = False,
    ) -> None:
        self.path = Path(path)
        self.partial = self.path.with_name(self.path.name + '.partial')
        self.header = _checked_header(header)
        self._codec = CODECS[header.codec]
        self._overwrite = overwrite
        self._check_target()
        self._connection = self._open(_text(source_id))
        try:
            with self._storage():
                self._load_progress()
        except BaseException:
            self._connection.close()
            raise

    # ---- opening

    def _check_target(self) -> None:
        if not self.path.parent.is_dir():
            raise StorageError(
                f'{self.path} cannot be written: there is no folder {self.path.parent}; create it'
            )
        if self.path.is_dir():
            raise MapError(f'{self.path} is a folder: give the name of a file to write')
        if self.path.exists() and not self._overwrite:
            raise MapError(
                f'{self.path} exists already: choose another name, or ask for overwrite'
            )

    def _open(self, source_id: str) -> sqlite3.Connection:
        connection = self._lock()
        try:
            with self._storage():
                differences = self._differences(connection, source_id)
        except BaseException:
            connection.close()
            raise
        if differences is None:
            self._begin(connection, source_id)
        elif differences and self._overwrite:
            connection.close()
            self._remove_partial()
            connection = self._lock()
            self._begin(connection, source_id)
        elif differences:
            connection.close()
            raise MapError(
                f'{self.partial} is an unfinished map of something else '
                f'({"; ".join(differences)}): finish that one with the same settings as before, '
                'delete the file, or ask for overwrite'
            )
        return connection

    def _lock(self) -> sqlite3.Connection:
        """Open the partial and hold its lock until the connection is closed."""
        with self._storage():
            connection = sqlite3.connect(
                self.partial, timeout=0, isolation_level=None, check_same_thread=False
            )
        try:
            with self._storage():
                connection.execute(f'PRAGMA page_size = {PAGE_SIZE}')
                connection.execute('PRAGMA locking_mode = EXCLUSIVE')
                connection.execute('PRAGMA journal_mode = WAL')
                # Survives the end of this process at once and power failure up to the last
                # checkpoint, without waiting for the disk at each place.
                connection.execute('PRAGMA synchronous = NORMAL')
                connection.execute('PRAGMA foreign_keys = ON')
                connection.execute('BEGIN EXCLUSIVE')
                connection.execute('COMMIT')
            if not self.partial.exists():
                raise MapError(f'another process has just finished {self.path}')
        except BaseException:
            connection.close()
            raise
        return connection

    def _differences(self, connection: sqlite3.Connection, source_id: str) -> list[str] | None:
        """What tells the partial from the map to be made; None where there is nothing in it."""
        (tables,) = connection.execute('SELECT count(*) FROM sqlite_schema').fetchone()
        if tables == 0:
            return None
        (application_id,) = connection.execute('PRAGMA application_id').fetchone()
        if application_id != APPLICATION_ID:
            return ['it is a database of another program']
        (version,) = connection.execute('PRAGMA user_version').fetchone()
        if version != SCHEMA_VERSION:
            return [f'schema_version is {version}, not {SCHEMA_VERSION}']
        meta = read_meta(connection)
        wanted = {**self.header.to_meta(), 'source_id': source_id}
        return [
            f'{key} is {meta.get(key)!r}, not {value!r}'
            for key, value in wanted.items()
            if meta.get(key) != value
        ]

    def _begin(self, connection: sqlite3.Connection, source_id: str) -> None:
        meta = {
            **self.header.to_meta(),
            'map_id': uuid.uuid4().hex,
            'created': time.strftime('%Y-%m-%dT%H:%M:%SZ', time.gmtime()),
            'source_id': source_id,
            'source_position': '0',
            'state': 'building',
        }
        try:
            with self._transaction(connection):
                create_tables(connection)
                connection.executemany('INSERT INTO meta VALUES (?, ?)', meta.items())
        except BaseException:
            connection.close()
            self._remove_partial()
            raise

    def _load_progress(self) -> None:
        connection = self._connection
        self._sessions = {
            name: number
            for number, name in connection.execute('SELECT session, session_id FROM sessions')
        }
        (self._count,) = connection.execute('SELECT count(*) FROM places').fetchone()
        self.resumed: int = self._count
        self.source_position = int(read_meta(connection)['source_position'])

    # ---- writing

    def add(
        self,
        features: Features,
        *,
        session_id: str,
        stamp_ns: int,
        image_uri: str,
        source_position: int,
        sensor_frame: str = '',
        pose: Pose | None = None,
        geo: GeoPosition | None = None,
        image_jpeg: bytes | None = None,
        place_id: str | None = None,
    ) -> Place:
        """Append a reference; once this returns, it survives the end of the process.

        Args:
            features: with a global descriptor [D] and local descriptors [N, C] as the header says.
            session_id: the drive that the image belongs to.
            stamp_ns: time of exposure.
            image_uri: where the image came from.
            source_position: how far in the source this is; `source_position` of a writer that
                goes on from here.
            place_id: unique name, `SESSION/INDEX` where None.
            image_jpeg: the image for people to look at.

        Returns:
            The place as it is stored.

        Raises:
            InputError: shapes, types or values that do not fit the header, or a place_id that is
                taken.
            StorageError: no space left; what was added before is safe.
        """
        descriptor = self._checked_global(features.global_descriptor)
        local = self._checked_local(features.local)
        session_id = _text(session_id)
        place = Place(
            index=self._count,
            place_id=_text(place_id or f'{session_id}/{self._count:06d}'),
            session_id=session_id,
            stamp_ns=_int64(stamp_ns, 'stamp_ns'),
            image_uri=_text(image_uri),
            image_size=(int(features.image_size[0]), int(features.image_size[1])),
            pose=pose,
            geo=geo,
            sensor_frame=_text(sensor_frame),
        )
        position = _int64(source_position, 'source_position')
        with self._transaction(self._connection):
            self._insert(place, descriptor, local, image_jpeg)
            self._set_meta('source_position', str(position))
            if self._count == self.resumed:
                self._set_meta('state', 'building')
        self._sessions.setdefault(session_id, len(self._sessions))
        self._count += 1
        self.source_position = position
        return place

    def _insert(
        self, place: Place, descriptor: bytes, local: LocalFeatures, jpeg: bytes | None
    ) -> None:
        execute = self._connection.execute
        session = self._sessions.get(place.session_id, len(self._sessions))
        if session == len(self._sessions):
            execute('INSERT INTO sessions VALUES (?, ?)', (session, place.session_id))
        try:
            execute(INSERT_PLACE, place_row(place, session))
        except sqlite3.IntegrityError as error:
            raise InputError(
                f'the place_id {place.place_id!r} is in the map already: they must be unique'
            ) from error
        blob = self._codec.encode(local)
        execute(
            'INSERT INTO global_descriptors VALUES (?, ?, ?)',
            (place.index, descriptor, digest(descriptor)),
        )
        execute(
            'INSERT INTO local_features VALUES (?, ?, ?, ?)',
            (place.index, len(local.weights), blob, digest(blob)),
        )
        if jpeg is not None:
            execute('INSERT INTO images VALUES (?, ?, ?)', (place.index, jpeg, digest(jpeg)))

    def _set_meta(self, key: str, value: str) -> None:
        self._connection.execute('INSERT OR REPLACE INTO meta VALUES (?, ?)', (key, value))

    def _checked_global(self, descriptor: np.ndarray) -> bytes:
        expected = (self.header.descriptor_dim,)
        if np.shape(descriptor) != expected or not np.isfinite(descriptor).all():
            raise InputError(
                f'a global descriptor of {expected[0]} finite numbers is needed, got shape '
                f'{np.shape(descriptor)}: the header is of another network, or the image is bad'
            )
        norm = float(np.linalg.norm(descriptor))
        if abs(norm - 1) > 0.01:
            raise InputError(f'a global descriptor of unit length is needed, got length {norm:g}')
        return np.ascontiguousarray(descriptor, '<f2').tobytes()

    def _checked_local(self, local: LocalFeatures) -> LocalFeatures:
        count = len(local.descriptors)
        shapes = (local.descriptors.shape, local.positions.shape, local.weights.shape)
        if shapes != ((count, self.header.local_dim), (count, 2), (count,)):
            raise InputError(
                f'local features [N, {self.header.local_dim}], positions [N, 2] and weights [N] '
                f'are needed, got {shapes}'
            )
        if not all(
            np.isfinite(array).all()
            for array in (local.descriptors, local.positions, local.weights)
        ):
            raise InputError('local features hold NaN or infinity')
        return local

    # ---- ending

    def finish(self) -> MapInfo:
        """Make the map whole: everything on the disk, under its own name.

        Raises:
            InputError: no place was added.
            MapError: the map came into being meanwhile, and overwrite was not asked for.
            StorageError: no space; the partial stays, and a later `finish` may succeed.
        """
        if self._count == 0:
            raise InputError(f'{self.path} would be empty: a map needs at least one place')
        self._check_target()
        connection = self._connection
        with self._storage():
            connection.execute('PRAGMA synchronous = FULL')
        with self._transaction(connection):
            self._set_meta('places', str(self._count))
            self._set_meta('sessions', str(len(self._sessions)))
            self._set_meta('state', 'complete')
            self._set_meta('digest', meta_digest(connection))
        with self._storage():
            # Without WAL the file can be read from folders and media that cannot be written.
            connection.execute('PRAGMA wal_checkpoint(TRUNCATE)')
            connection.execute('PRAGMA journal_mode = DELETE')
            connection.close()
            _fsync(self.partial)
            for suffix in SIDECARS:
                self.path.with_name(self.path.name + suffix).unlink(missing_ok=True)
            os.replace(self.partial, self.path)
            _fsync(self.path.parent)
        with MapReader(self.path) as reader:
            return reader.info

    def close(self) -> None:
        """Stop here. What was added stays in the partial; an empty one is removed."""
        with closing(self._connection):
            unfinished_and_empty = self._count == 0 and self.partial.exists()
        if unfinished_and_empty:
            self._remove_partial()

    def __enter__(self) -> MapWriter:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    # ---- SQLite

    @contextmanager
    def _transaction(self, connection: sqlite3.Connection) -> Iterator[None]:
        with self._storage():
            connection.execute('BEGIN IMMEDIATE')
            try:
                yield
                connection.execute('COMMIT')
            except BaseException:
                if connection.in_transaction:
                    connection.execute('ROLLBACK')
                raise

    @contextmanager
    def _storage(self) -> Iterator[None]:
        """Turn what SQLite and the operating system report into errors that tell the remedy."""
        try:
            yield
        except (sqlite3.Error, OSError) as error:
            raise self._explain(error) from error

    def _explain(self, error: Exception) -> MapError | StorageError:
        reason = str(error)
        safe = 'what was added before is safe, and the same build goes on from there'
        if 'locked' in reason:
            return MapError(
                f'{self.path} is being written by another process: wait until that has ended, '
                'or choose another name'
            )
        if 'closed' in reason:
            return MapError(f'{self.path} is finished or closed; nothing more can be written')
        if 'not a database' in reason or 'malformed' in reason:
            return MapError(
                f'{self.partial} is in the way and no unfinished map ({reason}): delete it'
            )
        forbidden = 'unable to open' in reason or 'readonly' in reason
        if forbidden or isinstance(error, PermissionError):
            return StorageError(
                f'{self.partial} cannot be written ({reason}): check the permissions of '
                f'{self.path.parent}, or choose another folder'
            )
        return StorageError(
            f'{self.partial} cannot be written ({reason}): free some space on that disk; {safe}'
        )

    def _remove_partial(self) -> None:
        for suffix in ('', *SIDECARS):
            self.partial.with_name(self.partial.name + suffix).unlink(missing_ok=True)


def _checked_header(header: MapHeader) -> MapHeader:
    if header.codec not in CODECS:
        raise InputError(f'the codec is {header.codec!r}, expected one of {", ".join(CODECS)}')
    if header.descriptor_dim < 1 or header.local_dim < 1:
        raise InputError(
            'descriptors need at least one dimension, got '
            f'{header.descriptor_dim} (global) and {header.local_dim} (local)'
        )
    return replace(
        header,
        name=_text(header.name),
        model_id=_text(header.model_id),
        preprocessing_id=_text(header.preprocessing_id),
        weights_name=_text(header.weights_name),
        frame_id=_text(header.frame_id),
    )


def _text(value: str) -> str:
    """Text that SQLite can hold: names of files may have bytes that are no UTF-8."""
    return value.encode('utf-8', 'backslashreplace').decode()


def _int64(value: int, name: str) -> int:
    if not -(2**63) <= value < 2**63:
        raise InputError(f'{name} is {value}, expected a 64-bit integer')
    return int(value)


def _fsync(path: Path) -> None:
    """Wait until a file's content, or a folder's list of names, is on the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
