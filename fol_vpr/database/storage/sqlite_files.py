"""What SQLite keeps beside a database, and what it says when the disk does not play along."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from fol_vpr.errors import AccessError, MapBusyError, MapError, StorageError

# A WAL beside the map, or a rollback journal, would be replayed into whatever file bears its name.
SIDECARS = ('-wal', '-shm', '-journal')


def fsync(path: Path) -> None:
    """Wait until a file's content, or a folder's list of names, is on the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def remove_sidecars(path: Path) -> None:
    """Remove the logs of a database that is not open."""
    for suffix in SIDECARS:
        path.with_name(path.name + suffix).unlink(missing_ok=True)


def remove_database(path: Path) -> None:
    """Remove a database that is not open for writing; its logs last, so that none is missed."""
    path.unlink(missing_ok=True)
    remove_sidecars(path)


class DatabaseFile:
    """A SQLite file that is open for writing, in autocommit mode; write through `transaction`.

    Args:
        path: the file.
        known_as: the file that people know of.
        timeout: seconds to wait for others to let go of it.
    """

    connection: sqlite3.Connection

    def __init__(self, path: Path, known_as: Path, timeout: float = 0) -> None:
        self.path = path
        self.known_as = known_as
        with self.storage():
            self.connection = sqlite3.connect(
                path, timeout=timeout, isolation_level=None, check_same_thread=False
            )

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All or nothing of what is executed within."""
        with self.storage():
            self.connection.execute('BEGIN IMMEDIATE')
            try:
                yield
                self.connection.execute('COMMIT')
            except BaseException:
                if self.connection.in_transaction:
                    self.connection.execute('ROLLBACK')
                raise

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
            return MapBusyError(
                f'{self.known_as} is being written by another process: wait until that has '
                'ended, or choose another name'
            )
        if 'closed' in reason:
            return MapError(f'{self.known_as} is finished or closed; nothing more can be written')
        if 'not a database' in reason or 'malformed' in reason:
            return MapError(f'{self.path} is in the way, or damaged ({reason}): delete it')
        denied = any(word in reason for word in ('unable to open', 'readonly', 'Read-only'))
        if denied or isinstance(error, PermissionError):
            return AccessError(
                f'{self.path} cannot be written ({reason}): check the permissions of '
                f'{self.path.parent}, or choose another folder'
            )
        return StorageError(
            f'{self.path} cannot be written ({reason}): free some space on that disk; what was '
            'added before is safe, and the same can be tried again'
        )

    def close(self) -> None:
        """Close the file, which stays."""
        self.connection.close()

    def remove(self) -> None:
        """Close the file and remove it."""
        self.close()
        with self.storage():
            remove_database(self.path)
