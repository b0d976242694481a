"""Removes places that were never recognised, and places that similar ones nearby represent."""

from __future__ import annotations

import heapq
import os
from collections.abc import Iterator, Sequence

import numpy as np

from fol_vpr.config import PruningConfig
from fol_vpr.database.reader import MapReader
from fol_vpr.database.storage.hits import hits_path, read_hits
from fol_vpr.database.tools.copying import copy_places
from fol_vpr.database.writer import Progress
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
    """Make a new map without the places that are not needed; the old map stays.

    Args:
        path: the map file.
        target: the map file to make.
        config: which places are not needed.
        overwrite: replace an existing map.
        progress: called with the number of places written and of places in all.

    Returns:
        The summary of the new map.

    Raises:
        InputError: no rule is chosen, or no place of the map has a hit.
        MapError: the map is damaged, or the target exists.
        StorageError: no space or no permission.
    """
    if not (config.never_hit or config.redundant):
        raise InputError('nothing to prune by: expected --never-hit, --redundant, or both')
    with MapReader(path) as reader:
        hits = read_hits(path)
        kept = [place.index for place in reader.places]
        if config.never_hit:
            kept = [i for i in kept if hits.get(reader.places[i].place_id)]
            if not kept:
                raise InputError(
                    f'{hits_path(reader.path)} counts no hits of the places of the map: run the '
                    'node with storage.record_hits while the robot visits all places, and prune '
                    'then'
                )
        if config.redundant:
            kept = _without_redundant(reader, kept, hits, config)
        return copy_places(reader, kept, target, overwrite=overwrite, progress=progress)


def redundant_places(reader: MapReader, config: PruningConfig) -> list[int]:
    """The places that `config.redundant` would remove, without removing them.

    Args:
        reader: the map.
        config: when two places represent each other.

    Returns:
        Indices of the places, ascending.

    Raises:
        MapError: the map, or the file of its hits, is damaged.
    """
    everything = range(len(reader.places))
    kept = _without_redundant(reader, everything, read_hits(reader.path), config)
    return sorted(set(everything) - set(kept))


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
    """Choose few places that represent all: a greedy set cover.

    A place represents another one if their images are similar and, if both have poses, were taken
    close to each other. The greedy choice needs at most ln(n) + 1 times as many places as the
    best choice, if one place represents at most n (Chvatal, A Greedy Heuristic for the
    Set-Covering Problem, 1979).

    Args:
        descriptors: [P, D], unit length.
        places: P places.
        similarity: minimum cosine between places that represent each other.
        radius: maximum distance between their positions in metres.
        angle: maximum angle between their orientations in radians.
        preference: [P]; of two places that represent equally many, the one with the larger
            number is chosen.

    Returns:
        Indices of the chosen places, ascending.
    """
    covers: list[np.ndarray] = [np.empty(0, np.int64)] * len(places)
    for row, columns in _represented(descriptors, places, similarity, radius, angle):
        covers[row] = columns
    uncovered = np.ones(len(places), bool)
    heap = [(-len(covers[i]), -preference[i], i) for i in range(len(places))]
    heapq.heapify(heap)
    chosen = []
    while uncovered.any():
        _, preferred, number = heapq.heappop(heap)
        gain = int(uncovered[covers[number]].sum())
        # Gains only shrink: a place whose updated gain still leads the heap is the best choice.
        if heap and (-gain, preferred, number) > heap[0]:
            if gain:
                heapq.heappush(heap, (-gain, preferred, number))
            continue
        chosen.append(number)
        uncovered[covers[number]] = False
    return sorted(chosen)


def _represented(
    descriptors: np.ndarray,
    places: Sequence[Place],
    similarity: float,
    radius: float,
    angle: float,
) -> Iterator[tuple[int, np.ndarray]]:
    """For each place, its index and the indices of the places it represents, itself included."""
    rows = np.ascontiguousarray(descriptors)
    posed = np.array([place.pose is not None for place in places])
    positions = np.array([_position(place) for place in places])
    quaternions = np.array([_orientation(place) for place in places])
    for first in range(0, len(rows), BLOCK):
        block = np.arange(first, min(first + BLOCK, len(rows)))
        others = _near_block(positions, posed, block, radius)
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


def _near_block(
    positions: np.ndarray, posed: np.ndarray, block: np.ndarray, radius: float
) -> np.ndarray:
    """Indices of the places that can be within `radius` of a place of the block.

    Consecutive places mostly lie close together, so that this leaves out most places.
    """
    if not posed[block].all():
        return np.arange(len(positions))
    low = positions[block].min(axis=0) - radius
    high = positions[block].max(axis=0) + radius
    inside = ((positions >= low) & (positions <= high)).all(axis=1)
    return np.flatnonzero(inside | ~posed)


def _position(place: Place) -> np.ndarray:
    return np.zeros(3) if place.pose is None else place.pose.position


def _orientation(place: Place) -> np.ndarray:
    # No comparison with NaN is true, so that an unknown orientation never differs too much.
    if place.pose is None or not place.pose.has_orientation:
        return np.full(4, np.nan)
    return place.pose.orientation
