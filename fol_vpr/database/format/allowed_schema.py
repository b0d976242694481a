"""Compares the schema of a file with the one that this package writes.

A SQLite file can hold views, triggers, virtual tables and generated columns under the names of
our tables: reading such a table runs what the file says, for as long as the file says. The plain
tables of a map run nothing. So the text of every entry of the schema is compared with that of our
own tables, before anything else of the file is read.
"""

from __future__ import annotations

import functools
import re
import sqlite3
from collections import Counter
from contextlib import closing
from pathlib import Path

from fol_vpr.database.format.schema import (
    CHANGES_ID,
    REMOVED_TABLE,
    SCHEMA_VERSION,
    TABLES,
    damaged,
    file_version,
)
from fol_vpr.errors import MapError

Entry = tuple[str, str, str, str]
"""Type, name, table and SQL of an entry of a schema."""

# What the tables of an older version lack, as texts of TABLES that are left out. Released
# entries are never changed.
_LATER_TABLES = {1: ('cameras',)}
_LATER_COLUMNS = {1: (', camera INTEGER REFERENCES cameras',)}


def check_map_schema(path: Path, connection: sqlite3.Connection) -> None:
    """Check that a map has the tables of its schema version, and nothing else.

    Args:
        path: the file, for messages.
        connection: to the file, whose application id and version have been checked.

    Raises:
        MapError: it has other tables, columns, views, triggers or indexes, or lacks some.
        sqlite3.Error, ValueError: the schema cannot be read.
    """
    _compare(path, connection, _expected(TABLES, file_version(connection)))


def check_changes_schema(path: Path, connection: sqlite3.Connection) -> None:
    """Check that a file is one of changes, or empty, as a process leaves it that was killed.

    Args:
        path: the file, for messages.
        connection: to the file.

    Raises:
        MapError: as `check_map_schema`, or it is another kind of file, or has a newer schema.
        sqlite3.Error, ValueError: the schema cannot be read.
    """
    (kind,) = connection.execute('PRAGMA application_id').fetchone()
    version = file_version(connection)
    if kind == 0 and not _entries(connection):
        return
    if kind != CHANGES_ID:
        raise MapError(f'{path} is not a file of changes to a map: move it away')
    if version > SCHEMA_VERSION:
        raise MapError(
            f'{path} has schema version {version}, expected at most {SCHEMA_VERSION}: save the '
            'map with the version of fol_vpr that changed it'
        )
    if version < 1:
        raise damaged(path, f'its schema version is {version}')
    _compare(path, connection, _expected(TABLES + REMOVED_TABLE, version))


def check_own_schema(path: Path, connection: sqlite3.Connection, tables: str) -> None:
    """Check that a file has certain tables, and nothing else.

    Args:
        path: the file, for messages.
        connection: to the file.
        tables: the statements that create the tables.

    Raises:
        MapError: it has others, or lacks some.
        sqlite3.Error, ValueError: the schema cannot be read.
    """
    _compare(path, connection, _expected(tables, SCHEMA_VERSION))


def _compare(path: Path, connection: sqlite3.Connection, expected: Counter[Entry]) -> None:
    found = _entries(connection)
    foreign = found - expected
    if foreign:
        kind, name, table, _ = min(foreign, key=lambda entry: (entry[0] == 'index', entry))
        what = f'the {kind} {name[:60]!r}'
        if kind == 'index' and table != name:
            what += f' of {table[:60]!r}'
        known = {entry[1] for entry in expected}
        how = 'not as fol_vpr makes it' if name in known else 'not one of fol_vpr'
        raise MapError(
            f'{path} is refused: {what} is {how}, and reading it could run anything that the file '
            'says. Take the map from where it was built, or build it again'
        )
    missing = sorted(entry[1] for entry in expected - found)
    if missing:
        raise damaged(path, f'the table {missing[0]} is missing')


def _entries(connection: sqlite3.Connection) -> Counter[Entry]:
    rows = connection.execute('SELECT type, name, tbl_name, sql FROM main.sqlite_schema')
    return Counter(
        (str(kind), str(name), str(table), _plain(str(sql or '')))
        for kind, name, table, sql in rows
    )


def _plain(sql: str) -> str:
    """A statement without the whitespace that does not matter."""
    return re.sub(r'\s*([(),])\s*', r'\1', re.sub(r'\s+', ' ', sql)).strip()


@functools.cache
def _expected(tables: str, version: int) -> Counter[Entry]:
    """The entries of a new file with these tables, less what a version did not have yet."""
    with closing(sqlite3.connect(':memory:')) as connection:
        connection.executescript(tables)
        found = _entries(connection)
    for later in range(version, SCHEMA_VERSION):
        for table in _LATER_TABLES[later]:
            found = Counter(entry for entry in found.elements() if entry[2] != table)
        for column in _LATER_COLUMNS[later]:
            found = Counter(
                (kind, name, table, sql.replace(_plain(column), ''))
                for kind, name, table, sql in found.elements()
            )
    return found
