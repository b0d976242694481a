"""Writes the changes to a map, in the file beside it."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Mapping
from pathlib import Path

from fol_vpr.database.format.records import (
    encode_place,
    insert_record,
    place_of_frame,
    session_row,
    storable_text,
)
from fol_vpr.database.format.schema import (
    PAGE_SIZE,
    SCHEMA_VERSION,
    MapHeader,
    create_tables,
    file_version,
    has_table,
    migrate,
    read_meta,
    set_meta,
)
from fol_vpr.database.storage.changes import (
    changes_path,
    discard_changes,
    open_changes,
    state_of_map,
)
from fol_vpr.database.storage.sqlite_files import DatabaseFile, fsync
from fol_vpr.datatypes import Features, Frame, Place


class ChangesFile(DatabaseFile):
    """`MAP.changes`, open for writing. The caller has to hold the lock of the map.

    Each method is one transaction, which is on the disk when the method returns (WAL with
    synchronous=FULL) and so survives a power failure too.

    Args:
        path: the map file.
        meta: the meta table of the map file.

    Attributes:
        id: identifies this file of changes among all others.

    Raises:
        MapError: the existing changes are damaged or belong to another map.
        StorageError: no space or no permission.
    """

    def __init__(self, path: Path, meta: Mapping[str, str]) -> None:
        file = changes_path(path)
        self._header = MapHeader.from_meta(meta)
        self._remove_stale_files(path, meta)
        # A reader that is just opening the file locks it for a moment.
        super().__init__(file, known_as=path, timeout=5)
        try:
            with self.write_errors():
                self._set_up()
                begun = has_table(self.connection, 'meta')
            if not begun:
                self._begin(meta)
            elif file_version(self.connection) < SCHEMA_VERSION:
                with self.write_errors():
                    migrate(self.connection)
            self.id = read_meta(self.connection)['changes_id']
        except BaseException:
            self.close()
            raise

    @staticmethod
    def _remove_stale_files(path: Path, meta: Mapping[str, str]) -> None:
        """Remove changes that the map already includes, and logs without their database."""
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
        # Removed images, which may show people, must not stay readable in free pages.
        execute('PRAGMA secure_delete = ON')

    def _begin(self, meta: Mapping[str, str]) -> None:
        map_id, content_id = state_of_map(meta)
        identity = {'map_id': map_id, 'content_id': content_id, 'changes_id': uuid.uuid4().hex}
        with self.transaction():
            create_tables(self.connection, changes=True)
            set_meta(self.connection, {**self._header.to_meta(), **identity, 'places': '0'})
        with self.write_errors():
            fsync(self.path.parent)

    def add_place(
        self,
        frame: Frame,
        features: Features,
        *,
        session_id: str,
        place_id: str,
        image_jpeg: bytes | None,
    ) -> Place:
        """Insert a place; see `MapEditor.add`.

        Returns:
            The place as it is stored; its `index` is the row in this file.

        Raises:
            InputError: features that do not fit the map, values that cannot be stored, or a
                place_id that this file already has.
            StorageError: no space or no permission.
        """
        with self.transaction():
            query = 'SELECT coalesce(max(place) + 1, 0) FROM places'
            (row,) = self.connection.execute(query).fetchone()
            place = place_of_frame(
                frame, features, index=int(row), place_id=place_id, session_id=session_id
            )
            record = encode_place(self._header, place, features, image_jpeg)
            insert_record(self.connection, record, session_row(self.connection, session_id))
            self._update_meta()
        return record.place

    def remove_places(self, place_ids: Iterable[str]) -> None:
        """Delete places that were added here, and list those of the map file as removed."""
        execute = self.connection.execute
        with self.transaction():
            for name in place_ids:
                row = execute('SELECT place FROM places WHERE place_id = ?', (name,)).fetchone()
                if row is None:
                    execute('INSERT INTO removed VALUES (?)', (name,))
                    continue
                for table in ('images', 'local_features', 'global_descriptors', 'places'):
                    execute(f'DELETE FROM {table} WHERE place = ?', row)
            self._update_meta()

    def set_calibration_row(self, name: str, parameters: str) -> None:
        """Write a row of the calibration table, replacing one of the same name."""
        with self.transaction():
            self.connection.execute(
                'INSERT OR REPLACE INTO calibration VALUES (?, ?)',
                (storable_text(name), storable_text(parameters)),
            )
            self._update_meta()

    def _update_meta(self) -> None:
        """Write the number of places, and the digest that goes with all tables."""
        (places,) = self.connection.execute('SELECT count(*) FROM places').fetchone()
        set_meta(self.connection, {'places': str(places)})
