"""The ground truth that the verbs `evaluate` and `calibrate` compare answers with."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from itertools import islice
from typing import TYPE_CHECKING

from fol_vpr.config import EvaluationConfig
from fol_vpr.errors import InputError
from fol_vpr.evaluation.ground_truth import (
    CapturedPosition,
    PlottedPositions,
    Positives,
    positives_by_number,
    positives_by_position,
    read_ground_truth,
)

if TYPE_CHECKING:
    from fol_vpr.datatypes import MapInfo, Place
    from fol_vpr.sources import FrameSource

log = logging.getLogger(__name__)


def load_ground_truth(
    source: FrameSource,
    places: Sequence[Place],
    info: MapInfo,
    criteria: EvaluationConfig,
    *,
    ground_truth: str | None = None,
    index_tolerance: int | None = None,
    limit: int | None = None,
    instead: str = '',
) -> tuple[Positives, PlottedPositions | None]:
    """The positives of each query: from a file, from numbers of images, or from positions.

    Args:
        source: the queries.
        places: references of the map.
        info: of the map.
        criteria: radius and angle of a positive, where positions decide.
        ground_truth: file that decides instead of positions; its numbers are those of the whole
            drive. None takes that of the data set that the queries are of, if it has one.
        index_tolerance: largest difference of the numbers of images that show one place, where
            these decide instead.
        limit: number of queries to take, from the first; None takes all.
        instead: an option of the verb that needs no ground truth, for the error message.

    Returns:
        For each query, readable or not, its positives; and the positions of queries and
        references, None where a CSV decides or one side has no poses.

    Raises:
        InputError: there are no positions to compare, or they are in different frames, or the CSV
            does not fit.
    """
    # Here, so that --help does not load the libraries that read bags.
    from fol_vpr.sources.window import numbers_in_drive

    if index_tolerance is not None:
        return _by_number(source, places, index_tolerance)[:limit], None
    ground_truth = ground_truth or getattr(source, 'ground_truth', None)
    if ground_truth is not None:
        whole, numbers = numbers_in_drive(source)
        found = read_ground_truth(ground_truth, whole, len(places))
        return [found[number] for number in numbers][:limit], None
    queries = [CapturedPosition.of(each) for each in islice(source.captures(), limit)]
    # A damaged bag may hold fewer images than its metadata says.
    queries += [CapturedPosition()] * (len(source) - len(queries))
    references = [CapturedPosition.of(place) for place in places]
    if _share_only_geo(source, info, queries, references):
        queries = [CapturedPosition(geo=each.geo) for each in queries]
        references = [CapturedPosition(geo=each.geo) for each in references]
    else:
        _check_frames(source, places, info, instead)
    positives = positives_by_position(queries, references, criteria)
    return positives[:limit], PlottedPositions.of(queries, references)


def _by_number(
    source: FrameSource, places: Sequence[Place], tolerance: int
) -> list[frozenset[int]]:
    if tolerance < 0:
        raise InputError(f'--index-tolerance is {tolerance}, expected 0 or more')
    queries = [capture.uri for capture in source.captures()]
    references = [(place.session_id, place.image_uri) for place in places]
    return positives_by_number(queries, references, tolerance)


def _share_only_geo(
    source: FrameSource,
    info: MapInfo,
    queries: Sequence[CapturedPosition],
    references: Sequence[CapturedPosition],
) -> bool:
    """Whether poses are in different frames, but both sides have geodetic positions."""
    sides = (queries, references)
    if not all(any(each.pose for each in side) for side in sides):
        return False
    if source.frame_id == info.frame_id and not source.own_origin:
        return False
    found = all(all(each.geo for each in side if each.pose) for side in sides)
    if found and source.frame_id != info.frame_id:
        log.warning(
            'poses of the queries are in the frame %r, those of the map in %r: geodetic positions '
            'are compared instead, and no orientations',
            source.frame_id, info.frame_id,
        )  # fmt: skip
        return True
    return False


def _check_frames(
    source: FrameSource, places: Sequence[Place], info: MapInfo, instead: str
) -> None:
    """Raise InputError where positions of queries and references are in different frames."""
    if not any(place.pose or place.geo for place in places):
        raise InputError(
            f'no ground truth: the references of {info.path} have no positions; give '
            '--ground-truth FILE, or --index-tolerance N where images of equal number show one '
            f'place{f", or {instead}" if instead else ""}'
        )
    if not source.frame_id or not any(place.pose for place in places):
        return
    if source.own_origin and source.session_id not in {place.session_id for place in places}:
        raise InputError(
            f'the poses of {source.description} are in a frame '
            'whose origin is the start of that drive, as odometry, so they cannot be compared '
            f'with those of {info.path}; give --ground-truth FILE, or --frame-id {info.frame_id} '
            'if they are in the frame of the map'
        )
    if source.frame_id != info.frame_id:
        raise InputError(
            f'the poses of {source.description} are in the frame {source.frame_id!r}, those of '
            f'{info.path} in {info.frame_id!r}, so they cannot be compared; give --ground-truth '
            f'CSV, or --frame-id {info.frame_id} if that is another name for the same frame'
        )
