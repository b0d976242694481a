"""Writes a map, one place at a time, so that an interruption loses nothing.

The map grows in `PATH.partial`, one transaction per place. `finish` gives it its name, so that
`PATH` is absent, the old map, or the whole new one, whatever happens.
"""

from __future__ import annotations

import os
import sqlite3
import time
import uuid
from dataclasses import replace
from pathlib import Path
from types import TracebackType

import numpy as np

from fol_vpr.database.codecs import CODECS
from fol_vpr.database.partial import PartialMap
from fol_vpr.database.reader import MapReader
from fol_vpr.database.records import INSERT_PLACE, place_row
from fol_vpr.database.schema import MapHeader, digest, meta_digest, read_meta
from fol_vpr.datatypes import Features, GeoPosition, LocalFeatures, MapInfo, Place, Pose
from fol_vpr.errors import InputError, MapError, StorageError


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
        self.header = _checked_header(header)
        self._codec = CODECS[header.codec]
        self._overwrite = overwrite
        self._check_target()
        self._partial = PartialMap(self.path)
        try:
            self._resume_or_begin({**self.header.to_meta(), 'source_id': _text(source_id)})
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
                f'{self.path} exists already: choose another name, or ask for overwrite'
            )

    def _resume_or_begin(self, identity: dict[str, str]) -> None:
        partial = self._partial
        differences = partial.differences(identity)
        if differences and not self._overwrite:
            raise MapError(
                f'{partial.path} is an unfinished map of something else '
                f'({"; ".join(differences)}): finish that one with the same settings as before, '
                'delete the file, or ask for overwrite'
            )
        if differences:
            partial.restart()
        if differences is None or differences:
            now = time.strftime('%Y-%m-%dT%H:%M:%SZ', time.gmtime())
            progress = {'source_position': '0', 'state': 'building'}
            partial.begin({**identity, 'map_id': uuid.uuid4().hex, 'created': now, **progress})
        with partial.storage():
            self._load_progress(partial.connection)

    def _load_progress(self, connection: sqlite3.Connection) -> None:
        rows = connection.execute('SELECT session_id, session FROM sessions')
        self._sessions: dict[str, int] = dict(rows.fetchall())
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
        local = self._codec.thin(self._checked_local(features.local))
        if min(features.image_size) < 1:
            raise InputError(f'an image needs pixels, got the size {features.image_size}')
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
        with self._partial.transaction():
            self._insert(place, descriptor, local, image_jpeg)
            self._set_meta('source_position', str(position))
            self._set_meta('state', 'building')
        self._sessions.setdefault(session_id, len(self._sessions))
        self._count += 1
        self.source_position = position
        return place

    def _insert(
        self, place: Place, descriptor: bytes, local: LocalFeatures, jpeg: bytes | None
    ) -> None:
        execute = self._partial.connection.execute
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
        execute = self._partial.connection.execute
        execute('INSERT OR REPLACE INTO meta VALUES (?, ?)', (key, value))

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
            StorageError: no space; the partial stays, and the same build can go on from it.
        """
        if self._count == 0:
            raise InputError(f'{self.path} would be empty: a map needs at least one place')
        self._check_target()
        with self._partial.transaction():
            self._set_meta('places', str(self._count))
            self._set_meta('sessions', str(len(self._sessions)))
            self._set_meta('state', 'complete')
            self._set_meta('digest', meta_digest(self._partial.connection))
        self._partial.publish()
        with MapReader(self.path) as reader:
            return reader.info

    def close(self) -> None:
        """Stop here. What was added stays in the partial; an empty one is removed."""
        if self._count == 0:
            self._partial.discard()
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
