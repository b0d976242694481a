"""Mutual nearest neighbours from the bounds of all pairs of rows; see cpu_matching.py."""

from __future__ import annotations

import numpy as np

from fol_vpr.compiled import compiled

# Bounds are compared with the threshold so many at a time; only where one is over it, one by one.
BLOCK = 32


@compiled
def update_nearest(
    bounds: np.ndarray,
    first: int,
    query: np.ndarray,
    rows: np.ndarray,
    threshold: np.float32,
    slack: np.float32,
    row_best: np.ndarray,
    row_column: np.ndarray,
    column_best: np.ndarray,
    column_row: np.ndarray,
) -> int:
    """Note the nearest neighbours among some pairs of rows of a candidate and a query.

    The cosine is computed of those pairs only whose bound is over the threshold, and over the best
    cosine so far of its row or column.

    Args:
        bounds: [S, N] float32, at least the cosine of each pair, but for `slack`.
        first: row of the candidate that the first row of `bounds` belongs to.
        query: [N, C] float32.
        rows: [M, C] float32, of the candidate.
        threshold: cosine that a pair must exceed.
        slack: largest error of a bound.
        row_best: [M] float32, the largest cosine so far of each row, and at first the threshold.
        row_column: [M] int64, its row of the query, -1 where none was over the threshold.
        column_best, column_row: [N], the same for each row of the query.

    Returns:
        How many cosines were computed.
    """
    computed = 0
    floor = threshold - slack
    count, length = bounds.shape[1], query.shape[1]
    for number in range(bounds.shape[0]):
        row = first + number
        line = bounds[number]
        best, best_column = row_best[row], row_column[row]
        for start in range(0, count, BLOCK):
            end = min(start + BLOCK, count)
            over = 0
            for column in range(start, end):
                over += line[column] > floor
            if over == 0:
                continue
            for column in range(start, end):
                bound = line[column] + slack
                if bound >= threshold and (bound >= best or bound >= column_best[column]):
                    cosine = np.float32(0)
                    for index in range(length):
                        cosine += query[column, index] * rows[row, index]
                    computed += 1
                    if cosine > best:
                        best, best_column = cosine, column
                    if cosine > column_best[column]:
                        column_best[column] = cosine
                        column_row[column] = row
        row_best[row], row_column[row] = best, best_column
    return computed


@compiled
def mutual(row_column: np.ndarray, column_row: np.ndarray) -> np.ndarray:
    """Pairs [K, 2] (row of the query, row of the candidate) that are nearest to each other.

    Args:
        row_column: [M] int64, see `update_nearest`.
        column_row: [N] int64, likewise.
    """
    found = np.empty((min(len(row_column), len(column_row)), 2), np.int64)
    count = 0
    for row in range(len(row_column)):
        column = row_column[row]
        if column >= 0 and column_row[column] == row:
            found[count, 0] = column
            found[count, 1] = row
            count += 1
    return found[:count]


def compile_all() -> None:
    """Compile what is above."""
    unit = np.eye(2, 3, dtype=np.float32)
    best, nearest = np.full((2, 2), 0.5, np.float32), np.full((2, 2), -1)
    limits = np.float32(0.5), np.float32(0)
    update_nearest(unit @ unit.T, 0, unit, unit, *limits, best[0], nearest[0], best[1], nearest[1])
    mutual(nearest[0], nearest[1])
