"""Finds the local features that lie on the centres of the network's patches.

The dense local head places descriptors on a grid with a step of a quarter of a patch. The first
line of the grid lies half a patch from the border of the image, so that line i lies i + 2 steps
from it, and every fourth line goes through the centres of patches. The descriptors between them
were interpolated from those at the centres.
"""

from __future__ import annotations

import functools

import numpy as np

PATCH_STRIDE = 4
FIRST_LINE = 2
TOLERANCE = 0.1
"""Maximum distance in steps between a position and its line of the grid."""
MIN_STEP = 0.05
"""Minimum step of a grid in pixels."""
_REMEMBERED = 256


def on_stride(positions: np.ndarray, stride: int, present: int = 1) -> np.ndarray:
    """Indices of the positions on every `stride`-th line and column, counted from patch centres.

    Args:
        positions: [N, 2], x and y in pixels of the original image, (0, 0) being the centre of the
            top left pixel.
        stride: in lines of the dense grid; 1 keeps all positions, 4 the centres of patches.
        present: stride of the lines that the positions lie on; divides `stride`.

    Returns:
        Indices [K], ascending, read-only; all N if the positions do not lie on a grid.
    """
    # Images of one camera have the same positions where all patches have local features, and a
    # reference that is met again always has.
    return _on_stride(positions.tobytes(), positions.dtype.str, stride, present)


@functools.lru_cache(_REMEMBERED)
def _on_stride(data: bytes, dtype: str, stride: int, present: int) -> np.ndarray:
    positions = np.frombuffer(data, dtype).reshape(-1, 2)
    everything = np.arange(len(positions))
    everything.flags.writeable = False
    kept = np.ones(len(positions), bool)
    for along in positions.T:
        lines = _lines(along, present)
        if lines is None:
            return everything
        kept &= lines % (stride // present) == 0
    rows: np.ndarray = everything[kept]
    rows.flags.writeable = False
    return rows


def _lines(along: np.ndarray, present: int) -> np.ndarray | None:
    """The line that each coordinate [N] lies on, counted from the first patch centre.

    None if the coordinates do not lie on equidistant lines.
    """
    gaps = np.diff(np.unique(along.astype(np.float64)))
    gaps = gaps[gaps > MIN_STEP]
    if not len(gaps):
        return None
    # Gaps differ slightly because positions are rounded to float32. The error of their median
    # does not grow over the image.
    step = np.median(gaps[gaps < 1.5 * gaps.min()])
    lines = (along + 0.5) / step - FIRST_LINE / present
    numbers = np.rint(lines)
    if np.abs(lines - numbers).max() > TOLERANCE:
        return None
    whole: np.ndarray = numbers.astype(np.int64)
    return whole
