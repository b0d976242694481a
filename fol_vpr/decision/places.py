"""Which references show one place, and how far apart they are."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cached_property

import numpy as np

from fol_vpr.config import VerificationConfig
from fol_vpr.datatypes import EARTH_RADIUS, Place

# A place within this many place radii is a neighbour: the camera sees much the same from there, so
# that it is neither the same place nor one that contradicts it.
NEIGHBOUR_FACTOR = 2.0


class Locations:
    """Where references were taken, as arrays, to compare all of them with one at a time.

    Two references are compared by the first of these that both have: the distance between their
    poses, the distance between their geodetic positions, their order within one session.

    Args:
        places: the references [N].
    """

    def __init__(self, places: Sequence[Place]) -> None:
        self.places = places
        self._poses = _rows([None if p.pose is None else p.pose.position for p in places])

    # What most maps are never asked for is made when it is.
    @cached_property
    def _geo(self) -> np.ndarray:
        return _rows([geo_metres(place) for place in self.places])

    @cached_property
    def _index(self) -> np.ndarray:
        return np.array([place.index for place in self.places], np.int64)

    @cached_property
    def _sessions(self) -> np.ndarray:
        return np.array([place.session_id for place in self.places], object)

    def metres(self, place: Place) -> np.ndarray:
        """Distances [N] in metres from a reference; NaN where no kind of position is shared."""
        if place.pose is None:
            metres = np.full(len(self.places), math.nan)
        else:
            metres = self.metres_from(place.pose.position, geodetic=False)
        if place.geo is not None:
            by_geo = np.linalg.norm(self._geo - geo_metres(place), axis=1)
            metres = np.where(np.isnan(metres), by_geo, metres)
        return metres

    def metres_from(self, position: np.ndarray, *, geodetic: bool) -> np.ndarray:
        """Distances [N] in metres from a position; NaN for references without a position.

        Args:
            position: [3] metres, in the map frame or as `geo_metres` gives it.
            geodetic: whether it is one of `geo_metres`.
        """
        rows = self._geo if geodetic else self._poses
        return np.asarray(np.linalg.norm(rows - position, axis=1))

    def index_gaps(self, place: Place) -> np.ndarray:
        """Differences [N] of `Place.index` from a reference; infinite in another session."""
        gaps = np.abs(self._index - place.index).astype(np.float64)
        return np.where(self._sessions == place.session_id, gaps, math.inf)

    def same(
        self, place: Place, config: VerificationConfig, *, radius_factor: float = 1.0
    ) -> np.ndarray:
        """Which references [N], bool, show the same place as a reference, or a near one.

        Args:
            place: the reference.
            config: `place_radius` in metres and, for references without positions,
                `place_index_gap`.
            radius_factor: both limits are multiplied by this; see `NEIGHBOUR_FACTOR`.
        """
        metres = self.metres(place)
        near = metres <= radius_factor * config.place_radius
        unknown = np.isnan(metres)
        if not unknown.any():
            return np.asarray(near)
        return np.where(
            unknown, self.index_gaps(place) <= radius_factor * config.place_index_gap, near
        )


def same_place(a: Place, b: Place, config: VerificationConfig) -> bool:
    """Whether two references show one place.

    Decided by metres where both have positions, else by their order within one session.
    """
    return bool(Locations([a]).same(b, config)[0])


def geo_metres(place: Place) -> np.ndarray | None:
    """[3] position in metres on a sphere of the earth's mean radius, from its centre.

    Chords between such positions approximate distances along the ground. None where the place
    has no geodetic position.
    """
    if place.geo is None:
        return None
    lat, lon = math.radians(place.geo.latitude), math.radians(place.geo.longitude)
    direction = math.cos(lat) * math.cos(lon), math.cos(lat) * math.sin(lon), math.sin(lat)
    return EARTH_RADIUS * np.array(direction)


def _rows(positions: list[np.ndarray | None]) -> np.ndarray:
    """[N, 3] positions; NaN for those that are None."""
    unknown = np.full(3, math.nan)
    rows = [unknown if position is None else position for position in positions]
    return np.array(rows, np.float64).reshape(-1, 3)
