"""Tables of the map file, its schema version, and the migration from older versions.

docs/reference/map_format.md documents the same; change both together.
"""

from __future__ import annotations

import hashlib
import json
import math
import sqlite3
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from fol_vpr.config import SCALES
from fol_vpr.datatypes import GeoPosition, bare_frame
from fol_vpr.errors import MapError
from fol_vpr.files import printable
from fol_vpr.json_text import parse_json

APPLICATION_ID = int.from_bytes(b'FOLM', 'big')
PAGE_SIZE = 16384
MAX_TEXT = 4096
"""Most characters of a name, an id or a URI in a map; a path of Linux has no more."""
MAX_DIM = 65536
"""Most numbers of a descriptor."""

TABLES = """
CREATE TABLE meta (
    key TEXT PRIMARY KEY,
    value TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE sessions (
    session INTEGER PRIMARY KEY,
    session_id TEXT NOT NULL UNIQUE
) STRICT;

CREATE TABLE cameras (
    camera INTEGER PRIMARY KEY,
    width INTEGER NOT NULL,
    height INTEGER NOT NULL,
    matrix BLOB NOT NULL,
    model TEXT NOT NULL,
    distortion BLOB NOT NULL,
    mount BLOB,
    digest BLOB NOT NULL
) STRICT;

CREATE TABLE places (
    place INTEGER PRIMARY KEY,
    place_id TEXT NOT NULL UNIQUE,
    session INTEGER NOT NULL REFERENCES sessions,
    stamp_ns INTEGER NOT NULL,
    image_uri TEXT NOT NULL,
    sensor_frame TEXT NOT NULL,
    image_width INTEGER NOT NULL,
    image_height INTEGER NOT NULL,
    x REAL, y REAL, z REAL,
    qx REAL, qy REAL, qz REAL, qw REAL,
    covariance BLOB,
    latitude REAL, longitude REAL, altitude REAL,
    digest BLOB NOT NULL,
    camera INTEGER REFERENCES cameras
) STRICT;

CREATE TABLE global_descriptors (
    place INTEGER PRIMARY KEY REFERENCES places,
    descriptor BLOB NOT NULL,
    digest BLOB NOT NULL
) STRICT;

CREATE TABLE local_features (
    place INTEGER PRIMARY KEY REFERENCES places,
    count INTEGER NOT NULL,
    features BLOB NOT NULL,
    digest BLOB NOT NULL
) STRICT;

CREATE TABLE images (
    place INTEGER PRIMARY KEY REFERENCES places,
    jpeg BLOB NOT NULL,
    digest BLOB NOT NULL
) STRICT;

CREATE TABLE calibration (
    name TEXT PRIMARY KEY,
    parameters TEXT NOT NULL
) STRICT;
"""

DECISION = 'decision'
"""Row of the calibration table that makes a map calibrated."""
FEEDBACK = 'loop_closure_feedback'
"""Row of the calibration table with the feedback of a SLAM back-end on loop closures."""

# A file of changes has another application id and one more table.
CHANGES_ID = int.from_bytes(b'FOLC', 'big')
REMOVED_TABLE = """
CREATE TABLE removed (
    place_id TEXT PRIMARY KEY
) STRICT, WITHOUT ROWID;
"""

Migration = Callable[[sqlite3.Connection], None]


def _add_cameras(connection: sqlite3.Connection) -> None:
    connection.execute(
        'CREATE TABLE cameras (camera INTEGER PRIMARY KEY, width INTEGER NOT NULL, '
        'height INTEGER NOT NULL, matrix BLOB NOT NULL, model TEXT NOT NULL, '
        'distortion BLOB NOT NULL, mount BLOB, digest BLOB NOT NULL) STRICT'
    )
    connection.execute('ALTER TABLE places ADD COLUMN camera INTEGER REFERENCES cameras')


# MIGRATIONS[i] rewrites a file of version i + 1 as version i + 2. Released entries are never
# changed; a new schema is a new entry at the end, together with the new TABLES above.
MIGRATIONS: tuple[Migration, ...] = (_add_cameras,)
SCHEMA_VERSION = 1 + len(MIGRATIONS)

# Temporary views that present a file of an older version as the newest one without writing to
# it. One entry for each older version; all entries must match the newest TABLES.
READ_AS_NEWEST: dict[int, tuple[str, ...]] = {
    1: (
        'CREATE TEMP VIEW cameras AS SELECT NULL AS camera, NULL AS width, NULL AS height, '
        'NULL AS matrix, NULL AS model, NULL AS distortion, NULL AS mount, NULL AS digest '
        'WHERE 0',
        'CREATE TEMP VIEW places AS SELECT *, NULL AS camera FROM main.places',
    ),
}


@dataclass(frozen=True)
class MapHeader:
    """What all places of a map have in common, fixed when the build is begun.

    Attributes:
        name: of the map, for people.
        model_id: architecture of the network and hash of its weights.
        preprocessing_id: how images are prepared for the network.
        weights_name: name or file that the weights were loaded from, for people.
        codec: how local features are stored, a key of `CODECS`.
        descriptor_dim: length D of global descriptors.
        local_dim: length C of local descriptors.
        frame_id: the frame that poses are given in, without leading slashes.
        datum: geodetic position of the origin of that frame, or None.
        origin: session whose start is the origin of the poses, as with odometry; empty if the
            frame is a fixed one.
        scale: of the surroundings, a key of `fol_vpr.config.SCALES`; empty where nobody named it.
        sources: pairs of a session and the images that it was built from, in words; sessions of
            maps of older versions, and of running nodes, are missing.
    """

    name: str
    model_id: str
    preprocessing_id: str
    weights_name: str
    codec: str
    descriptor_dim: int
    local_dim: int
    frame_id: str = 'map'
    datum: GeoPosition | None = None
    origin: str = ''
    scale: str = ''
    sources: tuple[tuple[str, str], ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, 'frame_id', bare_frame(self.frame_id))

    def to_meta(self) -> dict[str, str]:
        """Rows of the meta table."""
        datum = self.datum
        position = None
        if datum is not None:
            # JSON has no NaN.
            altitude = None if math.isnan(datum.altitude) else datum.altitude
            position = (datum.latitude, datum.longitude, altitude)
        return {
            'name': self.name,
            'model_id': self.model_id,
            'preprocessing_id': self.preprocessing_id,
            'weights_name': self.weights_name,
            'codec': self.codec,
            'descriptor_dim': str(self.descriptor_dim),
            'local_dim': str(self.local_dim),
            'frame_id': self.frame_id,
            'datum': json.dumps(position),
            **({'origin': self.origin} if self.origin else {}),
            **({'scale': self.scale} if self.scale else {}),
            **({'sources': json.dumps(dict(self.sources))} if self.sources else {}),
        }

    @classmethod
    def from_meta(cls, meta: Mapping[str, str]) -> MapHeader:
        """The inverse of `to_meta`.

        Raises:
            KeyError, TypeError, ValueError, InputError: a row is missing or invalid.
        """
        texts = {
            key: checked_text(meta[key], key)
            for key in (
                'name',
                'model_id',
                'preprocessing_id',
                'weights_name',
                'codec',
                'frame_id',
            )
        }
        return cls(
            **texts,
            descriptor_dim=_dimension(meta, 'descriptor_dim'),
            local_dim=_dimension(meta, 'local_dim'),
            datum=_datum(meta['datum']),
            origin=checked_text(meta.get('origin', ''), 'origin'),
            scale=_scale(meta.get('scale', '')),
            sources=_sources(meta.get('sources', '{}')),
        )

    def sources_of(self, sessions: Collection[str]) -> tuple[tuple[str, str], ...]:
        """The `sources` of some sessions."""
        return tuple(pair for pair in self.sources if pair[0] in sessions)


def _sources(text: str) -> tuple[tuple[str, str], ...]:
    values = parse_json(text)
    if not isinstance(values, dict):
        raise ValueError(f'its sources are {text[:60]}, expected an object')
    return tuple(
        (checked_text(name, 'session of its sources'), checked_text(source, 'source'))
        for name, source in values.items()
    )


def _scale(value: object) -> str:
    word = checked_text(value, 'scale')
    if word and word not in SCALES:
        raise ValueError(f'its scale is {word[:40]!r}, expected one of {", ".join(SCALES)}')
    return word


def _dimension(meta: Mapping[str, str], key: str) -> int:
    text = checked_text(meta[key], key)
    if not (text.isascii() and text.isdecimal() and 0 < len(text) < 9):
        raise ValueError(f'its {key} is {text[:20]!r}')
    number = int(text)
    if not 1 <= number <= MAX_DIM:
        raise ValueError(f'its {key} is {number}, expected 1 to {MAX_DIM}')
    return number


def _datum(text: str) -> GeoPosition | None:
    # Older versions wrote NaN for an unknown altitude.
    values = parse_json(checked_text(text, 'datum'), nan=True)
    if values is None:
        return None
    if not isinstance(values, list) or len(values) != 3:
        raise ValueError(f'its datum is {text[:60]}, expected latitude, longitude and altitude')
    altitude = math.nan if values[2] is None else values[2]
    numbers = (*values[:2], altitude)
    if any(type(number) not in (int, float) for number in numbers):
        raise ValueError(f'its datum is {text[:60]}, expected three numbers')
    return GeoPosition(*(float(number) for number in numbers))


def checked_text(value: object, what: str) -> str:
    """A text of a map file, of a length that can be shown and sent.

    Args:
        value: from the file, where damage or a stranger may have put anything.
        what: the value is, for the message.

    Raises:
        ValueError: it is no text, or too long.
    """
    if not isinstance(value, str):
        raise ValueError(f'its {what} is no text')
    if len(value) > MAX_TEXT:
        raise ValueError(f'its {what} has {len(value)} characters, expected at most {MAX_TEXT}')
    return value


def create_tables(connection: sqlite3.Connection, *, changes: bool = False) -> None:
    """Create the tables of a map, or of a file of changes, in an empty database.

    Runs within the caller's transaction.
    """
    for statement in (TABLES + REMOVED_TABLE if changes else TABLES).split(';'):
        if statement.strip():
            connection.execute(statement)
    connection.execute(f'PRAGMA application_id = {CHANGES_ID if changes else APPLICATION_ID}')
    connection.execute(f'PRAGMA user_version = {SCHEMA_VERSION}')


def file_version(connection: sqlite3.Connection) -> int:
    """The schema version of a file."""
    return int(connection.execute('PRAGMA user_version').fetchone()[0])


def read_as_newest(connection: sqlite3.Connection) -> None:
    """Present a file of an older version as the newest one to a connection, without writing."""
    for statement in READ_AS_NEWEST.get(file_version(connection), ()):
        connection.execute(statement)


def migrate(connection: sqlite3.Connection, migrations: Sequence[Migration] = MIGRATIONS) -> None:
    """Rewrite an older file as the newest version, in one transaction.

    An interruption leaves the file unchanged.

    Args:
        connection: in autocommit mode.
        migrations: the steps from version 1 on.
    """
    connection.execute('BEGIN IMMEDIATE')
    try:
        for step in migrations[file_version(connection) - 1 :]:
            step(connection)
        connection.execute(f'PRAGMA user_version = {1 + len(migrations)}')
        connection.execute('COMMIT')
    except BaseException:
        if connection.in_transaction:
            connection.execute('ROLLBACK')
        raise


def digest(data: bytes | memoryview) -> bytes:
    """SHA-256 of a blob, as the `digest` columns store it."""
    return hashlib.sha256(data).digest()


def intact(blob: object, stored: object) -> bool:
    """Whether a value is a blob with this digest; damaged pages may hold other types."""
    return isinstance(blob, bytes) and digest(blob) == stored


# Columns may hold blobs, and damage can turn a text into one: write them as hexadecimals.
# One encoder for all rows: json.dumps would make one for each.
_RECORD_ENCODER = json.JSONEncoder(default=bytes.hex)


def record_digest(values: Sequence[object]) -> bytes:
    """SHA-256 of the JSON of several columns of a row; JSON keeps floats exactly."""
    return digest(_RECORD_ENCODER.encode(list(values)).encode())


def meta_digest(connection: sqlite3.Connection) -> str:
    """Hexadecimal SHA-256 of the meta table, the sessions, and the calibration if it has rows.

    In a file of changes it includes the ids of the removed places.
    """
    meta = connection.execute("SELECT key, value FROM meta WHERE key != 'digest' ORDER BY key")
    sessions = connection.execute('SELECT session, session_id FROM sessions ORDER BY session')
    values = [meta.fetchall(), sessions.fetchall()]
    # A damaged map may lack the table; other checks report that.
    if has_table(connection, 'calibration'):
        rows = connection.execute('SELECT name, parameters FROM calibration ORDER BY name')
        values += [found] if (found := rows.fetchall()) else []
    if has_table(connection, 'removed'):
        values.append(connection.execute('SELECT place_id FROM removed').fetchall())
    return record_digest(values).hex()


def has_table(connection: sqlite3.Connection, name: str) -> bool:
    """Whether a database has a table of this name."""
    found = connection.execute('SELECT 1 FROM sqlite_schema WHERE name = ?', (name,))
    return found.fetchone() is not None


def set_meta(connection: sqlite3.Connection, values: Mapping[str, str]) -> None:
    """Write rows of the meta table, and update the digest row."""
    insert = 'INSERT OR REPLACE INTO meta VALUES (?, ?)'
    connection.executemany(insert, values.items())
    connection.execute(insert, ('digest', meta_digest(connection)))


def read_meta(connection: sqlite3.Connection) -> dict[str, str]:
    """The rows of the meta table by key.

    Raises:
        ValueError: a value is no text.
    """
    rows = connection.execute('SELECT key, value FROM meta').fetchall()
    if not all(isinstance(key, str) and isinstance(value, str) for key, value in rows):
        raise ValueError('its meta table holds values that are no text')
    return dict(rows)


def calibration_rows(connection: sqlite3.Connection) -> dict[str, str]:
    """The rows of the calibration table by name.

    Raises:
        ValueError: a value is no text.
    """
    rows = connection.execute('SELECT name, parameters FROM calibration').fetchall()
    if not all(isinstance(name, str) and isinstance(value, str) for name, value in rows):
        raise ValueError('its calibration table holds values that are no text')
    return dict(rows)


CHECK_HINT = '; `fol_vpr map check` lists all damage'


def damaged(path: Path, what: str) -> MapError:
    """The error for a damaged map.

    Args:
        path: the file.
        what: the damage, in words.
    """
    return MapError(
        f'{path} is damaged: {printable(what, 400)}{CHECK_HINT}. Restore it from a copy, or build '
        'it again'
    )
