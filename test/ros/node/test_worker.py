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
        self.displaced: list[int] = []
        self.prepared = threading.Semaphore(0)
        self.answering = threading.Semaphore(0)
        self.go_prepare = threading.Semaphore(0)
        self.go_answer = threading.Semaphore(0)
        self.displacing = threading.Semaphore(0)
        self.taken = 0
        self.worker: TwoStageWorker[int, int] = TwoStageWorker(
            self.prepare,
            self.answer,
            on_taken=self.on_taken,
            on_displaced=self.on_displaced,
            **options,
        )

    def prepare(self, item: int) -> int | None:
        assert self.go_prepare.acquire(timeout=20)
        self.prepared.release()
        return None if item < 0 else 10 * item

    def answer(self, item: int) -> None:
        self.answering.release()
        assert self.go_answer.acquire(timeout=20)
        self.answered.append(item)

    def on_taken(self) -> None:
        self.taken += 1

    def on_displaced(self, count: int) -> None:
        self.displaced.append(count)
        self.displacing.release()

    def let(self, gate: threading.Semaphore, done: threading.Semaphore) -> None:
        gate.release()
        assert done.acquire(timeout=20)

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
    assert (stages.displaced, stages.taken) == ([], 3)
    assert stages.worker.stop(20)


def test_a_newer_prepared_item_displaces_the_one_that_waits():
    stages = Stages(capacity=1, newest_wins=True)
    stages.worker.put(1)
    stages.let(stages.go_prepare, stages.answering)
    stages.prepared.acquire()
    for item in (2, 3):
        stages.worker.put(item)
        stages.let(stages.go_prepare, stages.prepared)
    assert stages.displacing.acquire(timeout=20)
    stages.finish(2)
    assert stages.answered == [10, 30]
    assert stages.displaced == [1]
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
