"""The EXIF orientation of photographs."""

from __future__ import annotations

import io

import numpy as np
from PIL import Image

UPRIGHT = 1
_TAG = 0x0112
_ORIENTATIONS = range(1, 9)


def orientation_of(picture: Image.Image) -> int:
    """The EXIF orientation of an image file, 1 to 8; 1 where it has none.

    Args:
        picture: opened, its pixels not yet read.
    """
    try:
        found = picture.getexif().get(_TAG, UPRIGHT)
    except (SyntaxError, ValueError, OSError, LookupError, TypeError, AttributeError):
        # Damaged EXIF data in a sound image.
        return UPRIGHT
    return found if isinstance(found, int) and found in _ORIENTATIONS else UPRIGHT


def orientation_of_file(data: bytes) -> int:
    """The EXIF orientation of a JPEG or PNG file; see `orientation_of`."""
    with Image.open(io.BytesIO(data), formats=('JPEG', 'PNG')) as picture:
        return orientation_of(picture)


def turned_upright(pixels: np.ndarray, orientation: int) -> np.ndarray:
    """Pixels [H, W, ...] as they are to be looked at.

    Args:
        pixels: as the sensor stored them.
        orientation: by the EXIF standard, where the first row and the first column of the stored
            image are in the upright one: 1 top and left, 2 top and right, 3 bottom and right,
            4 bottom and left, 5 left and top, 6 right and top, 7 right and bottom, 8 left and
            bottom.

    Returns:
        The same array for orientation 1, otherwise a copy, [W, H, ...] for 5 to 8.
    """
    if orientation == UPRIGHT:
        return pixels
    if orientation >= 5:
        pixels = pixels.swapaxes(0, 1)
    if orientation in (2, 3, 6, 7):
        pixels = pixels[:, ::-1]
    if orientation in (3, 4, 7, 8):
        pixels = pixels[::-1]
    return np.ascontiguousarray(pixels)


def stored_again(pixels: np.ndarray, orientation: int) -> np.ndarray:
    """The inverse of `turned_upright`."""
    # Only the turns by a quarter are not their own inverse.
    return turned_upright(pixels, {6: 8, 8: 6}.get(orientation, orientation))
