"""What was added to a map and removed from it since its file was written.

`MAP.changes` lies beside the map: a SQLite file with the tables of a map for the places that were
added, and the names of those that were removed. The map file itself stays as it is until it is
saved as a whole, so that nobody who reads it is disturbed.
"""

from __future__ import annotations

import sqlite3
import uuid
from collections.abc import Mapping
from pathlib import Path

from fol_vpr.database.format.schema import (
    CHANGES_ID,
    PAGE_SIZE,
    SCHEMA_VERSION,
    MapHeader,
    create_tables,
    damaged,
    file_version,
    has_table,
    meta_digest,
    migrate,
    read_as_newest,
    read_meta,
    set_meta,
)
from fol_vpr.database.storage.opening import connect_to_changes
from fol_vpr.database.storage.sqlite_files import DatabaseFile, fsync, remove_database
from fol_vpr.database.storage.store import Store, explained
from fol_vpr.errors import MapError

SUFFIX = '.changes'


def changes_path(path: Path) -> Path:
    """Where the changes to a map lie, if there are any."""
    return path.with_name(path.name + SUFFIX)


class ChangesReader:
    """Changes as they were when they were opened.

    Attributes:
        meta: the meta table; `map_id` and `content_id` name the state of the map that they
            belong to.
        calibration: rows of the calibration table that replace those of the map.
        removed: names of places of the map that are gone.
        store: the places that were added.

    Raises:
        MapError: damaged, or of a newer schema.
    """

    def __init__(self, path: Path, connection: sqlite3.Connection) -> None:
        with explained(path):
            _check_version(path, connection)
            read_as_newest(connection)
            self.meta = read_meta(connection)
            if self.meta.get('digest') != meta_digest(connection):
                raise damaged(path, 'its meta table has changed')
            rows = connection.execute('SELECT name, parameters FROM calibration')
            self.calibration: dict[str, str] = dict(rows.fetchall())
            self.removed = {name for (name,) in connection.execute('SELECT * FROM removed')}
            self.store = Store(path, connection, MapHeader.from_meta(self.meta))
        self.path = path

    def belong_to(self, meta: Mapping[str, str]) -> bool:
        """Whether they are to be applied to a map with this meta table.

        False where they are in it already: a save that was interrupted at its very end.

        Raises:
            MapError: they belong to another map, or to another state of it.
        """
        if meta.get('merged_changes') == self.meta['changes_id']:
            return False
        if _state(self.meta) != _state(meta):
            raise MapError(
                f'{self.path} holds places that were added to another map, or to another state '
                f'of this one (map id {self.meta["map_id"][:8]}, here {meta["map_id"][:8]}): '
                'bring back the map that it belongs to, or move the file away'
            )
        return True

    def close(self) -> None:
        """Let go of the file."""
        self.store.close()


def open_changes(path: Path) -> ChangesReader | None:
    """The changes to the map at `path`, or None where there are none.

    To be called before the map itself is opened: a save first replaces the map, and then removes
    the changes, so that whoever sees none afterwards sees them in the map.

    Raises:
        MapError: they are damaged, or cannot be read.
    """
    file = changes_path(path)
    if not _exists(file):
        return None
    with explained(file):
        try:
            connection = connect_to_changes(file)
        except FileNotFoundError:
            return None
    try:
        with explained(file):
            begun = not _never_begun(connection)
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
        # What keeps this file away keeps away the map too, whose error names what was asked for.
        return False


def _never_begun(connection: sqlite3.Connection) -> bool:
    """Whether a process was killed between making the file and its first transaction."""
    (kind,) = connection.execute('PRAGMA application_id').fetchone()
    (pages,) = connection.execute('PRAGMA page_count').fetchone()
    return bool(kind == 0 and pages <= 1 and not has_table(connection, 'meta'))


def _state(meta: Mapping[str, str]) -> tuple[str, str]:
    return meta['map_id'], meta.get('content_id', meta['map_id'])


def _check_version(path: Path, connection: sqlite3.Connection) -> None:
    (kind,) = connection.execute('PRAGMA application_id').fetchone()
    version = file_version(connection)
    if kind != CHANGES_ID:
        raise MapError(f'{path} is in the way, and no changes to a map: move it away')
    if version > SCHEMA_VERSION:
        raise MapError(
            f'{path} has schema version {version}, this fol_vpr knows up to {SCHEMA_VERSION}: '
            'save the map with the fol_vpr that made it'
        )
    if version < 1:
        raise damaged(path, f'its schema version is {version}')


class ChangesFile(DatabaseFile):
    """`MAP.changes`, open for writing; the caller holds the lock of the map.

    What a transaction wrote is on the disk when it ends (WAL with synchronous=FULL), so that it
    survives a power failure too.

    Args:
        path: the map.
        meta: the map's meta table.

    Attributes:
        id: tells these changes from all others.

    Raises:
        MapError: there are changes, but of another map, or damaged ones.
        StorageError: no space or no permission.
    """

    def __init__(self, path: Path, meta: Mapping[str, str]) -> None:
        file = changes_path(path)
        self._remove_remains(path, meta)
        # A reader that opens the file just now holds it for a moment.
        super().__init__(file, known_as=path, timeout=5)
        try:
            with self.storage():
                self._set_up()
                begun = has_table(self.connection, 'meta')
            if not begun:
                self._begin(meta)
            elif file_version(self.connection) < SCHEMA_VERSION:
                with self.storage():
                    migrate(self.connection)
            self.id = read_meta(self.connection)['changes_id']
        except BaseException:
            self.close()
            raise

    @staticmethod
    def _remove_remains(path: Path, meta: Mapping[str, str]) -> None:
        """Changes that are in the map already, and logs of a file that is gone."""
        present = open_changes(path)
        keep = changes_path(path).exists()
        if present is not None:
            try:
                keep = present.belong_to(meta)
            finally:
                present.close()
        if not keep:
            discard_changes(path)

    def _set_up(self) -> None:
        execute = self.connection.execute
        execute(f'PRAGMA page_size = {PAGE_SIZE}')
        execute('PRAGMA journal_mode = WAL')
        execute('PRAGMA synchronous = FULL')
        execute('PRAGMA foreign_keys = ON')
        # What was removed, a face perhaps, must not linger in free pages.
        execute('PRAGMA secure_delete = ON')

    def _begin(self, meta: Mapping[str, str]) -> None:
        map_id, content_id = _state(meta)
        identity = {'map_id': map_id, 'content_id': content_id, 'changes_id': uuid.uuid4().hex}
        header = MapHeader.from_meta(meta).to_meta()
        with self.transaction():
            create_tables(self.connection, changes=True)
            set_meta(self.connection, {**header, **identity, 'places': '0'})
        with self.storage():
            fsync(self.path.parent)


def discard_changes(path: Path) -> None:
    """Remove the changes to a map that is being replaced; the caller holds its lock."""
    remove_database(changes_path(path))
