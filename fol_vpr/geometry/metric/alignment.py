"""Matched positions, moved to where the images themselves say that they belong.

Local features stand on a grid of quarter patches and lean towards the same position in both
images; a patch of the image itself is found again to a fraction of a pixel, or not at all.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np

MAX_SIDE = 640
# Textures of map images, of 0.3 MB at most and as much for the JPEG.
KEPT = 16
WINDOW = (15, 15)
LEVELS = 2
# Tracked there and back, a position must return this close, in pixels of the reduced image.
WORST_RETURN = 0.7
# Contrast is evened out over this many pixels, so that day and evening look alike.
NEIGHBOURHOOD = 15.0
MIN_CONTRAST = 4.0
CORNERS, CORNER_QUALITY, CORNER_DISTANCE = 400, 0.02, 9.0
STOP = (cv2.TERM_CRITERIA_EPS | cv2.TERM_CRITERIA_COUNT, 20, 0.02)


@dataclass(frozen=True, eq=False)
class AlignmentImage:
    """An image made ready to be aligned with others.

    Attributes:
        grey: [h, w] uint8, of evened contrast, at most 640 pixels on the longer side.
        scale: pixels of it per pixel of the image that positions are in.
    """

    grey: np.ndarray
    scale: float


def alignment_image(image: np.ndarray) -> AlignmentImage:
    """Of an image [H, W, 3] or [H, W] of uint8, RGB or grey."""
    return _normalised(image, image.shape[1])


@lru_cache(maxsize=KEPT)
def alignment_image_from_jpeg(jpeg: bytes, size: tuple[int, int]) -> AlignmentImage | None:
    """Of an encoded image, perhaps a reduced one; None where it cannot be read.

    The last ones are kept: a robot stays beside the same places for several images.

    Args:
        size: width and height of the image as it was.
    """
    image = cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_GRAYSCALE)
    return None if image is None else _normalised(image, size[0])


def _normalised(image: np.ndarray, original_width: int) -> AlignmentImage:
    grey = image if image.ndim == 2 else cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
    height, width = grey.shape
    reduced = min(1.0, MAX_SIDE / max(height, width))
    if reduced < 1:
        size = (max(1, round(width * reduced)), max(1, round(height * reduced)))
        grey = cv2.resize(grey, size, interpolation=cv2.INTER_AREA)
    smooth = cv2.GaussianBlur(grey.astype(np.float32), (0, 0), 1.0)
    above = smooth - cv2.GaussianBlur(smooth, (0, 0), NEIGHBOURHOOD)
    contrast = np.sqrt(cv2.GaussianBlur(above * above, (0, 0), NEIGHBOURHOOD)) + MIN_CONTRAST
    even = np.clip(128 + 50 * above / contrast, 0, 255).astype(np.uint8)
    return AlignmentImage(even, grey.shape[1] / original_width)


def track_points(
    fixed: AlignmentImage,
    other: AlignmentImage,
    fixed_xy: np.ndarray,
    guesses: Sequence[np.ndarray],
) -> tuple[np.ndarray, np.ndarray]:
    """Find the surroundings of positions in another image again (Lucas and Kanade, pyramidal).

    Args:
        fixed_xy: [K, 2] positions in pixels of the one image, which stay.
        guesses: each [K, 2] about where they are in the other one, NaN where it has no idea; of
            what is tracked back to where it came from, that which looks most alike is taken.

    Returns:
        [K, 2] where they are in the other one, and [K] bool, whether they were found.
    """
    start = _to_texture(fixed, fixed_xy)
    # All guesses at once: OpenCV makes the pyramids of both images anew in every call.
    begun = np.stack([_to_texture(other, guess) for guess in guesses], axis=1)
    row, way = np.nonzero(np.isfinite(begun).all(axis=2))
    one, two = _of_one_size(fixed.grey, other.grey)
    there, found, unlike = _track(one, two, start[row], begun[row, way])
    height, width = other.grey.shape
    found &= ((there >= 0) & (there <= (width - 1, height - 1))).all(axis=1)
    row, way, there, unlike = row[found], way[found], there[found], unlike[found]
    back, returned, _ = _track(two, one, there, start[row])
    returned &= np.linalg.norm(back - start[row], axis=1) <= WORST_RETURN
    arrived = np.zeros(begun.shape, np.float32)
    difference = np.full(begun.shape[:2], np.inf)
    arrived[row, way], difference[row, way] = there, np.where(returned, unlike, np.inf)
    best = difference.argmin(axis=1)[:, None]
    xy = np.take_along_axis(arrived, best[:, :, None], axis=1)[:, 0].astype(np.float64)
    seen = np.isfinite(np.take_along_axis(difference, best, axis=1)[:, 0])
    return (xy + 0.5) / other.scale - 0.5, seen


def detect_corners(image: AlignmentImage) -> np.ndarray:
    """[K, 2] positions, in pixels of the original image, whose surroundings are easily found."""
    # None where there are none, which OpenCV's stubs do not know.
    found = np.asarray(
        cv2.goodFeaturesToTrack(image.grey, CORNERS, CORNER_QUALITY, CORNER_DISTANCE)
    )
    if not found.ndim:
        return np.zeros((0, 2))
    return (found.reshape(-1, 2).astype(np.float64) + 0.5) / image.scale - 0.5


def move_with_nearest(xy: np.ndarray, known_xy: np.ndarray, moved_xy: np.ndarray) -> np.ndarray:
    """[K, 2] positions moved as the nearest of known ones [N, 2] is to [N, 2]."""
    apart = ((xy[:, None] - known_xy[None]) ** 2).sum(axis=2)
    nearest = apart.argmin(axis=1)
    return np.asarray(xy + (moved_xy - known_xy)[nearest])


def _of_one_size(one: np.ndarray, two: np.ndarray) -> list[np.ndarray]:
    """Both with their right and lower borders continued: OpenCV wants images of one size."""
    height, width = np.maximum(one.shape, two.shape)
    return [
        cv2.copyMakeBorder(
            grey, 0, height - grey.shape[0], 0, width - grey.shape[1], cv2.BORDER_REPLICATE
        )
        for grey in (one, two)
    ]


def _to_texture(image: AlignmentImage, xy: np.ndarray) -> np.ndarray:
    """[K, 2] float32, as OpenCV wants it."""
    reduced = (np.asarray(xy, dtype=np.float64) + 0.5) * image.scale - 0.5
    return reduced.astype(np.float32)


def _track(
    one: np.ndarray, other: np.ndarray, start: np.ndarray, guess: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Positions [K, 2], whether they were found [K], and how far they look from alike [K]."""
    if not len(start):
        return start, np.zeros(0, bool), np.zeros(0)
    tracked, status, difference = cv2.calcOpticalFlowPyrLK(
        one,
        other,
        np.ascontiguousarray(start).reshape(-1, 1, 2),
        guess.copy().reshape(-1, 1, 2),
        winSize=WINDOW,
        maxLevel=LEVELS,
        criteria=STOP,
        flags=cv2.OPTFLOW_USE_INITIAL_FLOW,
    )
    return tracked[:, 0], status.ravel().astype(bool), difference.ravel()
