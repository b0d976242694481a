"""The unfinished map beside its later name: locked, transactional, published in one step."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from fol_vpr.database.schema import (
    APPLICATION_ID,
    PAGE_SIZE,
    SCHEMA_VERSION,
    create_tables,
    read_meta,
)
from fol_vpr.errors import MapError, StorageError

# A WAL beside the map, or a rollback journal, would be replayed into whatever file bears its name.
SIDECARS = ('-wal', '-shm', '-journal')


class PartialMap:
    """`PATH.partial`, a SQLite file in WAL mode under an exclusive lock until it is closed.

    Args:
        path: the name that it gets when it is published.

    Attributes:
        connection: in autocommit mode; write through `transaction`.

    Raises:
        MapError: another process is at work on it, or it is something else.
        StorageError: no space or no permission.
    """

    connection: sqlite3.Connection

    def __init__(self, path: Path) -> None:
        self.target = path
        self.path = path.with_name(path.name + '.partial')
        self._open()

    def _open(self) -> None:
        with self.storage():
            self.connection = sqlite3.connect(
                self.path, timeout=0, isolation_level=None, check_same_thread=False
            )
        try:
            with self.storage():
                execute = self.connection.execute
                execute(f'PRAGMA page_size = {PAGE_SIZE}')
                execute('PRAGMA locking_mode = EXCLUSIVE')
                execute('PRAGMA journal_mode = WAL')
                # Survives the end of this process at once and power failure up to the last
                # checkpoint, without waiting for the disk at each place.
                execute('PRAGMA synchronous = NORMAL')
                execute('PRAGMA foreign_keys = ON')
                execute('BEGIN EXCLUSIVE')
                execute('COMMIT')
            if not self.path.exists():
                raise MapError(f'another process has just finished {self.target}')
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
            self.discard()
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

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All or nothing of what is executed within; it is safe when this ends."""
        with self.storage():
            self.connection.execute('BEGIN IMMEDIATE')
            try:
                yield
                self.connection.execute('COMMIT')
            except BaseException:
                if self.connection.in_transaction:
                    self.connection.execute('ROLLBACK')
                raise

    def publish(self) -> None:
        """Close the file, wait until it is on the disk, and give it its name."""
        with self.storage():
            # Without WAL the map can be read from folders and media that cannot be written.
            self.connection.execute('PRAGMA synchronous = FULL')
            self.connection.execute('PRAGMA wal_checkpoint(TRUNCATE)')
            self.connection.execute('PRAGMA journal_mode = DELETE')
            self.connection.close()
            _fsync(self.path)
            for suffix in SIDECARS:
                self.target.with_name(self.target.name + suffix).unlink(missing_ok=True)
            os.replace(self.path, self.target)
            _fsync(self.target.parent)

    def close(self) -> None:
        """Give up the lock; the file stays."""
        self.connection.close()

    def discard(self) -> None:
        """Give up the lock and remove the file."""
        self.close()
        with self.storage():
            for suffix in ('', *SIDECARS):
                self.path.with_name(self.path.name + suffix).unlink(missing_ok=True)

    def restart(self) -> None:
        """Throw the content away."""
        self.discard()
        self._open()

    @contextmanager
    def storage(self) -> Iterator[None]:
        """Turn what SQLite and the operating system report into errors that tell the remedy."""
        try:
            yield
        except (sqlite3.Error, OSError) as error:
            raise self._explain(error) from error

    def _explain(self, error: Exception) -> MapError | StorageError:
        # Python 3.10 has no error codes of SQLite; its messages have been the same for long.
        reason = str(error)
        if 'locked' in reason:
            return MapError(
                f'{self.target} is being written by another process: wait until that has ended, '
                'or choose another name'
            )
        if 'closed' in reason:
            return MapError(f'{self.target} is finished or closed; nothing more can be written')
        if 'not a database' in reason or 'malformed' in reason:
            return MapError(
                f'{self.path} is in the way and no unfinished map ({reason}): delete it'
            )
        forbidden = 'unable to open' in reason or 'readonly' in reason
        if forbidden or isinstance(error, PermissionError):
            return StorageError(
                f'{self.path} cannot be written ({reason}): check the permissions of '
                f'{self.target.parent}, or choose another folder'
            )
        return StorageError(
            f'{self.path} cannot be written ({reason}): free some space on that disk; what was '
            'added before is safe, and the same build goes on from there'
        )


def _fsync(path: Path) -> None:
    """Wait until a file's content, or a folder's list of names, is on the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
