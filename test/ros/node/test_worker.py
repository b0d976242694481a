"""Queues and the threads behind them."""

from __future__ import annotations

import threading

import pytest

from fol_vpr.ros.node.worker import TwoStageWorker, Worker


class Slow:
    """Processes an item only when the test lets it."""

    def __init__(self, **options) -> None:
        self.answered: list[int] = []
        self.begun = threading.Semaphore(0)
        self.go = threading.Semaphore(0)
        self.taken = 0
        self.worker: Worker[int] = Worker(self.answer, on_taken=self.on_taken, **options)

    def answer(self, item: int) -> None:
        self.begun.release()
        assert self.go.acquire(timeout=20)
        self.answered.append(item)

    def on_taken(self) -> None:
        self.taken += 1

    def busy_with(self, item: int) -> None:
        assert self.worker.put(item) == 0
        assert self.begun.acquire(timeout=20)

    def finish(self, count: int) -> None:
        for _ in range(count):
            self.go.release()
        self.worker.wait_idle()


def test_the_newest_wins_and_what_it_displaces_is_counted():
    slow = Slow(capacity=1, newest_wins=True)
    slow.busy_with(1)
    assert [slow.worker.put(item) for item in (2, 3, 4)] == [0, 1, 1]
    assert not slow.worker.is_full()
    slow.finish(2)
    assert slow.answered == [1, 4]
    assert slow.worker.stop(20)


def test_otherwise_it_fills_up_and_keeps_the_order():
    slow = Slow(capacity=2, newest_wins=False)
    slow.busy_with(1)
    assert [slow.worker.put(2), slow.worker.put(3)] == [0, 0]
    assert slow.worker.is_full()
    with pytest.raises(RuntimeError, match='full'):
        slow.worker.put(4)
    slow.finish(3)
    assert slow.answered == [1, 2, 3]
    assert slow.taken == 3
    assert slow.worker.stop(20)


def test_discarding_leaves_the_current_item():
    slow = Slow(capacity=5, newest_wins=False)
    slow.busy_with(1)
    slow.worker.put(2)
    slow.worker.put(3)
    assert slow.worker.discard() == 2
    slow.finish(1)
    assert slow.answered == [1]
    assert slow.worker.stop(20)


def test_stopping_does_not_wait_for_an_item_that_takes_too_long():
    slow = Slow(capacity=1, newest_wins=True)
    slow.busy_with(1)
    assert not slow.worker.stop(0.05)
    slow.go.release()
    assert slow.worker.stop(20)


class Stages:
    """Prepares and processes only when the test lets it; negative items cannot be prepared."""

    def __init__(self, **options) -> None:
        self.answered: list[int] = []
        self.preparing = threading.Semaphore(0)
        self.prepared = threading.Semaphore(0)
        self.answering = threading.Semaphore(0)
        self.go_prepare = threading.Semaphore(0)
        self.go_answer = threading.Semaphore(0)
        self.taken = 0
        self.now = 0.0
        self.worker: TwoStageWorker[int, int] = TwoStageWorker(
            self.prepare,
            self.answer,
            on_taken=self.on_taken,
            clock=lambda: self.now,
            **options,
        )

    def prepare(self, item: int) -> int | None:
        self.preparing.release()
        assert self.go_prepare.acquire(timeout=20)
        self.prepared.release()
        return None if item < 0 else 10 * item

    def answer(self, item: int) -> None:
        self.answering.release()
        assert self.go_answer.acquire(timeout=20)
        self.answered.append(item)

    def on_taken(self) -> None:
        self.taken += 1

    def let(self, gate: threading.Semaphore, done: threading.Semaphore) -> None:
        gate.release()
        assert done.acquire(timeout=20)

    def nothing_is_prepared(self) -> None:
        assert not self.preparing.acquire(timeout=0.5)

    def finish(self, count: int) -> None:
        for _ in range(count):
            self.go_prepare.release()
            self.go_answer.release()
        self.worker.wait_idle()


def test_the_next_item_is_prepared_while_one_is_answered():
    stages = Stages(capacity=3, newest_wins=False)
    for item in (1, -2, 3):
        stages.worker.put(item)
    stages.let(stages.go_prepare, stages.answering)
    stages.prepared.acquire()
    stages.let(stages.go_prepare, stages.prepared)
    stages.let(stages.go_prepare, stages.prepared)
    assert stages.answered == []
    stages.finish(3)
    assert stages.answered == [10, 30]
    assert stages.taken == 3
    assert stages.worker.stop(20)


def begin_to_answer(stages: Stages, item: int, prepared_in: float) -> None:
    """Prepare an item, which takes so many seconds by the clock of the stages."""
    assert stages.worker.put(item) == 0
    assert stages.preparing.acquire(timeout=20)
    stages.now += prepared_in
    stages.let(stages.go_prepare, stages.answering)
    assert stages.prepared.acquire(timeout=20)


def answer_one(stages: Stages, item: int, prepared_in: float, answered_in: float) -> None:
    begin_to_answer(stages, item, prepared_in)
    stages.now += answered_in
    stages.go_answer.release()
    stages.worker.wait_idle()


def test_where_the_newest_wins_it_is_prepared_just_in_time():
    stages = Stages(capacity=1, newest_wins=True)
    answer_one(stages, 1, prepared_in=2.0, answered_in=10.0)
    begin_to_answer(stages, 2, prepared_in=2.0)
    assert stages.worker.put(3) == 0
    stages.now += 7.9
    stages.nothing_is_prepared()
    assert stages.worker.put(4) == 1
    stages.nothing_is_prepared()
    stages.now += 0.2
    assert stages.worker.put(5) == 1
    # Two seconds before the answer to 2 is due: 5 is prepared beside it, and is not displaced.
    stages.let(stages.go_prepare, stages.prepared)
    assert stages.preparing.acquire(timeout=20)
    assert stages.answered == [10]
    assert stages.worker.put(6) == 0
    stages.now += 100
    # One that is prepared waits already.
    stages.nothing_is_prepared()
    assert stages.worker.put(7) == 1
    stages.finish(3)
    assert stages.answered == [10, 20, 50, 70]
    assert stages.worker.stop(20)


def test_nothing_is_prepared_ahead_before_it_is_known_how_long_an_answer_takes():
    stages = Stages(capacity=1, newest_wins=True)
    begin_to_answer(stages, 1, prepared_in=1.0)
    assert stages.worker.put(2) == 0
    stages.now += 100
    stages.nothing_is_prepared()
    assert stages.worker.put(3) == 1
    stages.finish(2)
    assert stages.answered == [10, 30]
    assert stages.worker.stop(20)


def test_an_answer_that_takes_longer_than_the_others_lets_the_next_item_be_prepared():
    stages = Stages(capacity=1, newest_wins=True)
    answer_one(stages, 1, prepared_in=0.0, answered_in=0.05)
    begin_to_answer(stages, 2, prepared_in=0.0)
    stages.worker.put(3)
    stages.now += 1
    stages.let(stages.go_prepare, stages.prepared)
    assert stages.answered == [10]
    stages.finish(2)
    assert stages.answered == [10, 20, 30]
    assert stages.worker.stop(20)


def test_what_was_prepared_is_discarded_too_and_the_next_item_is_prepared_in_time():
    stages = Stages(capacity=1, newest_wins=True)
    answer_one(stages, 1, prepared_in=0.0, answered_in=0.0)
    begin_to_answer(stages, 2, prepared_in=0.0)
    stages.worker.put(3)
    stages.let(stages.go_prepare, stages.prepared)
    stages.worker.put(4)
    while stages.worker.discard() == 0:
        pass
    stages.finish(1)
    assert stages.answered[:2] == [10, 20] and 40 not in stages.answered
    answered = len(stages.answered)
    stages.worker.put(5)
    stages.finish(1)
    assert stages.answered[answered:] == [50]
    assert stages.worker.stop(20)


def test_without_displacement_both_queues_fill_up():
    stages = Stages(capacity=1, newest_wins=False)
    stages.worker.put(1)
    stages.let(stages.go_prepare, stages.answering)
    stages.worker.put(2)
    stages.prepared.acquire()
    stages.let(stages.go_prepare, stages.prepared)
    # The second one is prepared and waits for the answer to the first, the third is with the
    # preparing thread, which waits for room, the fourth in the mailbox.
    stages.worker.put(3)
    stages.let(stages.go_prepare, stages.prepared)
    stages.worker.put(4)
    assert stages.worker.is_full()
    assert stages.worker.discard() == 2
    assert not stages.worker.is_full()
    stages.finish(4)
    assert stages.answered == [10, 30]
    assert stages.worker.stop(20)


def test_stopping_frees_the_thread_that_waits_for_room():
    stages = Stages(capacity=2, newest_wins=False)
    stages.worker.put(1)
    stages.let(stages.go_prepare, stages.answering)
    for item in (2, 3):
        stages.worker.put(item)
        stages.go_prepare.release()
    assert not stages.worker.stop(0.05)
    stages.go_answer.release()
    assert stages.worker.stop(20)
    assert stages.answered == [10]
