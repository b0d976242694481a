"""Answers of the node, read from a bag in which its topic was recorded."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from fol_vpr.datatypes import Cause, Explanation, LocalizationState, MapInfo, Place
from fol_vpr.errors import InputError
from fol_vpr.evaluation.offline import Answers, QueryAnswer
from fol_vpr.sources import Bag, FrameSource

ARRAY_TYPE = 'fol_vpr_msgs/msg/PlaceHypothesisArray'


def read_recording(
    path: str | Path,
    source: FrameSource,
    places: Sequence[Place],
    info: MapInfo,
    *,
    topic: str | None = None,
) -> Answers:
    """Read the hypothesis arrays of a bag and match them with the queries by their stamps.

    Args:
        path: bag in which the topic `~/places` of the node was recorded.
        source: the bag that was played to the node.
        places: references of the map, by index.
        info: of the map; it has to be the map of the node.
        topic: of the answers, where the bag holds several topics of the type.

    Raises:
        InputError: the bag cannot be read, holds no such topic, or was recorded with another map;
            or two queries have the same stamp.
    """
    index_of_stamp, uris = _read_queries(source)
    index_of_place = {place.place_id: place.index for place in places}
    answers: dict[int, QueryAnswer] = {}
    unmatched = unstamped = 0
    for message in _read_arrays(Path(path), topic):
        if message.map_id != info.map_id:
            raise InputError(
                f'{path} was recorded with the map {message.map_id or "(none loaded)"}, but '
                f'{info.path} is {info.map_id}; give the map that the node had'
            )
        stamp_ns = message.header.stamp.sec * 1_000_000_000 + message.header.stamp.nanosec
        index = index_of_stamp.get(stamp_ns)
        if index is None:
            unmatched += 1
            unstamped += not stamp_ns
            continue
        if index in answers:
            raise InputError(
                f'{path} answers query {index} (stamp {stamp_ns} ns) twice: it holds more than '
                'one run; record each run into a bag of its own'
            )
        answers[index] = _answer(index, stamp_ns, message, index_of_place, uris[index], path)
    if not answers and unstamped == unmatched > 0:
        raise InputError(
            f'all {unmatched} arrays in {path} carry the stamp 0, as the images had that were '
            'sent to the node, so that answers and images cannot be told apart: play the bag with '
            '`fol_vpr bag play --stamps reception`, record again, and evaluate with '
            '--stamps reception'
        )
    if not answers:
        raise InputError(
            f'none of the {unmatched} arrays in {path} carries the stamp of an image in '
            f'{source.description}; --queries must be the bag that was played, and --stamps be '
            'as it was then'
        )
    return Answers([answers[index] for index in sorted(answers)], unmatched)


def _read_queries(source: FrameSource) -> tuple[dict[int, int], list[str]]:
    """Indices of the queries by their stamps, which are all different, and their URIs."""
    positions: dict[int, int] = {}
    uris = []
    for index, capture in enumerate(source.captures()):
        earlier = positions.setdefault(capture.stamp_ns, index)
        if earlier != index:
            raise InputError(
                f'queries {earlier} and {index} of {source.description} carry the same stamp '
                f'({capture.stamp_ns} ns), so recorded answers cannot be assigned to '
                'them; --queries must be the bag that was played. Where its images have no '
                'stamps of their own, play it with `fol_vpr bag play --stamps reception`, and '
                'evaluate with --stamps reception'
            )
        uris.append(capture.uri)
    return positions, uris


def _answer(
    index: int,
    stamp_ns: int,
    message: Any,
    index_of_place: dict[str, int],
    uri: str,
    path: str | Path,
) -> QueryAnswer:
    try:
        ranking = tuple(index_of_place[h.place_id] for h in message.hypotheses)
        state = LocalizationState(message.state)
    except (KeyError, ValueError) as error:
        raise InputError(
            f'the answer to query {index} in {path} does not fit the map: {error} is neither a '
            'place of it nor a state; give the map as it was when the answers were recorded'
        ) from error
    first = message.hypotheses[:1]
    return QueryAnswer(
        index=index,
        stamp_ns=stamp_ns,
        uri=uri,
        state=state,
        ranking=ranking,
        global_ranking=None,
        timings=_timings(message),
        probability=float(first[0].probability) if first else math.nan,
        p_not_in_map=float(message.p_not_in_map),
        explanation=_explanation(message),
        match_scores=tuple(float(h.match_score) for h in message.hypotheses),
    )


def _timings(message: Any) -> dict[str, float]:
    """Seconds of work and of waiting; bags of older nodes have both in one number."""
    processing = _seconds(message.processing_time)
    if not hasattr(message, 'waiting_time'):
        return {'total': processing}
    waiting = _seconds(message.waiting_time)
    return {'processing': processing, 'waiting': waiting, 'total': processing + waiting}


def _seconds(duration: Any) -> float:
    return float(duration.sec + duration.nanosec * 1e-9)


def _explanation(message: Any) -> Explanation:
    """Why the state is what it is; UNSPECIFIED where the node told no cause, or an unknown one."""
    number = getattr(message, 'cause', 0)
    known = {cause.value for cause in Cause}
    return Explanation(
        Cause(number) if number in known else Cause.UNSPECIFIED,
        getattr(message, 'reason', ''),
        getattr(message, 'remedy', ''),
    )


def _read_arrays(path: Path, topic: str | None) -> Iterator[Any]:
    """All hypothesis arrays of one topic, by the type definitions in the bag."""
    bag = Bag(path)
    topics = [t for t in bag.topics.values() if t.msgtype == ARRAY_TYPE]
    if topic is not None:
        topics = [t for t in topics if t.name == topic]
    if len(topics) != 1:
        raise InputError(
            f'one topic of {ARRAY_TYPE}{f" called {topic}" if topic else ""} is needed in {path}, '
            f'found {len(topics)}; it has {bag.list_topics()}'
        )
    types = bag.types_of(topics[0].name)
    for message in bag.read([topics[0].name]):
        try:
            yield types.deserialize_cdr(message.data, message.msgtype)
        except Exception as error:
            # For damaged bytes rosbags raises exceptions of many types.
            raise InputError(
                f'the message on {message.topic} at {message.receive_ns} ns in {path} is '
                f'damaged: {error or type(error).__name__}'
            ) from error
