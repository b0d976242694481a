"""Tables of positions and times as rows of named cells: CSV, and numbers without a header.

docs/reference/file_formats.md lists the columns and their other names.
"""

from __future__ import annotations

import csv
import logging
import math
import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from fol_vpr.errors import InputError
from fol_vpr.files import printable, read_text
from fol_vpr.sources.stamps import StampUnit, named_unit, unit_of

ALIASES = {
    'file': (
        'file', 'filename', 'file_name', 'image', 'image_name', 'image_path', 'path', 'name', 'key'
    ),
    'index': ('index',),
    'timestamp': ('timestamp', 'timestamps', 'stamp', 'time'),
    'stamp_ns': ('stamp_ns', 'timestamp_ns', 'time_ns'),
    'timestamp_us': ('timestamp_us', 'stamp_us', 'time_us', 'utime'),
    'timestamp_ms': ('timestamp_ms', 'stamp_ms', 'time_ms'),
    'timestamp_s': ('timestamp_s', 'stamp_s', 'time_s'),
    'x': ('x', 'tx', 'easting', 'utm_east', 'p_rs_r_x', 'p_x', 'pos_x', 'position_x'),
    'y': ('y', 'ty', 'northing', 'utm_north', 'p_rs_r_y', 'p_y', 'pos_y', 'position_y'),
    'z': ('z', 'tz', 'p_rs_r_z', 'p_z', 'pos_z', 'position_z'),
    'qx': ('qx', 'q_rs_x', 'q_x'),
    'qy': ('qy', 'q_rs_y', 'q_y'),
    'qz': ('qz', 'q_rs_z', 'q_z'),
    'qw': ('qw', 'q_rs_w', 'q_w'),
    'latitude': ('latitude', 'lat'),
    'longitude': ('longitude', 'lon', 'lng'),
    'altitude': ('altitude', 'alt'),
    'yaw': ('yaw',),
    'yaw_rad': ('yaw_rad', 'yaw_radians'),
    'yaw_deg': ('yaw_deg', 'yaw_degrees'),
    'heading_deg': ('heading_deg', 'heading_degrees'),
    'zone': ('zone', 'utm_zone', 'zone_number', 'utm_zone_number'),
    'zone_letter': ('zone_letter', 'utm_zone_letter', 'utm_letter', 'band'),
    'hemisphere': ('hemisphere', 'utm_hemisphere'),
}  # fmt: skip
_COLUMN_OF = {alias: column for column, aliases in ALIASES.items() for alias in aliases}
QUATERNION = ('qx', 'qy', 'qz', 'qw')
_ANGLES = ('yaw', 'heading')
_UNUSED_ANGLES = ('heading', 'bearing', 'azimuth', 'compass', 'theta', 'roll', 'pitch', 'ca')
_UNIT_OF_COLUMN = {'timestamp_us': 'us', 'timestamp_ms': 'ms', 'timestamp_s': 's'}
_DELIMITERS = {',': 'commas', ';': 'semicolons', '\t': 'tabs', '': 'blanks'}
_WITH_UNIT = re.compile(r'(.*?)\s*[\[(]([^\])]*)[\])]')
_NUMBER = re.compile(r'[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?|[+-]?(inf|infinity|nan)', re.A | re.I)
_DECIMAL_COMMA = re.compile(r'[+-]?\d+,\d+(e[+-]?\d+)?', re.A | re.I)
_THOUSANDS = re.compile(r'[+-]?[1-9]\d{0,2},\d{3}', re.A)
_TEXTS = ('file', 'zone', 'zone_letter', 'hemisphere')
_EXCEL_DELIMITER = re.compile(r'sep=.', re.I)

log = logging.getLogger(__name__)


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
        text = self.cells[column]
        value = number_or_nan(text)
        if not math.isfinite(value):
            hint = ' with a point, not a comma' if _DECIMAL_COMMA.fullmatch(text) else ''
            raise ValueError(f'{column} is {printable(text)!r}, expected a finite number{hint}')
        return value


@dataclass(frozen=True)
class _Line:
    number: int
    text: str

    @property
    def is_comment(self) -> bool:
        return self.text.lstrip().startswith('#')


def read_csv(path: Path) -> tuple[list[str], list[TableRow]]:
    """Read a table with a header, separated by commas, semicolons, tabs or blanks.

    Lines that begin with # are comments, but the last one before the rows may be the header.

    Returns:
        The known columns, and the rows without blank lines. Times are in the column timestamp
        (seconds) or stamp_ns.

    Raises:
        InputError: the file cannot be read, or is no such table; the message names the line.
    """
    names, rows = read_table(path)
    names = [(_angle_column(name, unit), unit) for name, unit in names]
    _warn_of_angles(path, [name for name, _ in names])
    known = [_COLUMN_OF.get(name, '') for name, _ in names]
    columns = _check_columns(known, [name for name, _ in names], rows.header)
    found = [
        TableRow(where, {name: cell for name, cell in zip(known, cells, strict=True) if name})
        for where, cells in rows
    ]
    if not found:
        raise InputError(f'{path} has no rows; expected a header line and one row per image')
    found = _with_points(path, found)
    units = {name: named_unit(unit) for name, (_, unit) in zip(known, names, strict=True) if name}
    return _with_known_times(path, columns, found, units)


class TableRows:
    """The rows of a table as lists of cells.

    Attributes:
        header: the file and the line of the header, for messages.
        width: number of columns.
    """

    def __init__(self, path: Path, header: _Line, lines: list[_Line], delimiter: str) -> None:
        self._path = path
        self._lines = lines
        self._delimiter = delimiter
        self.header = f'{path}, line {header.number}'
        self.width = len(split_cells([header.text.lstrip('# \t')], delimiter)[0])

    def __iter__(self) -> Iterator[tuple[str, list[str]]]:
        """Yield where each row is, and its cells.

        Raises:
            InputError: a row has another number of cells than the header, or is no CSV.
        """
        texts = [line.text for line in self._lines]
        cells = _csv_cells(texts, self._delimiter)
        for end, row in _checked(cells, self._path, self._lines):
            where = f'{self._path}, line {end}'
            while len(row) > self.width and not row[-1]:
                row.pop()
            if len(row) != self.width:
                raise InputError(
                    f'{where} has {len(row)} fields, expected {self.width} as in the header, '
                    f'separated by {_DELIMITERS[self._delimiter]}'
                )
            yield where, row


def read_table(
    path: Path, expected: Collection[str] = _COLUMN_OF
) -> tuple[list[tuple[str, str]], TableRows]:
    """Read a table with a header, whatever its columns are.

    Args:
        path: the table.
        expected: names of columns by which the header and the delimiter are recognised.

    Returns:
        Name in lower case and unit (as in 'timestamp [ns]', or empty) of each column, and the
        rows.

    Raises:
        InputError: the file cannot be read, or has no header and rows.
    """
    lines = [
        _Line(number, text)
        for number, text in enumerate(table_text(path).splitlines(), start=1)
        if text.strip()
    ]
    if lines and _EXCEL_DELIMITER.fullmatch(lines[0].text.strip()):
        del lines[0]  # what Excel asks for
    data = [line for line in lines if not line.is_comment]
    if not data:
        raise InputError(f'{path} has no rows; expected a header line and one row per image')
    comments = [line for line in lines if line.is_comment and line.number < data[0].number]
    header, rows = data[0], data[1:]
    if comments and not _known(header, expected) and _known(comments[-1], expected):
        header, rows = comments[-1], data
    delimiter = _delimiter(header, expected)
    try:
        names = split_cells([header.text.lstrip('# \t')], delimiter)[0]
    except csv.Error as error:
        raise InputError(f'{path}, line {header.number} is no CSV: {error}') from error
    return [_name_and_unit(name) for name in names], TableRows(path, header, rows, delimiter)


def split_cells(texts: Sequence[str], delimiter: str) -> list[list[str]]:
    """The cells of lines; '' as delimiter splits at blanks.

    Trailing empty cells of a header are dropped.
    """
    found = []
    for _, row in _csv_cells(texts, delimiter):
        while len(row) > 1 and not row[-1]:
            row.pop()
        found.append(row)
    return found


def _csv_cells(texts: Sequence[str], delimiter: str) -> Iterator[tuple[int, list[str]]]:
    """Yield how many of the lines are read, and the cells of a row."""
    if not delimiter:
        yield from ((number, text.split()) for number, text in enumerate(texts, start=1))
        return
    reader = csv.reader(texts, delimiter=delimiter, strict=True)
    for row in reader:
        yield reader.line_num, [cell.strip() for cell in row]


def _checked(
    cells: Iterator[tuple[int, list[str]]], path: Path, lines: list[_Line]
) -> Iterator[tuple[int, list[str]]]:
    last = lines[0].number if lines else 1
    try:
        for count, row in cells:
            last = lines[count - 1].number
            yield last, row
    except csv.Error as error:
        raise InputError(f'{path}, line {last} or later is no CSV: {error}') from error


def _known(line: _Line, expected: Collection[str]) -> int:
    """How many known columns a line names, as the header that it may be."""
    return max(_known_with(line, delimiter, expected) for delimiter in _DELIMITERS)


def _known_with(line: _Line, delimiter: str, expected: Collection[str]) -> int:
    try:
        names = split_cells([line.text.lstrip('# \t')], delimiter)[0]
    except csv.Error:
        return 0
    return sum(_name_and_unit(name)[0] in expected for name in names)


def _delimiter(header: _Line, expected: Collection[str]) -> str:
    """The delimiter with which a header names the most known columns; a comma if none does."""
    counts = {delimiter: _known_with(header, delimiter, expected) for delimiter in _DELIMITERS}
    return max(counts, key=lambda delimiter: (counts[delimiter], delimiter == ','))


def _name_and_unit(cell: str) -> tuple[str, str]:
    match = _WITH_UNIT.fullmatch(cell.strip())
    name, unit = match.groups() if match else (cell, '')
    return name.strip().lower(), unit


def _angle_column(name: str, unit: str) -> str:
    """The name of a column of angles with its unit, as 'yaw_deg' for 'yaw [deg]'."""
    word = unit.strip().lower()
    if name in _ANGLES and word:
        for kind in ('deg', 'rad'):
            if word.startswith(kind) or (kind == 'deg' and word == '°'):
                return f'{name}_{kind}'
    return name


def _warn_of_angles(path: Path, names: list[str]) -> None:
    """Say how the column yaw is read, and which columns of angles are not used.

    Raises:
        InputError: yaw is about an axis that points down.
    """
    if 'down' in names and any(name.startswith('yaw') for name in names) and 'qx' not in names:
        raise InputError(
            f'{path} has the columns yaw and down, so its angles are those of axes north, east, '
            'down, clockwise from north; give the drive by --dataset if it is one of RobotCar, '
            'or write yaw as heading_deg, in degrees, and leave down out'
        )
    if 'yaw' in names and 'qx' not in names:
        log.warning(
            '%s: yaw is read as radians counterclockwise from x; name the column yaw_deg for '
            'degrees, or heading_deg for degrees clockwise from north',
            path,
        )
    unused = [name for name in names if name in (*_UNUSED_ANGLES, 'heading_rad')]
    if 'qx' in names:
        unused += [name for name in names if _COLUMN_OF.get(name, '').startswith(('yaw', 'head'))]
    if unused:
        log.warning(
            '%s: the column %s is not used; orientations are qx, qy, qz, qw, or yaw_rad, yaw_deg '
            '(counterclockwise from x), or heading_deg (clockwise from north)',
            path,
            ', '.join(unused),
        )


def _check_columns(names: list[str], cells: list[str], where: str) -> list[str]:
    """The known columns of a header; InputError if one is repeated or a group is incomplete."""
    columns = [name for name in names if name]
    if not columns:
        raise InputError(
            f'{where} is {printable(",".join(cells))!r}, expected a header with columns such as '
            'file,x,y or index,latitude,longitude, separated by commas, semicolons or tabs'
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


def _with_points(path: Path, rows: list[TableRow]) -> list[TableRow]:
    """The rows with points in numbers that have a decimal comma, where it can be nothing else."""
    texts = {cell for row in rows for name, cell in row.cells.items() if name not in _TEXTS}
    commas = {text for text in texts if ',' in text and _DECIMAL_COMMA.fullmatch(text)}
    if not commas or any('.' in text for text in texts):
        return rows
    example = min(commas)
    if all(_THOUSANDS.fullmatch(text) for text in commas):
        raise InputError(
            f'{path}: numbers such as {example} have either three decimals or thousands set off; '
            'write decimals with a point, and thousands without a mark'
        )
    log.warning('%s: the comma in numbers such as %s is read as a decimal point', path, example)
    return [
        replace(row, cells={
            name: cell.replace(',', '.') if name not in _TEXTS and cell in commas else cell
            for name, cell in row.cells.items()
        })
        for row in rows
    ]  # fmt: skip


def _with_known_times(
    path: Path, columns: list[str], rows: list[TableRow], units: dict[str, StampUnit | None]
) -> tuple[list[str], list[TableRow]]:
    """The table with its times in the column timestamp if they are seconds, else stamp_ns."""
    given = next((name for name in (*_UNIT_OF_COLUMN, 'timestamp') if name in columns), '')
    if not given or 'stamp_ns' in columns:
        return columns, rows
    texts = [row.cells[given] for row in rows]
    unit = named_unit(_UNIT_OF_COLUMN.get(given, '')) or units.get(given)
    if unit is None:
        unit = time_unit(texts, f'{path}, column {given}')
    target = 'timestamp' if unit.name == 'seconds' else 'stamp_ns'
    if target == given:
        return columns, rows
    changed = []
    for row, text in zip(rows, texts, strict=True):
        try:
            value = text if target == 'timestamp' else str(unit.stamp_ns(text))
        except ValueError as error:
            raise InputError(f'{row.where}: {error}') from error
        cells = {target if name == given else name: cell for name, cell in row.cells.items()}
        changed.append(replace(row, cells=cells | {target: value}))
    return [target if name == given else name for name in columns], changed


def time_unit(texts: Sequence[str], where: str) -> StampUnit:
    """The unit of times by their magnitude; units other than seconds are said in the log.

    Raises:
        InputError: the times are of different units by their magnitude.
    """
    try:
        unit = unit_of(texts)
    except ValueError as error:
        raise InputError(f'{where}: {error}') from error
    if unit.name != 'seconds':
        log.warning('%s: times are read as %s, by their magnitude', where, unit.name)
    return unit


def table_text(path: Path) -> str:
    """A text file, with or without a byte order mark.

    Raises:
        InputError: it cannot be read, or is no UTF-8.
    """
    return read_text(path, 'a UTF-8 text file')


def number_or_nan(text: str) -> float:
    """The number that a text holds, NaN if it holds none."""
    return float(text) if is_number(text) else math.nan


def is_number(text: str) -> bool:
    """Whether a text is a number, infinity and NaN included."""
    return _NUMBER.fullmatch(text.strip()) is not None
