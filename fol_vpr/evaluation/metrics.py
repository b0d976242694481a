"""Recall@K, its uncertainty, and percentiles, as functions of rankings and numbers."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

RECALL_AT = (1, 5, 10)
PERCENTILES = (50, 95, 99)


@dataclass(frozen=True)
class Share:
    """`hits` out of `total`.

    Attributes:
        hits: queries with a positive within the first K.
        total: queries that have a positive at all.
    """

    hits: int
    total: int

    @property
    def value(self) -> float:
        """The share, 0 to 1; NaN where `total` is 0."""
        return self.hits / self.total if self.total else math.nan

    def interval(self, z: float = 1.959964) -> tuple[float, float]:
        """Wilson score interval of the share (Wilson 1927); the default `z` makes it 95 %."""
        if not self.total:
            return math.nan, math.nan
        n, p = self.total, self.value
        centre = p + z * z / (2 * n)
        spread = z * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n))
        scale = 1 + z * z / n
        return max(0.0, (centre - spread) / scale), min(1.0, (centre + spread) / scale)


def first_hit(ranking: Sequence[int], positives: Collection[int]) -> int | None:
    """Position of the first positive in `ranking`, counted from 0; None where there is none."""
    return next((rank for rank, index in enumerate(ranking) if index in positives), None)


def recall_at(
    rankings: Iterable[Sequence[int]],
    positives: Iterable[Collection[int] | None],
    ks: Sequence[int] = RECALL_AT,
) -> dict[int, Share]:
    """Share of queries that have a positive within the first K.

    Queries without any positive are left out. An empty ranking of a query that has positives is
    a miss.

    Args:
        rankings: for each query, reference indices, best first.
        positives: for each query, the references that show its place; None where that is not
            known.
        ks: the K.

    Returns:
        For each K its share.
    """
    counted = [
        first_hit(ranking, positive)
        for ranking, positive in zip(rankings, positives, strict=True)
        if positive
    ]
    return {
        k: Share(sum(hit is not None and hit < k for hit in counted), len(counted)) for k in ks
    }


def references_off(first: int, positives: Collection[int]) -> int:
    """How many references, in the order of the map, the nearest positive is away from `first`.

    Args:
        first: a reference.
        positives: references that show the place of the query, at least one.
    """
    return min(abs(first - positive) for positive in positives)


def none_if_nan(value: float) -> float | None:
    """None for NaN, which JSON does not have."""
    return None if math.isnan(value) else value


def percentiles(timings: Iterable[Mapping[str, float]]) -> dict[str, dict[str, float]]:
    """Percentiles of each stage over the queries that ran it.

    Args:
        timings: for each query seconds by stage.

    Returns:
        For each stage, in order of first appearance, `p50`, `p95`, `p99` and `mean` in seconds.
    """
    stages: dict[str, list[float]] = {}
    for timing in timings:
        for stage, seconds in timing.items():
            stages.setdefault(stage, []).append(seconds)
    return {
        stage: {
            **{f'p{p}': float(np.percentile(seconds, p)) for p in PERCENTILES},
            'mean': float(np.mean(seconds)),
        }
        for stage, seconds in stages.items()
    }
