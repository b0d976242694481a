"""Changes a map while it is in use: what a call has done is on the disk when it returns."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from types import TracebackType

from fol_vpr.database.format.records import encode, insert, place_of_frame, session_row, text
from fol_vpr.database.format.schema import FEEDBACK, SCHEMA_VERSION, MapHeader, set_meta
from fol_vpr.database.reader import MapReader
from fol_vpr.database.storage.changes import ChangesFile
from fol_vpr.database.storage.lock import MapLock
from fol_vpr.database.storage.opening import connect_read_only
from fol_vpr.database.storage.store import Store
from fol_vpr.database.writer import MapWriter
from fol_vpr.datatypes import Features, Frame, MapInfo, Place
from fol_vpr.errors import InputError, NotInMapError

Progress = Callable[[int, int], None]


class MapEditor:
    """Adds places to a map and removes some, as the only one who may.

    The file of the map stays as it is until `save`; the changes lie beside it (`MAP.changes`), and
    every `MapReader` that is opened from then on shows the map with them. Each call is one
    transaction, and on the disk when it returns. May be used by several threads; they take turns.

    Args:
        path: the map file.

    Raises:
        MapBusyError: another editor has the map.
        MapError: it cannot be read.
        StorageError: no permission.
    """

    header: MapHeader

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)
        self._turn = threading.RLock()
        with MapReader(self.path):
            pass  # says better what is wrong with it than the lock would
        self._lock = MapLock(self.path)
        self._file: ChangesFile | None = None
        try:
            self._load()
        except BaseException:
            self._lock.release()
            raise

    def _load(self) -> None:
        with MapReader(self.path) as reader:
            self.info, self.header = reader.info, reader.header
            self._meta = reader.meta
            self._ids = {place.place_id: place.session_id for place in reader.places}
        self._next = len(self._ids)

    @property
    def place_ids(self) -> tuple[str, ...]:
        """Names of the places of the map as it is now, in their order."""
        return tuple(self._ids)

    def _changes(self) -> ChangesFile:
        if self._file is None:
            self._file = ChangesFile(self.path, self._meta)
        return self._file

    # ---- changing

    def add(
        self,
        frame: Frame,
        features: Features,
        *,
        session_id: str,
        place_id: str = '',
        image_jpeg: bytes | None = None,
    ) -> Place:
        """Add a place; once this returns, it survives a killed process and a power failure.

        Args:
            frame: the image, with the pose of the base in the map frame where it is known. Its
                pixels and its odometry are not stored.
            features: of the frame, by the network that the map was made with.
            session_id: the drive that the image belongs to.
            place_id: unique name; empty makes one of the session and a number.
            image_jpeg: the image for people to look at, or None.

        Returns:
            The place as it is stored; its `index` is the row in the changes, for
            `reader_of_added`.

        Raises:
            InputError: features that do not fit, values that cannot be stored, or a place_id
                that is taken.
            MapError: the changes are damaged.
            StorageError: no space or no permission; the map is as before.
        """
        with self._turn:
            session_id = text(session_id)
            place_id = text(place_id) or self._free_name(session_id)
            if place_id in self._ids:
                raise InputError(
                    f'the place_id {place_id!r} is in the map already: they must be unique'
                )
            file = self._changes()
            connection = file.connection
            with file.transaction():
                row = connection.execute('SELECT coalesce(max(place) + 1, 0) FROM places')
                place = place_of_frame(
                    frame,
                    features,
                    index=int(row.fetchone()[0]),
                    place_id=place_id,
                    session_id=session_id,
                )
                record = encode(self.header, place, features, image_jpeg)
                insert(connection, record, session_row(connection, session_id))
                self._count(file)
            self._ids[place_id] = session_id
            self._next += 1
            return record.place

    def _free_name(self, session_id: str) -> str:
        number = self._next
        while (name := f'{session_id}/{number:06d}') in self._ids:
            number += 1
        return name

    def remove(
        self, place_ids: Iterable[str] = (), session_ids: Iterable[str] = ()
    ) -> tuple[str, ...]:
        """Remove places by name, and all places of some sessions; all or none.

        Returns:
            Names of the places that are gone.

        Raises:
            InputError: a name is not in the map, or nothing would be left of it.
            StorageError: no space or no permission; the map is as before.
        """
        with self._turn:
            gone = self._named(tuple(place_ids), tuple(session_ids))
            if len(gone) == len(self._ids):
                raise InputError(
                    f'this would remove all {len(gone)} places of {self.path}: a map needs at '
                    'least one; delete the file if it is not needed any more'
                )
            if gone:
                self._remove(gone)
            return gone

    def _named(self, places: tuple[str, ...], sessions: tuple[str, ...]) -> tuple[str, ...]:
        known = set(self._ids.values()) if sessions else set()
        unknown = [name for name in places if name not in self._ids]
        unknown += [name for name in sessions if name not in known]
        if unknown:
            raise NotInMapError(
                f'{self.path} has no {", ".join(map(repr, unknown[:10]))}'
                f'{f" and {len(unknown) - 10} others" if len(unknown) > 10 else ""}: nothing was '
                'removed; `fol_vpr map info --sessions` lists the sessions'
            )
        wanted, of_sessions = set(places), set(sessions)
        return tuple(
            name for name, session in self._ids.items() if name in wanted or session in of_sessions
        )

    def _remove(self, gone: Sequence[str]) -> None:
        file = self._changes()
        connection = file.connection
        with file.transaction():
            for name in gone:
                row = connection.execute('SELECT place FROM places WHERE place_id = ?', (name,))
                added = row.fetchone()
                if added is None:
                    connection.execute('INSERT INTO removed VALUES (?)', (name,))
                    continue
                for table in ('images', 'local_features', 'global_descriptors', 'places'):
                    connection.execute(f'DELETE FROM {table} WHERE place = ?', added)
            self._count(file)
        for name in gone:
            del self._ids[name]

    @staticmethod
    def _count(file: ChangesFile) -> None:
        (places,) = file.connection.execute('SELECT count(*) FROM places').fetchone()
        set_meta(file.connection, {'places': str(places)})

    def reader_of_added(self) -> Store:
        """Reads what was added, by the `index` that `add` gave, until the caller closes it.

        It goes on to do so after the map was saved.

        Raises:
            MapError: the changes cannot be read.
        """
        with self._turn:
            path = self._changes().path
            store = Store(path, connect_read_only(path), self.header)
            # The log is opened by the first query, and gone once the map was saved.
            with store.reading() as connection:
                connection.execute('SELECT count(*) FROM meta').fetchone()
            return store

    def annotate(self, name: str, parameters: str) -> None:
        """Write a row of the calibration table, in place of one of that name.

        Raises:
            MapError: the changes are damaged.
            StorageError: no space or no permission; the map is as before.
        """
        with self._turn:
            file = self._changes()
            with file.transaction():
                file.connection.execute(
                    'INSERT OR REPLACE INTO calibration VALUES (?, ?)',
                    (text(name), text(parameters)),
                )
                self._count(file)

    # ---- saving

    def save(
        self,
        path: str | os.PathLike[str] | None = None,
        *,
        overwrite: bool = False,
        progress: Progress | None = None,
    ) -> MapInfo:
        """Write the map with all changes to one file, which appears whole or not at all.

        A map of an older schema becomes one of the newest, also where nothing was changed.

        Args:
            path: another file, which becomes a map of its own while this one and its changes
                stay; None replaces the file of this map, and its changes are done with.
            overwrite: replace another file where it exists.
            progress: called with places written and places in all.

        Returns:
            What the written map says of itself.

        Raises:
            MapError: the other file exists, or is being changed; or this map is damaged.
            StorageError: no space or no permission; what was there before is untouched.
        """
        with self._turn:
            own = path is None or _same_file(Path(path), self.path)
            changed = self._file is not None or self.info.added or self.info.removed
            if own and not changed and self.info.schema_version == SCHEMA_VERSION:
                return self.info
            target = self.path if own or path is None else Path(path)
            with MapReader(self.path) as reader:
                info = self._write(reader, target, own, overwrite, progress, reader.calibration())
            if own:
                self._start_anew()
            return info

    def calibrate(
        self, calibration: Mapping[str, str], *, progress: Progress | None = None
    ) -> MapInfo:
        """Replace the calibration of the map, and save it with all changes beside it.

        What a back-end said of loop closures stays.

        Args:
            calibration: rows of the calibration table.
            progress: called with places written and places in all.

        Returns:
            What the written map says of itself.

        Raises:
            MapError: the map is damaged.
            StorageError: no space or no permission; the map is as before.
        """
        with self._turn:
            with MapReader(self.path) as reader:
                kept = {k: v for k, v in reader.calibration().items() if k == FEEDBACK}
                rows = {**kept, **calibration}
                info = self._write(reader, self.path, True, True, progress, rows)
            self._start_anew()
            return info

    def _write(
        self,
        reader: MapReader,
        target: Path,
        own: bool,
        overwrite: bool,
        progress: Progress | None,
        calibration: Mapping[str, str],
    ) -> MapInfo:
        total = len(reader.places)
        writer = MapWriter(
            target,
            self.header,
            source_id=reader.meta['source_id'],
            overwrite=own or overwrite,
            resumable=False,
            owned=self._lock if own else None,
        )
        with writer:
            writer.calibrate(calibration)
            if own:
                changed = self._file is not None or self.info.added or self.info.removed
                merged = self._changes().id if changed else ''
                writer.keep_identity(reader.meta, merged_changes=merged)
            for first in range(0, total, 256):
                last = min(first + 256, total)
                writer.copy(reader.record(index) for index in range(first, last))
                if progress is not None:
                    progress(last, total)
            info = writer.finish()
            if own:
                self._lock.release()
                self._lock = writer.take_lock()
        return info

    def _start_anew(self) -> None:
        if self._file is not None:
            self._file.close()
        self._file = None
        self._load()

    def discard(self) -> None:
        """Undo everything since the map was saved.

        Raises:
            StorageError: no permission.
        """
        with self._turn:
            self._changes().remove()
            self._start_anew()

    def close(self) -> None:
        """Let others change the map; the changes stay beside it."""
        with self._turn:
            if self._file is not None:
                self._file.close()
            self._lock.release()

    def __enter__(self) -> MapEditor:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def _same_file(a: Path, b: Path) -> bool:
    try:
        return a.samefile(b)
    except OSError:
        return False
