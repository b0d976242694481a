"""Turns of two builds, and statistics of what they took."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from benchmarks.against.builds import Worker

Result = TypeVar('Result')


@dataclass(frozen=True)
class Comparison:
    """One quantity of two builds, measured in turns.

    Attributes:
        row: what was measured.
        unit: of the values.
        before: values of the build that is compared with.
        after: values of the working tree.
        higher_is_better: for rates; otherwise smaller values are better.
        goal: times that the working tree should be better; 0 where there is no goal.
        remark: conditions that differ between the builds, such as the precision.
    """

    row: str
    unit: str
    before: Sequence[float]
    after: Sequence[float]
    higher_is_better: bool = False
    goal: float = 0.0
    remark: str = ''

    @property
    def times(self) -> float:
        """How many times better the median of the working tree is."""
        return _ratio(
            statistics.median(self.before), statistics.median(self.after), self.higher_is_better
        )

    @property
    def spread(self) -> tuple[float, float]:
        """Quartiles of that ratio over pairs of values of the same image or turn.

        Both values of a pair met about the same load. Without as many values of both builds, the
        spread is the ratio itself.
        """
        if len(self.before) != len(self.after):
            return self.times, self.times
        pairs = zip(self.before, self.after, strict=True)
        low, _, high = quartiles([_ratio(a, b, self.higher_is_better) for a, b in pairs])
        return low, high

    @property
    def verdict(self) -> str:
        """Whether the goal was reached, and by how much it was missed."""
        if not self.goal:
            return ''
        if self.times >= self.goal:
            return 'reached'
        return f'missed by {100 * (1 - self.times / self.goal):.0f} %'

    def as_json(self) -> dict[str, Any]:
        """All values and statistics, for a file."""
        return {
            'row': self.row,
            'unit': self.unit,
            'before': list(self.before),
            'after': list(self.after),
            'times': self.times,
            'spread': list(self.spread),
            'goal': self.goal,
            'remark': self.remark,
        }


def quartiles(values: Sequence[float]) -> tuple[float, float, float]:
    """First quartile, median and third quartile, interpolated between the values.

    Raises:
        ValueError: there are no values.
    """
    if not values:
        raise ValueError('there are no values')
    if len(values) == 1:
        return values[0], values[0], values[0]
    low, middle, high = statistics.quantiles(values, n=4, method='inclusive')
    return low, middle, high


def _ratio(before: float, after: float, higher_is_better: bool) -> float:
    above, below = (after, before) if higher_is_better else (before, after)
    if below == 0:
        return 1.0 if above == 0 else float('inf')
    return above / below


class Pair:
    """Workers of two builds that take turns.

    Args:
        before: of the build that is compared with.
        after: of the working tree.

    Attributes:
        waiting_s: processor time that a worker took while it was the turn of the other.
    """

    def __init__(self, before: Worker, after: Worker) -> None:
        self.workers = (before, after)
        self.waiting_s = 0.0

    def turns(self, count: int, task: Callable[[Worker], Result]) -> list[list[Result]]:
        """Do a task with each of the workers, `count` times; the results of each.

        Every other time they go in reverse order, so that whatever drifts meanwhile, such as the
        clock of the processor, meets both alike.
        """
        results: list[list[Result]] = [[], []]
        for turn in range(count):
            for number in (0, 1) if turn % 2 == 0 else (1, 0):
                other = self.workers[1 - number]
                spent = other.processor_seconds()
                results[number].append(task(self.workers[number]))
                self.waiting_s += other.processor_seconds() - spent
        return results
