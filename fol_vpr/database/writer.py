"""Writes a map, one place at a time, so that an interruption loses nothing.

The map grows in `PATH.partial`, one transaction per place. `finish` gives it its name, so that
`PATH` is absent, the old map, or the whole new one, whatever happens.
"""

from __future__ import annotations

import os
import sqlite3
import time
import uuid
from collections.abc import Iterable, Mapping
from dataclasses import replace
from itertools import islice
from pathlib import Path
from types import TracebackType

from fol_vpr.database.format.codecs import CODECS
from fol_vpr.database.format.records import (
    Record,
    encode,
    insert,
    int64,
    place_of_frame,
    session_row,
    text,
)
from fol_vpr.database.format.schema import MapHeader, read_meta, set_meta
from fol_vpr.database.reader import MapReader
from fol_vpr.database.storage.build_file import PartialMap
from fol_vpr.database.storage.lock import MapLock
from fol_vpr.datatypes import Features, Frame, MapInfo, Place
from fol_vpr.errors import InputError, MapError, StorageError

COPIED_AT_ONCE = 64


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
        resumable: False starts anew in any case, and leaves nothing where it does not finish.
        owned: the lock of the map that is replaced, where the caller has it.

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
        resumable: bool = True,
        owned: MapLock | None = None,
    ) -> None:
        self.path = Path(path)
        self.header = _checked_header(header)
        self._overwrite = overwrite
        self._resumable = resumable
        self._owned = owned
        self._lock: MapLock | None = None
        self._finished = False
        self._calibration: dict[str, str] = {}
        self._extra_meta: dict[str, str] = {}
        self._check_target()
        self._partial = PartialMap(self.path, '.partial' if resumable else '.rewrite')
        try:
            self._resume_or_begin({**self.header.to_meta(), 'source_id': text(source_id)})
        except BaseException:
            self._partial.close()
            raise

    def _check_target(self) -> None:
        try:
            folder_is_there = self.path.parent.is_dir()
            is_folder, exists = self.path.is_dir(), self.path.exists()
        except OSError as error:
            raise StorageError(
                f'{self.path} cannot be written ({error.strerror}): check its name and the '
                f'permissions of {self.path.parent}'
            ) from error
        if not folder_is_there:
            raise StorageError(
                f'{self.path} cannot be written: there is no folder {self.path.parent}; create it'
            )
        if is_folder:
            raise MapError(f'{self.path} is a folder: give the name of a file to write')
        if exists and not self._overwrite:
            raise MapError(
                f'{self.path} exists already: choose another name, or replace it (--overwrite)'
            )

    def _resume_or_begin(self, identity: dict[str, str]) -> None:
        partial = self._partial
        differences = partial.differences(identity)
        if differences and self._resumable and not self._overwrite:
            raise MapError(
                f'{partial.path} is an unfinished map of something else '
                f'({"; ".join(differences)}): finish that one with the same settings as before, '
                'delete the file, or replace it (--overwrite)'
            )
        if differences or (differences is not None and not self._resumable):
            partial.restart()
            differences = None
        if differences is None:
            now = time.strftime('%Y-%m-%dT%H:%M:%SZ', time.gmtime())
            progress = {'source_position': '0', 'state': 'building'}
            partial.begin({**identity, 'map_id': uuid.uuid4().hex, 'created': now, **progress})
        with partial.storage():
            self._load_progress(partial.connection)

    def _load_progress(self, connection: sqlite3.Connection) -> None:
        (self._count,) = connection.execute('SELECT count(*) FROM places').fetchone()
        self.resumed: int = self._count
        self.source_position = int(read_meta(connection)['source_position'])

    # ---- writing

    def add(
        self,
        frame: Frame,
        features: Features,
        *,
        session_id: str,
        source_position: int,
        place_id: str = '',
        image_jpeg: bytes | None = None,
    ) -> Place:
        """Append a reference; once this returns, it survives the end of the process.

        Args:
            frame: the image, with the pose of the base in the map frame where it is known. Its
                pixels and its odometry are not stored.
            features: of the frame: a global descriptor [D] and local descriptors [N, C], with D
                and C as the header says.
            session_id: the drive that the image belongs to.
            source_position: position of the frame in the source. A later writer that resumes this
                build gives it as its `source_position`.
            place_id: unique name; empty makes `SESSION/INDEX`.
            image_jpeg: the image for people to look at, or None.

        Returns:
            The place as it is stored.

        Raises:
            InputError: shapes, types or values that do not fit the header, or a place_id that is
                taken.
            StorageError: no space left; what was added before is safe.
        """
        session_id = text(session_id)
        place = place_of_frame(
            frame,
            features,
            index=self._count,
            place_id=place_id or f'{session_id}/{self._count:06d}',
            session_id=session_id,
        )
        record = encode(self.header, place, features, image_jpeg)
        position = int64(source_position, 'source_position')
        with self._partial.transaction():
            self._insert(record)
            self._set_meta('source_position', str(position))
            self._set_meta('state', 'building')
        self._count += 1
        self.source_position = position
        return record.place

    def copy(self, records: Iterable[Record]) -> None:
        """Append places of other maps of the same header as they are, many to a transaction.

        They get new indices; everything else of them stays.

        Raises:
            InputError: a place_id is taken.
            StorageError: no space left.
        """
        pending = iter(records)
        while batch := list(islice(pending, COPIED_AT_ONCE)):
            with self._partial.transaction():
                for number, record in enumerate(batch, self._count):
                    self._insert(replace(record, place=replace(record.place, index=number)))
            self._count += len(batch)

    def _insert(self, record: Record) -> None:
        connection = self._partial.connection
        insert(connection, record, session_row(connection, record.place.session_id))

    def _set_meta(self, key: str, value: str) -> None:
        execute = self._partial.connection.execute
        execute('INSERT OR REPLACE INTO meta VALUES (?, ?)', (key, value))

    # ---- ending

    def keep_identity(self, meta: Mapping[str, str], *, merged_changes: str = '') -> None:
        """Become another state of the map with this meta table, rather than a new map."""
        kept = {key: meta[key] for key in ('map_id', 'created', 'source_id', 'source_position')}
        self._extra_meta = {**kept, 'content_id': uuid.uuid4().hex}
        if merged_changes:
            self._extra_meta['merged_changes'] = merged_changes

    def calibrate(self, calibration: Mapping[str, str]) -> None:
        """Store a calibration, as `MapReader.calibration` gave it."""
        self._calibration = dict(calibration)

    def finish(self) -> MapInfo:
        """Make the map whole: everything on the disk, under its own name.

        Raises:
            InputError: no place was added.
            MapError: the map came into being meanwhile, and overwrite was not asked for.
            StorageError: no space; the partial stays, and the same build can go on from it.
        """
        if self._count == 0:
            raise InputError(f'{self.path} would be empty: a map needs at least one place')
        self._check_target()
        connection = self._partial.connection
        with self._partial.transaction():
            (sessions,) = connection.execute('SELECT count(*) FROM sessions').fetchone()
            counts = {'places': str(self._count), 'sessions': str(sessions)}
            connection.executemany(
                'INSERT OR REPLACE INTO calibration VALUES (?, ?)', self._calibration.items()
            )
            set_meta(connection, {**counts, **self._extra_meta, 'state': 'complete'})
        self._lock = self._partial.publish(self._owned)
        self._finished = True
        with MapReader(self.path) as reader:
            return reader.info

    def take_lock(self) -> MapLock:
        """The lock of the finished map, for the caller to release."""
        lock, self._lock = self._lock, None
        if lock is None:
            raise MapError(f'{self.path} is not finished')
        return lock

    def close(self) -> None:
        """Stop here. What was added stays in the partial; an empty one is removed."""
        if self._lock is not None:
            self._lock.release()
            self._lock = None
        if not self._finished and (self._count == 0 or not self._resumable):
            self._partial.remove()
        else:
            self._partial.close()

    def __enter__(self) -> MapWriter:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


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
        name=text(header.name),
        model_id=text(header.model_id),
        preprocessing_id=text(header.preprocessing_id),
        weights_name=text(header.weights_name),
        frame_id=text(header.frame_id),
        origin=text(header.origin),
    )
