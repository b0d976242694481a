"""What the reader of a data set finds, and the checks that all readers share."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import numpy as np

from fol_vpr.datatypes import Camera, GeoPosition, Pose
from fol_vpr.errors import InputError
from fol_vpr.files import printable
from fol_vpr.geometry.rigid import quaternion
from fol_vpr.sources.bags.poses import PoseTrack
from fol_vpr.sources.tables import is_number, table_text, time_unit
from fol_vpr.sources.utm_positions import Location

DEFAULT_GAP = 0.5
"""Seconds between two poses of a data set that are interpolated, where nothing else is asked."""


@dataclass(frozen=True, eq=False)
class Contents:
    """The images of a data set, with what it says of them.

    Attributes:
        title: name of the data set, for messages.
        root: folder that the files are relative to.
        files: paths of the images relative to `root`, with '/', in order.
        locations: what is known of images, by index in `files`; poses are those of the base with
            axes of REP-103 (x forward, y left, z up).
        session_id: the drive that the images belong to.
        frame_id: the frame of the poses; empty without any.
        own_origin: whether its origin is the start of the drive.
        is_drive: whether a map takes keyframes, as of a bag, instead of all images.
        camera: the calibration, with its mount; None where the data set has none.
        matrix: [3, 3] the matrix K of images without distortion, of whatever size they have, where
            the data set gives no more; or None.
        mount: of `matrix`, and of a calibration that the user gives, or None.
        tables: the files that were read, which identify the content.
        notes: what is said of the reading.
        finish: makes an RGB image [H, W, 3] of the stored one; None leaves it as it is.
        ground_truth: file with the positives of queries that the data set has, or None.
    """

    title: str
    root: Path
    files: Sequence[str]
    locations: dict[int, Location]
    session_id: str
    frame_id: str = ''
    own_origin: bool = False
    is_drive: bool = False
    camera: Camera | None = None
    matrix: np.ndarray | None = None
    mount: Pose | None = None
    tables: Sequence[Path] = ()
    notes: Sequence[str] = field(default_factory=list)
    finish: Callable[[np.ndarray], np.ndarray] | None = None
    ground_truth: Path | None = None


def required(path: Path, title: str, origin: str) -> Path:
    """A file or folder that a data set needs.

    Args:
        path: where it should be.
        title: of the data set.
        origin: what it is and where it comes from, for the error message.

    Raises:
        InputError: it is not there.
    """
    if path.exists():
        return path
    raise InputError(
        f'{printable(str(path), 400)} is missing, which {title} needs: {origin}; download and '
        'unpack it, or check the folder that was given'
    )


def images_in(folder: Path) -> set[str]:
    """Names of the regular files in a folder.

    Raises:
        InputError: the folder cannot be listed.
    """
    try:
        with os.scandir(folder) as entries:
            return {entry.name for entry in entries if entry.is_file()}
    except OSError as error:
        raise InputError(f'{folder} cannot be listed: {error.strerror}') from error


def those_there(
    names: Sequence[str], folder: Path, table: Path, title: str, origin: str
) -> tuple[list[int], list[str]]:
    """Which of the images that a table names are in a folder.

    Args:
        names: names in the folder, or paths relative to it.
        folder: that should hold the images.
        table: that names them.
        title: of the data set.
        origin: where the images come from, for the error message.

    Returns:
        Indices in `names`, and notes.

    Raises:
        InputError: none is there.
    """
    nested = any('/' in name for name in names)
    listed = images_in(folder) if folder.is_dir() and not nested else None
    there = [
        index
        for index, name in enumerate(names)
        if (name in listed if listed is not None else _is_inside(folder, name))
    ]
    if not there:
        first = printable(names[0]) if names else 'none'
        raise InputError(
            f'{folder} holds none of the {len(names)} images that {table} names (the first is '
            f'{first}): the images of {title} are missing, {origin}'
        )
    missing = len(names) - len(there)
    notes = []
    if missing:
        notes.append(f'{missing} of the {len(names)} images of {table.name} are missing')
    return there, notes


def _is_inside(folder: Path, name: str) -> bool:
    path = Path(name)
    return not path.is_absolute() and '..' not in path.parts and (folder / path).is_file()


def track_of(
    stamps: Sequence[int], positions: np.ndarray, rotations: np.ndarray, max_gap: float
) -> PoseTrack:
    """Stamped poses that can be interpolated; of several with one stamp the first is used.

    Args:
        stamps: [N] nanoseconds, in any order.
        positions: [N, 3] metres.
        rotations: [N, 3, 3], axes of the base in the frame of the poses.
        max_gap: seconds between two poses that are interpolated; 0 takes `DEFAULT_GAP`.
    """
    unique, order = np.unique(np.asarray(stamps, np.int64), return_index=True)
    turns = np.array([quaternion(rotations[index]) for index in order]).reshape(-1, 4)
    values = np.hstack([positions[order].reshape(-1, 3), turns])
    return PoseTrack(unique, values, None, round((max_gap or DEFAULT_GAP) * 1e9))


def located(stamps: Iterable[int], track: PoseTrack) -> dict[int, Location]:
    """Locations of images by their index: a time, and the pose of a track at it."""
    found = {}
    for index, stamp_ns in enumerate(stamps):
        pose, geo = track.at(stamp_ns)
        found[index] = Location(pose, geo, stamp_ns)
    return found


def with_poses_note(locations: dict[int, Location], count: int, whose: str) -> list[str]:
    """A note on images without pose, where there are some.

    Raises:
        InputError: no image has a pose.
    """
    posed = sum(each.pose is not None for each in locations.values())
    if count and not posed:
        stamps = [each.stamp_ns for each in locations.values() if each.stamp_ns is not None]
        span = f'{min(stamps) / 1e9:.3f} to {max(stamps) / 1e9:.3f} s' if stamps else 'unknown'
        raise InputError(
            f'none of the {count} images has a pose: the times of {whose} are not those of the '
            f'images ({span}); are they of the same sequence?'
        )
    return [f'{count - posed} images have no pose of {whose}'] if posed < count else []


def geo_or_none(latitude: float, longitude: float, altitude: float) -> GeoPosition | None:
    """A geodetic position, None where the numbers are none."""
    try:
        return GeoPosition(latitude, longitude, altitude)
    except InputError:
        return None


class NumberTable(NamedTuple):
    """A table of numbers whose first column is a time.

    Attributes:
        stamps: [N] nanoseconds.
        values: [N, columns - 1] float64 of the other columns.
        unit: of the times in the file, in words.
    """

    stamps: list[int]
    values: np.ndarray
    unit: str


def number_table(path: Path, columns: int, what: str) -> NumberTable:
    """Read a table of numbers, separated by commas or blanks.

    A header, comments, and rows with NaN are left out; columns after the last one needed too.

    Args:
        path: the file.
        columns: number of columns that are needed.
        what: the columns in words, for messages.

    Raises:
        InputError: the file cannot be read, has no rows, or one of fewer columns or other content.
    """
    texts: list[tuple[str, str]] = []
    rows: list[list[float]] = []
    for number, line in enumerate(table_text(path).splitlines(), start=1):
        fields = [cell.strip() for cell in line.split(',')] if ',' in line else line.split()
        if not fields or not line.strip() or line.lstrip().startswith('#'):
            continue
        if not rows and not is_number(fields[0]):
            continue
        where = f'{path}, line {number}'
        if len(fields) < columns:
            raise InputError(f'{where} has {len(fields)} fields, expected {columns}: {what}')
        try:
            values = [float(cell) for cell in fields[1:columns]]
        except ValueError as error:
            raise InputError(
                f'{where} holds {printable(",".join(fields), 100)!r}, expected numbers: {what}'
            ) from error
        if all(map(math.isfinite, values)):
            texts.append((where, fields[0]))
            rows.append(values)
    if not rows:
        raise InputError(f'{path} has no rows, expected: {what}')
    unit = time_unit([text for _, text in texts], str(path))
    stamps = []
    for where, text in texts:
        try:
            stamps.append(unit.stamp_ns(text))
        except ValueError as error:
            raise InputError(f'{where}: {error}') from error
    return NumberTable(stamps, np.array(rows).reshape(len(rows), columns - 1), unit.name)


def unit_quaternions(values: np.ndarray, path: Path) -> np.ndarray:
    """[N, 4] of unit length, from quaternions that are rounded.

    Raises:
        InputError: one is none.
    """
    norms = np.linalg.norm(values, axis=1, keepdims=True)
    if not (np.abs(norms - 1) < 0.01).all():
        worst = int(np.abs(norms - 1).argmax())
        raise InputError(
            f'{path} holds {values[worst]} as orientation, which is no unit quaternion'
        )
    return np.asarray(values / norms)
