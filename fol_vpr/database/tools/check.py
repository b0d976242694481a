"""Checks a complete map for damage."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import numpy as np

from fol_vpr.database.format.camera_rows import COLUMNS as CAMERA_COLUMNS
from fol_vpr.database.format.records import COLUMNS, place_digest
from fol_vpr.database.format.schema import (
    CHECK_HINT,
    intact,
    meta_digest,
    read_as_newest,
    read_meta,
    record_digest,
)
from fol_vpr.database.reader import MapReader
from fol_vpr.database.storage.changes import changes_path
from fol_vpr.database.storage.file_header import read_file_header
from fol_vpr.database.storage.guard import reason_of
from fol_vpr.database.storage.opening import check_file, connect_read_only, connect_to_changes
from fol_vpr.database.storage.store import CONTENT
from fol_vpr.errors import FolVprError, MapError

MAX_PROBLEMS = 20
"""Problems of each kind that are listed."""


def check_map(path: str | os.PathLike[str]) -> list[str]:
    """Read a map and its changes completely, and compare everything with its digests.

    Args:
        path: the map file.

    Returns:
        The problems in words, at most a few dozen; empty if the map is undamaged.

    Raises:
        MapError: there is no such file.
    """
    path = Path(path)
    if not os.path.isfile(path):  # noqa: PTH113 Path.is_file raises an error without permission
        check_file(path)
    problems: list[str] = []
    try:
        check_file(path)
        problems.extend(_first_problems(_size_problems(path)))
        with closing(connect_read_only(path)) as connection:
            problems.extend(_first_problems(_database_problems(connection)))
        changes = changes_path(path)
        if changes.exists():
            problems.extend(_first_problems(_changes_problems(changes)))
        with MapReader(path) as reader:
            problems.extend(_first_problems(_local_problems(reader)))
    except MapError as error:
        problems.append(str(error).replace(CHECK_HINT, ''))
    return problems


def _first_problems(problems: Iterator[str]) -> Iterator[str]:
    for number, problem in enumerate(problems):
        if number == MAX_PROBLEMS:
            yield 'and more problems of this kind'
            return
        yield problem


def _size_problems(path: Path) -> Iterator[str]:
    header = read_file_header(path)
    size = path.stat().st_size
    if header is not None and size != header.expected_bytes:
        yield f'the file has {size} bytes, its header says {header.expected_bytes}'


def _changes_problems(path: Path) -> Iterator[str]:
    try:
        connection = connect_to_changes(path)
    except MapError as error:
        yield str(error)
        return
    except (sqlite3.Error, ValueError) as error:
        yield f'{path.name}: SQLite: {reason_of(error)}'
        return
    with closing(connection):
        try:
            # A process was killed before its first transaction; opening the map checks for this.
            empty = connection.execute('PRAGMA page_count').fetchone()[0] <= 1
        except sqlite3.Error:
            empty = False
        if not empty:
            for problem in _database_problems(connection):
                yield f'{path.name}: {problem}'


def _database_problems(connection: sqlite3.Connection) -> Iterator[str]:
    # Messages of SQLite quote damaged text, which may not be UTF-8.
    connection.text_factory = lambda text: text.decode('utf-8', 'replace')
    try:
        read_as_newest(connection)
        for (line,) in connection.execute(f'PRAGMA integrity_check({MAX_PROBLEMS})'):
            if line != 'ok':
                yield f'SQLite: {line}'
        for table, row, parent, _ in connection.execute('PRAGMA foreign_key_check'):
            yield f'row {row} of {table} refers to a missing row of {parent}'
        if read_meta(connection).get('digest') != meta_digest(connection):
            yield 'the meta table, the sessions or the calibration have changed'
        yield from _camera_problems(connection)
        yield from _record_problems(connection)
        yield from _blob_problems(connection)
    except (sqlite3.Error, ValueError, TypeError) as error:
        yield f'SQLite: {reason_of(error)}'


def _camera_problems(connection: sqlite3.Connection) -> Iterator[str]:
    for *row, stored in connection.execute(f'SELECT {CAMERA_COLUMNS}, digest FROM cameras'):
        if record_digest(row) != stored:
            yield f'camera {row[0]} has changed'


def _record_problems(connection: sqlite3.Connection) -> Iterator[str]:
    for *row, stored in connection.execute(f'SELECT {COLUMNS}, digest FROM places'):
        if place_digest(row) != stored:
            yield f'the record of place {row[0]} has changed'


def _blob_problems(connection: sqlite3.Connection) -> Iterator[str]:
    for table, (column, what) in CONTENT.items():
        for place, blob, stored in connection.execute(
            f'SELECT place, {column}, digest FROM {table}'
        ):
            if not intact(blob, stored):
                yield f'the {what} of place {place} changed after it was written'


def _local_problems(reader: MapReader) -> Iterator[str]:
    for index, descriptor in reader.iterate_descriptors():
        norm = float(np.linalg.norm(descriptor.astype(np.float32)))
        if abs(norm - 1) > 0.01:
            yield f'the global descriptor of place {index} has length {norm:g}, not 1'
    for place in reader.places:
        try:
            reader.local_features(place.index)
        except FolVprError as error:
            yield str(error).replace(CHECK_HINT, '')
