"""The positives of queries: references that show the same place, from a file or by position."""

from __future__ import annotations

import logging
import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from fol_vpr.config import EvaluationConfig
from fol_vpr.datatypes import EARTH_RADIUS, GeoPosition, Place, Pose
from fol_vpr.datatypes.utm import UtmZone, matching_zones, utm_from_geo
from fol_vpr.errors import InputError
from fol_vpr.evaluation.ground_truth_files import GroundTruthRow, array_rows, csv_rows, is_array

if TYPE_CHECKING:
    from fol_vpr.sources import Capture

Positives = Sequence[frozenset[int] | None]
"""For each query the `Place.index` of the references that show its place: empty if the map does
not have the place, None if the position of the query is not known."""

log = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class CapturedPosition:
    """The position at which a query or a reference was taken; None for what is not known."""

    pose: Pose | None = None
    geo: GeoPosition | None = None

    @classmethod
    def of(cls, item: Capture | Place) -> CapturedPosition:
        """The position of a query, or of a reference of a map."""
        return cls(item.pose, item.geo)


@dataclass(frozen=True, eq=False)
class PlottedPositions:
    """Positions of queries and references in the frame of the map, for pictures.

    Attributes:
        queries: [Q, 2], x and y in metres; NaN where not known.
        references: [R, 2], x and y in metres; NaN where not known.
    """

    queries: np.ndarray
    references: np.ndarray

    @classmethod
    def of(
        cls, queries: Sequence[CapturedPosition], references: Sequence[CapturedPosition]
    ) -> PlottedPositions | None:
        """The positions of poses; None where queries or references have none."""
        queries = in_zone_of(queries, references)
        found = [_coordinates(items, 'pose')[0][:, :2] for items in (queries, references)]
        if any(np.isnan(xy).all() for xy in found):
            return None
        return cls(*found)


def read_ground_truth(path: str | Path, queries: int, references: int) -> list[frozenset[int]]:
    """Read positives from a CSV with the columns `query_index,ref_indices`, or from a NumPy array.

    The indices count from 0 in the natural order of the files; those of references are separated
    by spaces. Further columns are ignored. A query without a line has no positives.

    Args:
        path: the CSV, UTF-8, with a header; or an array, see `ground_truth_files.array_rows`.
        queries: number of queries.
        references: number of references in the map.

    Returns:
        For each query the indices of its positives.

    Raises:
        InputError: the file cannot be read, or a line does not fit; its number is named.
    """
    path = Path(path)
    if not path.exists():
        raise InputError(f'there is no ground truth at {path}')
    if path.is_dir():
        raise InputError(f'the ground truth {path} cannot be read: it is a folder')
    if is_array(path):
        return _of_array(path, queries, references)
    positives: list[frozenset[int]] = [frozenset()] * queries
    seen: dict[int, str] = {}
    for row in csv_rows(path):
        _check_query(row, queries, seen)
        for reference in row.references:
            if not 0 <= reference < references:
                raise _outside(row, 'ref_indices', reference, references, 'references in the map')
        positives[row.query] = frozenset(row.references)
    return positives


def _of_array(path: Path, queries: int, references: int) -> list[frozenset[int]]:
    """Positives of an array, without references past the last, which some data sets name.

    VPR-Bench names the frames from i - 2 to i + 2 for frame i, also at the end.
    """
    positives: list[frozenset[int]] = [frozenset()] * queries
    seen: dict[int, str] = {}
    dropped: list[int] = []
    for row in array_rows(path):
        _check_query(row, queries, seen)
        known = frozenset(index for index in row.references if 0 <= index < references)
        outside = [index for index in row.references if index not in known]
        if outside and not (known and (row.is_window or min(outside) >= references)):
            raise _outside(row, 'its list', outside[0], references, 'references in the map')
        dropped += outside
        positives[row.query] = known
    if not seen:
        raise InputError(f'the ground truth {path} has no rows')
    if dropped:
        log.warning(
            '%s names references that the map does not have: %d times, up to %d of %d (0 to %d); '
            'they are left out, as their queries have others',
            path, len(dropped), max(dropped), references, references - 1,
        )  # fmt: skip
    return positives


def _check_query(row: GroundTruthRow, queries: int, seen: dict[int, str]) -> None:
    if not 0 <= row.query < queries:
        raise _outside(row, 'query_index', row.query, queries, 'queries')
    if row.query in seen:
        raise InputError(f'{row.where}: query {row.query} was already given in {seen[row.query]}')
    seen[row.query] = row.where.partition(' of the ground truth')[0]


def _outside(row: GroundTruthRow, column: str, index: int, count: int, what: str) -> InputError:
    return InputError(
        f'{row.where}: {column} names {index}, but there are {count} {what} (0 to {count - 1}); '
        'check that map, queries and ground truth belong to the same set'
    )


def positives_by_position(
    queries: Sequence[CapturedPosition],
    references: Sequence[CapturedPosition],
    config: EvaluationConfig,
) -> Positives:
    """References that were taken near a query, in about the same direction.

    Poses in the frame of the map are compared if queries and references have them, else geodetic
    positions, on a sphere and without altitudes. Orientations are compared where both poses have
    one. UTM coordinates of two zones are brought into one, see `in_zone_of`.

    Args:
        queries: positions of the queries.
        references: positions of the references, by `Place.index`.
        config: radius and angle.

    Returns:
        For each query the indices of its positives; None where its position is not known.

    Raises:
        InputError: queries and references have no positions of the same kind.
    """
    for kind in ('pose', 'geo'):
        if any(getattr(q, kind) for q in queries) and any(getattr(r, kind) for r in references):
            break
    else:
        raise InputError(
            'no ground truth: queries and map have no positions of the same kind '
            f'(queries: {_kinds(queries)}; map: {_kinds(references)}); give --ground-truth CSV, '
            'or positions for both'
        )
    if kind == 'pose':
        queries = in_zone_of(queries, references)
    query_xyz, query_axes = _coordinates(queries, kind)
    reference_xyz, reference_axes = _coordinates(references, kind)
    positives: list[frozenset[int] | None] = []
    for xyz, axes in zip(query_xyz, query_axes, strict=True):
        if np.isnan(xyz).any():
            positives.append(None)
            continue
        distance = np.linalg.norm(reference_xyz - xyz, axis=1)
        with np.errstate(invalid='ignore'):
            near = distance <= config.positive_radius
            if kind == 'pose' and config.positive_angle < 180:
                # q and -q are the same rotation, hence the absolute value.
                turned = 2 * np.arccos(np.clip(np.abs(reference_axes @ axes), 0, 1))
                near &= ~(np.degrees(turned) > config.positive_angle)
        positives.append(frozenset(np.flatnonzero(near).tolist()))
    return positives


def in_zone_of(
    queries: Sequence[CapturedPosition], references: Sequence[CapturedPosition]
) -> Sequence[CapturedPosition]:
    """The queries with their poses in the UTM zone of the references.

    Eastings of two zones have nothing to do with each other. The zones are told by the geodetic
    positions that queries and references have beside their poses; what has none, or poses that
    are no UTM coordinates, stays as it is.
    """
    zones = [_zones(items) for items in (queries, references)]
    known = Counter(zone for zone in zones[1] if zone is not None)
    if not known:
        return queries
    target = known.most_common(1)[0][0]
    moved = list(queries)
    for row, (query, zone) in enumerate(zip(queries, zones[0], strict=True)):
        if zone in (None, target) or query.pose is None or query.geo is None:
            continue
        degrees = np.array([[query.geo.latitude, query.geo.longitude]])
        xy = utm_from_geo(degrees, target)[0]
        position = np.array([*xy, query.pose.position[2]])
        moved[row] = replace(query, pose=replace(query.pose, position=position))
    return moved


def _zones(items: Sequence[CapturedPosition]) -> list[UtmZone | None]:
    metres, degrees = np.full((2, len(items), 2), math.nan)
    for row, item in enumerate(items):
        if item.pose is not None and item.geo is not None:
            metres[row] = item.pose.position[:2]
            degrees[row] = item.geo.latitude, item.geo.longitude
    found: list[UtmZone | None] = [None] * len(items)
    rows = np.flatnonzero(~np.isnan(degrees[:, 0])).tolist()
    for row, zone in zip(rows, matching_zones(metres[rows], degrees[rows]), strict=True):
        found[row] = zone
    return found


def positives_by_number(
    queries: Sequence[str], references: Sequence[tuple[str, str]], tolerance: int
) -> list[frozenset[int]]:
    """References whose images have about the number of a query's, as the seasons of Nordland.

    Args:
        queries: paths of the queries.
        references: session and path of the image of each reference, by `Place.index`.
        tolerance: largest difference of two numbers.

    Returns:
        For each query the indices of its positives.

    Raises:
        InputError: names without a number, or numbers that are repeated within one side.
    """
    asked = _numbers(queries, 'queries')
    known = _numbers([path for _, path in references], 'references')
    keys = [(session, number) for (session, _), number in zip(references, known, strict=True)]
    if len(set(asked)) < len(asked) or len(set(keys)) < len(keys):
        raise InputError(
            'several images of the queries, or of one session of the map, have the same number in '
            'their names, which then do not tell their places; give --ground-truth FILE instead'
        )
    if asked and known:
        log.warning(
            'the numbers in the names of images are compared: %d to %d of the queries, %d to %d '
            'of the references',
            min(asked), max(asked), min(known), max(known),
        )  # fmt: skip
    order = np.argsort(np.array(known, dtype=np.int64), kind='stable')
    values = np.array(known, dtype=np.int64)[order]
    found = []
    for number in asked:
        first, last = np.searchsorted(values, [number - tolerance, number + tolerance + 1])
        found.append(frozenset(order[first:last].tolist()))
    return found


def _numbers(paths: Sequence[str], what: str) -> list[int]:
    # Here, so that --help does not load the libraries that read bags.
    from fol_vpr.sources.datasets import frame_number

    found = []
    for path in paths:
        number = frame_number(path)
        if number is None or number >= 2**62:
            raise InputError(
                f'the image {path} of the {what} has no number in its name that tells its place; '
                'give --ground-truth FILE instead'
            )
        found.append(number)
    return found


def _kinds(items: Sequence[CapturedPosition]) -> str:
    poses, geo = sum(i.pose is not None for i in items), sum(i.geo is not None for i in items)
    return f'{poses} poses and {geo} geodetic positions of {len(items)}'


def _coordinates(items: Sequence[CapturedPosition], kind: str) -> tuple[np.ndarray, np.ndarray]:
    """Positions [N, 3] in metres and orientations [N, 4]; rows of NaN where they are not known."""
    xyz, axes = np.full((len(items), 3), math.nan), np.full((len(items), 4), math.nan)
    for row, item in enumerate(items):
        if kind == 'pose' and item.pose is not None:
            xyz[row] = item.pose.position
            if item.pose.has_orientation:
                axes[row] = item.pose.orientation
        elif kind == 'geo' and item.geo is not None:
            # For a radius of some kilometres the chord is as long as the arc along the ground.
            lat, lon = math.radians(item.geo.latitude), math.radians(item.geo.longitude)
            around = math.cos(lat) * math.cos(lon), math.cos(lat) * math.sin(lon), math.sin(lat)
            xyz[row] = EARTH_RADIUS * np.array(around)
    return xyz, axes
