"""The threads that images are prepared and answered on, and the mailboxes before them.

The executor's thread only puts images down here, so that neither a slow network nor a slow map
ever holds up services, timers or the next image.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Generic, TypeVar

Item = TypeVar('Item')
Prepared = TypeVar('Prepared')


class Worker(Generic[Item]):
    """Answers items one after the other, in their order, on a thread of its own.

    Args:
        answer: called with every item; must not raise.
        capacity: how many items may wait.
        newest_wins: a new item displaces the oldest waiting one where there is no more room.
            Otherwise the caller must not offer while `full()`.
        on_room: called after an item was taken up, on the worker's thread.
    """

    def __init__(
        self,
        answer: Callable[[Item], None],
        *,
        capacity: int,
        newest_wins: bool,
        on_room: Callable[[], None],
    ) -> None:
        self._answer = answer
        self._capacity = capacity
        self._newest_wins = newest_wins
        self._on_room = on_room
        self._waiting: deque[Item] = deque()
        self._changed = threading.Condition()
        self._busy = False
        self._stopping = False
        # A daemon: a forward pass cannot be interrupted, and must not outlive a stop signal.
        self._thread = threading.Thread(target=self._run, name='recognition', daemon=True)
        self._thread.start()

    def offer(self, item: Item) -> int:
        """Put an item down; how many waiting ones it displaced."""
        with self._changed:
            if not self._newest_wins and len(self._waiting) >= self._capacity:
                raise RuntimeError('the mailbox is full')
            self._waiting.append(item)
            displaced = max(0, len(self._waiting) - self._capacity)
            for _ in range(displaced):
                self._waiting.popleft()
            self._changed.notify_all()
        return displaced

    def full(self) -> bool:
        """Whether offering has to wait; never where the newest wins."""
        return not self._newest_wins and len(self._waiting) >= self._capacity

    def wait_room(self) -> bool:
        """Wait until an item may be offered; False where the worker stops first."""
        with self._changed:
            self._changed.wait_for(lambda: self._stopping or not self.full())
            return not self._stopping

    def discard(self) -> int:
        """Throw the waiting items away; how many they were."""
        with self._changed:
            discarded = len(self._waiting)
            self._waiting.clear()
            self._changed.notify_all()
        return discarded

    def wait_idle(self) -> None:
        """Wait until no item is waiting or being answered."""
        with self._changed:
            self._changed.wait_for(lambda: not self._busy and not self._waiting)

    def stop(self, timeout: float) -> bool:
        """Let the thread end after the item at hand; whether it did within `timeout` seconds."""
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
                self._changed.wait_for(lambda: self._stopping or bool(self._waiting))
                if self._stopping:
                    return
                item = self._waiting.popleft()
                self._busy = True
                self._changed.notify_all()
            self._on_room()
            self._answer(item)


class Pipeline(Generic[Item, Prepared]):
    """Prepares the next item on one thread while another answers the one before.

    To be used like a `Worker`. Where the newest wins it displaces prepared items too: what is
    answered next is always the newest one that is ready.

    Args:
        prepare: called with every item; must not raise. None leaves the item out.
        answer: called with every prepared item; must not raise.
        capacity: how many items may wait to be prepared; one more waits to be answered.
        newest_wins: as for a `Worker`.
        on_room: called after an item was taken up for preparation.
        on_displaced: called with how many prepared items were displaced, on a thread of its own.
    """

    def __init__(
        self,
        prepare: Callable[[Item], Prepared | None],
        answer: Callable[[Prepared], None],
        *,
        capacity: int,
        newest_wins: bool,
        on_room: Callable[[], None],
        on_displaced: Callable[[int], None],
    ) -> None:
        self._prepare = prepare
        self._on_displaced = on_displaced
        self._second = Worker(answer, capacity=1, newest_wins=newest_wins, on_room=lambda: None)
        self._first = Worker(
            self._hand_over, capacity=capacity, newest_wins=newest_wins, on_room=on_room
        )

    def _hand_over(self, item: Item) -> None:
        prepared = self._prepare(item)
        if prepared is not None and self._second.wait_room():
            displaced = self._second.offer(prepared)
            if displaced:
                self._on_displaced(displaced)

    def offer(self, item: Item) -> int:
        """Put an item down; how many waiting ones it displaced that were not prepared yet."""
        return self._first.offer(item)

    def full(self) -> bool:
        """Whether offering has to wait; never where the newest wins."""
        return self._first.full()

    def discard(self) -> int:
        """Throw the waiting items away, prepared or not; how many they were."""
        return self._first.discard() + self._second.discard()

    def wait_idle(self) -> None:
        """Wait until no item is waiting, being prepared or being answered."""
        self._first.wait_idle()
        self._second.wait_idle()

    def stop(self, timeout: float) -> bool:
        """Let both threads end after the items at hand; whether they did within `timeout` s."""
        deadline = time.monotonic() + timeout
        # The second one first: the first may be waiting for room there.
        answered = self._second.stop(timeout)
        return self._first.stop(max(0.0, deadline - time.monotonic())) and answered
