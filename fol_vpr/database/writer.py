"""Writes a map, one place at a time, so that an interruption loses no place.

The map grows in `PATH.partial`, one transaction per place. `finish` renames that file to `PATH`,
so that at any time `PATH` is absent, the old map, or the complete new one.
"""

from __future__ import annotations

import os
import sqlite3
import time
import uuid
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from itertools import islice
from pathlib import Path

from fol_vpr.database.format.codecs import CODECS
from fol_vpr.database.format.records import (
    PlaceRecord,
    checked_int64,
    encode_place,
    insert_record,
    place_of_frame,
    session_row,
    storable_id,
    storable_text,
)
from fol_vpr.database.format.schema import MAX_TEXT, MapHeader, read_meta, set_meta
from fol_vpr.database.reader import read_info
from fol_vpr.database.storage.build_file import BuildFile
from fol_vpr.database.storage.lock import MapLock
from fol_vpr.datatypes import Features, Frame, MapInfo, Place
from fol_vpr.errors import InputError, MapError, StorageError

COPIED_AT_ONCE = 64

Progress = Callable[[int, int], None]
"""Called with the number of places done and the number of places in all."""


class MapWriter:
    """Makes a map file, or resumes an unfinished build from the same source.

    Use it as a context manager. Leaving it without `finish` keeps the added places in
    `PATH.partial`, and a later writer with the same header and source resumes from there. A
    build without any place is removed. Not thread-safe.

    Args:
        path: the map file to make.
        header: what all places of the map have in common.
        source_id: identifies the source; an unfinished build from another source is not resumed.
        overwrite: replace an existing map, and discard an unfinished build that differs.
        resumable: False always starts from the beginning, and removes the unfinished file when
            the writer is closed without `finish`.
        lock_of_replaced: the lock of the map to be replaced, if the caller holds it.

    Attributes:
        resumed: number of places that the resumed build already had, 0 for a new one.
        source_position: `source_position` of the last place that was added, 0 without any.
        written_meta: the meta table of the finished map, from `finish` on.

    Raises:
        MapError: the map exists, an unfinished build of another map is in the way, or another
            process is writing it.
        InputError: the header is invalid.
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
        lock_of_replaced: MapLock | None = None,
    ) -> None:
        self.path = Path(path)
        self.header = _checked_header(header)
        self._overwrite = overwrite
        self._resumable = resumable
        self._owned = lock_of_replaced
        self._lock: MapLock | None = None
        self._finished = False
        self._calibration: dict[str, str] = {}
        self.written_meta: dict[str, str] = {}
        self._extra_meta: dict[str, str] = {}
        self._check_target()
        self._build = BuildFile(self.path, '.partial' if resumable else '.rewrite')
        try:
            self._resume_or_begin({**self.header.to_meta(), 'source_id': storable_text(source_id)})
        except BaseException:
            self._build.close()
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
        build = self._build
        # The same images may be named by another path when the build is resumed.
        compared = {key: value for key, value in identity.items() if key != 'sources'}
        differences = build.differences(compared)
        if differences and self._resumable and not self._overwrite:
            raise MapError(
                f'{build.path} is an unfinished build of another map '
                f'({"; ".join(differences)}): finish it with the settings that it was begun with, '
                'delete the file, or replace it (--overwrite)'
            )
        if differences or (differences is not None and not self._resumable):
            build.restart()
            differences = None
        if differences is None:
            now = time.strftime('%Y-%m-%dT%H:%M:%SZ', time.gmtime())
            progress = {'source_position': '0', 'state': 'building'}
            build.begin({**identity, 'map_id': uuid.uuid4().hex, 'created': now, **progress})
        with build.write_errors():
            self._load_progress(build.connection)

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
        """Append a place; once this returns, the place survives a killed process.

        Args:
            frame: the image, with the pose of the base in the map frame if it is known. Its
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
            InputError: shapes, types or values that do not fit the header, or a place_id that
                the map already has.
            StorageError: no space left; the places that were added before are safe.
        """
        session_id = storable_id(session_id, 'session_id')
        place = place_of_frame(
            frame,
            features,
            index=self._count,
            place_id=place_id or f'{session_id}/{self._count:06d}',
            session_id=session_id,
        )
        record = encode_place(self.header, place, features, image_jpeg)
        position = checked_int64(source_position, 'source_position')
        with self._build.transaction():
            self._insert(record)
            self._set_meta('source_position', str(position))
            self._set_meta('state', 'building')
        self._count += 1
        self.source_position = position
        return record.place

    def copy(
        self,
        records: Iterable[PlaceRecord],
        *,
        total: int = 0,
        progress: Progress | None = None,
    ) -> None:
        """Append places of other maps with the same header, unchanged except for their index.

        Args:
            records: the places, as `MapReader.record` gives them.
            total: number of records, for `progress`.
            progress: called after every 64 places, and at the end.

        Raises:
            InputError: the map already has a place_id.
            StorageError: no space left.
        """
        pending = iter(records)
        done = 0
        while batch := list(islice(pending, COPIED_AT_ONCE)):
            with self._build.transaction():
                for number, record in enumerate(batch, self._count):
                    self._insert(replace(record, place=replace(record.place, index=number)))
            self._count += len(batch)
            done += len(batch)
            if progress is not None:
                progress(done, total)

    def _insert(self, record: PlaceRecord) -> None:
        connection = self._build.connection
        insert_record(connection, record, session_row(connection, record.place.session_id))

    def _set_meta(self, key: str, value: str) -> None:
        execute = self._build.connection.execute
        execute('INSERT OR REPLACE INTO meta VALUES (?, ?)', (key, value))

    # ---- finishing

    def keep_identity(self, meta: Mapping[str, str], *, merged_changes: str = '') -> None:
        """Make the file a new state of an existing map instead of a new map.

        Args:
            meta: the meta table of the existing map; its `map_id`, `created`, `source_id` and
                `source_position` are taken over, while the `content_id` is new.
            merged_changes: id of the changes file that the places include; empty for none.
        """
        kept = {key: meta[key] for key in ('map_id', 'created', 'source_id', 'source_position')}
        self._extra_meta = {**kept, 'content_id': uuid.uuid4().hex}
        if merged_changes:
            self._extra_meta['merged_changes'] = merged_changes

    def set_calibration(self, calibration: Mapping[str, str]) -> None:
        """Store rows of the calibration table, as `MapReader.calibration` gives them."""
        self._calibration = dict(calibration)

    def finish(self) -> MapInfo:
        """Complete the map: write everything to the disk and give the file its name.

        Returns:
            The summary of the finished map.

        Raises:
            InputError: no place was added.
            MapError: another process has made the map meanwhile, and `overwrite` is False.
            StorageError: no space; the unfinished file stays, and the build can be resumed.
        """
        if self._count == 0:
            raise InputError(f'{self.path} would be empty: a map needs at least one place')
        self._check_target()
        connection = self._build.connection
        with self._build.transaction():
            (sessions,) = connection.execute('SELECT count(*) FROM sessions').fetchone()
            counts = {'places': str(self._count), 'sessions': str(sessions)}
            connection.executemany(
                'INSERT OR REPLACE INTO calibration VALUES (?, ?)', self._calibration.items()
            )
            set_meta(connection, {**counts, **self._extra_meta, 'state': 'complete'})
            self.written_meta = read_meta(connection)
        self._lock = self._build.publish(self._owned)
        self._finished = True
        return read_info(self.path)

    def take_lock(self) -> MapLock:
        """Hand over the lock of the finished map; the caller has to release it.

        Raises:
            MapError: `finish` was not called.
        """
        lock, self._lock = self._lock, None
        if lock is None:
            raise MapError(f'{self.path} is not finished: call finish() first')
        return lock

    def close(self) -> None:
        """Close the file. The added places stay in it; a file without any is removed."""
        if self._lock is not None:
            self._lock.release()
            self._lock = None
        if not self._finished and (self._count == 0 or not self._resumable):
            self._build.remove()
        else:
            self._build.close()

    def __enter__(self) -> MapWriter:
        return self

    def __exit__(self, *_: object) -> None:
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
        name=storable_id(header.name, 'name'),
        model_id=storable_text(header.model_id),
        preprocessing_id=storable_text(header.preprocessing_id),
        weights_name=storable_text(header.weights_name),
        frame_id=storable_id(header.frame_id, 'frame_id'),
        origin=storable_id(header.origin, 'origin'),
        sources=tuple(
            (storable_id(session, 'session_id'), storable_text(source)[:MAX_TEXT])
            for session, source in header.sources
        ),
    )
