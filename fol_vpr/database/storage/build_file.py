"""The unfinished map beside its later name: locked, transactional, published in one step."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from fol_vpr.database.format.schema import (
    APPLICATION_ID,
    PAGE_SIZE,
    SCHEMA_VERSION,
    create_tables,
    read_meta,
)
from fol_vpr.database.storage.changes import discard_changes
from fol_vpr.database.storage.lock import MapLock
from fol_vpr.database.storage.sqlite_files import DatabaseFile, fsync, remove_sidecars
from fol_vpr.errors import MapError


class PartialMap(DatabaseFile):
    """`PATH.partial`, a SQLite file in WAL mode under an exclusive lock until it is closed.

    Args:
        path: the name that it gets when it is published.
        suffix: in place of `.partial`.

    Raises:
        MapError: another process is at work on it, or it is something else.
        StorageError: no space or no permission.
    """

    def __init__(self, path: Path, suffix: str = '.partial') -> None:
        super().__init__(path.with_name(path.name + suffix), known_as=path)
        self._set_up()

    def _set_up(self) -> None:
        try:
            with self.storage():
                execute = self.connection.execute
                execute(f'PRAGMA page_size = {PAGE_SIZE}')
                execute('PRAGMA locking_mode = EXCLUSIVE')
                execute('PRAGMA journal_mode = WAL')
                # Survives the end of this process at once and power failure up to the last
                # checkpoint, without waiting for the disk at each place: what is lost can be
                # built again.
                execute('PRAGMA synchronous = NORMAL')
                execute('PRAGMA foreign_keys = ON')
                execute('BEGIN EXCLUSIVE')
                execute('COMMIT')
            if not self.path.exists():
                raise MapError(f'another process has just finished {self.known_as}')
        except BaseException:
            self.close()
            raise

    def begin(self, meta: Mapping[str, str]) -> None:
        """Make an empty file a map without places."""
        try:
            with self.transaction():
                create_tables(self.connection)
                self.connection.executemany('INSERT INTO meta VALUES (?, ?)', meta.items())
        except BaseException:
            self.remove()
            raise

    def differences(self, meta: Mapping[str, str]) -> list[str] | None:
        """What tells the content from a map with these rows of meta; None where it is empty."""
        with self.storage():
            (tables,) = self._row('SELECT count(*) FROM sqlite_schema')
            if tables == 0:
                return None
            if self._row('PRAGMA application_id') != (APPLICATION_ID,):
                return ['it is a database of another program']
            (version,) = self._row('PRAGMA user_version')
            if version != SCHEMA_VERSION:
                return [f'schema_version is {version}, not {SCHEMA_VERSION}']
            present = read_meta(self.connection)
        return [
            f'{key} is {present.get(key)!r}, not {value!r}'
            for key, value in meta.items()
            if present.get(key) != value
        ]

    def _row(self, query: str) -> tuple[int, ...]:
        row: tuple[int, ...] = self.connection.execute(query).fetchone()
        return row

    def publish(self, owned: MapLock | None = None) -> MapLock:
        """Close the file, wait until it is on the disk, and give it its name.

        A map of that name is replaced, with its changes, which are part of what is replaced.

        Args:
            owned: the lock of the map that is replaced, where the caller has it.

        Returns:
            The lock of the new map.

        Raises:
            MapError: another process is changing the map that would be replaced.
            StorageError: no space or no permission; the partial stays.
        """
        target = self.known_as
        with self.storage():
            # Without WAL the map can be read from folders and media that cannot be written.
            self.connection.execute('PRAGMA synchronous = FULL')
            self.connection.execute('PRAGMA wal_checkpoint(TRUNCATE)')
            self.connection.execute('PRAGMA journal_mode = DELETE')
            self.connection.close()
            fsync(self.path)
            replaced = MapLock(target) if owned is None and target.exists() else None
            lock = MapLock(self.path)
            try:
                remove_sidecars(target)
                os.replace(self.path, target)
                fsync(target.parent)
                discard_changes(target)
            except BaseException:
                lock.release()
                raise
            finally:
                if replaced is not None:
                    replaced.release()
        return lock

    def restart(self) -> None:
        """Throw the content away."""
        self.remove()
        super().__init__(self.path, self.known_as)
        self._set_up()
