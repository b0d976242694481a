"""Reads what was added to a map and removed from it since its file was written.

`MAP.changes` lies beside the map: a SQLite file with the tables of a map for the added places,
and the ids of the removed ones. The map file itself is not touched until it is saved as a whole,
so that other processes can go on reading it.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from pathlib import Path

from fol_vpr.database.format.schema import (
    MapHeader,
    calibration_rows,
    damaged,
    has_table,
    meta_digest,
    read_as_newest,
    read_meta,
)
from fol_vpr.database.storage.opening import connect_to_changes
from fol_vpr.database.storage.sqlite_files import remove_database
from fol_vpr.database.storage.store import Store, map_errors
from fol_vpr.errors import MapError

SUFFIX = '.changes'


def changes_path(path: Path) -> Path:
    """Path of the file of changes that belongs to a map."""
    return path.with_name(path.name + SUFFIX)


class ChangesReader:
    """The changes to a map in the state in which they were opened.

    Attributes:
        meta: the meta table; `map_id` and `content_id` identify the map file, and its state,
            that the changes apply to.
        calibration: rows of the calibration table that replace those of the map.
        removed: ids of the removed places.
        store: the added places.

    Raises:
        MapError: the file is damaged, or of a newer schema.
    """

    def __init__(self, path: Path, connection: sqlite3.Connection) -> None:
        with map_errors(path):
            read_as_newest(connection)
            self.meta = read_meta(connection)
            if self.meta.get('digest') != meta_digest(connection):
                raise damaged(path, 'its meta table has changed')
            self.calibration = calibration_rows(connection)
            self.removed = {name for (name,) in connection.execute('SELECT * FROM removed')}
            self.store = Store(path, connection, MapHeader.from_meta(self.meta))
        self.path = path

    def belong_to(self, meta: Mapping[str, str]) -> bool:
        """Whether the changes are to be applied to a map with this meta table.

        Returns:
            False if the map already includes the changes, because a save was interrupted just
            before it removed the file.

        Raises:
            MapError: the changes belong to another map, or to another state of this one.
        """
        if meta.get('merged_changes') == self.meta['changes_id']:
            return False
        if state_of_map(self.meta) != state_of_map(meta):
            raise MapError(
                f'{self.path} holds changes to another map, or to another state of this one '
                f'(map id {self.meta["map_id"][:8]}, expected {meta["map_id"][:8]}): restore the '
                'map that it belongs to, or move the file away'
            )
        return True

    def close(self) -> None:
        """Close the file."""
        self.store.close()


def open_changes(path: Path) -> ChangesReader | None:
    """The changes to the map at `path`, or None if there are none.

    Call this before the map itself is opened. A save first replaces the map and then removes the
    changes, so that a map that is opened after its changes were found missing includes them.

    Raises:
        MapError: the changes are damaged, or cannot be read.
    """
    file = changes_path(path)
    if not _exists(file):
        return None
    with map_errors(file):
        try:
            connection = connect_to_changes(file)
        except FileNotFoundError:
            return None
    try:
        with map_errors(file):
            begun = not _is_empty(connection)
        if begun:
            return ChangesReader(file, connection)
    except BaseException:
        connection.close()
        raise
    connection.close()
    return None


def _exists(file: Path) -> bool:
    try:
        return file.exists()
    except OSError:
        # The map cannot be accessed either, and its error names the path that the user gave.
        return False


def _is_empty(connection: sqlite3.Connection) -> bool:
    """Whether the process was killed between creating the file and its first transaction."""
    (kind,) = connection.execute('PRAGMA application_id').fetchone()
    (pages,) = connection.execute('PRAGMA page_count').fetchone()
    return bool(kind == 0 and pages <= 1 and not has_table(connection, 'meta'))


def state_of_map(meta: Mapping[str, str]) -> tuple[str, str]:
    """Map id and content id of a meta table; maps that were never saved again have no latter."""
    return meta['map_id'], meta.get('content_id', meta['map_id'])


def discard_changes(path: Path) -> None:
    """Remove the changes to a map that is replaced. The caller has to hold its lock."""
    remove_database(changes_path(path))
