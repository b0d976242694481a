"""Positions and times of images, from CSV files and file names."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from fol_vpr.datatypes import UNKNOWN_ANGLE_VARIANCE, GeoPosition, Pose
from fol_vpr.errors import InputError
from fol_vpr.sources.image_names import ImageNames
from fol_vpr.sources.stamps import MAX_STAMP_NS, named_unit
from fol_vpr.sources.tables import QUATERNION, TableRow, number_or_nan, read_csv


@dataclass(frozen=True)
class Location:
    """Where and when an image was taken, as far as it is known.

    Attributes:
        pose: of the base, or None.
        geo: geodetic position, or None.
        stamp_ns: time in nanoseconds, or None.
    """

    pose: Pose | None = None
    geo: GeoPosition | None = None
    stamp_ns: int | None = None


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
            'them, which tell the image of a row'
        )
    check_has_content(csv_path, columns)
    names = ImageNames(csv_path, root, files)
    locations: dict[int, Location] = {}
    seen: dict[int, str] = {}
    for row in rows:
        if 'file' in columns:
            found = names.index_of(row)
            if found is None:
                continue
            index = found
        else:
            index = _index_of_number(row, len(files))
        if index in seen:
            raise InputError(
                f'{row.where}: {files[index]} has a row already ({seen[index]}); remove one'
            )
        seen[index] = row.where
        locations[index] = location_of(row)
    names.report(len(rows))
    return locations


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
    if math.isnan(heading):
        pose = _pose_without_orientation(np.array([east, north, 0.0]))
    else:
        # Heading is clockwise from north, yaw (REP-103) counterclockwise from east.
        half = math.radians(90 - heading) / 2
        orientation = np.array([0, 0, math.sin(half), math.cos(half)])
        pose = Pose(np.array([east, north, 0.0]), orientation)
    latitude, longitude = _field(fields, 5), _field(fields, 6)
    known = abs(latitude) <= 90 and abs(longitude) <= 180
    return Location(pose, GeoPosition(latitude, longitude) if known else None)


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
        return Location(_pose(row), _geo(row), _stamp(row))
    except (InputError, ValueError) as error:
        raise InputError(f'{row.where}: {error}') from error


def _pose(row: TableRow) -> Pose | None:
    if 'x' not in row.cells:
        return None
    height = row.number('z') if row.cells.get('z') else 0.0
    position = np.array([row.number('x'), row.number('y'), height])
    if 'qx' not in row.cells:
        return _pose_without_orientation(position)
    return Pose(position, np.array([row.number(name) for name in QUATERNION]))


def _pose_without_orientation(position: np.ndarray) -> Pose:
    """A position as a pose, with a covariance that marks the orientation as unknown."""
    covariance = np.diag([0.0, 0.0, 0.0, *[UNKNOWN_ANGLE_VARIANCE] * 3])
    return Pose(position, np.array([0.0, 0.0, 0.0, 1.0]), covariance)


def _geo(row: TableRow) -> GeoPosition | None:
    if 'latitude' not in row.cells:
        return None
    altitude = row.number('altitude') if row.cells.get('altitude') else math.nan
    return GeoPosition(row.number('latitude'), row.number('longitude'), altitude)


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
