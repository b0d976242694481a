"""Opens the files of a map together, and reads the summary that its meta table holds."""

from __future__ import annotations

import re
import sqlite3
from contextlib import ExitStack
from pathlib import Path

from fol_vpr.database.format import schema
from fol_vpr.database.format.codecs import CODECS
from fol_vpr.database.format.schema import MapHeader, damaged
from fol_vpr.database.storage.changes import ChangesReader, open_changes
from fol_vpr.database.storage.opening import open_map_file
from fol_vpr.database.storage.store import map_errors
from fol_vpr.datatypes import MapInfo
from fol_vpr.errors import MapError

REQUIRED = ('map_id', 'created', 'source_id', 'source_position', 'places', 'sessions')
"""Rows of the meta table that every version has written, beside those of the header."""


def open_with_changes(
    path: Path, *, changes: bool
) -> tuple[sqlite3.Connection, ChangesReader | None]:
    """Open a map, and the changes beside it that are to be applied; see `open_changes`.

    Args:
        path: the map file.
        changes: False leaves the changes out.

    Returns:
        The read-only connection to the map, and the changes or None. The caller closes both.

    Raises:
        MapError: a file is missing, no map, cut, damaged or of a newer schema, or the changes
            belong to another map.
    """
    with ExitStack() as opened:
        found = open_changes(path) if changes else None
        if found is not None:
            opened.callback(found.close)
        connection = open_map_file(path)
        opened.callback(connection.close)
        if found is not None:
            with map_errors(path):
                apply = found.belong_to(schema.read_meta(connection))
            if not apply:
                found.close()
                found = None
        opened.pop_all()
    return connection, found


def read_meta_and_info(
    path: Path, connection: sqlite3.Connection, changes: ChangesReader | None
) -> tuple[dict[str, str], MapHeader, MapInfo]:
    """The meta table, the header, and the summary of the map file without its changes.

    Args:
        path: the map file.
        connection: to the map file.
        changes: the changes, whose size is added to that of the map.

    Raises:
        MapError: the map is unfinished, empty, damaged, or stored with an unknown codec.
        KeyError, ValueError, sqlite3.Error: a row is missing or invalid.
    """
    meta = schema.read_meta(connection)
    if meta.get('state') != 'complete':
        raise MapError(f'{path} is an unfinished map: run its build again to resume it')
    header = MapHeader.from_meta(meta)
    if header.codec not in CODECS:
        raise MapError(
            f'{path} stores local features with the codec {header.codec!r}, expected one of '
            f'{", ".join(CODECS)}: use a newer fol_vpr, or build the map again'
        )
    if meta.get('digest') != schema.meta_digest(connection):
        raise damaged(path, 'the meta table or the sessions have changed')
    missing = [key for key in REQUIRED if key not in meta]
    if missing or not meta['source_position'].isdecimal():
        raise damaged(path, f'its meta table lacks {", ".join(missing) or "a source_position"}')
    if meta['places'] == '0':
        raise MapError(f'{path} has no places: build it again')

    def number(query: str) -> int:
        return int(connection.execute(query).fetchone()[0])

    places = number('SELECT count(*) FROM places')
    if meta['places'] != f'{places}':
        raise damaged(path, f'it lists {places} of {meta["places"][:20]} places')
    geo_positions = number('SELECT count(latitude) FROM places')
    info = MapInfo(
        path=str(path),
        map_id=_identity(meta['map_id'], 'map_id'),
        name=header.name,
        schema_version=schema.file_version(connection),
        model_id=header.model_id,
        preprocessing_id=header.preprocessing_id,
        weights_name=header.weights_name,
        codec=header.codec,
        places=places,
        sessions=number('SELECT count(*) FROM sessions'),
        descriptor_dim=header.descriptor_dim,
        local_dim=header.local_dim,
        bytes=path.stat().st_size + (0 if changes is None else _size(changes.path)),
        frame_id=header.frame_id,
        georeferenced=header.datum is not None or geo_positions > 0,
        datum=header.datum,
        calibrated=number(f"SELECT count(*) FROM calibration WHERE name = '{schema.DECISION}'")
        > 0,
        content_id=_identity(meta.get('content_id', meta['map_id']), 'content_id'),
        cameras=number('SELECT count(camera) FROM places'),
        mounts=number('SELECT count(mount) FROM places JOIN cameras USING (camera)'),
        poses=number('SELECT count(x) FROM places'),
        geo_positions=geo_positions,
        scale=header.scale,
    )
    return meta, header, info


def _identity(text: str, what: str) -> str:
    """A random id, which names collections on servers too.

    Raises:
        ValueError: it is none.
    """
    if not re.fullmatch('[0-9A-Za-z_-]{1,64}', text):
        raise ValueError(f'its {what} is {text[:80]!r}, expected letters and digits')
    return text


def _size(changes: Path) -> int:
    """Bytes of a file of changes; 0 where another process has just saved it into the map."""
    try:
        return changes.stat().st_size
    except FileNotFoundError:
        return 0
