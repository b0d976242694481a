"""Connections to SQLite files that may come from a stranger: nothing runs, and all of it ends.

A damaged or forged file can make SQLite walk in circles: pages that point to each other give rows
without end, and a thousand rows can share the same megabytes. A plain table of a sound file gives
no more bytes than the file has, and takes no more steps than a few for each byte. Both are
counted for every statement, so that the limits hold for a map of any size and need no clock.
"""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Any

STEPS_AT_ONCE = 1_000_000
BASE_STEPS = 20_000_000
STEPS_PER_BYTE = 4
BASE_BYTES = 64 * 2**20
MAX_VALUE_BYTES = 2**28
"""Most bytes of one text or blob."""

# Names of SQLITE_LIMIT_* and values. Statements of this package are short and plain.
_LIMITS = {
    'LENGTH': MAX_VALUE_BYTES,
    'SQL_LENGTH': 100_000,
    'COLUMN': 100,
    'EXPR_DEPTH': 100,
    'COMPOUND_SELECT': 10,
    'FUNCTION_ARG': 20,
    'ATTACHED': 0,
    'TRIGGER_DEPTH': 1,
}
# Names of SQLITE_DBCONFIG_* and values. Temporary views work without ENABLE_VIEW.
_SWITCHES = {
    'DEFENSIVE': True,
    'TRUSTED_SCHEMA': False,
    'ENABLE_TRIGGER': False,
    'ENABLE_VIEW': False,
    'ENABLE_LOAD_EXTENSION': False,
    'WRITABLE_SCHEMA': False,
}
_INTERRUPTED = 'interrupted'


class EndlessDataError(sqlite3.DatabaseError):
    """A statement gives more than the file can hold."""


class GuardedConnection(sqlite3.Connection):
    """A connection whose statements end: with `factory=` for sqlite3.connect, then `guard`."""

    _budget: _Budget | None = None

    def guard(self, path: Path) -> None:
        """Set the limits that follow from the size of the file.

        Args:
            path: the file.
        """
        # A separate object, so that the handler does not keep the connection alive.
        self._budget = _Budget(path)
        self.set_progress_handler(self._budget.count_steps, STEPS_AT_ONCE)
        self.row_factory = self._budget.count_bytes
        # Both came with Python 3.11 and 3.12; the constants of an older SQLite may be missing.
        if set_limit := getattr(self, 'setlimit', None):
            for name, value in _LIMITS.items():
                set_limit(getattr(sqlite3, f'SQLITE_LIMIT_{name}'), value)
        if set_config := getattr(self, 'setconfig', None):
            for name, on in _SWITCHES.items():
                switch = getattr(sqlite3, f'SQLITE_DBCONFIG_{name}', None)
                if switch is not None:
                    set_config(switch, on)
        super().execute('PRAGMA trusted_schema = OFF')
        super().execute('PRAGMA cell_size_check = ON')

    def execute(self, *args: Any) -> sqlite3.Cursor:
        """Run a statement, which gets the full budget."""
        if self._budget is not None:
            self._budget.begin()
        return super().execute(*args)


class TotalBytes:
    """Counts the bytes of places that are read one by one, each once or a few times.

    A few pages can be the content of a thousand places, each with a digest that is right. Copying
    such a file would fill a disk.

    Args:
        path: the file.
        times: how often its size may be read.
    """

    def __init__(self, path: Path, times: int = 1) -> None:
        self._files = (path, path.with_name(path.name + '-wal'))
        self._times = times
        self._bytes = 0
        self._allowed = BASE_BYTES

    def count(self, size: int) -> None:
        """Count some bytes.

        Raises:
            EndlessDataError: the file cannot hold so many.
        """
        self._bytes += size
        if self._bytes > self._allowed:
            self._allowed = BASE_BYTES + self._times * _size_of(self._files)
            if self._bytes > self._allowed:
                raise EndlessDataError('its places have more bytes than the file')


class _Budget:
    """What one statement may take.

    Args:
        path: the file, whose size now and log count.
    """

    def __init__(self, path: Path) -> None:
        self._files = (path, path.with_name(path.name + '-wal'))
        self.begin()

    def begin(self) -> None:
        """Begin to count for another statement."""
        self._steps = self._bytes = 0
        self._allowed_bytes = BASE_BYTES

    def count_steps(self) -> int:
        """Called by SQLite after every `STEPS_AT_ONCE` steps; nonzero interrupts the statement."""
        self._steps += STEPS_AT_ONCE
        if self._steps <= BASE_STEPS:
            return 0
        return int(self._steps > BASE_STEPS + STEPS_PER_BYTE * _size_of(self._files))

    def count_bytes(self, _cursor: sqlite3.Cursor, row: tuple[Any, ...]) -> tuple[Any, ...]:
        """Called for every row; the row."""
        for value in row:
            if isinstance(value, (bytes, str)):
                self._bytes += len(value)
        if self._bytes > self._allowed_bytes:
            self._allowed_bytes = BASE_BYTES + _size_of(self._files)
            if self._bytes > self._allowed_bytes:
                raise EndlessDataError('a table gives more bytes than the file has')
        return row


def _size_of(files: tuple[Path, ...]) -> int:
    size = 0
    for file in files:
        try:
            size += file.stat().st_size
        except OSError:
            continue
    return size


def reason_of(error: Exception) -> str:
    """The message of an error of SQLite, with words where the guard interrupted a statement."""
    if str(error) == _INTERRUPTED:
        return 'reading it takes more steps than a file of its size can need'
    return str(error)
