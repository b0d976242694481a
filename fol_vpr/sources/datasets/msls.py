"""Mapillary SLS: train_val/<city>/query or database, with images/, raw.csv, postprocessed.csv.

postprocessed.csv has UTM coordinates, raw.csv latitude, longitude, compass angle and whether an
image is a panorama, subtask_index.csv which images a subtask takes; rows are told by their key
(Warburg et al., CVPR 2020; github.com/FrederikWarburg/mapillary_sls).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from fol_vpr.datatypes import UNKNOWN_ANGLE_VARIANCE, Pose
from fol_vpr.errors import InputError
from fol_vpr.files import printable
from fol_vpr.sources.datasets.contents import Contents, geo_or_none, required, those_there
from fol_vpr.sources.tables import number_or_nan, read_table
from fol_vpr.sources.utm_positions import Location

TITLE = 'Mapillary SLS'
_SITE = 'mapillary.com/dataset/places'
PARTS = ('database', 'query')
SUBTASKS = ('all', 's2w', 'w2s', 'o2n', 'n2o', 'd2n', 'n2d')
_TRUE = ('true', '1', '1.0')
_FALSE = ('false', '0', '0.0')


def read(folder: Path, max_gap: float, variant: str) -> Contents:
    """Read one part of a city.

    Args:
        folder: train_val/<city>/database or query.
        max_gap: of no use.
        variant: a subtask, all, s2w, w2s, o2n, n2o, d2n or n2d, whose images are taken; empty
            takes every image that is no panorama.

    Raises:
        InputError: a file is missing or damaged, or there is no such subtask.
    """
    del max_gap
    if variant and variant not in SUBTASKS:
        raise InputError(f'the subtask is {variant!r}, expected one of {", ".join(SUBTASKS)}')
    inside = [name for name in PARTS if (folder / name).is_dir()]
    if inside:
        raise InputError(
            f'{folder} holds several parts of {TITLE}, give one of them: '
            f'{" or ".join(str(folder / name) for name in inside)}'
        )
    archive = f'in metadata.zip of {_SITE}'
    table = required(
        folder / 'postprocessed.csv',
        TITLE,
        f'the positions, {archive}; the cities of test/ are published without',
    )
    raw = required(folder / 'raw.csv', TITLE, f'the coordinates and panoramas, {archive}')
    places = _by_key(table, ('key', 'easting', 'northing'))
    details = _by_key(raw, ('key', 'lon', 'lat', 'pano'))
    keys = list(places)
    notes = []
    tables = [table, raw]
    subtasks = folder / 'subtask_index.csv'
    if variant:
        required(subtasks, TITLE, f'the subtasks, {archive}')
    if subtasks.exists():
        tables.append(subtasks)
        chosen = _flagged(_by_key(subtasks, ('key', 'all')), variant or 'all', subtasks)
        if variant:
            keys = [key for key in keys if key in chosen]
            notes.append(f'{len(keys)} of {len(places)} images are of the subtask {variant}')
        elif len(chosen) < len(keys):
            notes.append(
                f'the published protocol takes {len(chosen)} of these {len(keys)} images: '
                '--dataset msls:all'
            )
    unknown = [key for key in keys if key not in details]
    if unknown:
        raise InputError(f'{raw} has no row of the key {unknown[0]}, which {table.name} has')
    panoramas = _flagged(details, 'pano', raw)
    flat = [key for key in keys if key not in panoramas]
    if len(flat) < len(keys):
        notes.append(f'{len(keys) - len(flat)} panoramas are left out')
    names = [f'{key}.jpg' for key in flat]
    if not names:
        raise InputError(f'{folder} has no image of the subtask {variant} that is no panorama')
    there, missing = those_there(
        names, folder / 'images', table, TITLE, f'in images_vol_*.zip of {_SITE}'
    )
    city = folder.resolve().parent.name
    return Contents(
        title=TITLE,
        root=folder / 'images',
        files=[names[index] for index in there],
        locations={
            number: _location(places[flat[index]], details[flat[index]], table)
            for number, index in enumerate(there)
        },
        session_id=f'{city}_{folder.resolve().name}',
        frame_id='utm',
        tables=tables,
        notes=[*notes, *missing],
    )


def _by_key(path: Path, needed: Sequence[str]) -> dict[str, dict[str, str]]:
    """The rows of a table by their key."""
    names, rows = read_table(path, needed)
    columns = [name for name, _ in names]
    missing = [name for name in needed if name not in columns]
    if missing:
        raise InputError(
            f'{path} has no column {", ".join(missing)}, expected {", ".join(needed)}'
        )
    found: dict[str, dict[str, str]] = {}
    for where, cells in rows:
        row = dict(zip(columns, cells, strict=True)) | {'where': where}
        key = row['key']
        if not key or '/' in key or key in found:
            raise InputError(f'{where}: the key is {printable(key)!r}, which is none or repeated')
        found[key] = row
    return found


def _flagged(rows: dict[str, dict[str, str]], column: str, path: Path) -> set[str]:
    """The keys whose flag is set."""
    chosen = set()
    for key, row in rows.items():
        flag = row.get(column)
        if flag is None:
            raise InputError(f'{path} has no column {column}')
        if flag.lower() in _TRUE:
            chosen.add(key)
        elif flag.lower() not in _FALSE:
            raise InputError(f'{row["where"]}: {column} is {flag!r}, expected True or False')
    return chosen


def _location(place: dict[str, str], details: dict[str, str], path: Path) -> Location:
    east, north = number_or_nan(place['easting']), number_or_nan(place['northing'])
    if not (math.isfinite(east) and math.isfinite(north)):
        raise InputError(f'{place["where"]}: easting and northing are no numbers in {path.name}')
    position = np.array([east, north, 0.0])
    compass = number_or_nan(details.get('ca', ''))
    if math.isfinite(compass):
        # A compass counts clockwise from north, yaw (REP-103) counterclockwise from east.
        half = math.radians(90 - compass) / 2
        pose = Pose(position, np.array([0, 0, math.sin(half), math.cos(half)]))
    else:
        unknown = np.diag([0.0, 0.0, 0.0, *[UNKNOWN_ANGLE_VARIANCE] * 3])
        pose = Pose(position, np.array([0.0, 0.0, 0.0, 1.0]), unknown)
    geo = geo_or_none(number_or_nan(details['lat']), number_or_nan(details['lon']), math.nan)
    return Location(pose, geo)
