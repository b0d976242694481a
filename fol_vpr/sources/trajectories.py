"""Stamped poses in files: TUM, KITTI and EuRoC trajectories and CSV, recognised by content."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from fol_vpr.datatypes import Pose
from fol_vpr.errors import InputError
from fol_vpr.geometry.rigid import quaternion, rotation_matrix
from fol_vpr.sources.positions import check_has_content, location_of, warn_of_unknown
from fol_vpr.sources.stamps import StampUnit
from fol_vpr.sources.tables import (
    QUATERNION,
    TableRow,
    is_number,
    number_or_nan,
    read_csv,
    table_text,
    time_unit,
)
from fol_vpr.sources.utm_positions import Location, in_one_zone

OPTICAL_IN_BASE = Pose(np.zeros(3), np.array([-0.5, 0.5, -0.5, 0.5]))
"""Pose of an optical frame (x right, y down, z forward) in the frame of the same camera with the
axes of REP-103 (x forward, y left, z up)."""
TUM_COLUMNS = ('timestamp', 'x', 'y', 'z', *QUATERNION)
EUROC_COLUMNS = ('timestamp', 'x', 'y', 'z', 'qw', 'qx', 'qy', 'qz')
_EUROC_WIDTH = 17
"""Columns of state_groundtruth_estimate0/data.csv: velocities and biases follow the pose."""
_KITTI_WIDTH = 12
_ROTATION_TOLERANCE = 1e-2
_MAX_NUMBER = 1e12

log = logging.getLogger(__name__)


def read_trajectory(path: Path, frame_stamps: Sequence[int] | None = None) -> list[Location]:
    """Read stamped poses or positions, sorted by stamp.

    Args:
        path: a table with times and positions (CSV; EuRoC's data.csv is one); a TUM trajectory:
            lines of `timestamp tx ty tz qx qy qz qw` separated by blanks; or KITTI poses: a line
            of 12 numbers, the upper rows of the pose of the left camera, for each frame.
        frame_stamps: times of the images in nanoseconds, which KITTI poses take if they are as
            many; other KITTI poses take times.txt of their sequence.

    Raises:
        InputError: the file cannot be read, or a value is invalid; the message names the line.
    """
    lines = number_lines(path)
    width = len(lines[0][1]) if lines else 0
    if width == _KITTI_WIDTH:
        return _kitti_track(path, lines, frame_stamps)
    if width == len(TUM_COLUMNS):
        return _sorted(tum_rows(path, lines))
    euroc = _headerless_euroc(path)
    if euroc is not None:
        log.warning('%s is read as the ground truth of EuRoC: nanoseconds, qw first', path)
        return _sorted(euroc)
    columns, rows = read_csv(path)
    check_has_content(path, columns)
    if not {'timestamp', 'stamp_ns'} & set(columns) or not {'x', 'latitude'} & set(columns):
        raise InputError(
            f'{path} has the columns {", ".join(columns)}, expected a timestamp or stamp_ns, and '
            'x, y or latitude, longitude'
        )
    found = _sorted(rows)
    warn_of_unknown(path, columns, found)
    known = [each for each in found if each.pose is not None or each.geo is not None]
    if not known:
        raise InputError(f'{path} has no row with a position, all {len(found)} are empty')
    located = in_one_zone(dict(enumerate(known)), str(path), log.warning)
    return list(located.values())


def _sorted(rows: Sequence[TableRow]) -> list[Location]:
    return sorted((location_of(row) for row in rows), key=lambda location: location.stamp_ns or 0)


def number_lines(path: Path, what: str = '') -> list[tuple[str, list[str]]]:
    """Where each line without comment is, and its fields, if the first line is of numbers only.

    Args:
        path: a text file with numbers separated by blanks.
        what: the expected lines for the error message; without it other files give no lines.

    Raises:
        InputError: the file cannot be read; or it holds something else and `what` is given.
    """
    found = [
        (f'{path}, line {number}', text.split())
        for number, text in enumerate(table_text(path).splitlines(), start=1)
        if text.strip() and not text.lstrip().startswith('#')
    ]
    if found and all(is_number(field) for field in found[0][1]):
        return found
    if not what:
        return []
    shown = ' '.join(found[0][1])[:80] if found else 'nothing'
    raise InputError(f'{path} holds {shown!r}, expected lines of {what}')


def tum_rows(path: Path, lines: Sequence[tuple[str, list[str]]]) -> list[TableRow]:
    """The rows of a TUM trajectory, with times in nanoseconds.

    Raises:
        InputError: a line does not have eight fields, or its time is none.
    """
    for where, fields in lines:
        if len(fields) != len(TUM_COLUMNS):
            raise InputError(
                f'{where} has {len(fields)} fields, expected {len(TUM_COLUMNS)}: '
                'timestamp tx ty tz qx qy qz qw'
            )
    unit = time_unit([fields[0] for _, fields in lines], str(path))
    return [row_of(where, TUM_COLUMNS, fields, unit) for where, fields in lines]


def tum_poses(
    path: Path, lines: Sequence[tuple[str, list[str]]]
) -> tuple[list[int], np.ndarray, np.ndarray]:
    """A TUM trajectory as arrays.

    Returns:
        Times in nanoseconds, positions [N, 3] in metres, unit quaternions x, y, z, w [N, 4].

    Raises:
        InputError: a line does not have eight finite numbers, or no unit quaternion.
    """
    located = [location_of(row) for row in tum_rows(path, lines)]
    poses = [location.pose for location in located if location.pose is not None]
    return (
        [location.stamp_ns or 0 for location in located],
        np.array([pose.position for pose in poses]).reshape(-1, 3),
        np.array([pose.orientation for pose in poses]).reshape(-1, 4),
    )


def row_of(where: str, columns: Sequence[str], fields: Sequence[str], unit: StampUnit) -> TableRow:
    """A row whose first field, the time, is converted to nanoseconds.

    Raises:
        InputError: the first field is no time.
    """
    try:
        stamp_ns = unit.stamp_ns(fields[0])
    except ValueError as error:
        raise InputError(f'{where}: {error}') from error
    cells = dict(zip(columns[1:], fields[1:], strict=False))
    return TableRow(where, {'stamp_ns': str(stamp_ns), **cells})


def _headerless_euroc(path: Path) -> list[TableRow] | None:
    """The rows of EuRoC's ground truth without its header; None for other files."""
    found: list[tuple[str, list[str]]] = []
    for number, text in enumerate(table_text(path).splitlines(), start=1):
        fields = [field.strip() for field in text.split(',')]
        if not text.strip():
            continue
        if not found and (len(fields) != _EUROC_WIDTH or not all(map(is_number, fields))):
            return None
        if len(fields) != _EUROC_WIDTH:
            raise InputError(
                f'{path}, line {number} has {len(fields)} fields, expected {_EUROC_WIDTH} as '
                'in the first line'
            )
        found.append((f'{path}, line {number}', fields))
    if not found:
        return None
    unit = time_unit([fields[0] for _, fields in found], str(path))
    return [row_of(where, EUROC_COLUMNS, fields, unit) for where, fields in found]


# ---- KITTI


def _kitti_track(
    path: Path, lines: list[tuple[str, list[str]]], frame_stamps: Sequence[int] | None
) -> list[Location]:
    poses = kitti_poses(lines)
    times = [path.with_name('times.txt'), path.parents[1] / 'sequences' / path.stem / 'times.txt']
    there = next((each for each in times if each.is_file()), None)
    if frame_stamps is not None and len(frame_stamps) == len(poses):
        stamps, whose = list(frame_stamps), 'the images'
    elif there is not None:
        stamps = kitti_times(there)
        whose = str(there)
    elif frame_stamps is not None:
        stamps, whose = list(frame_stamps), 'the images'
    else:
        raise InputError(
            f'{path} holds KITTI poses, without times: put times.txt of the sequence beside it, '
            f'expected {" or ".join(map(str, times))}'
        )
    if len(stamps) != len(poses):
        raise InputError(
            f'{path} holds {len(poses)} KITTI poses, but {whose} has {len(stamps)} times; '
            'expected one for each'
        )
    log.warning(
        '%s is read as KITTI poses of the left camera, with the times of %s; they are turned to '
        'x forward, z up (REP-103)',
        path,
        whose,
    )
    located = [
        Location(pose, None, stamp_ns) for pose, stamp_ns in zip(poses, stamps, strict=True)
    ]
    return sorted(located, key=lambda location: location.stamp_ns or 0)


def kitti_times(path: Path) -> list[int]:
    """Times of the frames of a KITTI sequence in nanoseconds: seconds from the first frame.

    Raises:
        InputError: the file cannot be read, or a line is no time.
    """
    lines = number_lines(path, 'one time in seconds each')
    unit = time_unit([fields[0] for _, fields in lines], str(path))
    stamps = []
    for where, fields in lines:
        if len(fields) != 1:
            raise InputError(f'{where} has {len(fields)} fields, expected one time in seconds')
        stamps.append(int(row_of(where, ('timestamp',), fields, unit).cells['stamp_ns']))
    return stamps


def kitti_poses(lines: Sequence[tuple[str, list[str]]]) -> list[Pose]:
    """Poses of the left camera with axes of REP-103, in its first frame with such axes.

    Raises:
        InputError: a line does not hold the upper three rows of a rigid motion.
    """
    turn = rotation_matrix(OPTICAL_IN_BASE.orientation)
    poses = []
    for where, fields in lines:
        matrix = matrix_of(where, fields, (3, 4))
        rotation = turn @ matrix[:, :3] @ turn.T
        poses.append(Pose(turn @ matrix[:, 3], quaternion(rotation)))
    return poses


def matrix_of(where: str, fields: Sequence[str], shape: tuple[int, int]) -> np.ndarray:
    """The matrix [3 or 4, 4] of a rigid motion from its numbers, row by row.

    Raises:
        InputError: another number of fields, no numbers, or no rotation in them.
    """
    numbers = np.array([number_or_nan(field) for field in fields])
    if numbers.size != shape[0] * shape[1] or not (np.abs(numbers) < _MAX_NUMBER).all():
        raise InputError(
            f'{where} has {len(fields)} fields, expected {shape[0] * shape[1]} finite numbers '
            f'below 1e12, {shape[0]} rows of {shape[1]}'
        )
    matrix = numbers.reshape(shape)
    rotation = matrix[:3, :3]
    off = float(np.abs(rotation @ rotation.T - np.eye(3)).max())
    if off > _ROTATION_TOLERANCE or np.linalg.det(rotation) < 0:
        raise InputError(f'{where} holds no rotation in its first three columns')
    return matrix
