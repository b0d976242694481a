"""Threads that process images, each with a queue in front of it.

The executor's thread only puts images into the queue. A slow network or a slow map therefore never
delays services, timers or the next image.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Generic, TypeVar

Item = TypeVar('Item')
Prepared = TypeVar('Prepared')

# Share of the last item in the mean of the seconds that items take.
_NEWEST_SHARE = 0.25


class Worker(Generic[Item]):
    """Processes items one after the other, in their order, on a thread of its own.

    Args:
        process: called with every item; must not raise.
        capacity: how many items may wait in the queue.
        newest_wins: whether a new item displaces the oldest waiting one when the queue is full.
            Otherwise the caller must not call `put` while `is_full()`.
        on_taken: called on the worker's thread after it has taken an item out of the queue.
        pause: called while an item waits and none is processed, with the seconds to let it wait:
            0 takes it out of the queue, None asks again once `reconsider` is called. Without it
            each item is taken at once.
    """

    def __init__(
        self,
        process: Callable[[Item], None],
        *,
        capacity: int,
        newest_wins: bool,
        on_taken: Callable[[], None],
        pause: Callable[[], float | None] = lambda: 0.0,
    ) -> None:
        self._process = process
        self._capacity = capacity
        self._newest_wins = newest_wins
        self._on_taken = on_taken
        self._pause = pause
        self._waiting: deque[Item] = deque()
        self._changed = threading.Condition()
        self._busy = False
        self._stopping = False
        # A daemon: a forward pass cannot be interrupted, and must not keep the process alive after
        # a stop signal.
        self._thread = threading.Thread(target=self._run, name='recognition', daemon=True)
        self._thread.start()

    def put(self, item: Item) -> int:
        """Put an item into the queue; returns how many waiting items it displaced.

        Raises:
            RuntimeError: the queue is full and items do not displace each other.
        """
        with self._changed:
            if not self._newest_wins and len(self._waiting) >= self._capacity:
                raise RuntimeError('the queue is full')
            self._waiting.append(item)
            displaced = max(0, len(self._waiting) - self._capacity)
            for _ in range(displaced):
                self._waiting.popleft()
            self._changed.notify_all()
        return displaced

    def is_full(self) -> bool:
        """Whether the queue has no room; always False where the newest item wins."""
        return not self._newest_wins and len(self._waiting) >= self._capacity

    def wait_for_room(self) -> bool:
        """Wait until the queue has room; returns False if the worker is stopped before that."""
        with self._changed:
            self._changed.wait_for(lambda: self._stopping or not self.is_full())
            return not self._stopping

    def reconsider(self) -> None:
        """Ask `pause` again."""
        with self._changed:
            self._changed.notify_all()

    def discard(self) -> int:
        """Remove the waiting items; returns how many there were."""
        with self._changed:
            discarded = len(self._waiting)
            self._waiting.clear()
            self._changed.notify_all()
        return discarded

    def wait_idle(self) -> None:
        """Wait until no item is waiting or being processed."""
        with self._changed:
            self._changed.wait_for(lambda: not self._busy and not self._waiting)

    def stop(self, timeout: float) -> bool:
        """Remove the waiting items and end the thread after the current one.

        Args:
            timeout: seconds to wait for the thread.

        Returns:
            Whether the thread has ended.
        """
        with self._changed:
            self._stopping = True
            self._waiting.clear()
            self._changed.notify_all()
        self._thread.join(timeout)
        return not self._thread.is_alive()

    def _run(self) -> None:
        while True:
            with self._changed:
                self._busy = False
                self._changed.notify_all()
                while not self._stopping and (pause := self._pause_now()) != 0:
                    self._changed.wait(pause)
                if self._stopping:
                    return
                item = self._waiting.popleft()
                self._busy = True
                self._changed.notify_all()
            self._on_taken()
            self._process(item)

    def _pause_now(self) -> float | None:
        """Seconds until the next item may be taken; None until something changes."""
        return self._pause() if self._waiting else None


class TwoStageWorker(Generic[Item, Prepared]):
    """Prepares the next item on one thread while another thread processes the previous one.

    It has the interface of a `Worker`. Where the newest item wins, the next one is not taken out
    of the queue before it would be prepared by the time that the previous one has been processed,
    judged by the items so far: until then a newer one displaces it, so that what is processed is
    recent, and nothing is prepared in vain. Otherwise items are prepared as early as possible.

    Args:
        prepare: called with every item; must not raise. Returns None to leave the item out.
        process: called with every prepared item; must not raise.
        capacity: how many items may wait to be prepared; one more waits to be processed.
        newest_wins: as for a `Worker`.
        on_taken: called after an item was taken out of the queue to be prepared.
        clock: seconds, of any beginning.
    """

    def __init__(
        self,
        prepare: Callable[[Item], Prepared | None],
        process: Callable[[Prepared], None],
        *,
        capacity: int,
        newest_wins: bool,
        on_taken: Callable[[], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._prepare = prepare
        self._process = process
        self._clock = clock
        self._preparing, self._processing = _MeanSeconds(), _MeanSeconds()
        # Items that are prepared and not yet processed, and when the processed one was begun. Both
        # are changed with the lock held.
        self._lock = threading.Lock()
        self._ahead = 0
        self._began: float | None = None
        self._second = Worker(
            self._process_timed, capacity=1, newest_wins=False, on_taken=lambda: None
        )
        self._first = Worker(
            self._prepare_and_pass_on,
            capacity=capacity,
            newest_wins=newest_wins,
            on_taken=on_taken,
            pause=self._pause if newest_wins else lambda: 0.0,
        )

    def _pause(self) -> float | None:
        """Seconds until the next item is prepared in time; None until the other thread is on."""
        with self._lock:
            ahead, began = self._ahead, self._began
        if not ahead:
            return 0.0
        expected = self._processing.seconds
        if ahead > 1 or began is None or expected is None:
            return None
        ends = began + expected
        return max(0.0, ends - (self._preparing.seconds or 0.0) - self._clock())

    def _prepare_and_pass_on(self, item: Item) -> None:
        began = self._clock()
        prepared = self._prepare(item)
        if prepared is None:
            return
        self._preparing.add(self._clock() - began)
        if self._second.wait_for_room():
            with self._lock:
                self._ahead += 1
            self._second.put(prepared)

    def _process_timed(self, prepared: Prepared) -> None:
        began = self._clock()
        with self._lock:
            self._began = began
        self._first.reconsider()
        self._process(prepared)
        self._processing.add(self._clock() - began)
        with self._lock:
            self._ahead -= 1
            self._began = None
        self._first.reconsider()

    def put(self, item: Item) -> int:
        """Put an item into the queue; returns how many unprepared items it displaced."""
        return self._first.put(item)

    def is_full(self) -> bool:
        """Whether the queue has no room; always False where the newest item wins."""
        return self._first.is_full()

    def wait_for_room(self) -> bool:
        """Wait until the queue has room; returns False if the worker is stopped before that."""
        return self._first.wait_for_room()

    def discard(self) -> int:
        """Remove the waiting items, prepared or not; returns how many there were."""
        unprepared, prepared = self._first.discard(), self._second.discard()
        with self._lock:
            self._ahead -= prepared
        self._first.reconsider()
        return unprepared + prepared

    def wait_idle(self) -> None:
        """Wait until no item is waiting, being prepared or being processed."""
        self._first.wait_idle()
        self._second.wait_idle()

    def stop(self, timeout: float) -> bool:
        """Remove the waiting items and end both threads after their current items.

        Args:
            timeout: seconds to wait for both threads together.

        Returns:
            Whether both threads have ended.
        """
        deadline = time.monotonic() + timeout
        # The second thread first: the first one may be waiting for room in its queue.
        second_ended = self._second.stop(timeout)
        return self._first.stop(max(0.0, deadline - time.monotonic())) and second_ended


class _MeanSeconds:
    """Moving mean of the seconds that items took; `seconds` is None before the first one."""

    def __init__(self) -> None:
        self.seconds: float | None = None

    def add(self, seconds: float) -> None:
        """Take one more item into account."""
        before = seconds if self.seconds is None else self.seconds
        self.seconds = before + _NEWEST_SHARE * (seconds - before)
