"""Makes a map from the undamaged places of a damaged one."""

from __future__ import annotations

import itertools
import os
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

from fol_vpr.database.format.codecs import CODECS
from fol_vpr.database.format.records import PlaceRecord
from fol_vpr.database.format.schema import (
    MapHeader,
    calibration_rows,
    has_table,
    meta_digest,
    read_as_newest,
    read_meta,
)
from fol_vpr.database.storage.changes import changes_path
from fol_vpr.database.storage.guard import reason_of
from fol_vpr.database.storage.lock import MapLock
from fol_vpr.database.storage.opening import check_file, connect_read_only, connect_to_changes
from fol_vpr.database.storage.store import Store, map_errors
from fol_vpr.database.writer import MapWriter
from fol_vpr.datatypes import MapInfo
from fol_vpr.errors import InputError, MapError, StorageError


@dataclass
class Repair:
    """The result of a repair.

    Attributes:
        dropped: what the repaired map lacks, in words.
        kept: number of places in the repaired map.
        original: path that the damaged file has now.
        info: summary of the repaired map.
    """

    dropped: list[str] = field(default_factory=list)
    kept: int = 0
    original: Path | None = None
    info: MapInfo | None = None


def repair_map(path: str | os.PathLike[str]) -> Repair:
    """Replace a damaged map by one with all its undamaged places, changes included.

    The damaged file is kept as `PATH.damaged`, and its changes as `PATH.damaged.changes`; where
    these exist from before, as `PATH.damaged-2` and so on. If only
    the image or the camera of a place is damaged, the place is kept without it.

    Args:
        path: the map file.

    Raises:
        MapError: the meta table or the sessions are damaged, without which places cannot be
            decoded; or all places are damaged; or another process changes the map.
        StorageError: no space or no permission; the damaged map is unchanged.
    """
    path = Path(path)
    if not os.path.isfile(path):  # noqa: PTH113 Path.is_file raises an error without permission
        check_file(path)
    lock = MapLock(path)
    try:
        with map_errors(path):
            return _repair(path, lock)
    finally:
        lock.release()


def can_be_repaired(path: str | os.PathLike[str]) -> bool:
    """Whether the meta table and the sessions of a map are undamaged, as a repair requires."""
    path = Path(path)
    try:
        with closing(connect_read_only(path)) as connection:
            _trusted_meta(path, connection)
    except MapError:
        return False
    return True


def _repair(path: Path, lock: MapLock) -> Repair:
    repair = Repair()
    with closing(_opened(path)) as connection:
        meta = _trusted_meta(path, connection)
        store = Store(path, connection, MapHeader.from_meta(meta))
        removed, added = _changes(path, meta, repair)
        try:
            with MapWriter(
                path,
                store.header,
                source_id=meta.get('source_id', ''),
                overwrite=True,
                resumable=False,
                lock_of_replaced=lock,
            ) as writer:
                writer.keep_identity(meta)
                writer.set_calibration(_calibration(connection, added))
                writer.copy(_undamaged(store, _all_rows(store, meta), removed, repair))
                if added is not None:
                    writer.copy(_undamaged(added, _rows(added), set(), repair))
                if repair.kept == 0:
                    raise MapError(f'{path} has no undamaged place: build it again')
                repair.original = _keep_original(path)
                repair.info = writer.finish()
                writer.take_lock().release()
        finally:
            if added is not None:
                added.close()
    return repair


def _opened(path: Path) -> sqlite3.Connection:
    try:
        return connect_read_only(path)
    except MapError as error:
        # Other errors of SQLite are of subclasses, and about the access to the file.
        if type(error.__cause__) is not sqlite3.DatabaseError:
            raise
        raise MapError(
            f'{path} cannot be repaired: its list of tables is damaged '
            f'({reason_of(error.__cause__)}). Restore it from a copy, or build it again'
        ) from error


def _trusted_meta(path: Path, connection: sqlite3.Connection) -> dict[str, str]:
    try:
        read_as_newest(connection)
        meta = read_meta(connection)
        sound = meta.get('digest') == meta_digest(connection)
        MapHeader.from_meta(meta)
    except (sqlite3.Error, ValueError, TypeError, KeyError, InputError) as error:
        # Messages of SQLite quote a damaged schema, which may not be UTF-8: hence ValueError.
        sound, reason = False, reason_of(error)
    else:
        reason = 'they have changed'
    if not sound or meta.get('codec') not in CODECS:
        raise MapError(
            f'{path} cannot be repaired: the meta table or the sessions, which tell how to read '
            f'the places, are damaged ({reason}). Restore it from a copy, or build it again'
        )
    return meta


def _calibration(connection: sqlite3.Connection, added: Store | None) -> dict[str, str]:
    """Rows of the calibration table, which the digest of the meta table covers, by name."""
    rows = calibration_rows(connection)
    if added is not None:
        with added.reading() as changes:
            rows.update(calibration_rows(changes))
    return rows


def _changes(path: Path, meta: dict[str, str], repair: Repair) -> tuple[set[str], Store | None]:
    """Ids of the removed places, and the added places; nothing if the changes are damaged."""
    file = changes_path(path)
    if not file.exists():
        return set(), None
    try:
        connection = connect_to_changes(file)
        if not has_table(connection, 'meta'):
            connection.close()
            return set(), None
        ours = _trusted_meta(file, connection)
        if meta.get('merged_changes') == ours['changes_id']:
            connection.close()
            return set(), None
        names = connection.execute('SELECT place_id FROM removed').fetchall()
        store = Store(file, connection, MapHeader.from_meta(ours))
        return {name for (name,) in names}, store
    except (MapError, sqlite3.Error, ValueError, TypeError) as error:
        repair.dropped.append(f'all changes in {file.name}: {error}')
        return set(), None


def _all_rows(store: Store, meta: dict[str, str]) -> range | list[int]:
    """Rows from 0 to what the meta table says, or the rows that there are if it cannot be.

    Places whose rows are lost are named among the losses.
    """
    text = meta.get('places', '')
    count = int(text) if text.isascii() and text.isdecimal() and len(text) < 19 else 0
    # A place has at least a descriptor and a digest.
    if 0 < count <= store.path.stat().st_size // 32:
        return range(count)
    return _rows(store)


def _rows(store: Store) -> list[int]:
    rows: list[int] = []
    with suppress(MapError), store.reading() as connection:
        rows += [row for (row,) in connection.execute('SELECT place FROM places ORDER BY place')]
    return rows


def _undamaged(
    store: Store, rows: range | list[int], removed: set[str], repair: Repair
) -> Iterator[PlaceRecord]:
    """The undamaged records; each is read separately, so that damage affects only its own row."""
    for row in rows:
        record = _with_or_without_camera(store, row, repair)
        if record is None:
            continue
        if record.place.place_id in removed:
            continue
        try:
            record = replace(record, jpeg=store.image_to_copy(row))
        except MapError as error:
            repair.dropped.append(
                f'the image of {record.place.place_id}: {_cause(error, store.path)}'
            )
        repair.kept += 1
        yield record


def _with_or_without_camera(store: Store, row: int, repair: Repair) -> PlaceRecord | None:
    """A record without its image, and without its camera if that is damaged.

    None if another part of the record is damaged.
    """
    try:
        return store.record_without_image(row)
    except MapError as error:
        cause = _cause(error, store.path)
    try:
        record = store.record_without_image(row, camera=False)
    except MapError:
        repair.dropped.append(f'place {row}: {cause}')
        return None
    repair.dropped.append(f'the camera of {record.place.place_id}: {cause}')
    return record


def _cause(error: MapError, path: Path) -> str:
    """The message without the path and the remedy."""
    return str(error).removeprefix(f'{path} is damaged: ').partition(';')[0]


def _free_name(path: Path) -> Path:
    """`PATH.damaged`, or with a number where an earlier repair kept a file of that name."""
    kept = path.with_name(path.name + '.damaged')
    for number in itertools.count(2):
        if not (os.path.lexists(kept) or os.path.lexists(changes_path(kept))):
            return kept
        kept = path.with_name(f'{path.name}.damaged-{number}')
    raise AssertionError


def _keep_original(path: Path) -> Path:
    """Give the damaged file and its changes a second name.

    Raises:
        StorageError: no space or no permission.
    """
    kept = _free_name(path)
    try:
        for original, copy in ((path, kept), (changes_path(path), changes_path(kept))):
            if original.exists():
                try:
                    copy.hardlink_to(original)
                except OSError:  # a file system without links
                    shutil.copyfile(original, copy)
    except OSError as error:
        raise StorageError(
            f'{kept} cannot be written ({error.strerror}): check the free space and the '
            'permissions'
        ) from error
    return kept
