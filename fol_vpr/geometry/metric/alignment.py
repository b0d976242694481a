"""Refines matched positions by tracking image patches (pyramidal Lucas-Kanade).

Local features lie on a grid a quarter of a patch apart, and matches tend to have the same position
in both images. Tracking the image itself gives positions accurate to a fraction of a pixel.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np

# Longer side in pixels that images are reduced to.
MAX_SIDE = 640
# Prepared map images that are cached: at most 0.3 MB each, and about as much for the JPEG.
CACHED_IMAGES = 16
# Window in pixels, and pyramid levels above the image itself.
WINDOW = (15, 15)
LEVELS = 2
# Largest distance, in pixels of the reduced image, between a position and where tracking it to the
# other image and back ends.
MAX_ROUND_TRIP_ERROR = 0.7
# Standard deviation, in pixels, of the Gaussian window for local contrast normalisation, so that
# images of day and evening become comparable.
CONTRAST_SIGMA = 15.0
# Added to the local contrast (grey levels), so that uniform areas are not amplified to noise.
MIN_CONTRAST = 4.0
# Of cv2.goodFeaturesToTrack: how many, relative quality, distance in pixels.
MAX_CORNERS, CORNER_QUALITY, CORNER_DISTANCE = 400, 0.02, 9.0
STOP = (cv2.TERM_CRITERIA_EPS | cv2.TERM_CRITERIA_COUNT, 20, 0.02)


@dataclass(frozen=True, eq=False)
class AlignmentImage:
    """A reduced grey image with normalised local contrast, ready for tracking.

    Attributes:
        grey: [h, w] uint8, at most 640 pixels on the longer side.
        scale: its width divided by the width of the original image, whose pixels positions are
            given in.
    """

    grey: np.ndarray
    scale: float


def alignment_image(image: np.ndarray) -> AlignmentImage:
    """Prepare an image [H, W, 3] (RGB) or [H, W] (grey) of uint8 for tracking."""
    return _normalised(image, image.shape[1])


@lru_cache(maxsize=CACHED_IMAGES)
def alignment_image_from_jpeg(jpeg: bytes, size: tuple[int, int]) -> AlignmentImage | None:
    """Prepare an encoded image for tracking; None where it cannot be decoded.

    The most recent results are cached, because a robot meets the same map images several times in
    a row.

    Args:
        jpeg: the encoded image, which may be a reduced copy of the original.
        size: width and height of the original image in pixels.
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
    centred = smooth - cv2.GaussianBlur(smooth, (0, 0), CONTRAST_SIGMA)
    contrast = np.sqrt(cv2.GaussianBlur(centred * centred, (0, 0), CONTRAST_SIGMA)) + MIN_CONTRAST
    normalised = np.clip(128 + 50 * centred / contrast, 0, 255).astype(np.uint8)
    return AlignmentImage(normalised, grey.shape[1] / original_width)


def track_points(
    fixed: AlignmentImage,
    other: AlignmentImage,
    fixed_xy: np.ndarray,
    guesses: Sequence[np.ndarray],
) -> tuple[np.ndarray, np.ndarray]:
    """Track positions from one image to another (pyramidal Lucas-Kanade, OpenCV).

    Each position is tracked from every guess, and back again. Of the guesses that return to where
    they started, the one with the smallest difference of the image patches is taken.

    Args:
        fixed: the image that `fixed_xy` are positions in.
        other: the image to track them to.
        fixed_xy: [K, 2] positions in pixels of the original of `fixed`.
        guesses: each [K, 2], approximate positions in pixels of the original of `other`; NaN where
            the guess has none.

    Returns:
        [K, 2] positions in pixels of the original of `other`, and [K] bool, whether the position
        was tracked; the position of one that was not has no meaning.
    """
    start = _to_reduced(fixed, fixed_xy)
    # All guesses in one call: OpenCV rebuilds the pyramids of both images in every call.
    initial = np.stack([_to_reduced(other, guess) for guess in guesses], axis=1)
    row, guess_number = np.nonzero(np.isfinite(initial).all(axis=2))
    one, two = _pad_to_one_size(fixed.grey, other.grey)
    there, found, mismatch = _track(one, two, start[row], initial[row, guess_number])
    height, width = other.grey.shape
    found &= ((there >= 0) & (there <= (width - 1, height - 1))).all(axis=1)
    row, guess_number = row[found], guess_number[found]
    there, mismatch = there[found], mismatch[found]
    back, returned, _ = _track(two, one, there, start[row])
    returned &= np.linalg.norm(back - start[row], axis=1) <= MAX_ROUND_TRIP_ERROR
    tracked = np.zeros(initial.shape, np.float32)
    difference = np.full(initial.shape[:2], np.inf)
    tracked[row, guess_number] = there
    difference[row, guess_number] = np.where(returned, mismatch, np.inf)
    best = difference.argmin(axis=1)[:, None]
    xy = np.take_along_axis(tracked, best[:, :, None], axis=1)[:, 0].astype(np.float64)
    valid = np.isfinite(np.take_along_axis(difference, best, axis=1)[:, 0])
    return (xy + 0.5) / other.scale - 0.5, valid


def detect_corners(image: AlignmentImage) -> np.ndarray:
    """[K, 2] corners in pixels of the original image (Shi and Tomasi, OpenCV); K may be 0."""
    # OpenCV returns None where there are no corners, which its stubs do not tell.
    found = np.asarray(
        cv2.goodFeaturesToTrack(image.grey, MAX_CORNERS, CORNER_QUALITY, CORNER_DISTANCE)
    )
    if not found.ndim:
        return np.zeros((0, 2))
    return (found.reshape(-1, 2).astype(np.float64) + 0.5) / image.scale - 0.5


def move_with_nearest(xy: np.ndarray, known_xy: np.ndarray, moved_xy: np.ndarray) -> np.ndarray:
    """Displace positions by the displacement of the nearest known position.

    Args:
        xy: [K, 2] positions.
        known_xy: [N, 2] positions whose displacement is known, N at least 1.
        moved_xy: [N, 2] where those are after it.

    Returns:
        [K, 2].
    """
    squares = ((xy[:, None] - known_xy[None]) ** 2).sum(axis=2)
    nearest = squares.argmin(axis=1)
    return np.asarray(xy + (moved_xy - known_xy)[nearest])


def _pad_to_one_size(one: np.ndarray, two: np.ndarray) -> list[np.ndarray]:
    """Both images, padded at the right and below: OpenCV requires images of one size."""
    height, width = np.maximum(one.shape, two.shape)
    return [
        cv2.copyMakeBorder(
            grey, 0, height - grey.shape[0], 0, width - grey.shape[1], cv2.BORDER_REPLICATE
        )
        for grey in (one, two)
    ]


def _to_reduced(image: AlignmentImage, xy: np.ndarray) -> np.ndarray:
    """Positions [K, 2] in pixels of the reduced image, float32 as OpenCV requires."""
    reduced = (np.asarray(xy, dtype=np.float64) + 0.5) * image.scale - 0.5
    return reduced.astype(np.float32)


def _track(
    one: np.ndarray, other: np.ndarray, start: np.ndarray, guess: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Positions [K, 2], whether they were found [K], and the difference of the patches [K]."""
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
