"""Which local features lie on the centres of the network's patches.

The dense local head puts descriptors a quarter of a patch apart, the first line half a patch from
the border of the image: line i lies i + 2 steps from it, and every fourth line goes through the
centres of patches. What lies between was interpolated from them.
"""

from __future__ import annotations

import numpy as np

PATCH_STRIDE = 4
FIRST_LINE = 2
# Largest distance from a line in steps, and smallest step in pixels, by which positions are taken
# as a grid's.
TOLERANCE = 0.1
MIN_STEP = 0.05


def on_stride(positions: np.ndarray, stride: int, present: int = 1) -> np.ndarray:
    """Rows on every `stride`-th line and column of the dense grid, counted from patch centres.

    Args:
        positions: [N, 2], x and y in pixels of the original image, (0, 0) being the centre of the
            top left pixel.
        stride: 1 keeps all, 4 the centres of patches.
        present: every how many lines there are positions at all; divides `stride`.

    Returns:
        Indices, ascending; all of them where the positions are not those of a grid.
    """
    everything = np.arange(len(positions))
    kept = np.ones(len(positions), bool)
    for along in positions.T:
        lines = _lines(along, present)
        if lines is None:
            return everything
        kept &= lines % (stride // present) == 0
    rows: np.ndarray = everything[kept]
    return rows


def _lines(along: np.ndarray, present: int) -> np.ndarray | None:
    """Which of the lines that are present each coordinate lies on, counted from the first patch
    centre; None where there are no such lines.
    """
    gaps = np.diff(np.unique(along.astype(np.float64)))
    gaps = gaps[gaps > MIN_STEP]
    if not len(gaps):
        return None
    # Rounding to float32 makes gaps differ a little; their median does not add up over the image.
    step = np.median(gaps[gaps < 1.5 * gaps.min()])
    lines = (along + 0.5) / step - FIRST_LINE / present
    numbers = np.rint(lines)
    if np.abs(lines - numbers).max() > TOLERANCE:
        return None
    whole: np.ndarray = numbers.astype(np.int64)
    return whole
