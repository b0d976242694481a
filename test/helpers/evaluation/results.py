"""Small results of evaluations, made by hand."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from fol_vpr.datatypes import LocalizationState
from fol_vpr.evaluation.ground_truth import PlottedPositions, Positives
from fol_vpr.evaluation.offline import Answers, QueryAnswer
from fol_vpr.evaluation.report import Conditions, Evaluation
from fol_vpr.evaluation.results import MapFile, Provenance, References, Result, Settings
from fol_vpr.evaluation.results.provenance import Machine

LOCALIZED = LocalizationState.LOCALIZED
RIGHT, WRONG = 0, 1
"""References: the first shows the place of every query, the second of none."""


def small_result(
    firsts: Sequence[int | None],
    *,
    uris: Sequence[str] | None = None,
    stamps: Sequence[int] | None = None,
    positives: Positives | None = None,
    milliseconds: float = 100.0,
    probabilities: Sequence[float] | None = None,
    states: Sequence[LocalizationState] | None = None,
    references: int = 20,
    plotted: PlottedPositions | None = None,
    settings: dict[str, Any] | None = None,
    processor: str = 'a processor',
    **conditions: Any,
) -> Result:
    """A result whose queries have these references first.

    Args:
        firsts: the first reference of each query; None for one without an answer.
        uris: of the queries; /data/q/000.jpg and so on where None.
        stamps: of the queries; 0 where None.
        positives: of the queries; reference 0 for each where None.
        milliseconds: total of the first query; each further one takes a millisecond more.
        probabilities: of the first hypotheses.
        states: of the answers, which makes the result one of a sequence.
        references: number of them in the map.
        plotted: positions.
        settings: of the recognition.
        processor: of the machine.
        conditions: further values of `Conditions`.
    """
    count = len(firsts)
    answers = [
        QueryAnswer(
            index=index,
            stamp_ns=stamps[index] if stamps else 0,
            uri=f'/data/q/{index:03d}.jpg' if uris is None else uris[index],
            state=states[index] if states else LOCALIZED,
            ranking=(first, *(n for n in range(2, references) if n != first)),
            global_ranking=(first, *(n for n in range(2, references) if n != first)),
            timings={'total': (milliseconds + index) / 1000},
            probability=probabilities[index] if probabilities else math.nan,
            p_not_in_map=1 - probabilities[index] if probabilities else math.nan,
        )
        for index, first in enumerate(firsts)
        if first is not None
    ]
    given = Conditions(
        map='m.folmap', map_id='id', source='some queries', ground_truth='within 5 m',
        weights='w', trained=True, model_id='abc', preprocessing_id='p', references=references,
        rerank=20, sequence=states is not None,
    )  # fmt: skip
    evaluation = Evaluation(
        replace(given, **conditions),
        [frozenset({RIGHT})] * count if positives is None else positives,
        Answers(answers),
        plotted,
    )
    names = tuple(f'day/{n:03d}' for n in range(references))
    return Result(
        evaluation,
        References(names, ('day',), (0,) * references),
        Provenance('0.1.0', 'fol_vpr evaluate', '2026-01-01T00:00:00+00:00', Machine(processor)),
        Settings('fine', settings or {}),
        MapFile('00ff', 'content', 1000, '2026-01-01T00:00:00+00:00'),
    )


def line(count: int, references: int = 20) -> PlottedPositions:
    """Queries and references at metres 0, 1, 2, ... along x."""
    return PlottedPositions(*(np.c_[np.arange(n), np.zeros(n)] for n in (count, references)))
