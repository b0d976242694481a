"""Answers queries with a PlaceRecognizer, as the node does."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from fol_vpr.datatypes import Explanation, Frame, LocalizationState
from fol_vpr.errors import FolVprError
from fol_vpr.evaluation.metrics import RECALL_AT

if TYPE_CHECKING:
    from fol_vpr.recognizer import PlaceRecognizer
    from fol_vpr.sources import FrameSource

Progress = Callable[[int, int, str], None]
OnBad = Callable[[int, FolVprError], None]


@dataclass(frozen=True, eq=False)
class QueryAnswer:
    """The answer of a recognizer or of a node to one query.

    Attributes:
        index: position of the query in its source, from 0.
        stamp_ns: time of the query in nanoseconds.
        uri: of the query image.
        state: the decision.
        ranking: `Place.index` of the hypotheses after re-ranking, best first.
        global_ranking: `Place.index` of the candidates by global similarity, best first; None for
            answers recorded from a topic, which does not carry it.
        timings: seconds by stage; `total` runs from the encoded image to the answer, decoding
            included, offline as well as live. Live it is the sum of `processing`, the work on
            the image, and `waiting`, the time that it waited in the node for others; recordings
            of nodes that did not tell both apart have `total` alone.
        probability: that the first hypothesis is right; NaN without a calibration, and for queries
            that were decided one by one.
        p_not_in_map: probability that the map has no such place; NaN likewise.
        explanation: why the state is what it is.
        similarities: cosine of the global descriptors for each of `global_ranking`; empty where
            not known.
        match_scores: of the local matching for each of `ranking`, NaN where it was not matched;
            empty where not known.
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
    explanation: Explanation = field(default_factory=Explanation)
    similarities: tuple[float, ...] = ()
    match_scores: tuple[float, ...] = ()

    def similarity_to(self, index: int) -> float:
        """Cosine of the global descriptors of query and reference; NaN where it is not known."""
        return _of(index, self.global_ranking or (), self.similarities)

    def match_score_of(self, index: int) -> float:
        """Score of the local matching with a reference; NaN where it is not known."""
        return _of(index, self.ranking, self.match_scores)


def _of(index: int, ranking: tuple[int, ...], values: tuple[float, ...]) -> float:
    """The value of a reference; a ranking has one for each, or none at all."""
    known = dict(zip(ranking, values, strict=True)) if values else {}
    return known.get(index, math.nan)


@dataclass(frozen=True, eq=False)
class Answers:
    """The answers to the queries of a source, offline or recorded.

    Attributes:
        items: in the order of the queries; a query that was not answered is missing.
        unmatched: number of recorded answers that belong to no query.
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
        limit: number of queries to take, from the first; None takes all.
        sequence: whether to decide over the sequence of queries; otherwise each is decided by
            itself.
        progress: called with the number of queries done, of all queries, and a note.
        on_bad: called with position and error of a query that cannot be read; such a query gets
            no answer. Without it the error is raised.

    Raises:
        InputError: a query cannot be read, and there is no `on_bad`.
        MapError: no map is loaded, or it can no longer be read.
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
    # A calibration is of verified pairs over a sequence: of anything else it says wrong numbers.
    calibrated = sequence and bool(first)
    return QueryAnswer(
        index=position,
        stamp_ns=frame.stamp_ns,
        uri=frame.uri,
        state=recognition.state,
        ranking=tuple(h.place.index for h in recognition.hypotheses),
        global_ranking=tuple(c.index for c in recognition.global_ranking[:depth]),
        probability=first[0].probability if calibrated else math.nan,
        p_not_in_map=recognition.p_not_in_map if sequence else math.nan,
        explanation=recognition.explanation,
        similarities=tuple(c.similarity for c in recognition.global_ranking[:depth]),
        match_scores=tuple(h.match_score for h in recognition.hypotheses),
        timings={
            'decode': decoded,
            **recognition.timings,
            'total': decoded + recognition.timings['total'],
        },
    )
