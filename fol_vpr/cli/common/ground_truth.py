"""What is right, for the verbs that compare answers with it."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice
from typing import TYPE_CHECKING

from fol_vpr.config import EvaluationConfig
from fol_vpr.errors import InputError
from fol_vpr.evaluation.ground_truth import (
    CapturedPosition,
    PlottedPositions,
    Positives,
    positives_by_position,
    read_ground_truth,
)

if TYPE_CHECKING:
    from fol_vpr.datatypes import MapInfo, Place
    from fol_vpr.sources import FrameSource


def load_ground_truth(
    source: FrameSource,
    places: Sequence[Place],
    info: MapInfo,
    criteria: EvaluationConfig,
    *,
    ground_truth: str | None = None,
    limit: int | None = None,
    instead: str = '',
) -> tuple[Positives, PlottedPositions | None]:
    """For each query that is asked, readable or not, the references that show its place.

    And where both were taken, where that is what tells it.

    Args:
        source: the queries.
        places, info: of the map.
        criteria: what is near, where positions decide.
        ground_truth: a CSV that decides instead.
        limit: how many queries are asked, from the first; None takes all.
        instead: an option that does without, where the verb has one; for the message.

    Raises:
        InputError: there is nothing to tell it by, or it does not fit.
    """
    if ground_truth is not None:
        return read_ground_truth(ground_truth, len(source), len(places))[:limit], None
    _check_frames(source, places, info, instead)
    queries = [CapturedPosition.of(each) for each in islice(source.captures(), limit)]
    # A damaged bag may hold fewer images than it promises.
    queries += [CapturedPosition()] * (len(source) - len(queries))
    references = [CapturedPosition.of(place) for place in places]
    positives = positives_by_position(queries, references, criteria)
    return positives[:limit], PlottedPositions.of(queries, references)


def _check_frames(
    source: FrameSource, places: Sequence[Place], info: MapInfo, instead: str
) -> None:
    """Raise InputError where positions of queries and references mean different things."""
    if not any(place.pose or place.geo for place in places):
        raise InputError(
            f'no ground truth: the references of {info.path} have no positions; give '
            f'--ground-truth CSV{f", or {instead}" if instead else ""}'
        )
    if not source.frame_id or not any(place.pose for place in places):
        return
    if source.own_origin and source.session_id not in {place.session_id for place in places}:
        raise InputError(
            f'the poses of {source.description} count from wherever that drive began, so they '
            f'cannot be compared with those of {info.path}; give --ground-truth CSV, or '
            f'--frame-id {info.frame_id} if they are in the frame of the map after all'
        )
    if source.frame_id != info.frame_id:
        raise InputError(
            f'the poses of {source.description} are in the frame {source.frame_id!r}, those of '
            f'{info.path} in {info.frame_id!r}, so they cannot be compared; give --ground-truth '
            f'CSV, or --frame-id {info.frame_id} if that is another name for the same frame'
        )
