"""Mutates maps, their changes and exported folders as damage, or a stranger, could."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable
from contextlib import closing, suppress
from pathlib import Path
from random import Random
from typing import Any

import numpy as np

from fol_vpr.database import MapEditor, MapHeader, MapWriter, export_map
from fol_vpr.database.format.camera_rows import COLUMNS as CAMERA_COLUMNS
from fol_vpr.database.format.records import COLUMNS, place_digest
from fol_vpr.database.format.schema import digest, meta_digest, record_digest
from fol_vpr.database.storage.changes import changes_path
from fol_vpr.datatypes import Camera, Features, Frame, LocalFeatures, Pose

PLACES, DIM, LOCAL_DIM = 6, 64, 16
HEADER = MapHeader('fuzz', 'model', 'fixed-322-imagenet', 'w.pth', 'fine', DIM, LOCAL_DIM)
CAMERA = Camera(
    size=(960, 540),
    matrix=np.array([[700.0, 0, 480], [0, 700, 270], [0, 0, 1]]),
    model='plumb_bob',
    distortion=np.array([-0.1, 0.01, 0, 0]),
)
TABLES = ('meta', 'sessions', 'cameras', 'places', 'global_descriptors', 'local_features',
          'images', 'calibration')  # fmt: skip
WITH_DIGEST = {'global_descriptors': 'descriptor', 'local_features': 'features', 'images': 'jpeg'}


def make_base(folder: Path) -> None:
    """A sound map, with changes beside it, and the same map exported."""
    path = folder / 'm.folmap'
    with MapWriter(path, HEADER, source_id='fuzz') as writer:
        for number in range(PLACES):
            _add(writer.add, number, source_position=number)
        writer.set_calibration({'decision': '{"version": 2}'})
        writer.finish()
    export_map(path, folder / 'out')
    with MapEditor(path) as editor:
        _add(editor.add, PLACES)
        editor.remove([editor.place_ids[0]])
    # The log is written into the file when the last connection closes; a reader left none open.
    with closing(sqlite3.connect(changes_path(path))) as connection:
        connection.execute('PRAGMA wal_checkpoint(TRUNCATE)')


def _add(add: Callable[..., Any], number: int, **values: Any) -> None:
    random = np.random.default_rng(number)
    local = LocalFeatures(
        random.standard_normal((20, LOCAL_DIM)).astype(np.float32),
        random.uniform(0, 900, (20, 2)).astype(np.float32),
        random.random(20).astype(np.float32),
    )
    descriptor = random.standard_normal(DIM)
    descriptor = (descriptor / np.linalg.norm(descriptor)).astype(np.float32)
    frame = Frame(
        np.zeros((2, 2, 3), np.uint8),
        stamp_ns=10**9 * (number + 1),
        uri=f'{number:04d}.jpg',
        frame_id='camera',
        pose=Pose(np.array([number, 0.0, 0]), np.array([0.0, 0, 0, 1]), np.eye(6)),
        camera=CAMERA,
    )
    features = Features(descriptor, local, (960, 540))
    add(frame, features, session_id=f's{number % 2}', image_jpeg=random.bytes(200), **values)


def _opened(path: Path) -> closing[sqlite3.Connection]:
    return closing(sqlite3.connect(path, isolation_level=None))


# ---- bytes


def change_bytes(path: Path, random: Random) -> None:
    """Flip, overwrite, remove or insert bytes, or cut the file."""
    data = bytearray(path.read_bytes())
    for _ in range(random.choice((1, 1, 1, 2, 8, 64))):
        if not data:
            break
        at = random.randrange(len(data))
        length = random.choice((1, 1, 2, 4, 100, 4096))
        kind = random.randrange(6)
        if kind <= 1:
            data[at] ^= 1 << random.randrange(8)
        elif kind == 2:
            data[at : at + length] = random.randbytes(len(data[at : at + length]))
        elif kind == 3:
            data[at : at + length] = bytes([random.choice((0, 255))]) * len(data[at : at + length])
        elif kind == 4 and random.random() < 0.3:
            del data[at:]
        else:
            source = random.randrange(len(data))
            data[at : at + length] = data[source : source + len(data[at : at + length])]
    path.write_bytes(data)


# ---- SQL, with digests that are right afterwards


def some_value(random: Random) -> Any:
    """A value of any type and size."""
    return random.choice((
        None, 0, 1, -1, 2**31, 2**62, -(2**63), 0.0, -1.5, 1e308, 9e999, '', 'x', 'x' * 5000,
        '9' * 5000, '\x1b[2J', '../../etc/passwd', '[' * 5000, '{"a":' * 500, 'NaN', '[1, 2, 3]',
        b'', b'\xff', random.randbytes(288), bytes(72), random.randrange(100),
        str(random.random()),
    ))  # fmt: skip


def change_values(path: Path, random: Random) -> None:
    """Write any values into any columns, past the checks of types, and put digests right."""
    with _opened(path) as connection:
        connection.execute('PRAGMA writable_schema = ON')
        connection.execute("UPDATE sqlite_schema SET sql = replace(sql, ') STRICT', ')')")
        connection.execute(
            "UPDATE sqlite_schema SET sql = replace(sql, '), WITHOUT', ') WITHOUT')"
        )
    with (
        closing(sqlite3.connect(path, isolation_level=None)) as connection,
        suppress(sqlite3.Error),
    ):
        for _ in range(random.choice((1, 1, 2, 5))):
            table = random.choice(TABLES)
            columns = [row[1] for row in connection.execute(f'PRAGMA table_info({table})')]
            column = random.choice(columns)
            limit = 'WHERE rowid = ?' if table != 'meta' else 'WHERE key = ?'
            which = random.randrange(PLACES) if table != 'meta' else random.choice((
                'name', 'datum', 'places', 'descriptor_dim', 'local_dim', 'codec', 'map_id',
                'weights_name', 'frame_id', 'state', 'created', 'source_id', 'sessions',
            ))  # fmt: skip
            with suppress(sqlite3.Error):
                value = some_value(random)
                connection.execute(f'UPDATE {table} SET {column} = ? {limit}', (value, which))
                if table in WITH_DIGEST and isinstance(value, bytes):
                    connection.execute(
                        f'UPDATE {table} SET digest = ? {limit}', (digest(value), which)
                    )
        put_digests_right(connection)
    with _opened(path) as connection:
        connection.execute('PRAGMA writable_schema = ON')
        connection.execute(
            "UPDATE sqlite_schema SET sql = CASE WHEN sql LIKE '%) WITHOUT ROWID' "
            "THEN replace(sql, ') WITHOUT', ') STRICT, WITHOUT') ELSE sql || ' STRICT' END "
            "WHERE type = 'table' AND name NOT LIKE 'sqlite_%'"
        )


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


def change_schema(path: Path, random: Random) -> None:
    """Add tables, columns, views and triggers, or edit the text of the schema."""
    table = random.choice(TABLES)
    with (
        closing(sqlite3.connect(path, isolation_level=None)) as connection,
        suppress(sqlite3.Error),
    ):
        kind = random.randrange(7)
        connection.execute('PRAGMA legacy_alter_table = ON')
        if kind == 0:
            connection.execute(f'ALTER TABLE {table} RENAME TO other')
            connection.execute(f'CREATE VIEW {table} AS SELECT * FROM other')
        elif kind == 1:
            connection.execute(
                f'CREATE TRIGGER t AFTER INSERT ON {table} BEGIN DELETE FROM {table}; END'
            )
        elif kind == 2:
            connection.execute(f'ALTER TABLE {table} ADD COLUMN extra ANY')
        elif kind == 3:
            connection.execute('CREATE TABLE extra (value)')
        elif kind == 4:
            connection.execute(f'DROP TABLE {table}')
        elif kind == 5:
            connection.execute('ANALYZE')
        else:
            connection.execute('PRAGMA writable_schema = ON')
            (text,) = connection.execute(
                'SELECT sql FROM sqlite_schema WHERE name = ?', (table,)
            ).fetchone()
            at = random.randrange(len(text))
            text = text[:at] + random.choice((' ', 'x', ',', '(', ')', '1', '')) + text[at + 1 :]
            connection.execute('UPDATE sqlite_schema SET sql = ? WHERE name = ?', (text, table))
        put_digests_right(connection)


# ---- exported folders


def change_folder(folder: Path, random: Random) -> None:
    """Change a value of map.json, a cell of places.csv, or bytes of any file."""
    kind = random.randrange(3)
    if kind == 0:
        path = folder / 'map.json'
        values = json.loads(path.read_text())
        _change_json(values, random)
        path.write_text(json.dumps(values))
    elif kind == 1:
        path = folder / 'places.csv'
        lines = path.read_text().splitlines()
        row = random.randrange(len(lines))
        cells = lines[row].split(',')
        cells[random.randrange(len(cells))] = str(some_value(random)).replace(',', ';')
        lines[row] = ','.join(cells)
        path.write_text('\n'.join(lines) + '\n')
    else:
        files = sorted(path for path in folder.rglob('*') if path.is_file())
        change_bytes(random.choice(files), random)


def _change_json(value: Any, random: Random) -> None:
    """Replace, remove or repeat a value somewhere in lists and objects."""
    while True:
        keys = list(value) if isinstance(value, dict) else list(range(len(value)))
        if not keys:
            return
        key = random.choice(keys)
        if isinstance(value[key], (dict, list)) and value[key] and random.random() < 0.7:
            value = value[key]
            continue
        new = some_value(random)
        value[key] = new.hex() if isinstance(new, bytes) else new
        return
