"""Reliability of probabilities: whether statements are right as often as they are probable."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

BINS = 10


@dataclass(frozen=True)
class Bin:
    """Statements of similar probability.

    Attributes:
        count: number of statements.
        said: their mean probability, 0 to 1.
        right: fraction that was right, 0 to 1.
    """

    count: int
    said: float
    right: float


def reliability_bins(
    probabilities: Sequence[float] | np.ndarray,
    right: Sequence[bool] | np.ndarray,
    bins: int = BINS,
) -> list[Bin]:
    """Sort statements into bins of equal width by their probability; empty bins are left out.

    Args:
        probabilities: [N], 0 to 1.
        right: [N] bool, whether each statement was right.
        bins: number of bins.
    """
    said = np.asarray(probabilities, np.float64)
    were = np.asarray(right, bool)
    numbers = np.minimum((said * bins).astype(int), bins - 1)
    found = []
    for number in range(bins):
        rows = numbers == number
        if rows.any():
            found.append(Bin(int(rows.sum()), float(said[rows].mean()), float(were[rows].mean())))
    return found


def calibration_error(bins: Sequence[Bin]) -> float:
    """Expected calibration error, 0 to 1; NaN without statements.

    The mean over the bins of the difference between predicted probability and fraction right,
    weighted by their counts (Naeini, Cooper and Hauskrecht, AAAI 2015).
    """
    total = sum(each.count for each in bins)
    if not total:
        return float('nan')
    return sum(each.count * abs(each.said - each.right) for each in bins) / total


def calibration_errors(
    probabilities: np.ndarray, right: np.ndarray, axis: int = -1, bins: int = BINS
) -> np.ndarray:
    """The expected calibration errors of many sets of statements at once, for a bootstrap.

    Args:
        probabilities: [..., N], 0 to 1.
        right: [..., N], 1 where a statement was right, else 0.
        axis: of the statements of one set.
        bins: number of bins.

    Returns:
        [...] `calibration_error` of each set.
    """
    numbers = np.minimum((probabilities * bins).astype(int), bins - 1)
    gaps = probabilities - right
    total = sum(np.abs(np.where(numbers == n, gaps, 0).sum(axis=axis)) for n in range(bins))
    return np.asarray(total / probabilities.shape[axis])
