"""Changes a map while it is in use; each change is on the disk when its call returns."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from fol_vpr.database.format.records import storable_id
from fol_vpr.database.format.schema import FEEDBACK, SCHEMA_VERSION, MapHeader
from fol_vpr.database.reader import MapReader
from fol_vpr.database.storage.changes_file import ChangesFile
from fol_vpr.database.storage.lock import MapLock
from fol_vpr.database.storage.opening import check_file, connect_to_growing_changes
from fol_vpr.database.storage.store import Store
from fol_vpr.database.writer import MapWriter, Progress
from fol_vpr.datatypes import Features, Frame, MapInfo, Place
from fol_vpr.errors import InputError, NotInMapError


class MapEditor:
    """Adds places to a map and removes places from it, under an exclusive lock.

    The map file stays unchanged until `save`. The changes go to a file beside it (`MAP.changes`),
    and every `MapReader` that is opened afterwards includes them. Each call is one transaction,
    which is on the disk when the call returns. Thread-safe.

    Args:
        path: the map file.
        loaded: a reader of the same map. Where its places are still those of the files, they are
            not read again, which takes a minute for a million.

    Attributes:
        info: the summary of the map when it was opened or last saved.
        header: what all places of the map have in common.

    Raises:
        MapBusyError: another editor has the map open.
        MapError: the map cannot be read.
        StorageError: no permission.
    """

    header: MapHeader

    def __init__(self, path: str | os.PathLike[str], *, loaded: MapReader | None = None) -> None:
        self.path = Path(path)
        self._thread_lock = threading.RLock()
        check_file(self.path)  # says more precisely than the lock what is wrong with the file
        self._lock = MapLock(self.path)
        self._file: ChangesFile | None = None
        try:
            if loaded is not None and loaded.is_current():
                self._take(loaded.places, loaded.info, loaded.header, loaded.meta)
            else:
                self._load()
        except BaseException:
            self._lock.release()
            raise

    def _load(self) -> None:
        with MapReader(self.path) as reader:
            self._take(reader.places, reader.info, reader.header, reader.meta)

    def _take(
        self, places: Sequence[Place], info: MapInfo, header: MapHeader, meta: dict[str, str]
    ) -> None:
        self.info, self.header, self._meta = info, header, meta
        self._ids = {place.place_id: place.session_id for place in places}
        self._next = len(self._ids)

    @property
    def place_ids(self) -> tuple[str, ...]:
        """Ids of the places that the map has now, in order."""
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
            frame: as of `MapWriter.add`, like `features`, `session_id` and `image_jpeg`.
            place_id: unique name; empty makes one of the session and a number.

        Returns:
            The place as it is stored; its `index` is the row in the changes, for
            `reader_of_added`.

        Raises:
            InputError: features that do not fit the map, values that cannot be stored, or a
                place_id that the map already has.
            MapError: the changes are damaged.
            StorageError: no space or no permission; the map is unchanged.
        """
        with self._thread_lock:
            session_id = storable_id(session_id, 'session_id')
            place_id = storable_id(place_id, 'place_id') or self._unused_id(session_id)
            if place_id in self._ids:
                raise InputError(
                    f'the place_id {place_id!r} is in the map already: they must be unique'
                )
            place = self._changes().add_place(
                frame, features, session_id=session_id, place_id=place_id, image_jpeg=image_jpeg
            )
            self._ids[place_id] = session_id
            self._next += 1
            return place

    def _unused_id(self, session_id: str) -> str:
        number = self._next
        while (name := f'{session_id}/{number:06d}') in self._ids:
            number += 1
        return name

    def remove(
        self, place_ids: Iterable[str] = (), session_ids: Iterable[str] = ()
    ) -> tuple[str, ...]:
        """Remove places by id, and all places of some sessions, in one transaction.

        Returns:
            Ids of the removed places.

        Raises:
            NotInMapError: an id is not in the map; nothing was removed.
            InputError: the map would have no places left; nothing was removed.
            StorageError: no space or no permission; the map is unchanged.
        """
        with self._thread_lock:
            chosen = self._matching_ids(tuple(place_ids), tuple(session_ids))
            if len(chosen) == len(self._ids):
                raise InputError(
                    f'this would remove all {len(chosen)} places of {self.path}: a map needs at '
                    'least one place; delete the file if it is not needed any more'
                )
            if chosen:
                self._changes().remove_places(chosen)
            for place_id in chosen:
                del self._ids[place_id]
            return chosen

    def _matching_ids(self, places: tuple[str, ...], sessions: tuple[str, ...]) -> tuple[str, ...]:
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

    def reader_of_added(self) -> Store:
        """A reader of the added places, by the `index` that `add` returned.

        It stays usable after the map was saved. The caller closes it.

        Raises:
            MapError: the changes cannot be read.
        """
        with self._thread_lock:
            path = self._changes().path
            # SQLite opens its log with the first query, which checks the schema here; after a
            # save the log no longer exists.
            return Store(path, connect_to_growing_changes(path), self.header)

    def annotate(self, name: str, parameters: str) -> None:
        """Write a row of the calibration table, replacing one of the same name.

        Args:
            name: of the row.
            parameters: its content, JSON.

        Raises:
            MapError: the changes are damaged.
            StorageError: no space or no permission; the map is unchanged.
        """
        with self._thread_lock:
            self._changes().set_calibration_row(name, parameters)

    # ---- saving

    def save(
        self,
        path: str | os.PathLike[str] | None = None,
        *,
        overwrite: bool = False,
        scale: str = '',
        progress: Progress | None = None,
    ) -> MapInfo:
        """Write the map with all changes to one file, completely or not at all.

        A map of an older schema becomes one of the newest, even if nothing was changed.

        Args:
            path: another file, which becomes a separate map, while this map and its changes stay
                as they are. None replaces the file of this map and removes its changes.
            overwrite: replace the other file if it exists.
            scale: of the surroundings, from now on; empty leaves that of the map.
            progress: called with the number of places written and of places in all.

        Returns:
            The summary of the written map.

        Raises:
            MapError: the other file exists, or is being changed; or this map is damaged.
            StorageError: no space or no permission; existing files are unchanged.
        """
        with self._thread_lock:
            own = path is None or _same_file(Path(path), self.path)
            changed = self._file is not None or self.info.added or self.info.removed
            header = replace(self.header, scale=scale or self.header.scale)
            changed = changed or header != self.header
            if own and not changed and self.info.schema_version == SCHEMA_VERSION:
                return self.info
            target = self.path if own or path is None else Path(path)
            with MapReader(self.path) as reader:
                rows = reader.calibration()
                return self._write(reader, target, own, overwrite, progress, rows, header)

    def set_calibration(
        self, calibration: Mapping[str, str], *, progress: Progress | None = None
    ) -> MapInfo:
        """Replace the calibration of the map, and save the map with all changes.

        The feedback of a SLAM back-end on loop closures stays in the map.

        Args:
            calibration: rows of the calibration table by name.
            progress: called with the number of places written and of places in all.

        Returns:
            The summary of the written map.

        Raises:
            MapError: the map is damaged.
            StorageError: no space or no permission; the map is unchanged.
        """
        with self._thread_lock, MapReader(self.path) as reader:
            kept = {k: v for k, v in reader.calibration().items() if k == FEEDBACK}
            rows = {**kept, **calibration}
            return self._write(reader, self.path, True, True, progress, rows, self.header)

    def _write(
        self,
        reader: MapReader,
        target: Path,
        own: bool,
        overwrite: bool,
        progress: Progress | None,
        calibration: Mapping[str, str],
        header: MapHeader,
    ) -> MapInfo:
        total = len(reader.places)
        writer = MapWriter(
            target,
            header,
            source_id=reader.meta['source_id'],
            overwrite=own or overwrite,
            resumable=False,
            lock_of_replaced=self._lock if own else None,
        )
        with writer:
            writer.set_calibration(calibration)
            if own:
                changed = self._file is not None or self.info.added or self.info.removed
                merged = self._changes().id if changed else ''
                writer.keep_identity(reader.meta, merged_changes=merged)
            records = (reader.record(index) for index in range(total))
            writer.copy(records, total=total, progress=progress)
            info = writer.finish()
            if own:
                self._lock.release()
                self._lock = writer.take_lock()
                self._close_changes()
                self._take(reader.places, info, writer.header, writer.written_meta)
        return info

    def _close_changes(self) -> None:
        if self._file is not None:
            self._file.close()
        self._file = None

    def discard(self) -> None:
        """Discard all changes since the map was last saved.

        Raises:
            StorageError: no permission.
        """
        with self._thread_lock:
            self._changes().remove()
            self._close_changes()
            self._load()

    def close(self) -> None:
        """Release the lock; the changes stay in their file beside the map."""
        with self._thread_lock:
            self._close_changes()
            self._lock.release()

    def __enter__(self) -> MapEditor:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _same_file(a: Path, b: Path) -> bool:
    try:
        return a.samefile(b)
    except OSError:
        return False
