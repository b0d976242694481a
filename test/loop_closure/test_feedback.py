"""Answers of a back-end find their closures, once each."""

import json
import math
import threading

import pytest

from fol_vpr.config import LoopsConfig
from fol_vpr.database import FEEDBACK
from fol_vpr.datatypes import LoopClosure, Verification
from fol_vpr.loop_closure import AdaptiveThreshold
from fol_vpr.loop_closure.feedback import (
    MAX_ANSWERS,
    MAX_PENDING,
    FeedbackLedger,
    threshold_from_rows,
)
from fol_vpr.loop_closure.publication import MAX_THRESHOLD


def closure(number: int) -> LoopClosure:
    geometry = Verification.GEOMETRY
    return LoopClosure(
        number, 's', 's', 10 * number, number, 'c', 'c', 0.9, math.nan, geometry, 90, 80
    )


@pytest.fixture
def threshold() -> AdaptiveThreshold:
    return AdaptiveThreshold(LoopsConfig(feedback_step=0.4, target_rejection_rate=0.05))


@pytest.fixture
def ledger(threshold) -> FeedbackLedger:
    return FeedbackLedger(threshold)


def test_answers_are_counted_and_move_the_threshold(ledger, threshold):
    for number in range(1, 5):
        ledger.add(closure(number))
    assert ledger.record_answer(1, True) == ''
    assert threshold.value == 0
    assert ledger.record_answer(2, False, 'residual 5 m') == ''
    assert threshold.value == pytest.approx(0.38)
    assert ledger.record_answer(3, False, 'Unused: next to another one') == ''
    assert threshold.value == pytest.approx(0.38), 'a right closure is no reason for caution'
    counts = ledger.counts
    assert (counts.published, counts.accepted, counts.rejected, counts.unused) == (4, 1, 1, 1)
    assert counts.threshold == threshold.value


def test_unknown_and_repeated_answers_are_ignored_and_say_so(ledger, threshold):
    ledger.add(closure(7))
    assert 'loop closure 8' in ledger.record_answer(8, False)
    assert ledger.record_answer(7, False) == ''
    moved = threshold.value
    assert 'answered already' in ledger.record_answer(7, False)
    assert threshold.value == moved
    counts = ledger.counts
    assert (counts.rejected, counts.ignored) == (1, 2)
    assert 'the last one was 7' in counts.last_ignored


def test_what_was_accepted_may_be_taken_out_again(ledger, threshold):
    ledger.add(closure(7))
    assert ledger.record_answer(7, True) == ''
    assert 'answered already' in ledger.record_answer(7, True)
    assert ledger.record_answer(7, False, 'taken out again') == ''
    assert threshold.value > 0
    assert 'answered already' in ledger.record_answer(7, False)
    counts = ledger.counts
    assert (counts.accepted, counts.rejected, counts.ignored) == (0, 1, 2)


def test_what_is_written_has_the_answers_and_why(ledger):
    ledger.add(closure(3))
    ledger.record_answer(3, False, 'wrong aisle' + 'x' * 1000)
    written = json.loads(ledger.to_json())
    assert (written['version'], written['published'], written['rejected']) == (1, 1, 1)
    (answer,) = written['answers']
    assert (answer['stamp_from_ns'], answer['stamp_to_ns'], answer['status']) == (
        30,
        3,
        'rejected',
    )
    assert answer['reason'].startswith('wrong aisle') and len(answer['reason']) == 200


def test_what_is_kept_is_bounded(ledger):
    for number in range(MAX_PENDING + 2):
        ledger.add(closure(number))
    assert 'never' in ledger.record_answer(0, True)
    for number in range(2, MAX_ANSWERS + 10):
        assert ledger.record_answer(number, True) == ''
    assert len(json.loads(ledger.to_json())['answers']) == MAX_ANSWERS


def test_several_threads_may_answer(ledger):
    for number in range(4000):
        ledger.add(closure(number))
    ignored = []

    def answer() -> None:
        ignored.extend(ledger.record_answer(number, True) for number in range(4000))

    threads = [threading.Thread(target=answer) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert ledger.counts.accepted == 4000 and sum(map(bool, ignored)) == 8000


def rows(**changes) -> dict[str, str]:
    return {FEEDBACK: json.dumps({'version': 1, 'threshold': 1.5, **changes})}


def test_a_drive_begins_where_another_one_ended_and_only_before_it_has_learned():
    threshold = AdaptiveThreshold(LoopsConfig())
    ledger = FeedbackLedger(threshold)
    assert not ledger.start_at(None)
    assert ledger.start_at(threshold_from_rows(rows(), 'map')) and threshold.value == 1.5
    assert not ledger.start_at(0.5) and threshold.value == 1.5
    threshold = AdaptiveThreshold(LoopsConfig())
    ledger = FeedbackLedger(threshold)
    ledger.add(closure(1))
    ledger.record_answer(1, accepted=True)
    assert not ledger.start_at(1.5) and threshold.value == 0
    assert FeedbackLedger(threshold).start_at(99.0) and threshold.value == MAX_THRESHOLD


@pytest.mark.parametrize(
    'row', ['', '[]', '{}', '{"version": 1}', '{"version": 2, "threshold": 1}', '7', '[' * 100_000]
)
def test_feedback_that_makes_no_sense_is_left_out(row, caplog):
    assert threshold_from_rows({FEEDBACK: row}, 'some.folmap') is None
    assert 'in some.folmap is not taken up' in caplog.text


@pytest.mark.parametrize('value', ['high', None, float('nan'), float('inf'), [1]])
def test_a_threshold_that_is_none_is_left_out(value, caplog):
    assert threshold_from_rows(rows(threshold=value), 'some.folmap') is None
    assert 'not taken up' in caplog.text


def test_a_map_without_feedback_says_nothing(caplog):
    assert threshold_from_rows({'decision': '{}'}, 'some.folmap') is None
    assert not caplog.text
