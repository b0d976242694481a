"""Curves of small answers whose values can be counted by hand."""

from __future__ import annotations

import math
import tracemalloc

import numpy as np
import pytest

from fol_vpr.datatypes import LocalizationState
from fol_vpr.evaluation.ground_truth import PlottedPositions
from fol_vpr.evaluation.offline import Answers, QueryAnswer
from fol_vpr.evaluation.report import Conditions, Evaluation
from fol_vpr.evaluation.results.curves import (
    precision_recall_curves,
    similarity_matrix,
    tolerance_curve,
)

CONDITIONS = Conditions(
    map='m', map_id='i', source='s', ground_truth='g', weights='w', trained=True, model_id='',
    preprocessing_id='', references=4,
)  # fmt: skip


def answer(index: int, first: int, similarity: float, probability: float = math.nan):
    return QueryAnswer(
        index, index, '', LocalizationState.UNKNOWN, (first,), (first,), probability=probability,
        similarities=(similarity,), match_scores=(math.nan,),
    )  # fmt: skip


def evaluation(answers, positives, plotted=None) -> Evaluation:
    return Evaluation(CONDITIONS, positives, Answers(answers), plotted)


def test_precision_and_recall_over_the_score():
    """Right, right and wrong together, right, and one of an unknown place that counts nowhere."""
    answers = [answer(0, 0, 0.9), answer(1, 1, 0.8), answer(2, 0, 0.8), answer(3, 3, 0.5),
               answer(4, 0, 0.95)]  # fmt: skip
    positives = [{0}, {1}, {2}, {3}, None, {1}]  # the last one was not answered
    [curve] = precision_recall_curves(evaluation(answers, positives))
    assert curve.name == 'global similarity'
    assert curve.thresholds.tolist() == [0.9, 0.8, 0.5]
    assert curve.precision == pytest.approx([1, 2 / 3, 3 / 4])
    assert curve.recall == pytest.approx([1 / 5, 2 / 5, 3 / 5])
    assert curve.recall_at_full_precision == pytest.approx(1 / 5)


def test_a_query_outside_the_map_is_wrong_at_any_place():
    answers = [answer(0, 0, 0.9, 0.3), answer(1, 1, 0.8, 0.6)]
    similarity, probability = precision_recall_curves(evaluation(answers, [set(), {1}]))
    assert similarity.recall_at_full_precision == 0
    assert probability.recall_at_full_precision == 1


def test_without_ground_truth_there_is_no_curve():
    assert precision_recall_curves(evaluation([answer(0, 0, 0.9)], [None])) == []


def test_recall_over_the_allowed_distance():
    """Answers 1 m and 10 m away, one query without an answer and one without a position."""
    plotted = PlottedPositions(
        np.array([[0, 1], [10, 0], [0, 0], [math.nan] * 2]), np.array([[0.0, 0], [20, 0]])
    )
    answers = [answer(0, 0, 1), answer(1, 1, 1), answer(3, 0, 1)]
    curve = tolerance_curve(evaluation(answers, [None] * 4, plotted), 10, 11)
    assert curve.queries == 3
    assert curve.first.tolist() == pytest.approx([0] + [1 / 3] * 9 + [2 / 3])
    assert curve.possible.tolist() == pytest.approx([1 / 3] + [2 / 3] * 9 + [1])
    assert tolerance_curve(evaluation(answers, [None] * 4), 10, 11) is None


def test_recall_over_the_distance_takes_little_memory_on_a_large_map():
    """The distances of all queries to all references would be 400 MB here."""
    count = 50_000
    line = np.column_stack([np.arange(count) * 1.0, np.zeros(count)])
    plotted = PlottedPositions(np.add(line[:1000], [0, 3.0]), line)
    answers = [answer(index, index, 1) for index in range(1000)]
    drive = evaluation(answers, [None] * 1000, plotted)
    tolerance_curve(evaluation(answers[:1], [None], plotted), 10, 11)  # loads what is loaded late
    tracemalloc.start()
    try:
        curve = tolerance_curve(drive, 10, 11)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert curve.possible.tolist() == [0] * 3 + [1] * 8
    assert peak < 50e6


def test_the_similarity_matrix_keeps_the_largest_of_each_cell():
    answers = [answer(0, 0, 0.5), answer(1, 1, 0.7), answer(3, 3, 0.2)]
    whole = similarity_matrix(answers, (4, 4), 10)
    assert whole[1, 1] == 0.7
    assert np.isnan(whole[2]).all()
    assert np.nan_to_num(similarity_matrix(answers, (4, 4), 2)).tolist() == [[0.7, 0], [0, 0.2]]
    assert similarity_matrix([], (4, 4), 2) is None
