"""Opens the files of a map for reading, after checking their kind, version and size."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from fol_vpr.database.format import schema
from fol_vpr.database.format.allowed_schema import check_changes_schema, check_map_schema
from fol_vpr.database.format.schema import damaged
from fol_vpr.database.storage.file_header import FileHeader, read_file_header
from fol_vpr.database.storage.guard import GuardedConnection, reason_of
from fol_vpr.database.storage.sqlite_files import check_regular_files
from fol_vpr.database.storage.store import map_errors, unreadable
from fol_vpr.errors import MapError
from fol_vpr.files import check_regular_file

MAX_ATTEMPTS = 10
"""How often opening is tried again because the file was replaced in the meantime."""
EXPECTED = 'expected a .folmap file made by `fol_vpr map build`'


def open_map_file(path: Path) -> sqlite3.Connection:
    """A read-only connection to a map file; an older schema is presented as the newest one.

    Raises:
        MapError: the file is no map, is cut, has a newer schema, or cannot be read.
    """
    check_file(path)
    connection = connect_read_only(path)
    try:
        schema.read_as_newest(connection)
    except sqlite3.Error as error:
        connection.close()
        raise damaged(path, reason_of(error)) from error
    return connection


def check_file(path: Path) -> None:
    """Check by its name, kind, header and size whether a file can be a map.

    Raises:
        MapError: it cannot, or its schema version is newer than this program knows.
    """
    try:
        _check_kind(path)
        header = read_file_header(path)
        size = path.stat().st_size
    except OSError as error:
        raise unreadable(path, error) from error
    if header is None:
        raise MapError(f'{path} is not a map: {EXPECTED}')
    _check_header(path, header, size)


def _check_kind(path: Path) -> None:
    if not path.exists():
        partial = path.with_name(path.name + '.partial')
        if partial.exists():
            raise MapError(
                f'{path} is not finished, only {partial.name} exists: run its build again to '
                'resume it'
            )
        raise MapError(f'{path} does not exist: check the name, or build a map first')
    if path.name.endswith('.partial'):
        raise MapError(f'{path} is an unfinished map: run its build again to resume it')
    if path.is_dir():
        raise MapError(f'{path} is a folder: expected a map, which is a single file')
    check_regular_file(path, 'a map', MapError)


def _check_header(path: Path, header: FileHeader, size: int) -> None:
    if header.application_id != schema.APPLICATION_ID:
        raise MapError(f'{path} is a database of another program: {EXPECTED}')
    if header.user_version > schema.SCHEMA_VERSION:
        raise MapError(
            f'{path} has schema version {header.user_version}, expected at most '
            f'{schema.SCHEMA_VERSION}: use a newer fol_vpr, or build the map again with this one'
        )
    if header.user_version < 1:
        raise damaged(path, f'its schema version is {header.user_version}')
    if size < header.expected_bytes:
        raise damaged(path, f'it was cut to {size} of {header.expected_bytes} bytes')


def connect_read_only(path: Path) -> sqlite3.Connection:
    """A connection to a map that never writes; threads may use it one at a time.

    Raises:
        MapError: the file cannot be opened, is damaged, or has other tables than a map.
    """
    return _checked(path, check_map_schema)


def connect_to_growing_changes(path: Path) -> sqlite3.Connection:
    """A connection to a file of changes that shows what is added to it later.

    Raises:
        MapError: as `connect_read_only`.
    """
    return _checked(path, check_changes_schema)


def _checked(path: Path, check: Callable[[Path, sqlite3.Connection], None]) -> sqlite3.Connection:
    connection = _opened(path)
    try:
        with map_errors(path):
            check(path, connection)
    except BaseException:
        connection.close()
        raise
    return connection


def _opened(path: Path) -> sqlite3.Connection:
    try:
        return _connect(path, 'mode=ro')
    except (sqlite3.Error, OSError) as error:
        raise MapError(f'{path} cannot be opened ({error}): check its permissions') from error


def connect_to_changes(path: Path) -> sqlite3.Connection:
    """A connection that keeps showing a file of changes as it is now.

    The file is in WAL mode, for which a reader needs the shared memory file beside it, and
    creates it if it is missing. Without permission to create it, the file is read without its
    log, provided that the log is empty.

    Raises:
        MapError: the file cannot be read, or its log can only be read with write permission; or
            it has other tables than a file of changes, or is of a newer schema.
        FileNotFoundError: the file does not exist.
        sqlite3.Error: the file is damaged.
    """
    # A save removes the file and its log one after the other, and the next change creates new
    # ones. The file of one must not be combined with the log of the other.
    for _ in range(MAX_ATTEMPTS):
        with _still_there(path) as still_there:
            try:
                connection = _connect_to_changes(path)
            except (sqlite3.OperationalError, MapError):
                if still_there():
                    raise
                continue
            if still_there():
                try:
                    check_changes_schema(path, connection)
                except BaseException:
                    connection.close()
                    raise
                return connection
            connection.close()
    raise MapError(
        f'{path} was replaced {MAX_ATTEMPTS} times by another process while it was opened: wait '
        'until that process has ended'
    )


@contextmanager
def _still_there(path: Path) -> Iterator[Callable[[], bool]]:
    """A function that tells whether `path` is still the same file.

    The open handle keeps the inode from being reused. Unlike a handle for reading, an O_PATH
    handle does not release SQLite's locks when it is closed.

    Raises:
        FileNotFoundError: the file does not exist.
    """
    handle = os.open(path, os.O_PATH)

    def still_there() -> bool:
        try:
            return os.path.samestat(path.stat(), os.fstat(handle))
        except FileNotFoundError:
            return False

    try:
        yield still_there
    finally:
        os.close(handle)


def _connect_to_changes(path: Path) -> sqlite3.Connection:
    connection = _opened(path)
    try:
        _begin_read(connection)
        return connection
    except sqlite3.OperationalError as error:
        connection.close()
        denied = any(word in str(error) for word in ('readonly', 'unable to open'))
        log = path.with_name(path.name + '-wal')
        if not denied:
            raise
        if log.exists() and log.stat().st_size > 0:
            raise MapError(
                f'{path} was not closed by the process that wrote it, and can only be read with '
                'write permission: run `fol_vpr map save` once with that permission'
            ) from error
    except sqlite3.Error:
        connection.close()
        raise
    connection = _connect(path, 'mode=ro&immutable=1')
    _begin_read(connection)
    return connection


def _begin_read(connection: sqlite3.Connection) -> None:
    """Begin a read transaction that lasts until the connection is closed."""
    connection.execute('BEGIN')
    connection.execute('SELECT count(*) FROM sqlite_schema').fetchone()


def _connect(path: Path, options: str) -> sqlite3.Connection:
    check_regular_files(path)
    uri = f'{path.absolute().as_uri()}?{options}'
    connection = sqlite3.connect(
        uri, uri=True, isolation_level=None, check_same_thread=False, factory=GuardedConnection
    )
    connection.guard(path)
    return connection
