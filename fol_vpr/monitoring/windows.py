"""Rates and percentiles over the last seconds."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

import numpy as np

SPAN = 10.0
"""Seconds over which rates are taken."""


class EventRate:
    """Events per second over the last SPAN seconds."""

    def __init__(self) -> None:
        self._moments: deque[float] = deque(maxlen=10_000)

    def add(self, moment: float) -> None:
        """An event happened."""
        self._moments.append(moment)

    def rate(self, now: float) -> float | None:
        """Events per second; None before the second event, 0 once they have ceased."""
        if len(self._moments) < 2:
            return None
        recent = [moment for moment in self._moments if now - moment <= SPAN]
        if len(recent) < 2:
            return 0.0
        return (len(recent) - 1) / max(now - recent[0], 1e-3)


class Counter:
    """A counter that another process reports from time to time.

    Attributes:
        value: the last one.
    """

    def __init__(self) -> None:
        self.value = 0
        self._samples: deque[tuple[float, int]] = deque(maxlen=1000)

    def set(self, moment: float, value: int) -> bool:
        """Take a report; returns whether the counter went back, as after a restart."""
        restarted = bool(self._samples) and value < self.value
        if restarted:
            self._samples.clear()
        self.value = value
        self._samples.append((moment, value))
        return restarted

    def lately(self) -> tuple[int, float]:
        """By how much it grew within the last SPAN seconds before its last report, and in how many
        seconds; 0 in 0 s before the second report.
        """
        if not self._samples:
            return 0, 0.0
        last, value = self._samples[-1]
        first, before = next(each for each in self._samples if last - each[0] <= SPAN)
        return value - before, last - first

    def rate(self) -> float | None:
        """Its growth per second; None before the second report."""
        growth, seconds = self.lately()
        return growth / seconds if seconds > 0 else None


def percentiles(values: Sequence[float]) -> tuple[float, float] | None:
    """Median and 95th percentile; None without values."""
    if not values:
        return None
    median, high = np.percentile(list(values), [50, 95])
    return float(median), float(high)
