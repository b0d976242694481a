"""Counts how often each place of a map was recognised, for pruning those that never are.

The counts lie beside the map in `MAP.hits`, and not in it: a map is read without ever being
written, by several nodes at once, from media that cannot be written. Losing the counts loses no
place, so that they are written now and then, and need not be on the disk at once.
"""

from __future__ import annotations

import os
import sqlite3
import time
from collections import Counter
from contextlib import closing
from pathlib import Path

from fol_vpr.database.storage.sqlite_files import DatabaseFile
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
    """Where the counts of a map lie, if there are any."""
    return path.with_name(path.name + SUFFIX)


class HitCounter:
    """Collects hits, and adds them to those beside the map from time to time.

    Several processes may count for one map. Not for several threads at once.

    Args:
        path: the map.
        interval: seconds between writing.
    """

    def __init__(self, path: str | os.PathLike[str], interval: float = 30.0) -> None:
        self._map = Path(path)
        self._interval = interval
        self._pending: Counter[str] = Counter()
        self._written = time.monotonic()

    def count(self, place_id: str) -> None:
        """Count one hit.

        Raises:
            StorageError: it was time to write, and there is no space or no permission; the hits
                are kept for the next time.
        """
        self._pending[place_id] += 1
        if time.monotonic() - self._written >= self._interval:
            self.write()

    def write(self) -> None:
        """Add what was counted to the file.

        Raises:
            MapError: the file beside the map is something else.
            StorageError: no space or no permission.
        """
        self._written = time.monotonic()
        if not self._pending:
            return
        file = DatabaseFile(hits_path(self._map), known_as=hits_path(self._map), timeout=5)
        with closing(file), file.storage():
            # Recognition does not wait for the disk: a power failure may cost the counts.
            file.connection.execute('PRAGMA synchronous = OFF')
            self._add(file)
        self._pending.clear()

    def _add(self, file: DatabaseFile) -> None:
        now = int(time.time())
        with file.transaction():
            (kind,) = file.connection.execute('PRAGMA application_id').fetchone()
            (tables,) = file.connection.execute('SELECT count(*) FROM sqlite_schema').fetchone()
            if tables and kind != HITS_ID:
                raise MapError(f'{file.path} is in the way: move it away, or count no hits')
            file.connection.execute(f'PRAGMA application_id = {HITS_ID}')
            file.connection.execute(TABLE)
            rows = [(name, number, now) for name, number in self._pending.items()]
            file.connection.executemany(ADD, rows)


def read_hits(path: str | os.PathLike[str]) -> dict[str, int]:
    """Hits by place_id; empty where none were counted.

    Raises:
        MapError: the file of the counts is damaged.
    """
    file = hits_path(Path(path))
    if not file.exists():
        return {}
    try:
        with closing(sqlite3.connect(f'{file.absolute().as_uri()}?mode=ro', uri=True)) as opened:
            return dict(opened.execute('SELECT place_id, count FROM hits').fetchall())
    except sqlite3.Error as error:
        raise MapError(
            f'{file} cannot be read ({error}): delete it, and the counting starts anew'
        ) from error
