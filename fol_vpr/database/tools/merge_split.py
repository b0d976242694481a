"""New maps from the places of others: merged, or some of one."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path

from fol_vpr.database.format.records import Record
from fol_vpr.database.format.schema import MapHeader
from fol_vpr.database.reader import MapReader
from fol_vpr.database.writer import MapWriter
from fol_vpr.datatypes import MapInfo, Place
from fol_vpr.errors import InputError, MapMismatchError, StorageError

log = logging.getLogger(__name__)

Progress = Callable[[int, int], None]
PathLike = str | os.PathLike[str]

# What places must have in common to be searched together and to lie in one frame.
ALIKE = ('model_id', 'preprocessing_id', 'codec', 'descriptor_dim', 'local_dim')


@dataclass(frozen=True)
class Region:
    """A rectangle, its borders included: metres in the map's frame, or degrees.

    Attributes:
        geodetic: x is the longitude and y the latitude; otherwise they are those of the poses.
    """

    min_x: float
    min_y: float
    max_x: float
    max_y: float
    geodetic: bool = False

    def __post_init__(self) -> None:
        if not (self.min_x <= self.max_x and self.min_y <= self.max_y):
            raise InputError(
                f'a region needs its lower corner first, got {self.min_x} {self.min_y} '
                f'{self.max_x} {self.max_y}'
            )

    def holds(self, place: Place) -> bool:
        """Whether a place lies within; False where its position is unknown."""
        if self.geodetic and place.geo is not None:
            x, y = place.geo.longitude, place.geo.latitude
        elif not self.geodetic and place.pose is not None:
            x, y = (float(value) for value in place.pose.position[:2])
        else:
            return False
        return self.min_x <= x <= self.max_x and self.min_y <= y <= self.max_y


def copy_places(
    reader: MapReader,
    indices: Sequence[int],
    target: PathLike,
    *,
    name: str = '',
    overwrite: bool = False,
    progress: Progress | None = None,
) -> MapInfo:
    """A new map of some places of another one, bit for bit.

    The calibration stays behind: it was made for all of the places.

    Args:
        reader: the other map.
        indices: of the places, in the order that the new map gets.
        target: the new map.
        name: of the new map; the file's stem where empty.
        overwrite: replace an existing map.
        progress: called with places done and places in all.

    Raises:
        InputError: no places.
        MapError: the target exists, or a place is damaged.
        StorageError: no space or no permission; nothing is left of the new map.
    """
    header = replace(reader.header, name=name or Path(target).stem)
    source = f'{len(indices)} places of {reader.info.map_id}'
    with MapWriter(
        target, header, source_id=source, overwrite=overwrite, resumable=False
    ) as writer:
        records = (reader.record(index) for index in indices)
        writer.copy(_counted(records, len(indices), progress))
        return writer.finish()


def _counted(records: Iterator[Record], total: int, progress: Progress | None) -> Iterator[Record]:
    for done, record in enumerate(records, 1):
        yield record
        if progress is not None:
            progress(done, total)


def merge_maps(
    paths: Sequence[PathLike],
    target: PathLike,
    *,
    name: str = '',
    qualify: bool = False,
    overwrite: bool = False,
    progress: Progress | None = None,
) -> MapInfo:
    """One map of the places of several.

    A place that several maps have in common, with the same name and the same descriptor, is taken
    once.

    Args:
        paths: at least two maps of one network, whose poses are in one frame.
        target: the new map.
        name: of the new map; the file's stem where empty.
        qualify: put the name of its map before each session and place, so that drives of the same
            name are kept apart.
        overwrite: replace an existing map.
        progress: called with places done and places in all.

    Raises:
        InputError: fewer than two maps, or different places or sessions of one name.
        MapMismatchError: maps of different networks, codecs or frames.
        MapError: a map is missing or damaged, or the target exists.
        StorageError: no space or no permission; nothing is left of the new map.
    """
    if len(paths) < 2:
        raise InputError(f'at least two maps are needed to merge, got {len(paths)}')
    with ExitStack() as opened:
        readers = [opened.enter_context(MapReader(path)) for path in paths]
        header = _common_header(readers, name or Path(target).stem)
        chosen = _Chosen(qualify)
        for reader in readers:
            chosen.take(reader)
        source = 'merged from ' + ' '.join(reader.info.map_id for reader in readers)
        with MapWriter(
            target, header, source_id=source, overwrite=overwrite, resumable=False
        ) as writer:
            writer.copy(_counted(chosen.records(), len(chosen.places), progress))
            return writer.finish()


class _Chosen:
    """Places of several maps under the names that they get."""

    def __init__(self, qualify: bool) -> None:
        self._qualify = qualify
        self.places: dict[str, tuple[MapReader, Place]] = {}
        self._sessions: dict[str, MapReader] = {}

    def take(self, reader: MapReader) -> None:
        for place in reader.places:
            named = self._named(reader, place)
            present = self.places.get(named.place_id)
            if present is not None and not self._same(present, reader, place):
                raise self._clash(f'place {named.place_id!r}', present[0], reader)
            if present is not None:
                continue
            owner = self._sessions.setdefault(named.session_id, reader)
            if owner is not reader and not _shares(owner, reader, place.session_id):
                raise self._clash(f'session {named.session_id!r}', owner, reader)
            self.places[named.place_id] = (reader, named)

    def _named(self, reader: MapReader, place: Place) -> Place:
        if not self._qualify:
            return place
        prefix = reader.info.name
        return replace(
            place,
            place_id=f'{prefix}/{place.place_id}',
            session_id=f'{prefix}/{place.session_id}',
        )

    @staticmethod
    def _same(present: tuple[MapReader, Place], reader: MapReader, place: Place) -> bool:
        first = present[0].record(present[1].index)
        second = reader.record(place.index)
        return (first.descriptor, first.features) == (second.descriptor, second.features)

    def _clash(self, what: str, first: MapReader, second: MapReader) -> InputError:
        remedy = (
            'build the maps under different names'
            if self._qualify
            else 'ask for qualified names (--qualify) to keep them apart'
        )
        return InputError(
            f'{first.path} and {second.path} both have a {what}, and they are not the same: '
            f'{remedy}'
        )

    def records(self) -> Iterator[Record]:
        for reader, place in self.places.values():
            yield replace(reader.record(place.index), place=place)


def _shares(first: MapReader, second: MapReader, session_id: str) -> bool:
    """Whether both maps have parts of one drive: then no stamp stands for two images."""
    uris = {p.stamp_ns: p.image_uri for p in first.places if p.session_id == session_id}
    ours = [p for p in second.places if p.session_id == session_id]
    return first.info.map_id == second.info.map_id or all(
        place.stamp_ns != 0 and uris.get(place.stamp_ns, place.image_uri) == place.image_uri
        for place in ours
    )


def _common_header(readers: Sequence[MapReader], name: str) -> MapHeader:
    first = readers[0].header
    posed = [r for r in readers if any(place.pose is not None for place in r.places)]
    for reader in readers[1:]:
        other = reader.header
        differing = [key for key in ALIKE if getattr(first, key) != getattr(other, key)]
        if differing:
            raise MapMismatchError(
                f'{readers[0].path} and {reader.path} differ in {", ".join(differing)} '
                f'({getattr(first, differing[0])} and {getattr(other, differing[0])}): '
                'build one of them again with the settings of the other'
            )
    for reader in posed[1:]:
        origins = [r.header.origin for r in (posed[0], reader)]
        if origins[0] != origins[1]:
            begins = ' and '.join(f'with {each!r}' if each else 'elsewhere' for each in origins)
            raise MapMismatchError(
                f'{posed[0].path} and {reader.path} have poses of odometry, which count from '
                f'where each drive began ({begins}): build them with poses in one frame, and name '
                'that with --frame-id where it is called like odometry'
            )
        frames = [(r.header.frame_id, r.header.datum) for r in (posed[0], reader)]
        if frames[0] != frames[1]:
            raise MapMismatchError(
                f'{posed[0].path} and {reader.path} have poses in different frames '
                f'({frames[0][0]}, {frames[1][0]}) or with different datums: bring the poses '
                'into one frame before the maps are built'
            )
    _warn_of_positions(readers, posed)
    return replace((posed or list(readers))[0].header, name=name)


def _warn_of_positions(readers: Sequence[MapReader], posed: Sequence[MapReader]) -> None:
    """Warn where some maps have no position by which they could be compared with the others."""
    without = [reader for reader in readers if reader not in posed]
    if not posed or not without:
        return
    what = 'geodetic positions only' if any(r.info.geo_positions for r in without) else 'no poses'
    log.warning(
        '%s: %s, unlike the others: these places are recognised, but have no pose in the frame '
        '%r of the merged map',
        ', '.join(str(reader.path) for reader in without),
        what,
        posed[0].header.frame_id,
    )


def split_by_session(
    path: PathLike,
    folder: PathLike,
    *,
    overwrite: bool = False,
    progress: Progress | None = None,
) -> list[MapInfo]:
    """A map for each session, `FOLDER/NAME-SESSION.folmap`, into a folder that may be new.

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
            f'the folder {folder} cannot be made ({error.strerror}): check its name, and the '
            'permissions of the folders above it'
        ) from error


def _file_names(stem: str, sessions: Sequence[str]) -> dict[str, str]:
    """File names that differ and hold nothing but letters, digits, dots and dashes."""
    names: dict[str, str] = {}
    taken: set[str] = set()
    for session in sessions:
        plain = ''.join(c if c.isalnum() or c in '.-_' else '-' for c in session)[:80]
        name, number = f'{stem}-{plain}', 1
        while name.lower() in taken:
            number += 1
            name = f'{stem}-{plain}-{number}'
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
    """A map of the places within a region, and where wanted one of all others.

    Raises:
        InputError: all places, or none, are within.
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
                f'{len(within)} of {len(reader.places)} places of {path} lie in the region, '
                f'{located} have a position of that kind: look at the positions with '
                '`fol_vpr map export`'
            )
        parts = [(within, inside)] + ([(others, outside)] if outside is not None else [])
        return [
            copy_places(reader, indices, target, overwrite=overwrite, progress=progress)
            for indices, target in parts
        ]
