"""What was said of a stream, counted against what is true, and what nobody knows."""

from __future__ import annotations

import math

import pytest

from fol_vpr.datatypes import LocalizationState
from fol_vpr.evaluation.decisions import Decisions
from fol_vpr.evaluation.offline import QueryAnswer

UNKNOWN, NOT_IN_MAP, AMBIGUOUS, LOCALIZED = LocalizationState


def answer(
    index: int,
    state: LocalizationState,
    first: int = 0,
    probability: float = math.nan,
    nowhere: float = math.nan,
) -> QueryAnswer:
    return QueryAnswer(
        index, 0, '', state, (first,), None, probability=probability, p_not_in_map=nowhere
    )


def test_each_statement_is_right_or_wrong_by_the_truth_of_its_query():
    said = Decisions.of(
        [
            answer(0, LOCALIZED, first=3),
            answer(1, LOCALIZED, first=4),
            answer(3, NOT_IN_MAP),
            answer(4, NOT_IN_MAP),
            answer(5, AMBIGUOUS),
            answer(6, UNKNOWN),
            answer(7, LOCALIZED),
        ],
        # Nobody answered the third.
        [{3, 9}, {3}, {1}, frozenset(), {4}, {5}, {6}, frozenset()],
    )
    assert (said.localized_right, said.localized_wrong) == (1, 2)
    assert (said.not_in_map_right, said.not_in_map_wrong) == (1, 1)
    assert (said.localized_unjudged, said.not_in_map_unjudged) == (0, 0)
    assert (said.ambiguous, said.unknown) == (1, 1)
    assert not said.calibrated and 'uncalibrated' in said.lines()[-1]
    assert said.as_json()['calibration_error'] is None


def test_nothing_is_right_or_wrong_of_queries_taken_nobody_knows_where():
    answers = [
        answer(0, LOCALIZED, first=3, probability=0.9, nowhere=0.1),
        answer(1, NOT_IN_MAP, probability=0.1, nowhere=0.9),
        answer(2, UNKNOWN, probability=0.5, nowhere=0.5),
    ]
    said = Decisions.of(answers, [None, None, None])
    assert (said.localized_right, said.localized_wrong, said.localized_unjudged) == (0, 0, 1)
    assert (said.not_in_map_right, said.not_in_map_wrong, said.not_in_map_unjudged) == (0, 0, 1)
    assert math.isnan(said.calibration_error) and math.isnan(said.not_in_map_error)
    text = '\n'.join(said.lines())
    assert 'position of the query is not known' in text
    assert 'uncalibrated' not in text and 'nan' not in text
    known = Decisions.of(answers, [frozenset([3]), None, None])
    assert known.calibration_error == pytest.approx(0.1)
    assert known.not_in_map_error == pytest.approx(0.1)
