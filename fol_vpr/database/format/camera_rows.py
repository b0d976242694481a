"""Cameras as rows of a table of the map."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import numpy as np

from fol_vpr.database.format.schema import damaged, record_digest
from fol_vpr.datatypes import Camera, Pose

COLUMNS = 'camera, width, height, matrix, model, distortion, mount'
_KNOWN = (
    'SELECT camera FROM cameras WHERE width = ? AND height = ? AND matrix = ? AND model = ? '
    'AND distortion = ? AND mount IS ?'
)


def camera_row(connection: sqlite3.Connection, camera: Camera) -> int:
    """The row of a camera; inserts one if the table has no equal camera yet."""
    values = camera_values(camera)
    found = connection.execute(_KNOWN, values).fetchone()
    if found is not None:
        return int(found[0])
    (row,) = connection.execute('SELECT coalesce(max(camera) + 1, 0) FROM cameras').fetchone()
    connection.execute(
        f'INSERT INTO cameras ({COLUMNS}, digest) VALUES (?, ?, ?, ?, ?, ?, ?, ?)',
        (row, *values, record_digest((row, *values))),
    )
    return int(row)


def camera_values(camera: Camera) -> tuple[object, ...]:
    """The values of all columns except the row number and the digest; equal for equal cameras."""
    mount = None
    if camera.mount is not None:
        mount = _blob(np.concatenate([camera.mount.position, camera.mount.orientation]))
    width, height = (int(side) for side in camera.size)
    return width, height, _blob(camera.matrix), camera.model, _blob(camera.distortion), mount


def _blob(numbers: np.ndarray) -> bytes:
    return numbers.astype('<f8').tobytes()


def read_cameras(
    path: Path, connection: sqlite3.Connection, of_place: int | None = None
) -> dict[int, Camera]:
    """Cameras by row; each row is compared with its digest.

    Args:
        path: the file, for messages.
        connection: to the file.
        of_place: row of a place, to read the camera of that place only; None reads all cameras.

    Raises:
        MapError: a row has changed since it was written.
        ValueError, InputError: a value is out of its range.
    """
    query, values = f'SELECT {COLUMNS}, digest FROM cameras', list[int]()
    if of_place is not None:
        query += ' WHERE camera = (SELECT camera FROM places WHERE place = ?)'
        values = [of_place]
    cameras = {}
    for *row, stored in connection.execute(query, values):
        if record_digest(row) != stored:
            raise damaged(path, f'camera {row[0]} has changed')
        cameras[row[0]] = _camera(*row[1:])
    return cameras


def _camera(
    width: int, height: int, matrix: bytes, model: str, distortion: bytes, mount: bytes | None
) -> Camera:
    if type(width) is not int or type(height) is not int or not isinstance(model, str):
        raise ValueError('a camera holds values of another type')
    pose = None
    if mount is not None:
        numbers = np.frombuffer(mount, '<f8')
        pose = Pose(numbers[:3], numbers[3:])
    return Camera(
        size=(width, height),
        matrix=np.frombuffer(matrix, '<f8').reshape(3, 3),
        model=model,
        distortion=np.frombuffer(distortion, '<f8'),
        mount=pose,
    )
