"""Merges several maps into one."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import numpy as np

from fol_vpr.database.format.records import PlaceRecord
from fol_vpr.database.format.schema import MapHeader
from fol_vpr.database.reader import MapReader
from fol_vpr.database.writer import MapWriter, Progress
from fol_vpr.datatypes import MapInfo, Place
from fol_vpr.datatypes.utm import UtmZone, matching_zones
from fol_vpr.errors import InputError, MapMismatchError

log = logging.getLogger(__name__)

COMPARED = ('model_id', 'preprocessing_id', 'codec', 'descriptor_dim', 'local_dim')
"""Fields of the header that must be equal for places to be searched together."""


def merge_maps(
    paths: Sequence[str | os.PathLike[str]],
    target: str | os.PathLike[str],
    *,
    name: str = '',
    qualify: bool = False,
    overwrite: bool = False,
    scale: str = '',
    progress: Progress | None = None,
) -> MapInfo:
    """Make one map of the places of several maps.

    A place that several maps share, with the same id and the same features, is taken once.

    Args:
        paths: at least two map files, made with the same network and with poses in one frame.
        target: the map file to make.
        name: of the new map; empty takes the stem of the file name.
        qualify: prefix the ids of sessions and places with the name of their map, so that
            different sessions with the same id are kept apart.
        overwrite: replace an existing map.
        scale: of the surroundings; empty takes that of the maps, where all that name one agree.
        progress: called with the number of places written and of places in all.

    Returns:
        The summary of the new map.

    Raises:
        InputError: fewer than two maps, or different places or sessions with the same id.
        MapMismatchError: the maps have different networks, codecs or frames.
        MapError: a map is missing or damaged, or the target exists.
        StorageError: no space or no permission; the unfinished map was removed.
    """
    if len(paths) < 2:
        raise InputError(f'{len(paths)} maps are given, expected at least two to merge')
    with ExitStack() as opened:
        readers = [opened.enter_context(MapReader(path)) for path in paths]
        header = _common_header(readers, name or Path(target).stem)
        header = replace(header, scale=scale or _common_scale(readers))
        _warn_of_calibrations(readers)
        merged = _MergedPlaces(qualify)
        for reader in readers:
            merged.add_all(reader)
        header = replace(header, sources=merged.sources())
        source = 'merged from ' + ' '.join(reader.info.map_id for reader in readers)
        with MapWriter(
            target, header, source_id=source, overwrite=overwrite, resumable=False
        ) as writer:
            writer.copy(merged.records(), total=len(merged.places), progress=progress)
            return writer.finish()


class _MergedPlaces:
    """Places of several maps, by the ids that they have in the merged map."""

    def __init__(self, qualify: bool) -> None:
        self._qualify = qualify
        self.places: dict[str, tuple[MapReader, Place]] = {}
        self._sessions: dict[str, MapReader] = {}

    def add_all(self, reader: MapReader) -> None:
        for place in reader.places:
            named = self._named(reader, place)
            present = self.places.get(named.place_id)
            if present is not None and not self._is_same(present, reader, place):
                raise self._clash(f'place {named.place_id!r}', present[0], reader)
            if present is not None:
                continue
            owner = self._sessions.setdefault(named.session_id, reader)
            if owner is not reader and not _have_same_drive(owner, reader, place.session_id):
                raise self._clash(f'session {named.session_id!r}', owner, reader)
            self.places[named.place_id] = (reader, named)

    def _named(self, reader: MapReader, place: Place) -> Place:
        return replace(
            place,
            place_id=self._qualified(reader, place.place_id),
            session_id=self._qualified(reader, place.session_id),
        )

    def _qualified(self, reader: MapReader, name: str) -> str:
        return f'{reader.info.name}/{name}' if self._qualify else name

    def sources(self) -> tuple[tuple[str, str], ...]:
        """What each session of the merged map was built from, where its map says so."""
        return tuple(
            (name, source)
            for name, reader in self._sessions.items()
            for session, source in reader.header.sources
            if self._qualified(reader, session) == name
        )

    @staticmethod
    def _is_same(present: tuple[MapReader, Place], reader: MapReader, place: Place) -> bool:
        first = present[0].record(present[1].index)
        second = reader.record(place.index)
        return (first.descriptor, first.features) == (second.descriptor, second.features)

    def _clash(self, what: str, first: MapReader, second: MapReader) -> InputError:
        remedy = (
            'build the maps with different names'
            if self._qualify
            else 'keep them apart with qualified names (--qualify)'
        )
        return InputError(
            f'{first.path} and {second.path} both have a {what}, but with different content: '
            f'{remedy}'
        )

    def records(self) -> Iterator[PlaceRecord]:
        for reader, place in self.places.values():
            yield replace(reader.record(place.index), place=place)


def _have_same_drive(first: MapReader, second: MapReader, session_id: str) -> bool:
    """Whether a session of both maps is one drive: then each stamp belongs to one image."""
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
        differing = [key for key in COMPARED if getattr(first, key) != getattr(other, key)]
        if differing:
            raise MapMismatchError(
                f'{readers[0].path} and {reader.path} differ in {", ".join(differing)} '
                f'({getattr(first, differing[0])} and {getattr(other, differing[0])}): '
                'build one of them again with the settings of the other'
            )
    for reader in posed[1:]:
        origins = [r.header.origin for r in (posed[0], reader)]
        if origins[0] != origins[1]:
            begins = ' and '.join(f'the start of {o!r}' if o else 'a fixed frame' for o in origins)
            raise MapMismatchError(
                f'{posed[0].path} and {reader.path} have poses of odometry with different origins '
                f'({begins}): build them with poses in one frame, and name that frame with '
                '--frame-id if its name is that of odometry'
            )
        frames = [(r.header.frame_id, r.header.datum) for r in (posed[0], reader)]
        if frames[0] != frames[1]:
            raise MapMismatchError(
                f'{posed[0].path} and {reader.path} have poses in different frames '
                f'({frames[0][0]}, {frames[1][0]}) or with different datums: bring the poses '
                'into one frame before the maps are built'
            )
        zones = [_utm_zone(r) for r in (posed[0], reader)]
        if None not in zones and zones[0] != zones[1]:
            raise MapMismatchError(
                f'{posed[0].path} has UTM coordinates of the zone {zones[0]}, and '
                f'{reader.path} of {zones[1]}, which have nothing to do with each other: '
                'build one map of all images, which are then brought into one zone'
            )
    _warn_of_missing_poses(readers, posed)
    return replace((posed or list(readers))[0].header, name=name)


def _common_scale(readers: Sequence[MapReader]) -> str:
    scales = {r.header.scale: r for r in readers if r.header.scale}
    if len(scales) > 1:
        named = ', '.join(f'{reader.path} {scale}' for scale, reader in scales.items())
        log.warning(
            'the maps are of different scales (%s), so the merged map has none and the defaults '
            'are used with it: name one with --scale',
            named,
        )
        return ''
    return next(iter(scales), '')


def _warn_of_calibrations(readers: Sequence[MapReader]) -> None:
    """Say that the calibrations of the maps are left behind, as each holds for its map alone."""
    if calibrated := [str(reader.path) for reader in readers if reader.info.calibrated]:
        log.warning(
            'the merged map has no calibration, as that of %s holds for the places of that map '
            'only: run `fol_vpr calibrate` with the merged map',
            ' and that of '.join(calibrated),
        )


def _utm_zone(reader: MapReader) -> UtmZone | None:
    """The UTM zone of the poses, by the first place that has a geodetic position as well."""
    for place in reader.places:
        if place.pose is not None and place.geo is not None:
            degrees = np.array([[place.geo.latitude, place.geo.longitude]])
            return matching_zones(place.pose.position[None, :2], degrees)[0]
    return None


def _warn_of_missing_poses(readers: Sequence[MapReader], posed: Sequence[MapReader]) -> None:
    """Warn of maps without poses, whose places will have none in the merged map."""
    without = [reader for reader in readers if reader not in posed]
    if not posed or not without:
        return
    what = 'geodetic positions only' if any(r.info.geo_positions for r in without) else 'no poses'
    log.warning(
        '%s: %s, unlike the other maps: the merged map recognises these places, but has no pose '
        'of them in its frame %r',
        ', '.join(str(reader.path) for reader in without),
        what,
        posed[0].header.frame_id,
    )
