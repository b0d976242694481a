"""Brings positions of images into one UTM zone."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import numpy as np

from fol_vpr.datatypes import GeoPosition, Pose
from fol_vpr.datatypes.utm import UtmZone, geo_from_utm, utm_from_geo
from fol_vpr.errors import InputError

_FAR = 1000.0
"""Metres between UTM coordinates and a latitude and longitude, above which they are of two
places."""


@dataclass(frozen=True)
class Location:
    """Where and when an image was taken, as far as it is known.

    Attributes:
        pose: of the base, or None.
        geo: geodetic position, or None.
        stamp_ns: time in nanoseconds, or None.
        zone: the UTM zone of `pose`, or None where that is not known, or not in UTM.
        zone_number: its number where the hemisphere is not known, else 0.
    """

    pose: Pose | None = None
    geo: GeoPosition | None = None
    stamp_ns: int | None = None
    zone: UtmZone | None = None
    zone_number: int = 0


def in_one_zone(
    locations: Mapping[int, Location], where: str, warn: Callable[[str], None]
) -> dict[int, Location]:
    """The locations in the zone of most of them, with geodetic positions where a zone is known.

    Orientations stay: headings are given against true north, which is the same in all zones.

    Args:
        locations: by image.
        where: what they were read from, for messages.
        warn: called with what was done.

    Raises:
        InputError: they are in several zones, and the zone of some is not known.
    """
    found = dict(locations)
    zones = Counter(each.zone for each in found.values() if each.zone is not None)
    if not zones:
        _check_numbers(found, where)
        return found
    target = max(zones, key=lambda zone: zones[zone])
    for zone in zones:
        rows = [key for key, each in found.items() if each.zone == zone and each.pose is not None]
        metres = np.array([_xy(found[key]) for key in rows])
        degrees = geo_from_utm(metres, zone)
        _check_agreement([found[key].geo for key in rows], degrees, where, warn)
        moved = metres if zone == target else utm_from_geo(degrees, target)
        for key, (latitude, longitude), xy in zip(rows, degrees, moved, strict=True):
            each = found[key]
            assert each.pose is not None
            pose = replace(each.pose, position=np.array([*xy, each.pose.position[2]]))
            geo = each.geo or _geo(latitude, longitude)
            found[key] = replace(each, pose=pose if zone != target else each.pose, geo=geo)
    unknown = sum(each.pose is not None and each.zone is None for each in found.values())
    if len(zones) > 1 and unknown:
        raise InputError(
            f'{where}: positions are in the UTM zones {_list(zones)}, and of {unknown} more the '
            'zone is not known; give the zone and its letter for all of them'
        )
    if len(zones) > 1:
        others = Counter({zone: count for zone, count in zones.items() if zone != target})
        warn(
            f'{where}: {sum(others.values())} positions in the UTM zone {_list(others)} are '
            f'brought into {target}, which most of them are in'
        )
    return found


def _check_numbers(locations: Mapping[int, Location], where: str) -> None:
    """Raise InputError for several zones of which nobody knows the hemisphere."""
    numbers = Counter(each.zone_number for each in locations.values() if each.zone_number)
    if len(numbers) > 1:
        raise InputError(
            f'{where}: positions are in the UTM zones {", ".join(map(str, sorted(numbers)))}, '
            'north or south of the equator; give the letters of the zones, or latitudes'
        )


def _check_agreement(
    given: list[GeoPosition | None], degrees: np.ndarray, where: str, warn: Callable[[str], None]
) -> None:
    far = [
        geo.distance(computed)
        for geo, (latitude, longitude) in zip(given, degrees, strict=True)
        if geo is not None
        and (computed := _geo(latitude, longitude)) is not None
        and geo.distance(computed) > _FAR
    ]
    if far:
        warn(
            f'{where}: {len(far)} positions have UTM coordinates and a latitude and longitude '
            f'that are up to {max(far) / 1000:.0f} km apart; the UTM coordinates are taken in the '
            'zone that is named: is it the right one?'
        )


def _geo(latitude: float, longitude: float) -> GeoPosition | None:
    if not (abs(latitude) <= 90 and abs(longitude) <= 180):
        return None
    return GeoPosition(float(latitude), float(longitude))


def _xy(location: Location) -> np.ndarray:
    assert location.pose is not None
    return location.pose.position[:2]


def _list(zones: Counter[UtmZone]) -> str:
    return ', '.join(f'{zone} ({count})' for zone, count in sorted(zones.items()))
