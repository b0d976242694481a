"""Counts how often each place of a map was recognised, so that unused places can be pruned.

The counts are stored beside the map, in `MAP.hits`: a map file may be on read-only media, and
several nodes may read it at once. Lost counts lose no place, so they are written only from time
to time, and without waiting for the disk.
"""

from __future__ import annotations

import os
import sqlite3
import time
from collections import Counter
from contextlib import closing
from pathlib import Path

from fol_vpr.database.format.allowed_schema import check_own_schema
from fol_vpr.database.storage.guard import GuardedConnection, reason_of
from fol_vpr.database.storage.sqlite_files import DatabaseFile, check_regular_files
from fol_vpr.errors import MapError

SUFFIX = '.hits'
HITS_ID = int.from_bytes(b'FOLH', 'big')
TABLE = """
CREATE TABLE IF NOT EXISTS hits (
    place_id TEXT PRIMARY KEY,
    count INTEGER NOT NULL,
    last INTEGER NOT NULL
) STRICT, WITHOUT ROWID
"""
ADD = """
INSERT INTO hits VALUES (?, ?, ?)
ON CONFLICT DO UPDATE SET count = count + excluded.count, last = excluded.last
"""


def hits_path(path: Path) -> Path:
    """Path of the file of counts that belongs to a map."""
    return path.with_name(path.name + SUFFIX)


class HitCounter:
    """Collects hits in memory, and adds them to the file beside the map from time to time.

    Several processes may count hits of one map. Not thread-safe.

    Args:
        path: the map file.
        interval: minimum number of seconds between two writes.
    """

    def __init__(self, path: str | os.PathLike[str], interval: float = 30.0) -> None:
        self._map = Path(path)
        self._interval = interval
        self._pending: Counter[str] = Counter()
        self._written = time.monotonic()

    def count(self, place_id: str) -> None:
        """Count one hit, and write all counts if `interval` has passed.

        Raises:
            MapError: the file beside the map holds something else.
            StorageError: no space or no permission; the hits are kept for the next write.
        """
        self._pending[place_id] += 1
        if time.monotonic() - self._written >= self._interval:
            self.write()

    def write(self) -> None:
        """Add the collected hits to the file.

        Raises:
            MapError: the file beside the map holds something else.
            StorageError: no space or no permission; the hits are kept for the next write.
        """
        self._written = time.monotonic()
        if not self._pending:
            return
        file = DatabaseFile(hits_path(self._map), known_as=hits_path(self._map), timeout=5)
        with closing(file), file.write_errors():
            # Recognition must not wait for the disk; a power failure may lose the counts.
            file.connection.execute('PRAGMA synchronous = OFF')
            self._add(file)
        self._pending.clear()

    def _add(self, file: DatabaseFile) -> None:
        now = int(time.time())
        with file.transaction():
            (application_id,) = file.connection.execute('PRAGMA application_id').fetchone()
            (tables,) = file.connection.execute('SELECT count(*) FROM sqlite_schema').fetchone()
            if tables and application_id != HITS_ID:
                raise MapError(
                    f'{file.path} is not a file of hit counts: move it away, or set '
                    'storage.record_hits to false'
                )
            file.connection.execute(f'PRAGMA application_id = {HITS_ID}')
            file.connection.execute(TABLE)
            check_own_schema(file.path, file.connection, TABLE)
            rows = [(name, number, now) for name, number in self._pending.items()]
            file.connection.executemany(ADD, rows)


def read_hits(path: str | os.PathLike[str]) -> dict[str, int]:
    """Number of hits by place_id; empty if none were counted.

    Args:
        path: the map file.

    Raises:
        MapError: the file of counts is damaged.
    """
    file = hits_path(Path(path))
    if not file.exists():
        return {}
    try:
        check_regular_files(file)
        uri = f'{file.absolute().as_uri()}?mode=ro'
        with closing(sqlite3.connect(uri, uri=True, factory=GuardedConnection)) as opened:
            opened.guard(file)
            check_own_schema(file, opened, TABLE)
            rows = opened.execute('SELECT place_id, count FROM hits').fetchall()
    except (sqlite3.Error, ValueError, OSError) as error:
        raise MapError(
            f'{file} cannot be read ({reason_of(error)}): delete it to start counting again'
        ) from error
    if not all(isinstance(name, str) and isinstance(count, int) for name, count in rows):
        raise MapError(f'{file} holds other values than counts: delete it to start counting again')
    return dict(rows)
