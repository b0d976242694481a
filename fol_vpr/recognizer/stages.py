"""The stages of one recognition, timed."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager


class StageTimer:
    """Seconds that each stage of one image took; the time starts when it is made.

    Attributes:
        seconds: by the name of the stage; see `Recognition.timings`.
    """

    def __init__(self) -> None:
        self._started = time.perf_counter()
        self.seconds: dict[str, float] = {}

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Add the seconds of a block to those of a stage."""
        started = time.perf_counter()
        try:
            yield
        finally:
            elapsed = time.perf_counter() - started
            self.seconds[name] = self.seconds.get(name, 0.0) + elapsed

    def finish(self) -> dict[str, float]:
        """The seconds of all stages, and `total` since the start."""
        self.seconds['total'] = time.perf_counter() - self._started
        return self.seconds
