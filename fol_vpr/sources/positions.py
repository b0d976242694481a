"""Where and when images were taken: CSV files, TUM trajectories, and telling file names.

The columns of a CSV, and what they are also known as, are in docs/reference/file_formats.md.
"""

from __future__ import annotations

import csv
import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from pathlib import Path

import numpy as np

from fol_vpr.datatypes import UNKNOWN_ANGLE_VARIANCE, GeoPosition, Pose
from fol_vpr.errors import InputError

_ALIASES = {
    'file': ('file', 'filename', 'image', 'path'),
    'index': ('index',),
    'timestamp': ('timestamp', 'stamp', 'time'),
    'stamp_ns': ('stamp_ns', 'timestamp_ns', 'time_ns'),
    'x': ('x', 'tx', 'easting', 'utm_east'),
    'y': ('y', 'ty', 'northing', 'utm_north'),
    'z': ('z', 'tz'),
    'qx': ('qx',),
    'qy': ('qy',),
    'qz': ('qz',),
    'qw': ('qw',),
    'latitude': ('latitude', 'lat'),
    'longitude': ('longitude', 'lon', 'lng'),
    'altitude': ('altitude', 'alt'),
}
_COLUMN_OF = {alias: column for column, aliases in _ALIASES.items() for alias in aliases}
_QUATERNION = ('qx', 'qy', 'qz', 'qw')
_TUM_COLUMNS = ('timestamp', 'x', 'y', 'z', *_QUATERNION)

_MAX_STAMP_NS = 2**63 - 1


@dataclass(frozen=True)
class Location:
    """What is known of one image or moment.

    Attributes:
        stamp_ns: None where there is no time.
    """

    pose: Pose | None = None
    geo: GeoPosition | None = None
    stamp_ns: int | None = None


@dataclass(frozen=True)
class _Row:
    """One line of a table: its place in the file, for messages, and its cells by column."""

    where: str
    cells: dict[str, str]


def read_locations(csv_path: Path, root: Path, files: Sequence[str]) -> dict[int, Location]:
    """Locations of images from a CSV.

    Args:
        csv_path: see docs/reference/file_formats.md for the columns.
        root: the image folder.
        files: the images, as sorted paths relative to `root`.

    Returns:
        Index in `files` to location. Images without a row are left out.

    Raises:
        InputError: an unreadable file or value, with its line; a row that names no image, or an
            image that another row has named.
    """
    columns, rows = _read_csv(csv_path)
    if 'file' not in columns and 'index' not in columns:
        raise InputError(
            f'{csv_path} has the columns {", ".join(columns)}, expected file or index among '
            'them to tell which image a row is about'
        )
    _check_has_content(csv_path, columns)
    by_name = {name: index for index, name in enumerate(files)}
    locations: dict[int, Location] = {}
    seen: dict[int, str] = {}
    for row in rows:
        if 'file' in columns:
            index = _index_of_file(row, csv_path, root, by_name)
        else:
            index = _index_of_number(row, len(files))
        if index in seen:
            raise InputError(
                f'{row.where}: {files[index]} has a row already ({seen[index]}); remove one'
            )
        seen[index] = row.where
        locations[index] = _location(row)
    return locations


def read_trajectory(path: Path) -> list[Location]:
    """Stamped poses or positions, sorted by stamp.

    Args:
        path: a CSV with a time and a position, or a TUM trajectory: lines of
            `timestamp tx ty tz qx qy qz qw` separated by blanks, '#' starting a comment.

    Raises:
        InputError: an unreadable file or value, with its line.
    """
    columns, rows = _read_tum(path) if _looks_like_tum(path) else _read_csv(path)
    _check_has_content(path, columns)
    if not {'timestamp', 'stamp_ns'} & set(columns) or not {'x', 'latitude'} & set(columns):
        raise InputError(
            f'{path} has the columns {", ".join(columns)}, expected a timestamp or stamp_ns, and '
            'x, y or latitude, longitude'
        )
    locations = [_location(row) for row in rows]
    return sorted(locations, key=lambda location: location.stamp_ns or 0)


def location_from_name(name: str) -> Location | None:
    """Location in a file name of the VPR datasets: @utm_east@utm_north@... or None.

    The further fields, where they are there, are those of the common naming scheme: zone number,
    zone letter, latitude, longitude, panorama, tile, heading (degrees clockwise from north).

    Raises:
        InputError: the name starts as such a name does, but its fields are no numbers.
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
    heading = _number_or_nan(fields, 9)
    if math.isnan(heading):
        pose = _pose_without_orientation(np.array([east, north, 0.0]))
    else:
        # Heading turns clockwise from north, yaw (REP-103) counterclockwise from east.
        half = math.radians(90 - heading) / 2
        orientation = np.array([0, 0, math.sin(half), math.cos(half)])
        pose = Pose(np.array([east, north, 0.0]), orientation)
    latitude, longitude = _number_or_nan(fields, 5), _number_or_nan(fields, 6)
    known = abs(latitude) <= 90 and abs(longitude) <= 180
    return Location(pose, GeoPosition(latitude, longitude) if known else None)


def parse_seconds(text: str) -> int:
    """Nanoseconds of a decimal number of seconds, exactly.

    Raises:
        ValueError: no number, negative, or beyond the year 2262, where 64 bits end.
    """
    try:
        stamp = Decimal(text.strip()) * 1_000_000_000
        nanoseconds = int(stamp.to_integral_value())
    except (InvalidOperation, ValueError, OverflowError) as error:
        raise ValueError(f'{text!r} is no time in seconds') from error
    if not 0 <= nanoseconds <= _MAX_STAMP_NS:
        raise ValueError(
            f'{text!r} is not a time in seconds between 1970 and 2262; name the column stamp_ns '
            'if it holds nanoseconds'
        )
    return nanoseconds


def _read_csv(path: Path) -> tuple[list[str], list[_Row]]:
    """Known columns and rows of a CSV, blank lines left out."""
    lines = _text(path).splitlines()
    reader = csv.reader(lines, strict=True)
    rows: list[_Row] = []
    columns: list[str] = []
    names: list[str] = []
    try:
        for cells in reader:
            if not any(cell.strip() for cell in cells):
                continue
            where = f'{path}, line {reader.line_num}'
            if not columns:
                names = [_COLUMN_OF.get(cell.strip().lower(), '') for cell in cells]
                columns = _check_columns(names, cells, where)
                continue
            if len(cells) != len(names):
                raise InputError(
                    f'{where} has {len(cells)} fields, expected {len(names)} as in the header'
                )
            known = {name: cell.strip() for name, cell in zip(names, cells, strict=True) if name}
            rows.append(_Row(where, known))
    except csv.Error as error:
        raise InputError(f'{path}, line {reader.line_num} is no CSV: {error}') from error
    if not rows:
        raise InputError(f'{path} has no rows; expected a header line and one row per image')
    return columns, rows


def _check_columns(names: list[str], cells: list[str], where: str) -> list[str]:
    """The known columns of a header; each at most once, groups complete."""
    columns = [name for name in names if name]
    if not columns:
        raise InputError(
            f'{where} is {",".join(cells)!r}, expected a header with columns such as '
            'file,x,y or index,latitude,longitude, separated by commas'
        )
    for name in columns:
        if columns.count(name) > 1:
            twice = [cell for cell, known in zip(cells, names, strict=True) if known == name]
            raise InputError(f'{where}: {" and ".join(twice)} mean the same; keep one of them')
    for group in (('x', 'y'), _QUATERNION, ('latitude', 'longitude')):
        missing = [name for name in group if name not in columns]
        if missing and len(missing) < len(group):
            raise InputError(
                f'{where} lacks the column {", ".join(missing)}; '
                f'{", ".join(group)} are needed together'
            )
    return columns


def _check_has_content(path: Path, columns: Sequence[str]) -> None:
    if not {'x', 'latitude', 'timestamp', 'stamp_ns'} & set(columns):
        raise InputError(
            f'{path} has the columns {", ".join(columns)}, expected positions (x, y or latitude, '
            'longitude) or times (timestamp, stamp_ns) among them'
        )


def _looks_like_tum(path: Path) -> bool:
    """Whether the first line that is no comment is eight numbers separated by blanks."""
    for line in _text(path).splitlines():
        if line.strip() and not line.startswith('#'):
            fields = line.split()
            return len(fields) == len(_TUM_COLUMNS) and _is_number(fields[0])
    return False


def _read_tum(path: Path) -> tuple[list[str], list[_Row]]:
    rows = []
    for number, line in enumerate(_text(path).splitlines(), start=1):
        fields = line.split()
        if not fields or fields[0].startswith('#'):
            continue
        where = f'{path}, line {number}'
        if len(fields) != len(_TUM_COLUMNS):
            raise InputError(
                f'{where} has {len(fields)} fields, expected {len(_TUM_COLUMNS)}: '
                'timestamp tx ty tz qx qy qz qw'
            )
        rows.append(_Row(where, dict(zip(_TUM_COLUMNS, fields, strict=True))))
    return list(_TUM_COLUMNS), rows


def _location(row: _Row) -> Location:
    """Location of a row whose columns were checked."""
    try:
        return Location(_pose(row), _geo(row), _stamp(row))
    except (InputError, ValueError) as error:
        raise InputError(f'{row.where}: {error}') from error


def _pose(row: _Row) -> Pose | None:
    if 'x' not in row.cells:
        return None
    height = _number(row, 'z') if row.cells.get('z') else 0.0
    position = np.array([_number(row, 'x'), _number(row, 'y'), height])
    if 'qx' not in row.cells:
        return _pose_without_orientation(position)
    return Pose(position, np.array([_number(row, name) for name in _QUATERNION]))


def _pose_without_orientation(position: np.ndarray) -> Pose:
    """A position as a pose; the covariance says that the orientation means nothing."""
    covariance = np.diag([0.0, 0.0, 0.0, *[UNKNOWN_ANGLE_VARIANCE] * 3])
    return Pose(position, np.array([0.0, 0.0, 0.0, 1.0]), covariance)


def _geo(row: _Row) -> GeoPosition | None:
    if 'latitude' not in row.cells:
        return None
    altitude = _number(row, 'altitude') if row.cells.get('altitude') else math.nan
    return GeoPosition(_number(row, 'latitude'), _number(row, 'longitude'), altitude)


def _stamp(row: _Row) -> int | None:
    if 'stamp_ns' in row.cells:
        text = row.cells['stamp_ns']
        if not re.fullmatch(r'\d{1,19}', text) or int(text) > _MAX_STAMP_NS:
            raise ValueError(f'stamp_ns is {text!r}, expected whole nanoseconds')
        return int(text)
    return parse_seconds(row.cells['timestamp']) if 'timestamp' in row.cells else None


def _number(row: _Row, column: str) -> float:
    text = row.cells[column]
    value = float(text) if _is_number(text) else math.nan
    if not math.isfinite(value):
        raise ValueError(f'{column} is {text!r}, expected a finite number')
    return value


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _number_or_nan(fields: Sequence[str], position: int) -> float:
    text = fields[position] if position < len(fields) else ''
    return float(text) if _is_number(text) else math.nan


def _index_of_file(row: _Row, csv_path: Path, root: Path, by_name: dict[str, int]) -> int:
    """Index of the image that a row names, from the image folder or from the CSV's folder."""
    given = row.cells['file']
    for candidate in _relative_names(given, csv_path, root):
        if candidate in by_name:
            return by_name[candidate]
    raise InputError(
        f'{row.where}: there is no image {given!r} in {root}, nor from the folder of the CSV; '
        'correct the name or remove the row'
    )


def _relative_names(given: str, csv_path: Path, root: Path) -> Iterator[str]:
    yield Path(given).as_posix()
    place = csv_path.parent / given
    try:
        # The folder is resolved and the file is not: an image may be a link to elsewhere.
        yield (place.parent.resolve() / place.name).relative_to(root.resolve()).as_posix()
    except (ValueError, OSError):
        return


def _index_of_number(row: _Row, count: int) -> int:
    text = row.cells['index']
    if not re.fullmatch(r'\d{1,12}', text) or int(text) >= count:
        raise InputError(
            f'{row.where}: index is {text!r}, expected a whole number from 0 to {count - 1}, the '
            'position in the sorted list of images'
        )
    return int(text)


def _text(path: Path) -> str:
    """A text file, with or without a byte order mark."""
    try:
        return path.read_text(encoding='utf-8-sig')
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f'{path} cannot be read: {error}; expected a UTF-8 text file') from error
