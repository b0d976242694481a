"""How much of an image a set of positions covers."""

from __future__ import annotations

import math

import numpy as np

from fol_vpr.geometry.viewing_rays import REFERENCE_WIDTH

# Cells along the longer side of the image.
REGIONS_ACROSS = 24
PATCHES_ACROSS = 16


def rescale(xy: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Scale pixel positions [K, 2] to an image whose longer side is 640 pixels.

    Args:
        xy: [K, 2] pixels.
        size: width and height of their image in pixels.

    Returns:
        [K, 2] float64.
    """
    return np.asarray(xy, dtype=np.float64) * (REFERENCE_WIDTH / max(size))


def count_regions(xy: np.ndarray) -> int:
    """Number of cells, 1/24 of the longer side wide, that rescaled positions [K, 2] lie in."""
    return count_distinct(_cells(xy, REGIONS_ACROSS))


def patch_ids(xy: np.ndarray) -> np.ndarray:
    """[K] int64: the cell, 1/16 of the longer side wide, that each rescaled position is in.

    A cell has about the size of a network patch or a tracking window, so errors of positions in
    one cell depend on each other.
    """
    return _cells(xy, PATCHES_ACROSS)


def count_patches(xy: np.ndarray) -> int:
    """Number of patches, see `patch_ids`, that rescaled positions [K, 2] lie in."""
    return count_distinct(patch_ids(xy))


def count_distinct(ids: np.ndarray) -> int:
    """Number of different whole numbers among [K]; NumPy's `unique` takes three times as long."""
    return len(set(ids.tolist()))


def _cells(xy: np.ndarray, across: int) -> np.ndarray:
    cells = np.floor(xy * (across / REFERENCE_WIDTH)).astype(np.int64)
    return np.asarray(cells[:, 0] * 10_000 + cells[:, 1])


def size_ratio(query: np.ndarray, reference: np.ndarray) -> float:
    """How large the query's image shows the same points, as a multiple of the reference's.

    The size of points is the root of their mean squared distance from their mean.

    Args:
        query, reference: [K, 2] rescaled positions of the same points.

    Returns:
        The ratio; NaN where all points of an image lie on one another.
    """
    sizes = [np.linalg.norm(xy - xy.mean(axis=0)) for xy in (query, reference)]
    return float(sizes[0] / sizes[1]) if min(sizes) > 0 else math.nan


def min_spread(xy: np.ndarray) -> float:
    """Standard deviation of positions [K, 2] along their narrowest direction, pixels."""
    if len(xy) < 2:
        return 0.0
    x, y = (xy - xy.mean(axis=0)).T
    a, b, c = x @ x, x @ y, y @ y
    # The smaller eigenvalue of the covariance [[a, b], [b, c]] / (K - 1).
    smaller = (a + c) / 2 - math.hypot((a - c) / 2, b)
    return math.sqrt(max(smaller, 0.0) / (len(xy) - 1))
