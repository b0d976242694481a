"""Reads the .db3 files of rosbag2, of every version of their schema."""

from __future__ import annotations

import json
import os
import sqlite3
from array import array
from collections.abc import Callable, Collection, Iterator
from contextlib import closing
from pathlib import Path
from shlex import quote as shell_quote
from typing import Any
from urllib.parse import quote

from fol_vpr.errors import InputError
from fol_vpr.files import check_regular_file, printable
from fol_vpr.sources.bags.storage.compression import ZSTD_MAGIC, unpack_message
from fol_vpr.sources.bags.storage.stored import (
    DamagedError,
    Definition,
    StoredMessage,
    StoredTopic,
    damage_errors,
    full_type,
)

SQLITE_MAGIC = b'SQLite format 3\0'

_FORMATS = {'ros2msg': 'msg', 'ros2idl': 'idl'}
_STEPS_PER_CALL = 1_000_000
_MIN_STEPS = 100_000_000


class SqliteFile:
    """One .db3 file; see `BagFile`.

    It is read without rosbags, whose reader fails on types without a definition and on `#` in a
    path, and sorts whole messages where the file has no index of the times.

    Args:
        path: of the file.

    Raises:
        InputError: the file is damaged, or a database of something else.
    """

    storage = 'sqlite3'

    def __init__(self, path: Path) -> None:
        self.path = path
        shown = shell_quote(str(path))
        self._remedy = (
            'if its recording was interrupted, '
            f'`sqlite3 {shown} .recover | sqlite3 recovered.db3` recovers the recorded messages'
        )
        check_regular_file(path, 'a bag')
        with damage_errors(path, self._remedy), closing(self._connect()) as database:
            self._check_tables(database)
            self.topics, self.start_ns, self.end_ns = self._read_topics(database)

    def read(self, numbers: Collection[int]) -> Iterator[StoredMessage]:
        """The messages of some stored topics in order of reception; see `BagFile`."""
        with damage_errors(self.path, self._remedy), closing(self._connect()) as database:
            # First the order alone: some files have no index of the times, and SQLite would then
            # sort the messages themselves, images and all.
            rows = array('q')
            for (row,) in database.execute(
                'SELECT rowid FROM messages WHERE topic_id IN (SELECT value FROM json_each(?)) '
                'ORDER BY timestamp, rowid',
                (json.dumps(sorted(numbers)),),
            ):
                rows.append(row)
            for row in rows:
                found = database.execute(
                    'SELECT timestamp, topic_id, data FROM messages WHERE rowid = ?', (row,)
                ).fetchone()
                yield _message(found)

    def compressions(self) -> set[str]:
        """How messages are compressed; see `BagFile`. The first of each topic is looked at."""
        with damage_errors(self.path, self._remedy), closing(self._connect()) as database:
            starts = database.execute(
                'SELECT substr(data, 1, 4) FROM messages WHERE rowid IN '
                '(SELECT MIN(rowid) FROM messages GROUP BY topic_id)'
            ).fetchall()
        return {'zstd' for (start,) in starts if start == ZSTD_MAGIC}

    def _connect(self) -> sqlite3.Connection:
        # Immutable: neither locks nor a log are written beside a bag on a read-only disk.
        address = f'file:{quote(os.fsencode(self.path.absolute()))}?mode=ro&immutable=1'
        # A build that goes on reads its first image on one thread, and the others on another.
        database = sqlite3.connect(address, uri=True, check_same_thread=False)
        database.execute('PRAGMA trusted_schema = OFF')
        database.set_progress_handler(_step_limit(self.path.stat().st_size), _STEPS_PER_CALL)
        return database

    def _check_tables(self, database: sqlite3.Connection) -> None:
        """Raise InputError unless the tables of a bag are there, and plain tables."""
        schema = dict(
            database.execute(
                "SELECT name, sql FROM sqlite_master WHERE type = 'table' "
                "AND name IN ('topics', 'messages')"
            )
        )
        if set(schema) != {'topics', 'messages'}:
            if log_name := unmerged_log(self.path):
                raise InputError(f'{printable(str(self.path))} cannot be read yet: {log_name}')
            raise InputError(
                f'{printable(str(self.path))} is an SQLite database and no bag: it has no tables '
                'topics and messages; give the .db3 file that rosbag2 wrote'
            )
        for name, sql in schema.items():
            if 'virtual' in str(sql).lower().split('(')[0]:
                raise DamagedError(f'{name} is no plain table')

    def _read_topics(self, database: sqlite3.Connection) -> tuple[list[StoredTopic], int, int]:
        counts = dict(
            database.execute('SELECT topic_id, COUNT(*) FROM messages GROUP BY topic_id')
        )
        # SQLite counts all rows in the index of the times, those of each topic in the table.
        (total,) = database.execute('SELECT COUNT(*) FROM messages').fetchone()
        if total != sum(counts.values()):
            raise DamagedError('its table and its index hold different numbers of messages')
        # Two queries: SQLite answers each from the index of the times, where there is one.
        (first,) = database.execute('SELECT MIN(timestamp) FROM messages').fetchone()
        (last,) = database.execute('SELECT MAX(timestamp) FROM messages').fetchone()
        definitions = self._read_definitions(database)
        topics = []
        for number, name, msgtype, encoding in database.execute(
            'SELECT id, name, type, serialization_format FROM topics ORDER BY id'
        ):
            kind = full_type(str(msgtype))
            topics.append(
                StoredTopic(
                    int(number),
                    str(name),
                    kind,
                    str(encoding),
                    int(counts.pop(number, 0)),
                    definitions.get(str(msgtype)),
                )
            )
        if counts:
            raise DamagedError(f'{sum(counts.values())} messages belong to no topic')
        return topics, int(first or 0), int(last or 0)

    def _read_definitions(self, database: sqlite3.Connection) -> dict[str, Definition]:
        """By type; empty for files from before Iron, which hold none."""
        try:
            rows = database.execute(
                'SELECT topic_type, encoding, encoded_message_definition FROM message_definitions'
            ).fetchall()
        except sqlite3.OperationalError:
            return {}
        return {
            str(name): Definition(_FORMATS[encoding], str(text))
            for name, encoding, text in rows
            if encoding in _FORMATS
        }


def unmerged_log(path: Path) -> str:
    """Why the file of a bag is not complete, and the remedy; empty if it is.

    Args:
        path: of the .db3 file.
    """
    shown = shell_quote(str(path))
    if _holds_anything(log := path.with_name(f'{path.name}-wal')):
        return (
            f'it was not closed by its recorder, and its newest messages, still in {log.name}, '
            f"are not read; `sqlite3 {shown} 'PRAGMA wal_checkpoint(TRUNCATE)'` merges them"
        )
    if _holds_anything(log := path.with_name(f'{path.name}-journal')):
        return (
            f'its recorder was interrupted while it wrote, and what {log.name} undoes is not '
            f"undone; `sqlite3 {shown} 'PRAGMA quick_check'` does that"
        )
    return ''


def _holds_anything(path: Path) -> bool:
    return path.is_file() and path.stat().st_size > 0


def _message(row: tuple[Any, ...] | None) -> StoredMessage:
    if row is None or not isinstance(row[0], int) or not isinstance(row[2], bytes):
        raise DamagedError('a message has no time or no data')
    return StoredMessage(row[0], row[1], unpack_message(row[2]))


def _step_limit(size: int) -> Callable[[], int]:
    """Stops a database whose pages refer to each other in circles, which would never end."""
    left = (_MIN_STEPS + 10 * size) // _STEPS_PER_CALL

    def count() -> int:
        nonlocal left
        left -= 1
        return left < 0

    return count
