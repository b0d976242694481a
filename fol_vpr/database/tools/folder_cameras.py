"""Cameras of a map in the JSON of an exported folder."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from fol_vpr.database.format.camera_rows import camera_values
from fol_vpr.datatypes import Camera, Place, Pose


class NumberedCameras:
    """The distinct cameras of some places, in order of their first place.

    Args:
        places: the places.

    Attributes:
        as_json: the cameras as JSON objects; `camera_from_json` reads them.
    """

    def __init__(self, places: Iterable[Place]) -> None:
        self._numbers: dict[tuple[object, ...], int] = {}
        self.as_json: list[dict[str, Any]] = []
        for place in places:
            if place.camera is not None:
                values = camera_values(place.camera)
                if self._numbers.setdefault(values, len(self.as_json)) == len(self.as_json):
                    self.as_json.append(_to_json(place.camera))

    def number(self, place: Place) -> int | str:
        """Index in `as_json` of the camera of a place; an empty text if it has none."""
        return '' if place.camera is None else self._numbers[camera_values(place.camera)]


def _to_json(camera: Camera) -> dict[str, Any]:
    mount = None
    if camera.mount is not None:
        mount = [*camera.mount.position.tolist(), *camera.mount.orientation.tolist()]
    return {
        'size': list(camera.size),
        'matrix': camera.matrix.ravel().tolist(),
        'model': camera.model,
        'distortion': camera.distortion.tolist(),
        'mount': mount,
    }


def camera_from_json(values: dict[str, Any]) -> Camera:
    """The camera of a JSON object from `NumberedCameras.as_json`.

    Raises:
        KeyError, TypeError, ValueError, InputError: a value is missing or invalid.
    """
    mount = values['mount']
    width, height = (int(side) for side in values['size'])
    return Camera(
        size=(width, height),
        matrix=np.array(values['matrix'], np.float64).reshape(3, 3),
        model=str(values['model']),
        distortion=np.array(values['distortion'], np.float64),
        mount=None if mount is None else Pose(np.array(mount[:3]), np.array(mount[3:])),
    )
