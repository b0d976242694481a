"""Places as rows of the tables of a map, and the checks on their values."""

from __future__ import annotations

import math
import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from fol_vpr.database.format.camera_rows import camera_row
from fol_vpr.database.format.codecs import CODECS
from fol_vpr.database.format.schema import (
    MAX_TEXT,
    MapHeader,
    checked_text,
    digest,
    record_digest,
)
from fol_vpr.datatypes import (
    MAX_ID,
    Camera,
    Features,
    Frame,
    GeoPosition,
    LocalFeatures,
    Place,
    Pose,
)
from fol_vpr.errors import InputError, escape_controls

COLUMNS = (
    'place, place_id, session, stamp_ns, image_uri, sensor_frame, image_width, image_height, '
    'x, y, z, qx, qy, qz, qw, covariance, latitude, longitude, altitude, camera'
)
INSERT_PLACE = f'INSERT INTO places ({COLUMNS}, digest) VALUES ({", ".join("?" * 21)})'

MAX_SIDE = 1_000_000
"""Most pixels along a side of an image."""

SqlRow = tuple[Any, ...]


@dataclass(frozen=True, eq=False)
class PlaceRecord:
    """Everything that a map stores of one place, encoded.

    Attributes:
        place: the place.
        descriptor: the global descriptor, D float16.
        count: number N of local features.
        features: the local features, encoded by the codec of the map.
        jpeg: the image, or None if the map stores none.
    """

    place: Place
    descriptor: bytes
    count: int
    features: bytes
    jpeg: bytes | None = None


def place_of_frame(
    frame: Frame, features: Features, *, index: int, place_id: str, session_id: str
) -> Place:
    """The place that a frame becomes in a map.

    Args:
        frame: with the pose of the base in the frame of the map, where it is known.
        features: of the frame; the size of the image is taken from them.
        index: row of the place.
    """
    return Place(
        index=index,
        place_id=place_id,
        session_id=session_id,
        stamp_ns=frame.stamp_ns,
        image_uri=frame.uri,
        image_size=features.image_size,
        pose=frame.pose,
        geo=frame.geo,
        sensor_frame=frame.frame_id,
        camera=frame.camera,
    )


def encode_place(
    header: MapHeader, place: Place, features: Features, jpeg: bytes | None = None
) -> PlaceRecord:
    """Encode a place for a map with this header.

    Args:
        header: of the map.
        place: the place.
        features: of its image.
        jpeg: the image, or None.

    Raises:
        InputError: shapes, types or values that do not fit the header or cannot be stored.
    """
    if min(features.image_size) < 1:
        raise InputError(f'the image size is {features.image_size}, expected at least 1 x 1')
    descriptor = encode_global(features.global_descriptor, header.descriptor_dim)
    codec = CODECS[header.codec]
    local = codec.subsample(_checked_local(features.local, header.local_dim))
    blob = codec.encode(local)
    return PlaceRecord(storable_place(place), descriptor, len(local.weights), blob, jpeg)


def encode_global(descriptor: np.ndarray, dim: int) -> bytes:
    """The bytes of a global descriptor in float16.

    Args:
        descriptor: [dim], unit length.
        dim: of the map.

    Raises:
        InputError: another shape, another length, or numbers that are not finite.
    """
    if np.shape(descriptor) != (dim,) or not np.isfinite(descriptor).all():
        raise InputError(
            f'the global descriptor has shape {np.shape(descriptor)} or numbers that are not '
            f'finite, expected {dim} finite numbers: use the network that the map was made with'
        )
    norm = float(np.linalg.norm(descriptor.astype(np.float32, copy=False)))
    if abs(norm - 1) > 0.01:
        raise InputError(f'the global descriptor has length {norm:g}, expected unit length')
    return np.ascontiguousarray(descriptor, '<f2').tobytes()


def _checked_local(local: LocalFeatures, dim: int) -> LocalFeatures:
    count = len(local.descriptors)
    shapes = (local.descriptors.shape, local.positions.shape, local.weights.shape)
    if shapes != ((count, dim), (count, 2), (count,)):
        raise InputError(
            f'local descriptors, positions and weights have the shapes {shapes}, expected '
            f'[N, {dim}], [N, 2] and [N]'
        )
    arrays = (local.descriptors, local.positions, local.weights)
    if not all(np.isfinite(array).all() for array in arrays):
        raise InputError('local features hold NaN or infinity, expected finite numbers')
    return local


def storable_place(place: Place) -> Place:
    """The place with texts and numbers that SQLite can store.

    Raises:
        InputError: the stamp does not fit 64 bits.
    """
    size = tuple(int(side) for side in place.image_size)
    if not all(1 <= side <= MAX_SIDE for side in size):
        raise InputError(f'the image size is {str(size)[:50]}, expected 1 to {MAX_SIDE} pixels')
    return replace(
        place,
        place_id=storable_id(place.place_id, 'place_id'),
        session_id=storable_id(place.session_id, 'session_id'),
        stamp_ns=checked_int64(place.stamp_ns, 'stamp_ns'),
        image_uri=_bounded(storable_text(place.image_uri), 'image_uri', MAX_TEXT),
        image_size=(size[0], size[1]),
        sensor_frame=storable_id(place.sensor_frame, 'sensor_frame'),
    )


def storable_id(value: str, what: str) -> str:
    """An id of a place, a session or a frame as a map stores it.

    Args:
        value: the id; names of files and topics become ids.
        what: it is, for the message.

    Returns:
        The id with control characters escaped.

    Raises:
        InputError: it has more than `MAX_ID` characters.
    """
    return _bounded(escape_controls(storable_text(value), keep=''), what, MAX_ID)


def _bounded(text: str, what: str, limit: int) -> str:
    if len(text) > limit:
        raise InputError(
            f'the {what} {text[:30]!r}... has {len(text)} characters, expected at most {limit}'
        )
    return text


def storable_text(value: str) -> str:
    """Text that SQLite can store; bytes of file names that are no UTF-8 are escaped."""
    return value.encode('utf-8', 'backslashreplace').decode()


def checked_int64(value: int, name: str) -> int:
    """An integer that SQLite can store.

    Raises:
        InputError: it does not fit 64 bits; `name` is in the message.
    """
    if not -(2**63) <= value < 2**63:
        raise InputError(f'{name} is {str(value)[:40]}, expected a 64-bit integer')
    return int(value)


def insert_record(connection: sqlite3.Connection, record: PlaceRecord, session: int) -> None:
    """Insert a record into the tables, within the caller's transaction.

    Args:
        connection: to the map or its changes.
        record: the place and its blobs.
        session: existing row of its session.

    Raises:
        InputError: the map already has the place_id, or an id is too long to be read again.
    """
    place = record.place
    # Ids grow where merged maps get the names of their maps as prefixes.
    _bounded(place.place_id, 'place_id', MAX_TEXT)
    _bounded(place.session_id, 'session_id', MAX_TEXT)
    try:
        camera = None if place.camera is None else camera_row(connection, place.camera)
        connection.execute(INSERT_PLACE, place_row(place, session, camera))
    except sqlite3.IntegrityError as error:
        raise InputError(
            f'the place_id {place.place_id!r} is in the map already: they must be unique'
        ) from error
    connection.execute(
        'INSERT INTO global_descriptors VALUES (?, ?, ?)',
        (place.index, record.descriptor, digest(record.descriptor)),
    )
    connection.execute(
        'INSERT INTO local_features VALUES (?, ?, ?, ?)',
        (place.index, record.count, record.features, digest(record.features)),
    )
    if record.jpeg is not None:
        connection.execute(
            'INSERT INTO images VALUES (?, ?, ?)',
            (place.index, record.jpeg, digest(record.jpeg)),
        )


def session_row(connection: sqlite3.Connection, session_id: str) -> int:
    """The row of a session; inserts it if the table does not have it yet."""
    found = connection.execute('SELECT session FROM sessions WHERE session_id = ?', (session_id,))
    row = found.fetchone()
    if row is not None:
        return int(row[0])
    made = connection.execute('SELECT coalesce(max(session) + 1, 0) FROM sessions').fetchone()
    connection.execute('INSERT INTO sessions VALUES (?, ?)', (made[0], session_id))
    return int(made[0])


def place_row(place: Place, session: int, camera: int | None) -> SqlRow:
    """The values of `COLUMNS` and the digest over them."""
    row = (
        place.index,
        place.place_id,
        session,
        place.stamp_ns,
        place.image_uri,
        place.sensor_frame,
        *place.image_size,
        *_pose_values(place.pose),
        *_geo_values(place.geo),
        camera,
    )
    return (*row, place_digest(row))


def place_digest(row: Sequence[object]) -> bytes:
    """The digest of a row of `COLUMNS`.

    The column `camera` is left out where it is NULL, so that digests of schema version 1, which
    has no cameras, stay valid.
    """
    return record_digest(row if row[-1] is not None else row[:-1])


def place_from_row(
    row: SqlRow, sessions: Mapping[int, str], cameras: Mapping[int, Camera] | None
) -> Place:
    """The place of a row of `COLUMNS`.

    Args:
        row: values of `COLUMNS`.
        sessions: session ids by row.
        cameras: cameras by row; None makes a place without a camera.

    Raises:
        KeyError: the session is unknown.
        TypeError, ValueError, InputError: the camera is unknown, or a value is of another type
            or out of its range.
    """
    index, place_id, session, stamp_ns, image_uri, sensor_frame, width, height = row[:8]
    whole = (index, session, stamp_ns, width, height)
    if any(type(number) is not int for number in whole):
        raise ValueError(f'a record holds {str(whole)[:100]}, expected five integers')
    for text, what in (
        (place_id, 'place_id'),
        (image_uri, 'image_uri'),
        (sensor_frame, 'sensor_frame'),
        (sessions[session], 'session_id'),
    ):
        checked_text(text, what)
    if not (1 <= width <= MAX_SIDE and 1 <= height <= MAX_SIDE):
        raise ValueError(f'the image of place {index} has {width} x {height} pixels')
    return Place(
        index=index,
        place_id=place_id,
        session_id=sessions[session],
        stamp_ns=stamp_ns,
        image_uri=image_uri,
        image_size=(width, height),
        pose=_pose(row[8:15], row[15]),
        geo=_geo(*row[16:19]),
        sensor_frame=sensor_frame,
        camera=None if cameras is None else _camera(row, cameras),
    )


def _camera(row: SqlRow, cameras: Mapping[int, Camera]) -> Camera | None:
    number = row[19]
    if number is not None and number not in cameras:
        raise ValueError(f'camera {number} of place {row[0]} is missing')
    return None if number is None else cameras[number]


def _pose_values(pose: Pose | None) -> SqlRow:
    if pose is None:
        return (None,) * 8
    covariance = None if pose.covariance is None else pose.covariance.astype('<f8').tobytes()
    numbers = (
        pose.position + 0.0,
        pose.orientation + 0.0,
    )  # SQLite does not keep the sign of -0.0
    return (*numbers[0].tolist(), *numbers[1].tolist(), covariance)


def _pose(values: SqlRow, covariance: bytes | None) -> Pose | None:
    if values[0] is None:
        if any(value is not None for value in (*values, covariance)):
            raise ValueError('a pose lacks some of its numbers')
        return None
    return Pose(
        position=np.array(values[:3], dtype=np.float64),
        orientation=np.array(values[3:], dtype=np.float64),
        covariance=None if covariance is None else np.frombuffer(covariance, '<f8'),
    )


def _geo_values(geo: GeoPosition | None) -> SqlRow:
    if geo is None:
        return (None, None, None)
    # SQLite has no NaN; an unknown altitude is NULL.
    altitude = None if math.isnan(geo.altitude) else geo.altitude + 0.0
    return (geo.latitude + 0.0, geo.longitude + 0.0, altitude)


def _geo(
    latitude: float | None, longitude: float | None, altitude: float | None
) -> GeoPosition | None:
    if latitude is None or longitude is None:
        if (latitude, longitude, altitude) != (None, None, None):
            raise ValueError('a geodetic position lacks some of its numbers')
        return None
    return GeoPosition(
        float(latitude), float(longitude), math.nan if altitude is None else float(altitude)
    )
