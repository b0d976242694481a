"""How much of an image positions coverage."""

from __future__ import annotations

import numpy as np

from fol_vpr.geometry.viewing_rays import REFERENCE_WIDTH

REGIONS_ACROSS = 24
PATCHES_ACROSS = 16


def rescale(xy: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Pixel positions as they would be with a longer side of 640 pixels."""
    return np.asarray(xy, dtype=np.float64) * (REFERENCE_WIDTH / max(size))


def count_regions(xy: np.ndarray) -> int:
    """How many cells of 1/24 of the longer side rescaled positions [K, 2] coverage."""
    return len(np.unique(_cells(xy, REGIONS_ACROSS)))


def patch_ids(xy: np.ndarray) -> np.ndarray:
    """[K] number of the cell of 1/16 of the longer side that rescaled positions [K, 2] are in.

    That is about what the network, or a window of the alignment, looks at as one: positions in
    one cell err together.
    """
    return _cells(xy, PATCHES_ACROSS)


def _cells(xy: np.ndarray, across: int) -> np.ndarray:
    cells = np.floor(xy * (across / REFERENCE_WIDTH)).astype(np.int64)
    return np.asarray(cells[:, 0] * 10_000 + cells[:, 1])


def min_spread(xy: np.ndarray) -> float:
    """Standard deviation of positions [K, 2] across their narrowest direction, pixels."""
    if len(xy) < 2:
        return 0.0
    variances = np.linalg.eigvalsh(np.cov(xy, rowvar=False))
    return float(np.sqrt(max(variances[0], 0.0)))
