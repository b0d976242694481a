"""Loops over matches for their spatial score; see spatial_score.py."""

from __future__ import annotations

import math

import numpy as np

from fol_vpr.compiled import compiled, read_only


@compiled
def normalised(positions: np.ndarray) -> np.ndarray:
    """[N, 2] float32, as `spatial_score.normalised`."""
    found = np.zeros((len(positions), 2), np.float32)
    if not len(positions):
        return found
    left = right = positions[0, 0]
    top = bottom = positions[0, 1]
    finite = True
    for row in range(len(positions)):
        x, y = positions[row, 0], positions[row, 1]
        left, right = min(left, x), max(right, x)
        top, bottom = min(top, y), max(bottom, y)
        finite = finite and np.isfinite(x) and np.isfinite(y)
    side = max(right - left, bottom - top)
    if finite and 0 < side < np.inf:
        for row in range(len(positions)):
            found[row, 0] = (positions[row, 0] - left) / side
            found[row, 1] = (positions[row, 1] - top) / side
    return found


@compiled
def score(
    descriptors: np.ndarray,
    places: np.ndarray,
    theirs: np.ndarray,
    positions: np.ndarray,
    pairs: np.ndarray,
    threshold: float,
    cell: np.float32,
    border: int,
) -> float:
    """The score of the matches with one reference; see `SpatialScorer.scores`.

    Args:
        descriptors: [N, C] float32, of the query.
        places: [N, 2] float32, its positions, `normalised`.
        theirs: [M, C] float32 of unit length, or int8 of which only the direction counts.
        positions: [M, 2] float32 of the reference.
        pairs: [K, 2] rows of the query and of the reference, K at least 1.
        threshold: cosine that all matches exceed.
        cell: side of a cell of displacements.
        border: cells from a displacement of 0 to one over 1.
    """
    count, side = len(pairs), 2 * border + 1
    around = normalised(positions)
    votes = np.zeros((side, side))
    excess = np.empty(count)
    down, right = np.empty(count, np.int64), np.empty(count, np.int64)
    for number in range(count):
        ours, other = pairs[number, 0], pairs[number, 1]
        cosine = square = np.float32(0)
        for index in range(descriptors.shape[1]):
            value = np.float32(theirs[other, index])
            cosine += descriptors[ours, index] * value
            square += value * value
        if theirs.itemsize == 1:
            cosine /= np.sqrt(max(square, np.float32(1)))
        # Rounding may put a match that is barely over the threshold below it here.
        excess[number] = max(cosine - threshold, 0.0)
        x = (places[ours, 0] - around[other, 0]) / cell
        y = (places[ours, 1] - around[other, 1]) / cell
        # Of positions that are no numbers there is no cell.
        if not (abs(x) < border and abs(y) < border):
            excess[number] = x = y = 0.0
        down[number], right[number] = math.floor(x) + border, math.floor(y) + border
        votes[down[number], right[number]] += excess[number]
    total = 0.0
    for number in range(count):
        support = 0.0
        for i in range(down[number] - 1, down[number] + 2):
            for j in range(right[number] - 1, right[number] + 2):
                support += votes[i, j]
        total += excess[number] * math.sqrt(support)
    return float(total ** (2 / 3))


def compile_all() -> None:
    """Compile what is above."""
    unit, pairs = np.eye(2, dtype=np.float32), np.zeros((1, 2), np.int64)
    places, positions = normalised(unit), read_only(unit)
    for theirs in (unit, unit.astype(np.int8)):
        score(unit, places, read_only(theirs), positions, pairs, 0.5, np.float32(0.1), 15)
