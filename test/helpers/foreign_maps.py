"""Changes maps as a stranger could: by SQL, with all digests put right afterwards."""

import sqlite3
from contextlib import closing
from pathlib import Path

from fol_vpr.database.format.camera_rows import COLUMNS as CAMERA_COLUMNS
from fol_vpr.database.format.records import COLUMNS, place_digest
from fol_vpr.database.format.schema import meta_digest, record_digest


def change(path: Path, *statements: tuple | str) -> None:
    """Run statements on a map or a file of changes; each is a text, or a text and its values."""
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        for statement in statements:
            sql, *values = (statement,) if isinstance(statement, str) else statement
            connection.execute(sql, values)
        put_digests_right(connection)


def put_digests_right(connection: sqlite3.Connection) -> None:
    """Write the digests of places, cameras and meta that go with the present values."""
    for row in connection.execute(f'SELECT rowid, {COLUMNS} FROM places').fetchall():
        connection.execute(
            'UPDATE places SET digest = ? WHERE rowid = ?', (place_digest(row[1:]), row[0])
        )
    for row in connection.execute(f'SELECT rowid, {CAMERA_COLUMNS} FROM cameras').fetchall():
        connection.execute(
            'UPDATE cameras SET digest = ? WHERE rowid = ?', (record_digest(row[1:]), row[0])
        )
    connection.execute(
        "INSERT OR REPLACE INTO meta VALUES ('digest', ?)", (meta_digest(connection),)
    )


def retype(path: Path, table: str, old: str, new: str) -> None:
    """Replace a part of the definition of a table, which keeps its rows."""
    with closing(sqlite3.connect(path)) as connection:
        connection.execute('PRAGMA writable_schema = ON')
        connection.execute(
            'UPDATE sqlite_schema SET sql = replace(sql, ?, ?) WHERE name = ?', (old, new, table)
        )
        connection.commit()
