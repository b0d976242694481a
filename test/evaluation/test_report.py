"""How far wrong first references are from right ones, in the table, the JSON and the CSV."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence

import pytest

from fol_vpr.datatypes import LocalizationState
from fol_vpr.evaluation.offline import Answers, QueryAnswer
from fol_vpr.evaluation.report import Conditions, Evaluation

CONDITIONS = Conditions(
    map='m.folmap', map_id='id', source='s', ground_truth='g', weights='w', trained=True,
    model_id='m', preprocessing_id='p', references=100, rerank=20,
)  # fmt: skip


def answered(
    rankings: Sequence[tuple[int, ...]], positives: Sequence[frozenset[int] | None]
) -> Evaluation:
    """Of each query a ranking, both before and after re-ranking."""
    answers = [
        QueryAnswer(index, index, f'{index}.jpg', LocalizationState.UNKNOWN, ranking, ranking)
        for index, ranking in enumerate(rankings)
    ]
    return Evaluation(CONDITIONS, positives, Answers(answers))


MIXED = answered(
    [(5, 6), (7, 5), (40, 20), (99, 1), (3,), (), (8,)],
    [
        frozenset({4, 5}), frozenset({4, 5}), frozenset({20, 60}), frozenset({98}), frozenset(),
        frozenset({1}), None,
    ],
)  # fmt: skip
"""Right; 2 off; 20 off; 1 off; without a positive; without an answer; not judged."""


def test_only_wrong_answers_that_have_a_positive_count() -> None:
    assert MIXED.wrong_first() == [2, 20, 1]
    assert MIXED.as_json()['wrong_first'] == {
        'queries': 3,
        'references_off_median': 2,
        'references_off_max': 20,
    }


def test_the_table_says_how_far_off() -> None:
    said = 'the first is wrong 3 times: 1 to 20 references from a right one (median 2)'
    assert said in MIXED.as_table().splitlines()


@pytest.mark.parametrize(
    ('first', 'said'),
    [(11, 'once: 1 reference from a right one'), (13, 'once: 3 references from a right one')],
)
def test_one_wrong_answer(first: int, said: str) -> None:
    assert said in answered([(first,)], [frozenset({10})]).as_table()


@pytest.mark.parametrize('positive', [frozenset({10}), frozenset(), None])
def test_nothing_is_said_where_none_is_wrong(positive: frozenset[int] | None) -> None:
    evaluation = answered([(10,)], [positive])
    assert 'is wrong' not in evaluation.as_table()
    judged = {'queries': 0, 'references_off_median': None, 'references_off_max': None}
    assert evaluation.as_json()['wrong_first'] == (None if positive is None else judged)


def test_each_query_has_its_own_number() -> None:
    text = io.StringIO(newline='')
    MIXED.write_per_query(text)
    rows = list(csv.DictReader(io.StringIO(text.getvalue())))
    assert [row['references_off'] for row in rows] == ['0', '2', '20', '1', '', '', '']
    assert [row['first_ref_index'] for row in rows] == ['5', '7', '40', '99', '3', '', '8']
    assert {len(row) for row in rows} == {15}
