"""Tests and intervals for the difference of two results on the same queries.

Each query was answered twice, so the answers come in pairs, and only pairs can be compared: two
intervals that overlap do not show that two results on the same queries are equal. What is right or
wrong for each query is tested by McNemar's test, with Newcombe's interval of the difference;
medians and calibration errors, which no formula covers, get a bootstrap over the queries.

All of it takes the queries as independent. Neighbouring frames of a drive are not: they fail
together, so the intervals are too narrow, and the p-values too small, by an unknown amount.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from fol_vpr.config import ComparisonConfig
from fol_vpr.evaluation.metrics import Share

Z95 = 1.959964
"""Quantile of the normal distribution of an interval of 95 %."""


@dataclass(frozen=True)
class PairedCounts:
    """What two results made of the same queries, each right or wrong.

    Attributes:
        both: queries that both have right.
        first_only: right in the first result and wrong in the second.
        second_only: wrong in the first result and right in the second.
        neither: queries that both have wrong.
    """

    both: int
    first_only: int
    second_only: int
    neither: int

    @classmethod
    def of(
        cls, first: Sequence[bool] | np.ndarray, second: Sequence[bool] | np.ndarray
    ) -> PairedCounts:
        """Count pairs.

        Args:
            first: [N] bool, whether the first result has each query right.
            second: [N] bool, likewise for the second, in the same order.
        """
        one, two = np.asarray(first, bool), np.asarray(second, bool)
        if one.shape != two.shape:
            raise ValueError(f'{one.shape} and {two.shape} are no pairs')
        return cls(
            both=int((one & two).sum()),
            first_only=int((one & ~two).sum()),
            second_only=int((~one & two).sum()),
            neither=int((~one & ~two).sum()),
        )

    @property
    def total(self) -> int:
        """All pairs."""
        return self.both + self.first_only + self.second_only + self.neither

    @property
    def discordant(self) -> int:
        """Queries that one result has right and the other wrong; all that the test looks at."""
        return self.first_only + self.second_only

    @property
    def first(self) -> Share:
        """The share of queries that the first result has right."""
        return Share(self.both + self.first_only, self.total)

    @property
    def second(self) -> Share:
        """The share of queries that the second result has right."""
        return Share(self.both + self.second_only, self.total)

    @property
    def difference(self) -> float:
        """The share of the second less that of the first, -1 to 1; NaN without pairs."""
        return (self.second_only - self.first_only) / self.total if self.total else math.nan

    def p_value(self) -> float:
        """The two-sided p-value of McNemar's exact test.

        Where both results are right equally often, each query on which they differ is right in
        one of them as by the toss of a coin (McNemar, Psychometrika 12, 1947). The p-value is the
        exact binomial one at every number of pairs: the usual approximation by chi-squared is for
        those who compute by hand, and wrong below about 25 discordant pairs.

        Returns:
            The p-value; 1 where no query differs.
        """
        if not self.discordant:
            return 1.0
        from scipy.stats import binomtest

        return float(binomtest(self.first_only, self.discordant).pvalue)

    def interval(self, z: float = Z95) -> tuple[float, float]:
        """Newcombe's interval of `difference`; the default `z` makes it 95 %.

        Method 10 of Newcombe, Statistics in Medicine 17 (1998) 2635: the score intervals of both
        shares, put together with a correction for their correlation. Unlike that of a bootstrap,
        its width is not zero where no query differs.

        Returns:
            Lower and upper end; NaN without pairs.
        """
        if not self.total:
            return math.nan, math.nan
        first, second = self.first, self.second
        (low1, high1), (low2, high2) = first.interval(z), second.interval(z)
        phi = self._correlation()
        below = second.value - low2, high1 - first.value
        above = high2 - second.value, first.value - low1
        return (
            max(-1.0, self.difference - _sides(*below, phi)),
            min(1.0, self.difference + _sides(*above, phi)),
        )

    def _correlation(self) -> float:
        """Newcombe's phi with its correction for continuity, 0 where it is not defined."""
        margins = (
            (self.both + self.first_only) * (self.second_only + self.neither)
            * (self.both + self.second_only) * (self.first_only + self.neither)
        )  # fmt: skip
        if not margins:
            return 0.0
        product = self.both * self.neither - self.first_only * self.second_only
        if product > 0:
            return max(product - self.total / 2, 0.0) / math.sqrt(margins)
        return product / math.sqrt(margins)


def _sides(one: float, two: float, phi: float) -> float:
    """The third side of a triangle, whose angle stands for the correlation of both."""
    return math.sqrt(max(one * one - 2 * phi * one * two + two * two, 0.0))


def holm(p_values: Sequence[float]) -> list[float]:
    """P-values corrected for their number by Holm's method.

    The probability that any of them falls below a limit by chance alone stays below that limit,
    however the tests depend on each other (Holm, Scandinavian Journal of Statistics 6, 1979).

    Args:
        p_values: of the tests.

    Returns:
        The corrected ones in the same order, at most 1.
    """
    corrected, floor = [1.0] * len(p_values), 0.0
    ascending = sorted(range(len(p_values)), key=p_values.__getitem__)
    for rank, position in enumerate(ascending):
        floor = max(floor, min(1.0, (len(p_values) - rank) * p_values[position]))
        corrected[position] = floor
    return corrected


@dataclass(frozen=True)
class Difference:
    """A statistic of two results, and the interval of its difference.

    Attributes:
        first: of the first result.
        second: of the second.
        low, high: ends of the interval of `second` less `first`, 95 % unless said otherwise.
        pairs: number of queries that both have a value of.
    """

    first: float
    second: float
    low: float
    high: float
    pairs: int

    @property
    def value(self) -> float:
        """The second less the first."""
        return self.second - self.first

    @property
    def excludes_zero(self) -> bool:
        """Whether the interval lies on one side of 0."""
        return self.low > 0 or self.high < 0


def bootstrap_difference(
    first: Sequence[np.ndarray],
    second: Sequence[np.ndarray],
    statistic: Callable[..., np.ndarray],
    config: ComparisonConfig | None = None,
) -> Difference:
    """The difference of a statistic, with a paired bootstrap of its interval.

    Queries are drawn with replacement, each with what both results made of it (Efron and
    Tibshirani 1993). The interval is the percentile one: BCa needs the jackknife, which is
    inconsistent for medians, and is undefined where all queries have the same value.

    Args:
        first: one or more arrays [N] of the first result.
        second: likewise for the second, in the same order of queries.
        statistic: takes such arrays, with more axes before the last, and `axis`; gives one number
            for each row.
        config: number of draws and seed; the same seed gives the same interval.

    Returns:
        Both statistics and the interval, which is NaN where there are fewer than two pairs.
    """
    config = config or ComparisonConfig()
    columns = [np.asarray(each, np.float64) for each in (*first, *second)]
    pairs = len(columns[0])
    if any(each.shape != (pairs,) for each in columns):
        raise ValueError(f'{[each.shape for each in columns]} are no pairs')
    if pairs < 2:
        one, two = (
            (float(statistic(*side, axis=-1)) if pairs else math.nan)
            for side in (columns[: len(first)], columns[len(first) :])
        )
        return Difference(one, two, math.nan, math.nan, pairs)
    from scipy.stats import bootstrap

    half = len(first)

    def difference(*drawn: np.ndarray, axis: int = -1) -> np.ndarray:
        sides = (np.asarray(statistic(*side, axis=axis)) for side in (drawn[:half], drawn[half:]))
        return np.asarray(-np.subtract(*sides))

    found = bootstrap(
        columns,
        difference,
        paired=True,
        vectorized=True,
        n_resamples=config.resamples,
        batch=max(1, _BATCH // pairs),
        method='percentile',
        # `rng` is newer than the SciPy of Ubuntu 24.04; this name works in both.
        random_state=np.random.default_rng(config.seed),
    ).confidence_interval
    return Difference(
        first=float(statistic(*columns[:half], axis=-1)),
        second=float(statistic(*columns[half:], axis=-1)),
        low=float(found.low),
        high=float(found.high),
        pairs=pairs,
    )


_BATCH = 2_000_000
"""Values that are drawn at once: 16 MB for each array, whatever the number of queries."""
