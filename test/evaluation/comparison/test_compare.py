"""Results side by side: what is counted, refused, doubted and said."""

from __future__ import annotations

import json
import math
import re
from dataclasses import replace

import numpy as np
import pytest
from helpers.evaluation.results import LOCALIZED, RIGHT, WRONG, line, small_result

from fol_vpr.config import ComparisonConfig
from fol_vpr.datatypes import LocalizationState
from fol_vpr.errors import InputError
from fol_vpr.evaluation.comparison.compare import compare
from fol_vpr.evaluation.comparison.text import as_text, as_values
from fol_vpr.evaluation.comparison.words import conclusions
from fol_vpr.evaluation.ground_truth import PlottedPositions

QUICK = ComparisonConfig(resamples=200)
UNKNOWN = LocalizationState.UNKNOWN


def against(first, second):
    """The comparison of two results, and its only part."""
    found = compare([('a', first), ('b', second)], QUICK)
    return found, found.others[0]


def named(rows, name):
    return next(row for row in rows if row.name.startswith(name))


@pytest.fixture
def better():
    """Twenty queries, of which b has ten more right than a, and a one more than b."""
    first = [RIGHT] * 5 + [WRONG] * 15
    second = [WRONG] + [RIGHT] * 14 + [WRONG] * 5
    plotted = line(20)
    return against(small_result(first, plotted=plotted), small_result(second, plotted=plotted))


def test_recall_is_compared_query_by_query(better):
    comparison, other = better
    row = named(other.yes_no, 'Recall@1')
    assert (row.counts.both, row.counts.first_only, row.counts.second_only) == (4, 1, 10)
    assert row.counts.p_value() == pytest.approx(24 / 2048)
    # Recall@1, @5 and @10 differ, in one order as both have no re-ranking.
    assert comparison.tests == 3
    assert row.corrected == pytest.approx(3 * 24 / 2048)
    assert [each.name for each in other.yes_no] == [f'Recall@{k}, final order' for k in (1, 5, 10)]


def test_the_queries_that_changed_are_named_with_what_was_said(better):
    _, other = better
    assert [each.index[0] for each in other.changed] == [0, *range(5, 15)]
    lost = other.changed[0]
    assert not lost.gained
    assert (lost.uri, lost.xy) == ('/data/q/000.jpg', (0, 0))
    assert (lost.first.place_id, lost.first.distance) == ('day/000', 0)
    assert (lost.second.place_id, lost.second.distance) == ('day/001', 1)


def test_sentences_say_what_is_shown_and_what_is_not(better):
    said = conclusions(*better)[0]
    assert 'b has more, which is better: +45.0 percentage points' in said
    same = against(small_result([RIGHT] * 9), small_result([RIGHT] * 9))
    assert 'the same for each of the 9 queries' in conclusions(*same)[0]
    assert 'within -29.9 to +29.9' in conclusions(*same)[0]
    little = against(small_result([RIGHT] * 9), small_result([WRONG] * 2 + [RIGHT] * 7))
    said = conclusions(*little)[0]
    assert 'no difference shown' in said
    assert 'does not make them equal: b may have' in said
    assert 'the smallest p-value that they allow is 0.5' in said


def test_a_query_without_an_answer_is_a_miss_and_has_no_latency():
    comparison, other = against(
        small_result([RIGHT] * 4), small_result([RIGHT, None, RIGHT, None])
    )
    assert named(other.yes_no, 'Recall@1').counts.first_only == 2
    assert other.quantities[0].difference.pairs == 2
    assert 'no answer' in as_text(comparison, 5)


def test_queries_without_a_positive_are_left_out_of_the_recall():
    positives = [frozenset({RIGHT}), frozenset(), None]
    first = small_result([RIGHT, WRONG, WRONG], positives=positives)
    _, other = against(first, small_result([WRONG] * 3, positives=positives))
    assert other.counted == 1
    assert named(other.yes_no, 'Recall@1').counts.total == 1


def test_latencies_are_compared_in_pairs():
    _, other = against(small_result([RIGHT] * 30), small_result([RIGHT] * 30, milliseconds=110))
    total = named(other.quantities, 'total')
    assert total.difference.value == pytest.approx(10)
    # The queries differ by 30 ms, each pair by exactly 10.
    assert (total.difference.low, total.difference.high) == pytest.approx((10, 10))


def test_decisions_and_calibration_are_compared_where_both_have_them():
    sure, unsure = [LOCALIZED] * 10, [LOCALIZED] * 4 + [UNKNOWN] * 6
    first = small_result([RIGHT] * 10, states=sure, probabilities=[0.9] * 10)
    second = small_result([RIGHT] * 10, states=unsure, probabilities=[0.6] * 10)
    _, other = against(first, second)
    right = named(other.yes_no, 'LOCALIZED, right')
    assert (right.counts.first.hits, right.counts.second.hits) == (10, 4)
    assert not any(row.name.startswith('NOT_IN_MAP') for row in other.yes_no)
    error = named(other.quantities, 'calibration error, first').difference
    assert (error.first, error.second) == pytest.approx((0.1, 0.4))
    _, other = against(first, small_result([RIGHT] * 10))
    assert not any(row.name.startswith('LOCALIZED') for row in other.yes_no)


def test_wrong_decisions_are_worse():
    first = small_result([WRONG] * 12, states=[UNKNOWN] * 12)
    second = small_result([WRONG] * 12, states=[LOCALIZED] * 12)
    comparison, other = against(first, second)
    wrong = named(other.yes_no, 'LOCALIZED, wrong')
    assert not wrong.more_is_better
    said = next(s for s in conclusions(comparison, other) if s.startswith('LOCALIZED, wrong'))
    assert 'b has more, which is worse' in said


def test_several_results_are_compared_with_the_first_and_corrected_together():
    results = [
        ('a', small_result([WRONG] * 10)),
        ('b', small_result([RIGHT] * 8 + [WRONG] * 2)),
        ('c', small_result([RIGHT] + [WRONG] * 9)),
    ]
    found = compare(results, QUICK)
    assert [other.name for other in found.others] == ['b', 'c']
    assert found.tests == 6
    assert named(found.others[0].yes_no, 'Recall@1').corrected == pytest.approx(6 * 2 / 256)
    assert named(found.others[1].yes_no, 'Recall@1').corrected == 1


def test_the_same_results_give_the_same_comparison():
    rng = np.random.default_rng(0)
    firsts = [rng.integers(2, size=40).tolist() for _ in range(2)]
    said = [
        as_values(against(*(small_result(each) for each in firsts))[0], 'c', 'd') for _ in range(2)
    ]
    assert said[0] == said[1]
    json.dumps(said[0], allow_nan=False)


@pytest.mark.parametrize(
    ('other', 'reason'),
    [
        ({'positives': [frozenset({2})] * 3}, 'another ground truth: for 3 of 3'),
        ({'references': 21}, 'other references'),
        (
            {'plotted': PlottedPositions(line(3).queries + 5, line(3).references)},
            'taken elsewhere',
        ),
        (
            {
                'map_id': 'two',
                'plotted': PlottedPositions(line(3).queries, line(3).references + 9),
            },
            'at other positions',
        ),
    ],
)
def test_what_cannot_be_compared_is_refused(other, reason):
    first = small_result([RIGHT] * 3, plotted=line(3))
    with pytest.raises(InputError, match=f'^a and b: .*{reason}'):
        against(first, small_result([RIGHT] * 3, **{'plotted': line(3), **other}))


def test_one_result_and_equal_names_are_refused():
    result = small_result([RIGHT])
    with pytest.raises(InputError, match='at least two'):
        compare([('a', result)])
    with pytest.raises(InputError, match="two results are called 'a'"):
        compare([('a', result), ('a', result)])


@pytest.mark.parametrize(
    ('other', 'doubt'),
    [
        ({'firsts': [RIGHT] * 4}, 'only the 3 queries that both have'),
        ({'map_id': 'two'}, 'references of the same names'),
        ({'ground_truth': 'as gt.csv says'}, 'it names the same references'),
        ({'processor': 'another'}, 'measured on a processor.*and on another'),
        ({'recording': 'bag'}, 'a live node'),
        ({'trained': False}, 'the second are untrained'),
    ],
)
def test_what_makes_figures_doubtful_is_said(other, doubt):
    given = {'firsts': [RIGHT] * 3, **other}
    comparison, found = against(small_result([RIGHT] * 3), small_result(**given))
    text = as_text(comparison, 5)
    assert len(found.remarks) == 1
    assert f'WARNING: {found.remarks[0]}' in text
    assert re.search(doubt, found.remarks[0])


def test_settings_that_differ_are_listed():
    comparison, other = against(
        small_result([RIGHT], settings={'retrieval.rerank': 0, 'retrieval.candidates': 20}),
        small_result([RIGHT], settings={'retrieval.rerank': 10, 'retrieval.candidates': 20}),
    )
    assert other.differs == ('settings: retrieval.rerank 0 and 10',)
    assert other.remarks == ()
    assert 'differs: settings: retrieval.rerank 0 and 10' in as_text(comparison, 5)


def test_equal_results_differ_in_nothing():
    _, other = against(small_result([RIGHT] * 3), small_result([RIGHT] * 3))
    assert (other.differs, other.remarks, other.changed) == ((), (), ())
    assert math.isnan(named(other.yes_no, 'Recall@1').corrected)


def test_a_map_that_was_written_in_between_is_said():
    second = small_result([RIGHT])
    second = replace(second, map_file=replace(second.map_file, content_id='another'))
    _, other = against(small_result([RIGHT]), second)
    assert 'written between' in other.remarks[0]


def test_the_machine_that_counts_recorded_answers_did_not_time_them():
    """The latencies of two nodes, evaluated on two other machines."""
    one, two = (small_result([RIGHT] * 3, recording='bag', processor=p) for p in ('x', 'y'))
    [remark] = against(one, two)[1].remarks
    assert 'is not recorded' in remark and 'measured on' not in remark
