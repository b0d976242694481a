"""Answers of a back-end find their closures, once each."""

import json
import math
import threading

import pytest

from fol_vpr.config import LoopsConfig
from fol_vpr.datatypes import LoopClosure, Verification
from fol_vpr.recognizer.feedback import KEPT, WAITED_FOR, FeedbackLedger
from fol_vpr.verification import Threshold


def closure(number: int) -> LoopClosure:
    geometry = Verification.GEOMETRY
    return LoopClosure(
        number, 's', 's', 10 * number, number, 'c', 'c', 0.9, math.nan, geometry, 90, 80
    )


@pytest.fixture
def threshold() -> Threshold:
    return Threshold(LoopsConfig(feedback_step=0.4, wanted_rejections=0.05))


@pytest.fixture
def ledger(threshold) -> FeedbackLedger:
    return FeedbackLedger(threshold)


def test_answers_are_counted_and_move_the_threshold(ledger, threshold):
    for number in range(1, 5):
        ledger.published(closure(number))
    assert ledger.answered(1, True) == ''
    assert threshold.value == 0
    assert ledger.answered(2, False, 'residual 5 m') == ''
    assert threshold.value == pytest.approx(0.38)
    assert ledger.answered(3, False, 'Unused: next to another one') == ''
    assert threshold.value == pytest.approx(0.38), 'a right closure is no reason for caution'
    counts = ledger.counts
    assert (counts.published, counts.accepted, counts.rejected, counts.unused) == (4, 1, 1, 1)
    assert counts.threshold == threshold.value


def test_unknown_and_repeated_answers_are_ignored_and_say_so(ledger, threshold):
    ledger.published(closure(7))
    assert 'loop closure 8' in ledger.answered(8, False)
    assert ledger.answered(7, False) == ''
    moved = threshold.value
    assert 'answered already' in ledger.answered(7, False)
    assert threshold.value == moved
    counts = ledger.counts
    assert (counts.rejected, counts.ignored) == (1, 2)
    assert 'the last one was 7' in counts.last_ignored


def test_what_was_accepted_may_be_taken_out_again(ledger, threshold):
    ledger.published(closure(7))
    assert ledger.answered(7, True) == ''
    assert 'answered already' in ledger.answered(7, True)
    assert ledger.answered(7, False, 'taken out again') == ''
    assert threshold.value > 0
    assert 'answered already' in ledger.answered(7, False)
    counts = ledger.counts
    assert (counts.accepted, counts.rejected, counts.ignored) == (0, 1, 2)


def test_what_is_written_has_the_answers_and_why(ledger):
    ledger.published(closure(3))
    ledger.answered(3, False, 'wrong aisle' + 'x' * 1000)
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
    for number in range(WAITED_FOR + 2):
        ledger.published(closure(number))
    assert 'never' in ledger.answered(0, True)
    for number in range(2, KEPT + 10):
        assert ledger.answered(number, True) == ''
    assert len(json.loads(ledger.to_json())['answers']) == KEPT


def test_several_threads_may_answer(ledger):
    for number in range(4000):
        ledger.published(closure(number))
    ignored = []

    def answer() -> None:
        ignored.extend(ledger.answered(number, True) for number in range(4000))

    threads = [threading.Thread(target=answer) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert ledger.counts.accepted == 4000 and sum(map(bool, ignored)) == 8000
