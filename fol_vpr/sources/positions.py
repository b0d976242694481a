"""Positions and times of images, from CSV files and file names."""

from __future__ import annotations

import logging
import math
import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from fol_vpr.datatypes import UNKNOWN_ANGLE_VARIANCE, GeoPosition, Pose
from fol_vpr.datatypes.utm import FALSE_NORTHING, UtmZone, zone_from_text
from fol_vpr.errors import InputError
from fol_vpr.sources.image_names import ImageNames
from fol_vpr.sources.stamps import MAX_STAMP_NS, named_unit
from fol_vpr.sources.tables import QUATERNION, TableRow, number_or_nan, read_csv
from fol_vpr.sources.utm_positions import Location

_BAND_S = (3_500_000.0, 4_450_000.0)
"""Metres; northings of the latitude band S, 32° to 40° north, in the northern hemisphere."""


log = logging.getLogger(__name__)


def read_locations(csv_path: Path, root: Path, files: Sequence[str]) -> dict[int, Location]:
    """Read the locations of images from a CSV.

    Args:
        csv_path: see docs/reference/file_formats.md for the columns.
        root: the image folder.
        files: the images, as sorted paths relative to `root`.

    Returns:
        Locations by index in `files`. Images without a row are left out. Rows that name other
        images are left out and counted in a warning.

    Raises:
        InputError: the file cannot be read, a value is invalid, no row names an image, or two
            rows name the same; the message names the line.
    """
    columns, rows = read_csv(csv_path)
    if 'file' not in columns and 'index' not in columns:
        raise InputError(
            f'{csv_path} has the columns {", ".join(columns)}, expected file or index among '
            'them, which tell the image of a row; a trajectory belongs to a drive, see --dataset, '
            'and bag from-images --poses'
        )
    check_has_content(csv_path, columns)
    found: list[int | None]
    if 'file' in columns:
        found = ImageNames(csv_path, root, files).indices_of(rows)
    else:
        found = [_index_of_number(row, len(files)) for row in rows]
    locations: dict[int, Location] = {}
    seen: dict[int, str] = {}
    for row, index in zip(rows, found, strict=True):
        if index is None:
            continue
        if index in seen:
            raise InputError(
                f'{row.where}: {files[index]} has a row already ({seen[index]}); remove one'
            )
        seen[index] = row.where
        locations[index] = location_of(row)
    warn_of_unknown(csv_path, columns, list(locations.values()))
    return locations


def warn_of_unknown(path: Path, columns: Sequence[str], locations: Sequence[Location]) -> None:
    """Say how many rows of a table with positions have none, their cells being empty."""
    unknown = sum(each.pose is None and each.geo is None for each in locations)
    if unknown and {'x', 'latitude'} & set(columns):
        log.warning(
            '%s: %d of %d rows have empty cells instead of a position, which is not known then',
            path, unknown, len(locations),
        )  # fmt: skip


def location_from_name(name: str) -> Location | None:
    """The location in a file name of VPR datasets, @utm_east@utm_north@..., or None.

    Further fields follow the common naming scheme: zone number, zone letter, latitude, longitude,
    panorama, tile, heading in degrees clockwise from north.

    Raises:
        InputError: the name begins with @, but its first two fields are no numbers.
    """
    fields = name.split('@')
    if fields[0] or len(fields) < 4:
        return None
    try:
        east, north = float(fields[1]), float(fields[2])
    except ValueError:
        east = north = math.nan
    if not (math.isfinite(east) and math.isfinite(north)):
        raise InputError(
            f'{name} starts with {fields[1]!r} and {fields[2]!r}, expected UTM coordinates in '
            'metres as in @utm_east@utm_north@...; rename it or give the positions in a CSV'
        )
    heading = _field(fields, 9)
    position = np.array([east, north, 0.0])
    if math.isnan(heading):
        pose = _pose_without_orientation(position)
    else:
        pose = _turned(position, math.radians(90 - heading))
    latitude, longitude = _field(fields, 5), _field(fields, 6)
    known = abs(latitude) <= 90 and abs(longitude) <= 180
    number, letter = (fields[index] if index < len(fields) else '' for index in (3, 4))
    try:
        zone = zone_from_text(number, letter, latitude if known else math.nan)
    except ValueError:
        # Other data sets have other fields there.
        return Location(pose, GeoPosition(latitude, longitude) if known else None)
    return Location(
        pose,
        GeoPosition(latitude, longitude) if known else None,
        zone=zone,
        zone_number=int(number) if number.strip() and zone is None else 0,
    )


def parse_seconds(text: str) -> int:
    """Convert a decimal number of seconds to nanoseconds exactly.

    Raises:
        ValueError: the text is no number, is negative, or lies after the year 2262, the last that
            64 bits can hold.
    """
    unit = named_unit('seconds')
    assert unit is not None
    return unit.stamp_ns(text)


def check_has_content(path: Path, columns: Sequence[str]) -> None:
    """Raise InputError if a table has neither positions nor times."""
    if not {'x', 'latitude', 'timestamp', 'stamp_ns'} & set(columns):
        raise InputError(
            f'{path} has the columns {", ".join(columns)}, expected positions (x, y or latitude, '
            'longitude) or times (timestamp, stamp_ns) among them'
        )


def location_of(row: TableRow) -> Location:
    """The location of a row, whose columns have been checked.

    Raises:
        InputError: a cell is none of what its column holds; the message names the line.
    """
    try:
        geo = _geo(row)
        pose = _pose(row)
        zone = None if pose is None else _zone(row, pose, geo)
        number = row.cells.get('zone', '') if pose is not None and zone is None else ''
        return Location(pose, geo, _stamp(row), zone, int(number or 0))
    except (InputError, ValueError) as error:
        raise InputError(f'{row.where}: {error}') from error


def _pose(row: TableRow) -> Pose | None:
    if _is_empty(row, 'x', 'y'):
        return None
    height = row.number('z') if row.cells.get('z') else 0.0
    position = np.array([row.number('x'), row.number('y'), height])
    if 'qx' in row.cells:
        return Pose(position, np.array([row.number(name) for name in QUATERNION]))
    yaw = _yaw(row)
    return _pose_without_orientation(position) if yaw is None else _turned(position, yaw)


def _yaw(row: TableRow) -> float | None:
    """Radians counterclockwise from x (REP-103), or None where the row has none."""
    if row.cells.get('yaw_rad'):
        return row.number('yaw_rad')
    if row.cells.get('yaw_deg'):
        return math.radians(row.number('yaw_deg'))
    if row.cells.get('heading_deg'):
        return math.radians(90 - row.number('heading_deg'))
    if not row.cells.get('yaw'):
        return None
    yaw = row.number('yaw')
    if abs(yaw) > 2 * math.pi:
        raise ValueError(
            f'yaw is {yaw:g}, more than a turn in radians; name the column yaw_deg or yaw_rad '
            '(counterclockwise from x), or heading_deg (degrees clockwise from north)'
        )
    return yaw


def _zone(row: TableRow, pose: Pose, geo: GeoPosition | None) -> UtmZone | None:
    """The UTM zone of a row: its number with a letter of its band, or with a hemisphere."""
    text = row.cells.get('zone', '')
    letter = row.cells.get('zone_letter', '').upper()
    latitude = math.nan if geo is None else geo.latitude
    if side := row.cells.get('hemisphere', '').strip().lower():
        if side not in ('n', 's', 'north', 'south', 'northern', 'southern'):
            raise ValueError(f'hemisphere is {side!r}, expected N or S')
        latitude, letter = (1.0 if side.startswith('n') else -1.0), ''
    match = re.fullmatch(r'(\d{1,2})\s*([A-Za-z]?)', text.strip(), re.A)
    if match and match[2]:
        joined = match[2].upper()
        if joined == 'S' and not letter and math.isnan(latitude):
            return _south_or_band(int(match[1]), float(pose.position[1]), text)
        letter = letter or (joined if joined != 'S' or math.isnan(latitude) else '')
        text = match[1]
    return zone_from_text(text, letter, latitude)


def _south_or_band(number: int, northing: float, text: str) -> UtmZone:
    """The zone of texts like 10S, which mean the southern hemisphere or the band S, 32° to 40°."""
    if not _BAND_S[0] <= northing <= _BAND_S[1]:
        if not 0 <= northing <= FALSE_NORTHING:
            raise ValueError(f'y is {northing:g}, no northing of the UTM zone {text}')
        return UtmZone(number, False)
    raise ValueError(
        f'the UTM zone {text} with the northing {northing:g} is either the band S, 32° to 40° '
        'north, or south of the equator; add a column hemisphere with N or S'
    )


def _turned(position: np.ndarray, yaw: float) -> Pose:
    """A pose turned about Z by radians counterclockwise."""
    return Pose(position, np.array([0, 0, math.sin(yaw / 2), math.cos(yaw / 2)]))


def _pose_without_orientation(position: np.ndarray) -> Pose:
    """A position as a pose, with a covariance that marks the orientation as unknown."""
    covariance = np.diag([0.0, 0.0, 0.0, *[UNKNOWN_ANGLE_VARIANCE] * 3])
    return Pose(position, np.array([0.0, 0.0, 0.0, 1.0]), covariance)


def _geo(row: TableRow) -> GeoPosition | None:
    if _is_empty(row, 'latitude', 'longitude'):
        return None
    altitude = row.number('altitude') if row.cells.get('altitude') else math.nan
    return GeoPosition(row.number('latitude'), row.number('longitude'), altitude)


def _is_empty(row: TableRow, *columns: str) -> bool:
    return not any(row.cells.get(column) for column in columns)


def _stamp(row: TableRow) -> int | None:
    if 'stamp_ns' in row.cells:
        text = row.cells['stamp_ns']
        if not re.fullmatch(r'\d{1,19}', text) or int(text) > MAX_STAMP_NS:
            raise ValueError(f'stamp_ns is {text!r}, expected whole nanoseconds')
        return int(text)
    return parse_seconds(row.cells['timestamp']) if 'timestamp' in row.cells else None


def _field(fields: Sequence[str], position: int) -> float:
    return number_or_nan(fields[position]) if position < len(fields) else math.nan


def _index_of_number(row: TableRow, count: int) -> int:
    text = row.cells['index']
    if not re.fullmatch(r'\d{1,12}', text) or int(text) >= count:
        raise InputError(
            f'{row.where}: index is {text!r}, expected a whole number from 0 to {count - 1}, the '
            'position in the list of images in natural order'
        )
    return int(text)
