"""Loops over coarse images that choose where tracking begins; see compiled_tracking.py."""

from __future__ import annotations

import math

import numpy as np

from fol_vpr.compiled import compiled


@compiled
def coarse_patch(coarse: np.ndarray, x: float, y: float, found: np.ndarray) -> None:
    """Bilinear samples [P, P] of an image [h, w] around a position; its border is continued."""
    reach, (height, width) = len(found) // 2, coarse.shape
    left, top = math.floor(x), math.floor(y)
    right, below = np.float32(x - left), np.float32(y - top)
    one = np.float32(1)
    a, b = (one - right) * (one - below), right * (one - below)
    c, d = (one - right) * below, right * below
    for row in range(len(found)):
        upper = min(max(top + row - reach, 0), height - 1)
        lower = min(max(top + row - reach + 1, 0), height - 1)
        for column in range(len(found)):
            first = min(max(left + column - reach, 0), width - 1)
            second = min(max(left + column - reach + 1, 0), width - 1)
            found[row, column] = (
                a * coarse[upper, first]
                + b * coarse[upper, second]
                + c * coarse[lower, first]
                + d * coarse[lower, second]
            )


@compiled
def most_alike(
    one: np.ndarray,
    two: np.ndarray,
    one_factors: np.ndarray,
    two_factors: np.ndarray,
    start: np.ndarray,
    guesses: np.ndarray,
    width: int,
    height: int,
    reach: int,
) -> np.ndarray:
    """[K] for each position the guess around which the coarse images differ least.

    Args:
        one, two: [h, w] float32, the coarse images of `AlignmentImage`.
        one_factors, two_factors: [2] float32, from pixels of the images, in x and y, to those.
        start: [K, 2] float32 positions in the first image.
        guesses: [K, G, 2] float32 positions in the other one.
        width, height: of it; a guess beyond counts only where all are, and then the first one.
        reach: how many pixels the compared patches reach from their centre.
    """
    side, half = 2 * reach + 1, np.float32(0.5)
    wanted, seen = np.empty((side, side), np.float32), np.empty((side, side), np.float32)
    found = np.zeros(len(start), np.int64)
    for k in range(len(start)):
        x, y = (start[k, 0] + half) * one_factors[0], (start[k, 1] + half) * one_factors[1]
        coarse_patch(one, x - half, y - half, wanted)
        least = np.inf
        for guess in range(guesses.shape[1]):
            x, y = guesses[k, guess, 0], guesses[k, guess, 1]
            if not (x >= -1 and y >= -1 and x <= width and y <= height):
                continue
            x, y = (x + half) * two_factors[0], (y + half) * two_factors[1]
            coarse_patch(two, x - half, y - half, seen)
            total = squares = np.float32(0)
            for row in range(side):
                for column in range(side):
                    away = seen[row, column] - wanted[row, column]
                    total += away
                    squares += away * away
            difference = squares - total * total / (side * side)
            if difference < least:
                least, found[k] = difference, guess
    return found
