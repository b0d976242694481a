"""Tables of positions and times: CSV files and TUM trajectories as rows of named cells.

docs/reference/file_formats.md lists the columns and their other names.
"""

from __future__ import annotations

import csv
import math
from dataclasses import dataclass
from pathlib import Path

from fol_vpr.errors import InputError

ALIASES = {
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
_COLUMN_OF = {alias: column for column, aliases in ALIASES.items() for alias in aliases}
QUATERNION = ('qx', 'qy', 'qz', 'qw')
_TUM_COLUMNS = ('timestamp', 'x', 'y', 'z', *QUATERNION)


@dataclass(frozen=True)
class TableRow:
    """One row of a table.

    Attributes:
        where: the file and the line, for messages.
        cells: texts by column.
    """

    where: str
    cells: dict[str, str]

    def number(self, column: str) -> float:
        """The number in a cell.

        Raises:
            ValueError: the text is no finite number.
        """
        value = number_or_nan(self.cells[column])
        if not math.isfinite(value):
            raise ValueError(f'{column} is {self.cells[column]!r}, expected a finite number')
        return value


def read_csv(path: Path) -> tuple[list[str], list[TableRow]]:
    """Read a CSV with a header.

    Returns:
        The known columns, and the rows without blank lines.

    Raises:
        InputError: the file cannot be read, or is no such table; the message names the line.
    """
    lines = _read_text(path).splitlines()
    reader = csv.reader(lines, strict=True)
    rows: list[TableRow] = []
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
            rows.append(TableRow(where, known))
    except csv.Error as error:
        raise InputError(f'{path}, line {reader.line_num} is no CSV: {error}') from error
    if not rows:
        raise InputError(f'{path} has no rows; expected a header line and one row per image')
    return columns, rows


def _check_columns(names: list[str], cells: list[str], where: str) -> list[str]:
    """The known columns of a header; InputError if one is repeated or a group is incomplete."""
    columns = [name for name in names if name]
    if not columns:
        raise InputError(
            f'{where} is {",".join(cells)!r}, expected a header with columns such as '
            'file,x,y or index,latitude,longitude, separated by commas'
        )
    for name in columns:
        if columns.count(name) > 1:
            twice = [cell for cell, known in zip(cells, names, strict=True) if known == name]
            raise InputError(f'{where}: {" and ".join(twice)} mean the same column; keep one')
    for group in (('x', 'y'), QUATERNION, ('latitude', 'longitude')):
        missing = [name for name in group if name not in columns]
        if missing and len(missing) < len(group):
            raise InputError(
                f'{where} lacks the column {", ".join(missing)}; '
                f'{", ".join(group)} are needed together'
            )
    return columns


def is_tum(path: Path) -> bool:
    """Whether the first line that is no comment has eight fields and begins with a number."""
    for line in _read_text(path).splitlines():
        if line.strip() and not line.startswith('#'):
            fields = line.split()
            return len(fields) == len(_TUM_COLUMNS) and is_number(fields[0])
    return False


def read_tum(path: Path) -> tuple[list[str], list[TableRow]]:
    """Read a TUM trajectory.

    Returns:
        The columns and the rows, without comments and blank lines.

    Raises:
        InputError: the file cannot be read, or a line does not have eight fields.
    """
    rows = []
    for number, line in enumerate(_read_text(path).splitlines(), start=1):
        fields = line.split()
        if not fields or fields[0].startswith('#'):
            continue
        where = f'{path}, line {number}'
        if len(fields) != len(_TUM_COLUMNS):
            raise InputError(
                f'{where} has {len(fields)} fields, expected {len(_TUM_COLUMNS)}: '
                'timestamp tx ty tz qx qy qz qw'
            )
        rows.append(TableRow(where, dict(zip(_TUM_COLUMNS, fields, strict=True))))
    return list(_TUM_COLUMNS), rows


def _read_text(path: Path) -> str:
    """A text file, with or without a byte order mark."""
    try:
        return path.read_text(encoding='utf-8-sig')
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f'{path} cannot be read: {error}; expected a UTF-8 text file') from error


def number_or_nan(text: str) -> float:
    """The number that a text holds, NaN if it holds none."""
    return float(text) if is_number(text) else math.nan


def is_number(text: str) -> bool:
    """Whether a text is a number, infinity and NaN included."""
    try:
        float(text)
    except ValueError:
        return False
    return True
