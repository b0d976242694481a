"""Bins and errors worked out by hand."""

import math

import numpy as np
import pytest

from fol_vpr.datatypes import LocalizationState
from fol_vpr.evaluation.decisions import Decisions
from fol_vpr.evaluation.offline import QueryAnswer
from fol_vpr.evaluation.reliability import (
    Bin,
    calibration_error,
    calibration_errors,
    reliability_bins,
)


def test_bins_and_error_by_hand():
    bins = reliability_bins([0.05, 0.05, 0.95, 0.85, 1.0], [False, True, True, True, False])
    assert bins == [
        Bin(2, pytest.approx(0.05), 0.5),
        Bin(1, pytest.approx(0.85), 1.0),
        Bin(2, pytest.approx(0.975), 0.5),
    ]
    expected = (2 * 0.45 + 1 * 0.15 + 2 * 0.475) / 5
    assert calibration_error(bins) == pytest.approx(expected)


def test_what_is_right_as_often_as_said_has_no_error():
    rng = np.random.default_rng(0)
    said = rng.random(200_000)
    assert calibration_error(reliability_bins(said, rng.random(200_000) < said)) < 0.005
    assert math.isnan(calibration_error(reliability_bins([], [])))


def answer(index: int, state: LocalizationState, first: int, probability=math.nan) -> QueryAnswer:
    return QueryAnswer(
        index, 0, '', state, (first, 99), (first,), probability=probability,
        p_not_in_map=1 - probability,
    )  # fmt: skip


def test_statements_are_counted_by_what_is_true():
    _, nowhere, ambiguous, localized = LocalizationState
    positives = [frozenset([1]), frozenset([1]), frozenset(), frozenset([3]), frozenset([4])]
    answers = [
        answer(0, localized, 1, 1.0),
        answer(1, localized, 2, 1.0),
        answer(2, nowhere, 5, 0.0),
        answer(3, nowhere, 3, 0.0),
        answer(4, ambiguous, 4, 0.5),
    ]
    found = Decisions.of(answers, positives)
    assert (found.localized_right, found.localized_wrong) == (1, 1)
    assert (found.not_in_map_right, found.not_in_map_wrong) == (1, 1)
    assert (found.ambiguous, found.unknown) == (1, 0)
    # In the bin of 1.0 half is right, in that of 0.0 one of two, in that of 0.5 all.
    assert found.calibration_error == pytest.approx((2 * 0.5 + 2 * 0.5 + 0.5) / 5)
    assert 'LOCALIZED 1 right, 1 wrong' in found.lines()[0]


def test_answers_of_an_uncalibrated_map_say_so():
    found = Decisions.of([answer(0, LocalizationState.LOCALIZED, 1)], [frozenset([1])])
    assert found.as_json()['calibration_error'] is None
    assert 'uncalibrated' in found.lines()[1]


def test_many_errors_at_once_are_those_of_each():
    rng = np.random.default_rng(2)
    said = rng.random((4, 50))
    right = rng.random((4, 50)) < said
    expected = [
        calibration_error(reliability_bins(p, r)) for p, r in zip(said, right, strict=True)
    ]
    assert calibration_errors(said, right.astype(float)) == pytest.approx(expected)
