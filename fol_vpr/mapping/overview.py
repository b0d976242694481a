"""What a map covers: its sessions, the directions that places are seen from, and its gaps."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timezone
from functools import cached_property
from typing import Any

import numpy as np

from fol_vpr.datatypes import EARTH_RADIUS, GeoPosition, Place
from fol_vpr.geometry.rigid import rotate_vectors

EPOCH_NS = 100_000_000 * 10**9
"""Stamps from here on are times since 1970, smaller ones are seconds of a clock of the drive."""
END_NS = 253_402_300_800 * 10**9
"""The year 10000, which dates do not reach."""
SHOWN_SOURCES = 3
OPTICAL_AXIS, BASE_AXIS = (0.0, 0.0, 1.0), (1.0, 0.0, 0.0)
ONE_DIRECTION = 90.0
"""References whose headings lie within so many degrees see a place from one direction."""
MAX_NEIGHBOURS = 64
"""Most other references around one that its directions and its density are taken from."""


@dataclass(frozen=True)
class SessionOverview:
    """One session of a map.

    Attributes:
        session_id: the session.
        places: number of its references.
        first_ns, last_ns: smallest and largest stamp.
        length: metres along its positions in the order of the stamps; NaN where fewer than two
            references have a position.
        posed: references that have a position.
        source: what it was built from; empty where the map does not say.
    """

    session_id: str
    places: int
    first_ns: int
    last_ns: int
    length: float
    posed: int
    source: str = ''


@dataclass(frozen=True)
class Gap:
    """A stretch of a session without a reference.

    Attributes:
        session_id: the session.
        before, after: `Place.index` of the references at its ends.
        length: metres between the two, in a straight line.
        seconds: between the two.
    """

    session_id: str
    before: int
    after: int
    length: float
    seconds: float


@dataclass(frozen=True)
class GeoBox:
    """The box around geodetic positions, in degrees (WGS 84)."""

    south: float
    west: float
    north: float
    east: float

    @classmethod
    def around(cls, positions: Sequence[GeoPosition]) -> GeoBox | None:
        """The box around positions that do not cross the date line; None without any."""
        if not positions:
            return None
        latitudes = [each.latitude for each in positions]
        longitudes = [each.longitude for each in positions]
        return cls(min(latitudes), min(longitudes), max(latitudes), max(longitudes))

    def in_words(self) -> str:
        """Such as `48.135100 to 48.136200 N, 11.581900 to 11.583000 E`."""
        return f'{_span(self.south, self.north, "NS")}, {_span(self.west, self.east, "EW")}'


def _span(low: float, high: float, sides: str) -> str:
    names = [sides[0] if value >= 0 else sides[1] for value in (low, high)]
    if names[0] == names[1]:
        near, far = sorted((abs(low), abs(high)))
        return f'{near:.6f} to {far:.6f} {names[0]}'
    return f'{abs(low):.6f} {names[0]} to {abs(high):.6f} {names[1]}'


class MapOverview:
    """What the places of a map cover.

    Args:
        places: of the map, in the order of their index.
        sources: what a session was built from, by its id.
        radius: metres within which two references see the same place.
        gap: metres between two references of a session, one after the other, from which on the
            stretch is a gap.

    Attributes:
        positions: [P, 3] metres, NaN where a reference has no position. East, north and up from
            the middle of the map where the map has geodetic positions and no poses.
        headings: [P] degrees counter-clockwise from the x axis (from east, where positions are
            geodetic) that the camera looks to; NaN where it is not known.
        geodetic: whether `positions` follow from latitudes and longitudes.
    """

    def __init__(
        self,
        places: Sequence[Place],
        sources: Mapping[str, str] | None = None,
        *,
        radius: float,
        gap: float,
    ) -> None:
        self.places = places
        self.radius = radius
        self.gap = gap
        self._sources = dict(sources or {})
        self.geodetic = not any(place.pose for place in places) and any(p.geo for p in places)
        self.positions = _geodetic_plan(places) if self.geodetic else _poses(places)
        self.headings = _headings(places)

    @cached_property
    def posed(self) -> np.ndarray:
        """Whether each reference [P] has a position, as bool."""
        found: np.ndarray = np.isfinite(self.positions).all(axis=1)
        return found

    @cached_property
    def size(self) -> tuple[float, float] | None:
        """Metres along x and y of the box around all positions; None for fewer than two."""
        rows = self.positions[self.posed, :2]
        if len(rows) < 2:
            return None
        width, height = np.ptp(rows, axis=0)
        return float(width), float(height)

    @cached_property
    def geo_box(self) -> GeoBox | None:
        """The box around all geodetic positions; None where there are none."""
        return GeoBox.around([place.geo for place in self.places if place.geo is not None])

    @cached_property
    def _by_session(self) -> dict[str, list[int]]:
        """The indices of the references of each session, in the order of their stamps."""
        found: dict[str, list[int]] = defaultdict(list)
        for place in self.places:
            found[place.session_id].append(place.index)
        for indices in found.values():
            indices.sort(key=lambda index: (self.places[index].stamp_ns, index))
        return dict(found)

    @cached_property
    def sessions(self) -> list[SessionOverview]:
        """The sessions, in the order of their first reference in the map."""
        return [self._session(name, indices) for name, indices in self._by_session.items()]

    def _session(self, name: str, indices: list[int]) -> SessionOverview:
        steps, posed = self._steps(indices)
        return SessionOverview(
            session_id=name,
            places=len(indices),
            first_ns=self.places[indices[0]].stamp_ns,
            last_ns=self.places[indices[-1]].stamp_ns,
            length=float(steps.sum()) if len(posed) > 1 else math.nan,
            posed=len(posed),
            source=self._sources.get(name, ''),
        )

    def _steps(self, indices: list[int]) -> tuple[np.ndarray, list[int]]:
        """Metres from each posed reference of a session to the next one, and their indices."""
        posed = [index for index in indices if self.posed[index]]
        return np.linalg.norm(np.diff(self.positions[posed], axis=0), axis=1), posed

    @property
    def stamps(self) -> tuple[int, int]:
        """The smallest and the largest stamp in nanoseconds."""
        stamps = [place.stamp_ns for place in self.places]
        return min(stamps), max(stamps)

    @cached_property
    def gaps(self) -> list[Gap]:
        """Stretches of sessions without a reference that are longer than `gap`, longest first."""
        found = []
        for name, indices in self._by_session.items():
            steps, posed = self._steps(indices)
            for row in np.flatnonzero(steps > self.gap):
                before, after = posed[row], posed[row + 1]
                seconds = (self.places[after].stamp_ns - self.places[before].stamp_ns) / 1e9
                found.append(Gap(name, before, after, float(steps[row]), seconds))
        return sorted(found, key=lambda gap: -gap.length)

    @cached_property
    def _neighbours(self) -> list[np.ndarray]:
        """For each posed reference the rows of those within `radius`, itself included.

        At most `MAX_NEIGHBOURS`, the nearest.
        """
        # Slow to load, and few callers need it.
        from sklearn.neighbors import KDTree

        rows = np.flatnonzero(self.posed)
        if not len(rows):
            return []
        at = self.positions[rows]
        distances, found = KDTree(at).query(at, k=min(MAX_NEIGHBOURS, len(rows)))
        return [rows[near[far <= self.radius]] for near, far in zip(found, distances, strict=True)]

    @cached_property
    def density(self) -> np.ndarray:
        """References within `radius` of each [P], itself included; 0 without a position."""
        counts = np.zeros(len(self.places), np.int64)
        for row, near in zip(np.flatnonzero(self.posed), self._neighbours, strict=True):
            counts[row] = len(near)
        return counts

    @cached_property
    def heading_span(self) -> np.ndarray:
        """[P] degrees: the smallest arc with the headings of all references within `radius`.

        NaN where the position or a heading is not known.
        """
        spans = np.full(len(self.places), math.nan)
        for row, near in zip(np.flatnonzero(self.posed), self._neighbours, strict=True):
            spans[row] = _smallest_arc(self.headings[near])
        return spans

    @property
    def one_direction(self) -> np.ndarray:
        """Whether the place of each reference [P] is seen from one direction only, as bool."""
        return self.heading_span <= ONE_DIRECTION

    def heading_counts(self) -> list[int]:
        """Number of references that look to each of eight directions, from x on in steps of 45."""
        known = self.headings[np.isfinite(self.headings)]
        sectors = np.round(known / 45).astype(int) % 8
        return [int(count) for count in np.bincount(sectors, minlength=8)]

    def rows(self) -> list[list[str]]:
        """Extent, dates and sources, as rows of name and value."""
        first, last = self.stamps
        dates = 'not known'
        if last > 0:
            dates = f'{stamp_in_words(first)} to {stamp_in_words(last)}'
        rows = [['extent', self.extent_in_words()], ['images taken', dates]]
        sources = list(dict.fromkeys(each.source for each in self.sessions if each.source))
        shown = '; '.join(sources[:SHOWN_SOURCES]) or 'not recorded'
        if left := len(sources) - SHOWN_SOURCES:
            shown += f'; and {left} more' if left > 0 else ''
        return [*rows, ['built from', shown]]

    def extent_in_words(self) -> str:
        """Metres along x and y, and degrees where the map is georeferenced."""
        parts = []
        if self.size is not None:
            sides = 'east and north' if self.geodetic else 'x and y'
            parts.append(f'{self.size[0]:.4g} x {self.size[1]:.4g} m along {sides}')
        if self.geo_box is not None:
            parts.append(self.geo_box.in_words())
        return '; '.join(parts) or 'not known'

    def as_json(self) -> dict[str, Any]:
        """Extent, dates and sessions as values for JSON, with NaN for what is not known."""
        first, last = self.stamps
        box = self.geo_box
        return {
            'extent': None if self.size is None else {'x_m': self.size[0], 'y_m': self.size[1]},
            'extent_degrees': None if box is None else asdict(box),
            'first_stamp_ns': first,
            'last_stamp_ns': last,
            'first_date': date_of(first),
            'last_date': date_of(last),
            'session_list': [
                {
                    **asdict(session),
                    'first_date': date_of(session.first_ns),
                    'last_date': date_of(session.last_ns),
                }
                for session in self.sessions
            ],
        }


def date_of(stamp_ns: int) -> str | None:
    """A stamp as ISO 8601 in UTC; None where it is of a clock that does not count from 1970."""
    if not EPOCH_NS <= stamp_ns < END_NS:
        return None
    moment = datetime.fromtimestamp(stamp_ns // 10**9, timezone.utc)
    return moment.strftime('%Y-%m-%dT%H:%M:%SZ')


def stamp_in_words(stamp_ns: int) -> str:
    """A stamp as a date, or in seconds where its clock does not count from 1970."""
    date = date_of(stamp_ns)
    return f'{stamp_ns / 1e9:.3f} s' if date is None else date


def _poses(places: Sequence[Place]) -> np.ndarray:
    nowhere = np.full(3, math.nan)
    rows = [nowhere if place.pose is None else place.pose.position for place in places]
    return np.array(rows, float).reshape(-1, 3)


def _geodetic_plan(places: Sequence[Place]) -> np.ndarray:
    """East, north and 0 in metres from the middle: a map of the size of a city is flat enough."""
    degrees = np.array(
        [
            [math.nan, math.nan] if p.geo is None else [p.geo.longitude, p.geo.latitude]
            for p in places
        ]
    )
    middle = np.nanmedian(degrees, axis=0)
    metres = EARTH_RADIUS * np.radians(degrees - middle)
    metres[:, 0] *= math.cos(math.radians(middle[1]))
    return np.column_stack([metres, np.where(np.isnan(metres[:, 0]), math.nan, 0.0)])


def _headings(places: Sequence[Place]) -> np.ndarray:
    headings = np.full(len(places), math.nan)
    rows = [p.index for p in places if p.pose is not None and p.pose.has_orientation]
    if not rows:
        return headings
    axes, turns = [], []
    for row in rows:
        place = places[row]
        assert place.pose is not None
        mount = None if place.camera is None else place.camera.mount
        axes.append(
            np.array(BASE_AXIS)
            if mount is None
            else rotate_vectors(mount.orientation[None], np.array([OPTICAL_AXIS]))[0]
        )
        turns.append(place.pose.orientation)
    views = rotate_vectors(np.array(turns), np.array(axes))
    flat = np.degrees(np.arctan2(views[:, 1], views[:, 0])) % 360
    # A camera that looks up or down has no heading.
    headings[rows] = np.where(np.hypot(views[:, 0], views[:, 1]) > 0.2, flat, math.nan)
    return headings


def _smallest_arc(headings: np.ndarray) -> float:
    """Degrees of the smallest arc with all directions; NaN if one is not known."""
    if not np.isfinite(headings).all():
        return math.nan
    ordered = np.sort(headings)
    between = np.append(np.diff(ordered), ordered[0] + 360 - ordered[-1])
    return float(360 - between.max())
