"""Splits a map into several, by session or by region."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from fol_vpr.database.reader import MapReader
from fol_vpr.database.tools.copying import copy_places
from fol_vpr.database.writer import Progress
from fol_vpr.datatypes import MapInfo, Place
from fol_vpr.errors import InputError, StorageError

PathLike = str | os.PathLike[str]


@dataclass(frozen=True)
class Region:
    """A rectangle, borders included, in metres in the frame of the map or in degrees.

    Attributes:
        min_x: smallest x.
        min_y: smallest y.
        max_x: largest x.
        max_y: largest y.
        geodetic: True: x is the longitude and y the latitude in degrees; False: x and y are those
            of the poses in metres.

    Raises:
        InputError: a minimum is larger than its maximum.
    """

    min_x: float
    min_y: float
    max_x: float
    max_y: float
    geodetic: bool = False

    def __post_init__(self) -> None:
        if not (self.min_x <= self.max_x and self.min_y <= self.max_y):
            raise InputError(
                f'the region is {self.min_x} {self.min_y} {self.max_x} {self.max_y}, expected '
                'its lower corner before its upper corner'
            )

    def holds(self, place: Place) -> bool:
        """Whether a place lies in the region; False if its position is unknown."""
        if self.geodetic and place.geo is not None:
            x, y = place.geo.longitude, place.geo.latitude
        elif not self.geodetic and place.pose is not None:
            x, y = (float(value) for value in place.pose.position[:2])
        else:
            return False
        return self.min_x <= x <= self.max_x and self.min_y <= y <= self.max_y


def split_by_session(
    path: PathLike,
    folder: PathLike,
    *,
    overwrite: bool = False,
    progress: Progress | None = None,
) -> list[MapInfo]:
    """Make a map of each session, `FOLDER/NAME-SESSION.folmap`.

    Args:
        path: the map file.
        folder: for the new maps; made if it does not exist.
        overwrite: replace existing maps.
        progress: called with the number of places written and of places in all, for each map.

    Returns:
        The summaries of the new maps.

    Raises:
        MapError: a target exists, or the map is damaged.
        StorageError: no space or no permission.
    """
    folder = Path(folder)
    with MapReader(path) as reader:
        sessions: dict[str, list[int]] = {}
        for place in reader.places:
            sessions.setdefault(place.session_id, []).append(place.index)
        names = _file_names(reader.path.stem, list(sessions))
        _make_folder(folder)
        return [
            copy_places(
                reader,
                indices,
                folder / names[session],
                name=f'{reader.info.name} {session}',
                overwrite=overwrite,
                progress=progress,
            )
            for session, indices in sessions.items()
        ]


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StorageError(
            f'the folder {folder} cannot be made ({error.strerror}): check its name and the '
            'permissions of its parent folders'
        ) from error


def _file_names(stem: str, sessions: Sequence[str]) -> dict[str, str]:
    """Distinct file names of letters, digits, dots, dashes and underscores, by session."""
    names: dict[str, str] = {}
    taken: set[str] = set()
    for session in sessions:
        safe = ''.join(c if c.isalnum() or c in '.-_' else '-' for c in session)[:80]
        name, number = f'{stem}-{safe}', 1
        while name.lower() in taken:
            number += 1
            name = f'{stem}-{safe}-{number}'
        taken.add(name.lower())
        names[session] = f'{name}.folmap'
    return names


def split_by_region(
    path: PathLike,
    region: Region,
    inside: PathLike,
    outside: PathLike | None = None,
    *,
    overwrite: bool = False,
    progress: Progress | None = None,
) -> list[MapInfo]:
    """Make a map of the places in a region, and on request one of all other places.

    Args:
        path: the map file.
        region: the region.
        inside: the map file to make of the places in the region.
        outside: the map file to make of all other places; None makes none.
        overwrite: replace existing maps.
        progress: called with the number of places written and of places in all, for each map.

    Returns:
        The summaries of the new maps.

    Raises:
        InputError: no place is in the region, or all are and `outside` is given.
        MapError: a target exists, or the map is damaged.
        StorageError: no space or no permission.
    """
    with MapReader(path) as reader:
        within = [place.index for place in reader.places if region.holds(place)]
        others = sorted(set(range(len(reader.places))) - set(within))
        if not within or (outside is not None and not others):
            located = sum(
                (p.geo if region.geodetic else p.pose) is not None for p in reader.places
            )
            raise InputError(
                f'{len(within)} of {len(reader.places)} places of {path} lie in the region, and '
                f'{located} have a position of that kind: `fol_vpr map export` writes the '
                'positions of all places'
            )
        parts = [(within, inside)] + ([(others, outside)] if outside is not None else [])
        return [
            copy_places(reader, indices, target, overwrite=overwrite, progress=progress)
            for indices, target in parts
        ]
