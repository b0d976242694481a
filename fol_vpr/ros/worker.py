"""The thread that images are answered on, and the mailbox before it.

The executor's thread only puts images down here, so that neither a slow network nor a slow map
ever holds up services, timers or the next image.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from typing import Generic, TypeVar

Item = TypeVar('Item')


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
            self._on_room()
            self._answer(item)
