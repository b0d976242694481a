"""SQLite files that are written: their logs, transactions, and errors of the disk."""

from __future__ import annotations

import os
import sqlite3
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from fol_vpr.database.storage.guard import GuardedConnection, reason_of
from fol_vpr.errors import AccessError, MapBusyError, MapError, StorageError
from fol_vpr.files import open_file

# SQLite would apply a left-over WAL or rollback journal to any file that later gets the name.
SIDECARS = ('-wal', '-shm', '-journal')
# The end of a journal that names a super-journal: https://www.sqlite.org/fileformat2.html
_NAMES_ANOTHER = bytes.fromhex('d9d505f920a163d7')


def fsync(path: Path) -> None:
    """Wait until the content of a file, or the list of names of a folder, is on the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def check_regular_files(path: Path) -> None:
    """Check that a database and its logs, where they exist, are regular files.

    SQLite would wait for the other end of a FIFO. The files are not opened: closing one would
    release the locks that SQLite holds on it in this process.

    Raises:
        MapError: one of them is something else, or the log names another file to be deleted.
        OSError: no permission.
    """
    for suffix in ('', *SIDECARS):
        file = path.with_name(path.name + suffix)
        try:
            mode = file.stat().st_mode
        except FileNotFoundError:
            continue
        if not stat.S_ISREG(mode):
            raise MapError(f'{file} is no regular file: move it away')
        # SQLite deletes the file that such a journal names. The databases of this package are
        # written one at a time, and have none.
        if suffix == '-journal' and _end(file).endswith(_NAMES_ANOTHER):
            raise MapError(f'{file} is not of this database: move it away')


def _end(file: Path) -> bytes:
    with open_file(file, 'a journal', MapError) as journal:
        size = journal.seek(0, os.SEEK_END)
        journal.seek(max(0, size - len(_NAMES_ANOTHER)))
        return journal.read(len(_NAMES_ANOTHER))


def remove_sidecars(path: Path) -> None:
    """Remove the logs of a database that is not open."""
    for suffix in SIDECARS:
        path.with_name(path.name + suffix).unlink(missing_ok=True)


def remove_database(path: Path) -> None:
    """Remove a database that is not open for writing, and then its logs.

    In the other order, a reader could open the database without the transactions of its log.
    """
    path.unlink(missing_ok=True)
    remove_sidecars(path)


class DatabaseFile:
    """A SQLite file that is open for writing, in autocommit mode; write within `transaction`.

    Args:
        path: the file.
        known_as: the file that error messages name.
        timeout: seconds to wait for other processes to release their locks.

    Raises:
        MapError: another process is writing the file.
        StorageError: no space or no permission.
    """

    connection: GuardedConnection

    def __init__(self, path: Path, known_as: Path, timeout: float = 0) -> None:
        self.path = path
        self.known_as = known_as
        with self.write_errors():
            check_regular_files(path)
            self.connection = sqlite3.connect(
                path,
                timeout=timeout,
                isolation_level=None,
                check_same_thread=False,
                factory=GuardedConnection,
            )
            self.connection.guard(path)

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Run what is executed within as one transaction; undo all of it on an exception."""
        with self.write_errors():
            self.connection.execute('BEGIN IMMEDIATE')
            try:
                yield
                self.connection.execute('COMMIT')
            except BaseException:
                if self.connection.in_transaction:
                    self.connection.execute('ROLLBACK')
                raise

    @contextmanager
    def write_errors(self) -> Iterator[None]:
        """Translate errors of SQLite and the operating system into errors with a remedy.

        Raises:
            MapError: the file is locked, closed, damaged, or no database.
            StorageError: no space or no permission.
        """
        try:
            yield
        except (sqlite3.Error, OSError) as error:
            raise self._explain(error) from error

    def _explain(self, error: Exception) -> MapError | StorageError:
        # Python 3.10 gives no SQLite error codes; the messages have not changed for years.
        reason = reason_of(error)
        if 'locked' in reason:
            return MapBusyError(
                f'{self.known_as} is being written by another process: wait until that process '
                'has ended, or choose another name'
            )
        if 'closed' in reason:
            return MapError(f'{self.known_as} is finished or closed; nothing more can be written')
        if 'not a database' in reason or 'malformed' in reason:
            return MapError(f'{self.path} is damaged, or no database ({reason}): delete it')
        denied = any(word in reason for word in ('unable to open', 'readonly', 'Read-only'))
        if denied or isinstance(error, PermissionError):
            return AccessError(
                f'{self.path} cannot be written ({reason}): check the permissions of '
                f'{self.path.parent}, or choose another folder'
            )
        return StorageError(
            f'{self.path} cannot be written ({reason}): free some space on that disk and try '
            'again; what was added before is safe'
        )

    def close(self) -> None:
        """Close the file without removing it."""
        self.connection.close()

    def remove(self) -> None:
        """Close the file and remove it."""
        self.close()
        with self.write_errors():
            remove_database(self.path)
