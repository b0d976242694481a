"""The mailbox and the thread behind it."""

from __future__ import annotations

import threading

import pytest

from fol_vpr.ros.worker import Worker


class Slow:
    """Answers only when told to."""

    def __init__(self, **options) -> None:
        self.answered: list[int] = []
        self.begun = threading.Semaphore(0)
        self.go = threading.Semaphore(0)
        self.room = 0
        self.worker: Worker[int] = Worker(self.answer, on_room=self.on_room, **options)

    def answer(self, item: int) -> None:
        self.begun.release()
        assert self.go.acquire(timeout=20)
        self.answered.append(item)

    def on_room(self) -> None:
        self.room += 1

    def busy_with(self, item: int) -> None:
        assert self.worker.offer(item) == 0
        assert self.begun.acquire(timeout=20)

    def finish(self, count: int) -> None:
        for _ in range(count):
            self.go.release()
        self.worker.wait_idle()


def test_the_newest_wins_and_what_it_displaces_is_counted():
    slow = Slow(capacity=1, newest_wins=True)
    slow.busy_with(1)
    assert [slow.worker.offer(item) for item in (2, 3, 4)] == [0, 1, 1]
    assert not slow.worker.full()
    slow.finish(2)
    assert slow.answered == [1, 4]
    assert slow.worker.stop(20)


def test_otherwise_it_fills_up_and_keeps_the_order():
    slow = Slow(capacity=2, newest_wins=False)
    slow.busy_with(1)
    assert [slow.worker.offer(2), slow.worker.offer(3)] == [0, 0]
    assert slow.worker.full()
    with pytest.raises(RuntimeError, match='full'):
        slow.worker.offer(4)
    slow.finish(3)
    assert slow.answered == [1, 2, 3]
    assert slow.room == 3
    assert slow.worker.stop(20)


def test_discarding_leaves_the_item_at_hand():
    slow = Slow(capacity=5, newest_wins=False)
    slow.busy_with(1)
    slow.worker.offer(2)
    slow.worker.offer(3)
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
