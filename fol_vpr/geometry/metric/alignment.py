"""Refines matched positions by tracking image patches (pyramidal Lucas-Kanade).

Local features lie on a grid a quarter of a patch apart, and matches tend to have the same position
in both images. Tracking the image itself gives positions accurate to a fraction of a pixel.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from types import ModuleType

import cv2
import numpy as np

from fol_vpr import compiled
from fol_vpr.geometry.metric.cache import ByteCache
from fol_vpr.geometry.side_by_side import side_by_side, threads

# Longer side in pixels that images are reduced to.
MAX_SIDE = 640
# Bytes that the prepared map images together may take: 240 of 320x240 pixels, 65 of 640x480.
CACHED_BYTES = 32_000_000
# Window in pixels.
WINDOW = (15, 15)
# The coarsest level of the pyramid is about so many pixels on the longer side, and at most so many
# levels are above the image itself: more of them lead small images astray, and take time.
COARSEST_SIDE, MAX_LEVELS = 160, 2
# Largest distance, in pixels of the reduced image, between a position and where tracking it to the
# other image and back ends.
MAX_ROUND_TRIP_ERROR = 0.7
# Standard deviation, in pixels, of the Gaussian window for local contrast normalisation, so that
# images of day and evening become comparable.
CONTRAST_SIGMA = 15.0
# Added to the local contrast (grey levels), so that uniform areas are not amplified to noise.
MIN_CONTRAST = 4.0
# So wide a window hardly sees pixels: it is computed on an image reduced by this factor.
CONTRAST_REDUCTION = 4
# Guesses are compared in images reduced by this factor, by patches that reach so many pixels of
# the reduced image from their centre.
COARSE_REDUCTION = 4
COARSE_REACH = 3
# Pixels per row of the pictures in which all coarse patches are sampled in one call of OpenCV.
SAMPLES_PER_ROW = 1024
# Of cv2.goodFeaturesToTrack: how many, relative quality, distance in pixels.
MAX_CORNERS, CORNER_QUALITY, CORNER_DISTANCE = 400, 0.02, 9.0
# Fewest positions that are worth a call of their own, and how many calls each thread makes.
MIN_SHARE, SHARES_EACH = 20, 2
STOP = (cv2.TERM_CRITERIA_EPS | cv2.TERM_CRITERIA_COUNT, 20, 0.02)


@dataclass(frozen=True, eq=False)
class AlignmentImage:
    """A reduced grey image with normalised local contrast, ready for tracking.

    Attributes:
        pyramid: uint8, the image and the levels of its pyramid above it, one after the other.
        levels: [L, 3] of each level the first of its pixels there, its height and width.
        scale: the image's width divided by the width of the original image, whose pixels
            positions are given in.
        source: digest of what it was made from; empty where it is used once only.
    """

    pyramid: np.ndarray
    levels: np.ndarray
    scale: float
    source: bytes = b''

    @property
    def grey(self) -> np.ndarray:
        """[h, w] uint8, the image, at most 640 pixels on the longer side."""
        _, height, width = self.levels[0]
        return self.pyramid[: height * width].reshape(height, width)

    @property
    def corners_known(self) -> bool:
        """Whether `corners` were asked for before, and are at hand."""
        return 'corners' in vars(self)

    def find_corners(self) -> None:
        """Have `corners` at hand."""
        _ = self.corners

    @cached_property
    def corners(self) -> np.ndarray:
        """[K, 2] corners in pixels of the original image (Shi and Tomasi, OpenCV); K may be 0."""
        # OpenCV returns None where there are no corners, which its stubs do not tell.
        found = np.asarray(
            cv2.goodFeaturesToTrack(self.grey, MAX_CORNERS, CORNER_QUALITY, CORNER_DISTANCE)
        )
        if not found.ndim:
            return np.zeros((0, 2))
        return (found.reshape(-1, 2).astype(np.float64) + 0.5) / self.scale - 0.5

    @cached_property
    def coarse(self) -> np.ndarray:
        """The image reduced to a quarter of its size, float32."""
        return _reduced(self.grey.astype(np.float32), COARSE_REDUCTION)

    @cached_property
    def coarse_factors(self) -> np.ndarray:
        """[2] float32, from pixels of the image to those of the coarse one, in x and y."""
        shapes = np.array([self.coarse.shape, self.grey.shape], np.float32)[:, ::-1]
        return np.asarray(shapes[0] / shapes[1])


_prepared: ByteCache[AlignmentImage] = ByteCache(CACHED_BYTES)


def alignment_image(image: np.ndarray) -> AlignmentImage:
    """Prepare an image [H, W, 3] (RGB) or [H, W] (grey) of uint8 for tracking."""
    return _normalised(image, image.shape[1])


def alignment_image_from_jpeg(jpeg: bytes, size: tuple[int, int]) -> AlignmentImage | None:
    """Prepare an encoded image for tracking; None where it cannot be decoded.

    The results are cached by the bytes of the image, because a robot meets the same map images
    again and again.

    Args:
        jpeg: the encoded image, which may be a reduced copy of the original.
        size: width and height of the original image in pixels.
    """
    source = hashlib.blake2b(jpeg, digest_size=16, salt=b'%d' % size[0]).digest()
    known = _prepared.get(source)
    if known is not None:
        return known
    image = cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_GRAYSCALE)
    if image is None:
        return None
    prepared = _normalised(image, size[0], source)
    # Corners and the coarse image, which are made when they are needed, count from the start.
    size_later = prepared.pyramid.nbytes + prepared.grey.nbytes // 4 + 16 * MAX_CORNERS
    _prepared.put(source, prepared, size_later)
    return prepared


def prepared_image(source: bytes) -> AlignmentImage | None:
    """The image that `alignment_image_from_jpeg` made, by its `source`, while it is cached."""
    return _prepared.get(source)


def _normalised(image: np.ndarray, original_width: int, source: bytes = b'') -> AlignmentImage:
    grey = image if image.ndim == 2 else cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
    height, width = grey.shape
    reduced = min(1.0, MAX_SIDE / max(height, width))
    if reduced < 1:
        size = (max(1, round(width * reduced)), max(1, round(height * reduced)))
        grey = cv2.resize(grey, size, interpolation=cv2.INTER_AREA)
    # In place: memory that is new for each step takes as long as what is computed in it.
    centred = cv2.GaussianBlur(grey.astype(np.float32), (0, 0), 1.0)
    centred -= _wide_blur(centred)
    contrast = _wide_blur(np.multiply(centred, centred))
    np.sqrt(contrast, out=contrast)
    contrast += MIN_CONTRAST
    centred *= 50
    np.divide(centred, contrast, out=centred)
    centred += 128
    normalised = np.clip(centred, 0, 255, out=centred).astype(np.uint8)
    return AlignmentImage(*_pyramid(normalised), grey.shape[1] / original_width, source)


def _pyramid(grey: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The levels of an image [h, w] as `AlignmentImage` has them."""
    images = [grey]
    for _ in range(_levels(grey.shape)):
        images.append(cv2.pyrDown(images[-1]))
    first = np.cumsum([0, *(image.size for image in images[:-1])])
    levels = np.array([(start, *image.shape) for start, image in zip(first, images, strict=True)])
    return np.concatenate([image.reshape(-1) for image in images]), levels


def _wide_blur(image: np.ndarray) -> np.ndarray:
    """The image blurred by a Gaussian of 15 pixels; on reduced copies, in a tenth of the time."""
    height, width = image.shape
    blurred = cv2.GaussianBlur(
        _reduced(image, CONTRAST_REDUCTION), (0, 0), CONTRAST_SIGMA / CONTRAST_REDUCTION
    )
    return cv2.resize(blurred, (width, height), interpolation=cv2.INTER_LINEAR)


def _reduced(image: np.ndarray, factor: int) -> np.ndarray:
    height, width = image.shape
    size = (max(1, width // factor), max(1, height // factor))
    return cv2.resize(image, size, interpolation=cv2.INTER_AREA)


def track_points(
    fixed: AlignmentImage,
    other: AlignmentImage,
    fixed_xy: np.ndarray,
    guesses: Sequence[np.ndarray],
) -> tuple[np.ndarray, np.ndarray]:
    """Track positions from one image to another (pyramidal Lucas-Kanade, OpenCV).

    Each position is tracked from the guess whose surroundings look most like its own, and back
    again. Those that return to where they started count as tracked.

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
    start, each = _to_reduced(fixed, fixed_xy), _to_reduced(other, np.stack(guesses, axis=1))
    module = _compiled_tracking()
    if module is not None:
        xy, tracked = _track_compiled(module, fixed, other, start, each)
    else:
        xy = each[:, 0] if len(guesses) == 1 else _most_alike(fixed, other, start, each)
        tracked = np.isfinite(xy).all(axis=1)
        xy[tracked], tracked[tracked] = _there_and_back(fixed, other, start[tracked], xy[tracked])
    return (xy.astype(np.float64) + 0.5) / other.scale - 0.5, tracked


def _most_alike(
    fixed: AlignmentImage, other: AlignmentImage, start: np.ndarray, guesses: np.ndarray
) -> np.ndarray:
    """[K, 2] of the guesses [K, G, 2] those around which the coarse images differ least.

    The difference is the sum of squares after each patch's mean is subtracted. Guesses outside
    the image come last.
    """
    height, width = other.grey.shape
    with np.errstate(invalid='ignore'):
        inside = np.asarray(((guesses >= -1) & (guesses <= (width, height))).all(axis=2))
    wanted = _coarse_patches(fixed, start)[:, None]
    seen = _coarse_patches(other, np.where(inside[:, :, None], guesses, np.float32(0)))
    seen -= wanted
    seen -= seen.mean(axis=2, keepdims=True)
    differences = np.einsum('kgp,kgp->kg', seen, seen)
    differences[~inside] = np.inf
    best = differences.argmin(axis=1)
    return np.asarray(guesses[np.arange(len(best)), best])


def _coarse_patches(image: AlignmentImage, xy: np.ndarray) -> np.ndarray:
    """[..., P] grey values of the coarse image around positions [..., 2] of the reduced one."""
    coarse = image.coarse
    samples = (((xy + 0.5) * image.coarse_factors - 0.5)[..., None, :] + _PATCH).astype(np.float32)
    count = samples.size // 2
    rows = -(-count // SAMPLES_PER_ROW)
    x, y = np.zeros((2, rows, SAMPLES_PER_ROW), np.float32)
    x.reshape(-1)[:count] = samples[..., 0].reshape(-1)
    y.reshape(-1)[:count] = samples[..., 1].reshape(-1)
    seen = cv2.remap(coarse, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(seen.reshape(-1)[:count].reshape(samples.shape[:-1]))


# [P, 2] offsets of the pixels of a coarse patch.
_PATCH = np.stack(
    np.meshgrid(*[np.arange(-COARSE_REACH, COARSE_REACH + 1, dtype=np.float32)] * 2), axis=-1
).reshape(-1, 2)


def move_with_nearest(xy: np.ndarray, known_xy: np.ndarray, moved_xy: np.ndarray) -> np.ndarray:
    """Displace positions by the displacement of the nearest known position.

    Args:
        xy: [K, 2] positions.
        known_xy: [N, 2] positions whose displacement is known, N at least 1.
        moved_xy: [N, 2] where those are after it.

    Returns:
        [K, 2].
    """
    module = _compiled_tracking()
    if module is not None:
        nearest = module.nearest(*map(np.ascontiguousarray, (xy, known_xy)))
        return np.asarray(xy + (moved_xy - known_xy)[nearest])
    # Squared distances, but for those of `xy` from the middle, which are the same in each row.
    centred = known_xy - known_xy.mean(axis=0)
    squares = (centred * centred).sum(axis=1)
    nearest = (squares - (xy - known_xy.mean(axis=0)) @ (2 * centred).T).argmin(axis=1)
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
    """Positions [..., 2] in pixels of the reduced image, float32 as OpenCV requires."""
    reduced = (np.asarray(xy, dtype=np.float64) + 0.5) * image.scale - 0.5
    return reduced.astype(np.float32)


def _there_and_back(
    fixed: AlignmentImage, other: AlignmentImage, start: np.ndarray, guess: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Positions [K, 2] in `other`, and [K] whether they lead back to where they started.

    Args:
        fixed: the image of `start`.
        other: the image of `guess`.
        start: [K, 2] float32, pixels of the reduced image.
        guess: [K, 2] float32, finite, likewise.
    """
    if not len(start):
        return guess, np.zeros(0, bool)
    xy, tracked = _track(fixed, other, start, guess)
    height, width = other.grey.shape
    tracked &= ((xy >= 0) & (xy <= (width - 1, height - 1))).all(axis=1)
    if tracked.any():
        back, returned = _track(other, fixed, xy[tracked], start[tracked])
        away = np.linalg.norm(back - start[tracked], axis=1)
        tracked[tracked] = returned & (away <= MAX_ROUND_TRIP_ERROR)
    return xy, tracked


def _track(
    fixed: AlignmentImage, moving: AlignmentImage, start: np.ndarray, guess: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Positions [K, 2] by OpenCV, and whether they were found [K]."""
    one, other = _pad_to_one_size(fixed.grey, moving.grey)
    tracked, status, _ = cv2.calcOpticalFlowPyrLK(
        one,
        other,
        np.ascontiguousarray(start).reshape(-1, 1, 2),
        guess.copy().reshape(-1, 1, 2),
        winSize=WINDOW,
        maxLevel=_levels(one.shape),
        criteria=STOP,
        flags=cv2.OPTFLOW_USE_INITIAL_FLOW,
    )
    return tracked[:, 0], status.ravel().astype(bool)


def _compiled_tracking() -> ModuleType | None:
    """The module compiled_tracking.py where it is ready."""
    return compiled.ready('fol_vpr.geometry.metric.compiled_tracking')


def _track_compiled(
    module: ModuleType,
    fixed: AlignmentImage,
    other: AlignmentImage,
    start: np.ndarray,
    guesses: np.ndarray,
) -> tuple[np.ndarray, np.ndarray]:
    """As `_most_alike` and `_there_and_back`, by the `module` compiled_tracking.py.

    Args:
        module: as imported.
        fixed: the image of `start`.
        other: the image of `guesses`.
        start: [K, 2] float32, pixels of the reduced image.
        guesses: [K, G, 2] float32 likewise; NaN where a guess has none.
    """
    count = min(len(fixed.levels), len(other.levels))
    xy, tracked = np.empty_like(start), np.empty(len(start), bool)
    images = fixed.pyramid, fixed.levels[:count], other.pyramid, other.levels[:count]
    coarse = fixed.coarse, other.coarse, fixed.coarse_factors, other.coarse_factors

    def track(rows: slice) -> None:
        where = start[rows], xy[rows], tracked[rows]
        given = MAX_ROUND_TRIP_ERROR, *coarse, guesses[rows], COARSE_REACH
        module.track_guesses(*images, *where, *given)

    # Positions take from one to twenty steps: with several shares for each thread, none waits.
    share = max(MIN_SHARE, -(-len(start) // (SHARES_EACH * threads())))
    side_by_side(track, [slice(row, row + share) for row in range(0, len(start), share)])
    return xy, tracked


def _levels(shape: tuple[int, ...]) -> int:
    """Pyramid levels above an image of this shape."""
    return min(MAX_LEVELS, max(0, round(math.log2(max(shape) / COARSEST_SIDE))))
