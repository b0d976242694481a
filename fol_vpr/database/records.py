"""Places as rows of the `places` table."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from fol_vpr.database.schema import record_digest
from fol_vpr.datatypes import GeoPosition, Place, Pose

COLUMNS = (
    'place, place_id, session, stamp_ns, image_uri, sensor_frame, image_width, image_height, '
    'x, y, z, qx, qy, qz, qw, covariance, latitude, longitude, altitude'
)
INSERT_PLACE = f'INSERT INTO places ({COLUMNS}, digest) VALUES ({", ".join("?" * 20)})'

Row = tuple[Any, ...]


def place_row(place: Place, session: int) -> Row:
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
    )
    return (*row, record_digest(row))


def place_from_row(row: Row, sessions: dict[int, str]) -> Place:
    """The place of a row of `COLUMNS`.

    Raises:
        KeyError: the row's session is unknown.
        ValueError, InputError: a value is out of its range.
    """
    index, place_id, session, stamp_ns, image_uri, sensor_frame, width, height = row[:8]
    if width < 1 or height < 1:
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
    )


def _pose_values(pose: Pose | None) -> Row:
    if pose is None:
        return (None,) * 8
    covariance = None if pose.covariance is None else pose.covariance.astype('<f8').tobytes()
    numbers = (pose.position + 0.0, pose.orientation + 0.0)  # SQLite has no -0.0 either
    return (*numbers[0].tolist(), *numbers[1].tolist(), covariance)


def _pose(values: Row, covariance: bytes | None) -> Pose | None:
    if values[0] is None:
        return None
    return Pose(
        position=np.array(values[:3], dtype=np.float64),
        orientation=np.array(values[3:], dtype=np.float64),
        covariance=None if covariance is None else np.frombuffer(covariance, '<f8'),
    )


def _geo_values(geo: GeoPosition | None) -> Row:
    if geo is None:
        return (None, None, None)
    # SQLite has no NaN; an unknown altitude is NULL.
    altitude = None if math.isnan(geo.altitude) else geo.altitude + 0.0
    return (geo.latitude + 0.0, geo.longitude + 0.0, altitude)


def _geo(
    latitude: float | None, longitude: float | None, altitude: float | None
) -> GeoPosition | None:
    if latitude is None or longitude is None:
        return None
    return GeoPosition(latitude, longitude, math.nan if altitude is None else altitude)
