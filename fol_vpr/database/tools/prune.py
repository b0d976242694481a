"""Which places of a map can go: those that were never hit, and those that others stand for."""

from __future__ import annotations

import heapq
import os
from collections.abc import Iterator, Sequence

import numpy as np

from fol_vpr.config import PruningConfig
from fol_vpr.database.reader import MapReader
from fol_vpr.database.storage.hits import hits_path, read_hits
from fol_vpr.database.tools.merge_split import Progress, copy_places
from fol_vpr.datatypes import MapInfo, Place
from fol_vpr.errors import InputError

BLOCK = 1024


def prune_map(
    path: str | os.PathLike[str],
    target: str | os.PathLike[str],
    config: PruningConfig,
    *,
    overwrite: bool = False,
    progress: Progress | None = None,
) -> MapInfo:
    """A new map without the places that are not needed; the old one stays.

    Args:
        path: the map.
        target: the new map.
        config: what is not needed.
        overwrite: replace an existing map.
        progress: called with places written and places in all.

    Raises:
        InputError: nothing is asked for, nothing would be left, or no hits were counted.
        MapError: the map is damaged, or the target exists.
        StorageError: no space or no permission.
    """
    if not (config.never_hit or config.redundant):
        raise InputError('nothing to prune by: give --never-hit, --redundant, or both')
    with MapReader(path) as reader:
        hits = read_hits(path)
        kept = [place.index for place in reader.places]
        if config.never_hit:
            kept = [i for i in kept if hits.get(reader.places[i].place_id)]
            if not kept:
                raise InputError(
                    f'{hits_path(reader.path)} counts no hit of any place of the map: let a node '
                    'localise with storage.record_hits for as long as the robot needs to see '
                    'all of its places'
                )
        if config.redundant:
            kept = _without_redundant(reader, kept, hits, config)
        return copy_places(reader, kept, target, overwrite=overwrite, progress=progress)


def _without_redundant(
    reader: MapReader, kept: Sequence[int], hits: dict[str, int], config: PruningConfig
) -> list[int]:
    wanted = set(kept)
    descriptors = np.stack([d for i, d in reader.iterate_descriptors() if i in wanted])
    places = [reader.places[index] for index in kept]
    weights = [hits.get(place.place_id, 0) for place in places]
    chosen = cover(
        descriptors, places, config.similarity, config.radius, np.radians(config.angle), weights
    )
    return [kept[number] for number in chosen]


def cover(
    descriptors: np.ndarray,
    places: Sequence[Place],
    similarity: float,
    radius: float,
    angle: float,
    preference: Sequence[int],
) -> list[int]:
    """Few places that stand for all: a greedy set cover.

    A place stands for another one that looks like it and, where both have poses, was taken near
    it. The greedy choice needs at most ln(n) + 1 times as many as the best one, for n places that
    one may stand for (Chvatal, A Greedy Heuristic for the Set-Covering Problem, 1979).

    Args:
        descriptors: [P, D], unit length.
        places: P places.
        similarity: least cosine of places that stand for each other.
        radius: longest distance between them in metres.
        angle: largest difference of their orientations in radians.
        preference: of two that stand for as many, the one with the larger number is taken.

    Returns:
        Which ones, ascending.
    """
    covers: list[np.ndarray] = [np.empty(0, np.int64)] * len(places)
    for row, columns in _alike(descriptors, places, similarity, radius, angle):
        covers[row] = columns
    open_ = np.ones(len(places), bool)
    heap = [(-len(covers[i]), -preference[i], i) for i in range(len(places))]
    heapq.heapify(heap)
    chosen = []
    while open_.any():
        _, preferred, number = heapq.heappop(heap)
        gain = int(open_[covers[number]].sum())
        # Gains only shrink: what is best with its present gain is best of all.
        if heap and (-gain, preferred, number) > heap[0]:
            if gain:
                heapq.heappush(heap, (-gain, preferred, number))
            continue
        chosen.append(number)
        open_[covers[number]] = False
    return sorted(chosen)


def _alike(
    descriptors: np.ndarray,
    places: Sequence[Place],
    similarity: float,
    radius: float,
    angle: float,
) -> Iterator[tuple[int, np.ndarray]]:
    """For each place, the places that it stands for, itself among them."""
    rows = np.ascontiguousarray(descriptors)
    posed = np.array([place.pose is not None for place in places])
    positions = np.array([_position(place) for place in places])
    quaternions = np.array([_orientation(place) for place in places])
    for first in range(0, len(rows), BLOCK):
        block = np.arange(first, min(first + BLOCK, len(rows)))
        others = _within_reach(positions, posed, block, radius)
        similarities = rows[block].astype(np.float32) @ rows[others].astype(np.float32).T
        for number, row in enumerate(block):
            alike = similarities[number] >= similarity
            alike |= others == row
            columns = others[alike]
            if posed[row]:
                far = np.linalg.norm(positions[columns] - positions[row], axis=1) > radius
                # The angle of the rotation between two unit quaternions.
                cosines = np.abs(quaternions[columns] @ quaternions[row]).clip(0, 1)
                turned = 2 * np.arccos(cosines) > angle + 1e-6
                columns = columns[~(posed[columns] & (far | turned)) | (columns == row)]
            yield int(row), columns


def _within_reach(
    positions: np.ndarray, posed: np.ndarray, block: np.ndarray, radius: float
) -> np.ndarray:
    """Places that can be near one of a block; consecutive places mostly lie together."""
    if not posed[block].all():
        return np.arange(len(positions))
    low = positions[block].min(axis=0) - radius
    high = positions[block].max(axis=0) + radius
    inside = ((positions >= low) & (positions <= high)).all(axis=1)
    return np.flatnonzero(inside | ~posed)


def _position(place: Place) -> np.ndarray:
    return np.zeros(3) if place.pose is None else place.pose.position


def _orientation(place: Place) -> np.ndarray:
    # An unknown one differs from none: no comparison with NaN is true.
    if place.pose is None or not place.pose.has_orientation:
        return np.full(4, np.nan)
    return place.pose.orientation
