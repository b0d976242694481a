"""Ids, sessions and positions of the references of an index."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np

from fol_vpr.datatypes import EARTH_RADIUS, GeoPosition, Place, Prior
from fol_vpr.errors import InputError


class ReferenceMetadata:
    """Table of the references of an index, in the order in which they were added.

    Attributes:
        ids: [P] int64, `Place.index`.
    """

    def __init__(self, places: Sequence[Place]) -> None:
        self._names: dict[str, int] = {}
        self.ids, self._sessions, self._positions, self._geo = self._columns(places)
        _check_ids(self.ids)

    @classmethod
    def unplaced(cls, count: int) -> ReferenceMetadata:
        """References with ids from 0, without session and position."""
        return cls([Place(index, '', '', 0, '', (1, 1)) for index in range(count)])

    def __len__(self) -> int:
        return len(self.ids)

    def add(self, places: Sequence[Place]) -> None:
        """Append references.

        Raises:
            InputError: an id is in use.
        """
        columns = self._columns(places)
        ids = np.concatenate([self.ids, columns[0]])
        _check_ids(ids)
        self.ids = ids
        self._sessions = np.concatenate([self._sessions, columns[1]])
        self._positions = np.concatenate([self._positions, columns[2]])
        self._geo = np.concatenate([self._geo, columns[3]])

    def remove(self, ids: Sequence[int]) -> np.ndarray:
        """Remove references; the others keep their order.

        Returns:
            [P] bool: which rows remain.

        Raises:
            InputError: an id is not in the index.
        """
        unknown = np.setdiff1d(np.asarray(ids, np.int64), self.ids)
        if len(unknown):
            raise InputError(f'reference {unknown[0]} cannot be removed: it is not in the index')
        stay = ~np.isin(self.ids, np.asarray(ids, np.int64))
        self.ids, self._sessions = self.ids[stay], self._sessions[stay]
        self._positions, self._geo = self._positions[stay], self._geo[stay]
        return stay

    def allowed(self, prior: Prior | None) -> np.ndarray | None:
        """Row numbers [M] of the references that a prior allows; None where it allows all.

        A reference without a position is allowed wherever the prior's region is.
        """
        if prior is None:
            return None
        allowed = np.ones(len(self), bool)
        if prior.sessions:
            wanted = [self._names[name] for name in prior.sessions if name in self._names]
            allowed &= np.isin(self._sessions, wanted)
        if prior.position is not None:
            offsets = self._positions - prior.position
            # Unknown positions are NaN; comparisons with NaN are false, so they are not excluded.
            allowed &= ~(np.hypot(offsets[:, 0], offsets[:, 1]) > prior.reach)
        elif prior.geo is not None:
            allowed &= ~(_distances(self._geo, prior.geo) > prior.reach)
        return None if allowed.all() else np.flatnonzero(allowed)

    def _columns(
        self, places: Sequence[Place]
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        nowhere = (np.nan, np.nan)
        sessions = [self._names.setdefault(p.session_id, len(self._names)) for p in places]
        positions = [nowhere if p.pose is None else p.pose.position[:2] for p in places]
        geo = [nowhere if p.geo is None else (p.geo.latitude, p.geo.longitude) for p in places]
        return (
            np.array([place.index for place in places], np.int64),
            np.array(sessions, np.int64),
            np.array(positions, np.float64).reshape(-1, 2),
            np.array(geo, np.float64).reshape(-1, 2),
        )


def fingerprints(places: Sequence[Place]) -> np.ndarray:
    """[P] int64, not negative: hash of what identifies each reference within its map."""
    names = (f'{p.place_id}\0{p.session_id}\0{p.stamp_ns}\0{p.image_uri}' for p in places)
    digests = b''.join(
        hashlib.blake2b(name.encode(errors='surrogateescape'), digest_size=8).digest()
        for name in names
    )
    numbers: np.ndarray = np.frombuffer(digests, '<i8') & np.int64(2**63 - 1)
    return numbers


def _check_ids(ids: np.ndarray) -> None:
    found, counts = np.unique(ids, return_counts=True)
    if (counts > 1).any():
        raise InputError(f'reference {found[counts > 1][0]} is already in the index')
    if len(found) and found[0] < 0:
        raise InputError(f'the id of a reference must not be negative, got {found[0]}')


def _distances(geo: np.ndarray, here: GeoPosition) -> np.ndarray:
    """[P] great-circle distances in metres from `here` to [P, 2] latitudes and longitudes."""
    latitude, longitude = np.radians(geo).T
    lower, east = np.radians([here.latitude, here.longitude])
    # Haversine formula, as in GeoPosition.distance.
    chord = (
        np.sin((latitude - lower) / 2) ** 2
        + np.cos(latitude) * np.cos(lower) * np.sin((longitude - east) / 2) ** 2
    )
    return np.asarray(2 * EARTH_RADIUS * np.arcsin(np.sqrt(np.minimum(1.0, chord))))
