"""Opens a collection in the background, as often as it takes."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

from fol_vpr.errors import FolVprError
from fol_vpr.retrieval.index.milvus.collection import MilvusCollection

log = logging.getLogger(__name__)

# Seconds before the first attempt after a failure, and at most between two of them.
FIRST_DELAY = 1.0
LONGEST_DELAY = 10.0
# Seconds after which the collection is compared with the map again: others may have changed it.
COMPARED_EVERY = 600.0


class CollectionKeeper:
    """A thread that opens a collection when it is asked to, and now and then unasked.

    Args:
        open_collection: opens the collection and brings it up to date; called on the thread.
        every: seconds between two openings that nobody asked for; None for none.
    """

    def __init__(
        self, open_collection: Callable[[], MilvusCollection], every: float | None
    ) -> None:
        self._open = open_collection
        self._every = every
        self._asked = threading.Event()
        self._stopped = threading.Event()
        self._lock = threading.Lock()
        self._ready: MilvusCollection | None = None
        self.failure = ''
        """Why the last attempt failed; empty where it did not."""
        self._thread = threading.Thread(target=self._work, name='milvus keeper', daemon=True)
        self._thread.start()

    def ask(self) -> None:
        """Have the collection opened soon."""
        self._asked.set()

    def take(self) -> MilvusCollection | None:
        """The collection that was opened since the last call; None where there is none."""
        with self._lock:
            ready, self._ready = self._ready, None
        return ready

    def _work(self) -> None:
        while not self._stopped.is_set():
            self._asked.wait(self._every)
            delay = FIRST_DELAY
            while not self._stopped.is_set() and not self._opened():
                self._stopped.wait(delay)
                delay = min(2 * delay, LONGEST_DELAY)

    def _opened(self) -> bool:
        self._asked.clear()
        try:
            collection = self._open()
        except FolVprError as error:
            self.failure = str(error)
            return False
        except Exception as error:
            # When the index is closed, the map may be closed before this thread notices.
            if not self._stopped.is_set():
                self.failure = f'{type(error).__name__}: {error}'
                log.exception('the collection of the map cannot be opened')
            return False
        self.failure = ''
        with self._lock:
            if self._stopped.is_set():
                collection.close()
                return True
            old, self._ready = self._ready, collection
        if old is not None:
            old.close()
        return True

    def close(self) -> None:
        """End the thread, after the call that it is in."""
        with self._lock:
            self._stopped.set()
            ready, self._ready = self._ready, None
        self._asked.set()
        if ready is not None:
            ready.close()
