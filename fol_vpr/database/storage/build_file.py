"""The file of an unfinished build: locked, transactional, and renamed in one step at the end."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from fol_vpr.database.format.allowed_schema import check_map_schema
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


class BuildFile(DatabaseFile):
    """`PATH.partial`: a SQLite file in WAL mode, under an exclusive lock until it is closed.

    Args:
        path: the name that `publish` gives to the file.
        suffix: appended to `path` until then.

    Raises:
        MapError: another process is writing the file, or it is no SQLite database.
        StorageError: no space or no permission.
    """

    def __init__(self, path: Path, suffix: str = '.partial') -> None:
        super().__init__(path.with_name(path.name + suffix), known_as=path)
        self._set_up()

    def _set_up(self) -> None:
        try:
            with self.write_errors():
                execute = self.connection.execute
                execute(f'PRAGMA page_size = {PAGE_SIZE}')
                execute('PRAGMA locking_mode = EXCLUSIVE')
                execute('PRAGMA journal_mode = WAL')
                # A place survives a killed process at once, and a power failure from the next
                # checkpoint on. Waiting for the disk at each place would be slower, and lost
                # places can be built again.
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
        """Create the tables in an empty file, with these rows of the meta table."""
        try:
            with self.transaction():
                create_tables(self.connection)
                self.connection.executemany('INSERT INTO meta VALUES (?, ?)', meta.items())
        except BaseException:
            self.remove()
            raise

    def differences(self, meta: Mapping[str, str]) -> list[str] | None:
        """How the file differs from a build with these rows of meta; None if it is empty.

        Returns:
            One text for each difference; an empty list if the build can be resumed.

        Raises:
            MapError: it is a database of another program.
        """
        with self.write_errors():
            (tables,) = self._row('SELECT count(*) FROM sqlite_schema')
            if tables == 0:
                return None
            if self._row('PRAGMA application_id') != (APPLICATION_ID,):
                # It is not ours to replace, even where a map is to be overwritten.
                raise MapError(
                    f'{self.path} is a database of another program, where the unfinished map is '
                    'to be written: move it away'
                )
            (version,) = self._row('PRAGMA user_version')
            if version != SCHEMA_VERSION:
                return [f'schema_version is {version}, not {SCHEMA_VERSION}']
            try:
                check_map_schema(self.path, self.connection)
            except MapError as error:
                return [str(error)]
            present = read_meta(self.connection)
        return [
            f'{key} is {present.get(key)!r}, not {value!r}'
            for key, value in meta.items()
            if present.get(key) != value
        ]

    def _row(self, query: str) -> tuple[int, ...]:
        row: tuple[int, ...] = self.connection.execute(query).fetchone()
        return row

    def publish(self, lock_of_replaced: MapLock | None = None) -> MapLock:
        """Close the file, wait until it is on the disk, and rename it to `path`.

        An existing map of that name is replaced, together with its file of changes.

        Args:
            lock_of_replaced: the lock of the existing map, if the caller holds it.

        Returns:
            The lock of the new map.

        Raises:
            MapError: another process is changing the existing map.
            StorageError: no space or no permission; the unfinished file stays.
        """
        target = self.known_as
        with self.write_errors():
            # A file without WAL can be read from folders and media that are read-only.
            self.connection.execute('PRAGMA synchronous = FULL')
            self.connection.execute('PRAGMA wal_checkpoint(TRUNCATE)')
            self.connection.execute('PRAGMA journal_mode = DELETE')
            self.connection.close()
            fsync(self.path)
            replaced = MapLock(target) if lock_of_replaced is None and target.exists() else None
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
        """Discard the content and start again with an empty file."""
        self.remove()
        super().__init__(self.path, self.known_as)
        self._set_up()
