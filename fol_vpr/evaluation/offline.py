"""Walks the queries through the same PlaceRecognizer that the live node uses."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from fol_vpr.datatypes import Frame, LocalizationState
from fol_vpr.errors import FolVprError
from fol_vpr.evaluation.metrics import RECALL_AT

if TYPE_CHECKING:
    from fol_vpr.recognizer import PlaceRecognizer
    from fol_vpr.sources import FrameSource

Progress = Callable[[int, int, str], None]
OnBad = Callable[[int, FolVprError], None]


@dataclass(frozen=True, eq=False)
class QueryAnswer:
    """What the recogniser, or the live node, said of one query.

    Attributes:
        index: position of the query in its source, from 0.
        uri: where the query image came from.
        ranking: `Place.index` of the hypotheses, best first: after re-ranking.
        global_ranking: the same in the order of the global similarity; None where the answer
            was recorded from a topic, which does not carry it.
        timings: seconds by stage; `total` is from the encoded image to the answer, decoding
            included, offline as well as live.
        probability: that the first hypothesis is right; NaN where the map is uncalibrated.
        p_not_in_map: NaN where the map is uncalibrated.
    """

    index: int
    stamp_ns: int
    uri: str
    state: LocalizationState
    ranking: tuple[int, ...]
    global_ranking: tuple[int, ...] | None
    timings: dict[str, float] = field(default_factory=dict)
    probability: float = math.nan
    p_not_in_map: float = math.nan


@dataclass(frozen=True, eq=False)
class Answers:
    """The answers to a source of queries, offline or recorded.

    Attributes:
        items: in the order of the queries; those that were not answered are missing.
        unmatched: recorded answers that belong to no query.
    """

    items: list[QueryAnswer]
    unmatched: int = 0


def answer_offline(
    recognizer: PlaceRecognizer,
    source: FrameSource,
    *,
    limit: int | None = None,
    sequence: bool = False,
    progress: Progress | None = None,
    on_bad: OnBad | None = None,
) -> Answers:
    """Recognise every query of `source`.

    Args:
        recognizer: with its map loaded.
        source: the queries.
        limit: how many queries to take, from the first; None takes all.
        sequence: whether they are a stream, in which images help each other to a decision;
            otherwise each is judged for itself.
        progress: called with the queries done, their number, and a note.
        on_bad: called with position and error of a query that cannot be read; such a query gets
            no answer. Without it the error is raised.

    Raises:
        InputError: a query cannot be read, and there is no `on_bad`.
        MapError: no map is loaded, or it cannot be read any more.
    """
    total = len(source) if limit is None else min(limit, len(source))
    answers = []
    started = time.perf_counter()
    for position, frame in source.frames(on_bad=on_bad, stop=total):
        decoded = time.perf_counter() - started
        answers.append(_answer(recognizer, position, frame, decoded, sequence))
        if progress is not None:
            progress(position + 1, total, '')
        started = time.perf_counter()
    return Answers(answers)


def _answer(
    recognizer: PlaceRecognizer, position: int, frame: Frame, decoded: float, sequence: bool
) -> QueryAnswer:
    depth = max(RECALL_AT)
    recognition = recognizer.recognize(frame, hypotheses=depth, sequence=sequence)
    first = recognition.hypotheses[:1]
    return QueryAnswer(
        index=position,
        stamp_ns=frame.stamp_ns,
        uri=frame.uri,
        state=recognition.state,
        ranking=tuple(h.place.index for h in recognition.hypotheses),
        global_ranking=tuple(c.index for c in recognition.global_ranking[:depth]),
        probability=first[0].probability if first else math.nan,
        p_not_in_map=recognition.p_not_in_map,
        timings={
            'decode': decoded,
            **recognition.timings,
            'total': decoded + recognition.timings['total'],
        },
    )
