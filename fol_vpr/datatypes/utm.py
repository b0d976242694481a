"""UTM coordinates of geodetic positions, also beyond the edges of a zone.

PROJ computes them, with Krüger's series by Poder and Engsager: exact to a millimetre some thousand
kilometres beside the zone (https://proj.org/en/stable/operations/projections/utm.html).
"""

from __future__ import annotations

import functools
import math
from typing import Any, NamedTuple

import numpy as np

NORTHERN_BANDS = 'NPQRSTUVWX'
SOUTHERN_BANDS = 'CDEFGHJKLM'
FALSE_NORTHING = 10_000_000.0
"""Metres that the northings of southern zones have at the equator."""
_MATCH = 1000.0
"""Metres within which coordinates and a geodetic position are of one place: datums other than
WGS 84 are some hundred metres away, and another zone or hemisphere hundred thousands."""
_LARGEST_EASTING = 1_500_000.0


class UtmZone(NamedTuple):
    """A zone of UTM, on one side of the equator.

    Attributes:
        number: 1 to 60.
        north: whether northings count from the equator, and not from 10,000 km south of it.
    """

    number: int
    north: bool

    def __str__(self) -> str:
        return f'{self.number}{"N" if self.north else "S"}'


def utm_from_geo(degrees: np.ndarray, zone: UtmZone) -> np.ndarray:
    """Eastings and northings [N, 2] in metres of latitudes and longitudes [N, 2] in degrees.

    The positions may lie in another zone, or beyond the equator, where northings go on: negative
    in a northern zone.
    """
    east, north = _projection(zone)(degrees[:, 1], degrees[:, 0])
    return np.stack([east, north], axis=1)


def geo_from_utm(metres: np.ndarray, zone: UtmZone) -> np.ndarray:
    """Latitudes and longitudes [N, 2] in degrees of eastings and northings [N, 2] in metres."""
    longitude, latitude = _projection(zone)(metres[:, 0], metres[:, 1], inverse=True)
    return np.stack([latitude, longitude], axis=1)


def matching_zones(metres: np.ndarray, degrees: np.ndarray) -> list[UtmZone | None]:
    """The zones whose coordinates these are, by the geodetic positions of the same places.

    Neighbouring zones are tried as well, as zones are wider in Norway and on Svalbard, and drives
    go on beyond an edge.

    Args:
        metres: [N, 2] eastings and northings, or coordinates of another kind.
        degrees: [N, 2] latitudes and longitudes.

    Returns:
        For each the zone, or None where the coordinates are no UTM coordinates of the place.
    """
    found: list[UtmZone | None] = [None] * len(metres)
    usual = np.floor((degrees[:, 1] + 180) / 6).astype(np.int64) % 60
    possible = (np.abs(metres[:, 0]) < _LARGEST_EASTING) & (np.abs(degrees[:, 0]) <= 84.5)
    for aside in (0, 1, -1, 2, -2):
        numbers = (usual + aside) % 60 + 1
        for number in np.unique(numbers[possible]):
            rows = np.flatnonzero(possible & (numbers == number))
            projected = utm_from_geo(degrees[rows], UtmZone(int(number), True))
            away = metres[rows] - projected
            for north in (True, False):
                offset = away - (0.0, 0.0 if north else FALSE_NORTHING)
                for row in rows[np.hypot(*offset.T) <= _MATCH]:
                    found[row] = UtmZone(int(number), north)
                    possible[row] = False
    return found


def zone_from_text(number: str, letter: str = '', latitude: float = math.nan) -> UtmZone | None:
    """The zone that a number and the letter of a latitude band name.

    Args:
        number: 1 to 60; may be empty.
        letter: of the band, C to X without I and O; may be empty.
        latitude: of the place in degrees, which tells the hemisphere where there is no letter.

    Returns:
        The zone; None where the number is empty, or nothing tells the hemisphere.

    Raises:
        ValueError: there is no such zone or band.
    """
    digits, band = number.strip(), letter.strip().upper()
    if not digits:
        return None
    if not (digits.isascii() and digits.isdigit() and len(digits) < 4 and 1 <= int(digits) <= 60):
        raise ValueError(f'the UTM zone is {number!r}, expected 1 to 60')
    if band and (len(band) != 1 or band not in NORTHERN_BANDS + SOUTHERN_BANDS):
        raise ValueError(f'the band of the UTM zone is {letter!r}, expected a letter from C to X')
    if band:
        return UtmZone(int(digits), band in NORTHERN_BANDS)
    return None if math.isnan(latitude) else UtmZone(int(digits), latitude >= 0)


@functools.cache
def _projection(zone: UtmZone) -> Any:
    # Imported here: it takes 0.2 s, and few data sets have UTM coordinates.
    from pyproj import Proj

    return Proj(proj='utm', zone=zone.number, south=not zone.north, ellps='WGS84')
