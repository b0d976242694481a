"""Loops over matches for the order in which they are sampled; see `models.sampling_order`."""

from __future__ import annotations

import numpy as np

from fol_vpr.compiled import compiled


@compiled
def promises(scaled: np.ndarray, excess: np.ndarray) -> np.ndarray:
    """[K] float32 how promising each match is.

    Args:
        scaled: [4, K] float32: displacements and positions, each in units of the distance at which
            support ends.
        excess: [K] float32, cosines above the least one.
    """
    found = np.empty(len(excess), np.float32)
    for i in range(len(excess)):
        a, b, c, d = scaled[0, i], scaled[1, i], scaled[2, i], scaled[3, i]
        total = np.float32(0)
        for j in range(len(excess)):
            u, v = scaled[0, j] - a, scaled[1, j] - b
            x, y = scaled[2, j] - c, scaled[3, j] - d
            support = np.float32(1) - (u * u + v * v + x * x + y * y)
            total += max(support, np.float32(0)) * excess[j]
        found[i] = excess[i] * (total - excess[i])
    return found


def compile_all() -> None:
    """Compile what is above."""
    promises(np.zeros((4, 8), np.float32), np.ones(8, np.float32))
