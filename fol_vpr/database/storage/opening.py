"""Opens the files of a map for reading, after a look at them from the outside."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from fol_vpr.database.format import schema
from fol_vpr.database.format.schema import damaged
from fol_vpr.database.storage.file_header import FileHeader, read_file_header
from fol_vpr.database.storage.store import unreadable
from fol_vpr.errors import MapError

# How often a file may have been replaced while it was opened.
REPLACED = 10
NEEDED = 'a .folmap file made by `fol_vpr map build` is needed'


def open_map_file(path: Path) -> sqlite3.Connection:
    """A read-only connection to what looks like a map; an older one reads as one of the newest.

    Raises:
        MapError: it is no map, cut, of a newer schema, or may not be read.
    """
    check_file(path)
    connection = connect_read_only(path)
    try:
        schema.read_as_newest(connection)
    except sqlite3.Error as error:
        connection.close()
        raise damaged(path, str(error)) from error
    return connection


def check_file(path: Path) -> None:
    """Tell from the outside whether a file can be a map.

    Raises:
        MapError: it cannot, or the version is newer than known.
    """
    try:
        _check_kind(path)
        header = read_file_header(path)
        size = path.stat().st_size
    except OSError as error:
        raise unreadable(path, error) from error
    if header is None:
        raise MapError(f'{path} is not a map: {NEEDED}')
    _check_header(path, header, size)


def _check_kind(path: Path) -> None:
    if not path.exists():
        partial = path.with_name(path.name + '.partial')
        if partial.exists():
            raise MapError(
                f'{path} is not finished, {partial.name} is what there is of it: run its build '
                'again to go on'
            )
        raise MapError(f'{path} does not exist: check the name, or build a map first')
    if path.name.endswith('.partial'):
        raise MapError(f'{path} is an unfinished map: run its build again to go on')
    if not path.is_file():
        raise MapError(f'{path} is a folder or a device: a map is a single file')


def _check_header(path: Path, header: FileHeader, size: int) -> None:
    if header.application_id != schema.APPLICATION_ID:
        raise MapError(f'{path} is a database of another program: {NEEDED}')
    if header.user_version > schema.SCHEMA_VERSION:
        raise MapError(
            f'{path} has schema version {header.user_version}, this fol_vpr knows up to '
            f'{schema.SCHEMA_VERSION}: use a newer fol_vpr, or build the map again with this one'
        )
    if header.user_version < 1:
        raise damaged(path, f'its schema version is {header.user_version}')
    if size < header.expected_bytes:
        raise damaged(path, f'it was cut to {size} of {header.expected_bytes} bytes')


def connect_read_only(path: Path) -> sqlite3.Connection:
    """A connection that any thread may use, one at a time, and that never writes."""
    try:
        return _connect(path, 'mode=ro')
    except (sqlite3.Error, OSError) as error:
        raise MapError(f'{path} cannot be opened ({error}): check permissions') from error


def connect_to_changes(path: Path) -> sqlite3.Connection:
    """A connection that sees changes as they are now, whatever is written meanwhile.

    The file is in WAL mode, of which a reader needs the shared memory file beside it, and makes it
    where it is not there. Where it may not, the file is read as it is, unless a log beside it has
    more.

    Raises:
        MapError: it may not be read, or only where it can also be written.
        FileNotFoundError: it is gone.
        sqlite3.Error: it is damaged.
    """
    # A save removes the file and its log one after the other, and another change makes new ones:
    # parts of both must not be taken for one.
    for _ in range(REPLACED):
        with _still_there(path) as still_there:
            try:
                connection = _connect_to_changes(path)
            except (sqlite3.OperationalError, MapError):
                if still_there():
                    raise
                continue
            if still_there():
                return connection
            connection.close()
    raise MapError(f'{path} is replaced again and again by another process: wait for its end')


@contextmanager
def _still_there(path: Path) -> Iterator[Callable[[], bool]]:
    """Tells whether a file still has its name; FileNotFoundError where there is none.

    Holding it keeps its inode from being used again. Such a handle, unlike one for reading, does
    not take SQLite's locks away when it is closed.
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
    connection = connect_read_only(path)
    try:
        _hold(connection)
        return connection
    except sqlite3.OperationalError as error:
        connection.close()
        denied = any(word in str(error) for word in ('readonly', 'unable to open'))
        log = path.with_name(path.name + '-wal')
        if not denied:
            raise
        if log.exists() and log.stat().st_size > 0:
            raise MapError(
                f'{path} was left by a process that ended at once, and can be read only where it '
                'can also be written: call `fol_vpr map save` there once'
            ) from error
    except sqlite3.Error:
        connection.close()
        raise
    connection = _connect(path, 'mode=ro&immutable=1')
    _hold(connection)
    return connection


def _hold(connection: sqlite3.Connection) -> None:
    """Begin a read transaction, which lasts until the connection is closed."""
    connection.execute('BEGIN')
    connection.execute('SELECT count(*) FROM sqlite_schema').fetchone()


def _connect(path: Path, options: str) -> sqlite3.Connection:
    uri = f'{path.absolute().as_uri()}?{options}'
    connection = sqlite3.connect(uri, uri=True, isolation_level=None, check_same_thread=False)
    # The file may be from anybody: its schema must not run functions, and its pages are looked
    # at before they are believed.
    connection.execute('PRAGMA trusted_schema = OFF')
    connection.execute('PRAGMA cell_size_check = ON')
    return connection
