"""Images in pictures: scaled, framed, put together, and written."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np

from fol_vpr.errors import InputError, StorageError
from fol_vpr.files import atomic_bytes
from fol_vpr.pictures.text import FAINT_INK, PAPER, RGB, Text, text_block

SUFFIXES = ('.png', '.jpg', '.jpeg', '.webp')
EMPTY: RGB = (226, 229, 233)
_QUALITY = 82
_OPTIONS = {
    '.jpg': [cv2.IMWRITE_JPEG_QUALITY, _QUALITY],
    '.jpeg': [cv2.IMWRITE_JPEG_QUALITY, _QUALITY],
    # Above 100, WebP is without loss.
    '.webp': [cv2.IMWRITE_WEBP_QUALITY, _QUALITY],
}
# Longest side of JPEG.
_MAX_SIDE = 65500


def fitted(image: np.ndarray, width: int, height: int) -> np.ndarray:
    """An image as large as the box allows, aspect ratio kept.

    Args:
        image: [H, W, 3] uint8.
        width, height: of the box in pixels.
    """
    scale = min(width / image.shape[1], height / image.shape[0])
    size = max(1, round(image.shape[1] * scale)), max(1, round(image.shape[0] * scale))
    method = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
    resized: np.ndarray = cv2.resize(image, size, interpolation=method)
    return resized


def empty_image(size: tuple[int, int], words: str) -> np.ndarray:
    """A grey image of a width and height with words in its middle."""
    width, height = max(size[0], 1), max(size[1], 1)
    canvas = np.full((height, width, 3), EMPTY, np.uint8)
    letters = max(11, min(22, width // 18))
    room = max(width - 2 * letters, 1)
    block = text_block(room, [Text(words, letters, colour=FAINT_INK)], paper=EMPTY)
    rows = min(len(block), height)
    top = (height - rows) // 2
    canvas[top : top + rows, letters : letters + room] = block[:rows, : width - letters]
    return canvas


def beside(images: Sequence[np.ndarray], gap: int, paper: RGB = PAPER) -> np.ndarray:
    """Images side by side, their upper edges in one line."""
    height = max(len(image) for image in images)
    parts: list[np.ndarray] = []
    for number, image in enumerate(images):
        if number:
            parts.append(np.full((height, gap, 3), paper, np.uint8))
        parts.append(padded(image, image.shape[1], height, paper))
    return np.concatenate(parts, axis=1)


def below(images: Sequence[np.ndarray], gap: int, paper: RGB = PAPER) -> np.ndarray:
    """Images below each other, their left edges in one line."""
    width = max(image.shape[1] for image in images)
    parts: list[np.ndarray] = []
    for number, image in enumerate(images):
        if number:
            parts.append(np.full((gap, width, 3), paper, np.uint8))
        parts.append(padded(image, width, len(image), paper))
    return np.concatenate(parts)


def padded(image: np.ndarray, width: int, height: int, paper: RGB = PAPER) -> np.ndarray:
    """An image in the upper left corner of a sheet."""
    sheet = np.full((height, width, 3), paper, np.uint8)
    sheet[: len(image), : image.shape[1]] = image
    return sheet


def with_margin(image: np.ndarray, margin: int, paper: RGB = PAPER) -> np.ndarray:
    """An image with a margin on all sides."""
    sides = (margin,) * 4
    framed: np.ndarray = cv2.copyMakeBorder(image, *sides, cv2.BORDER_CONSTANT, value=paper)
    return framed


def decoded(jpeg: bytes | None) -> np.ndarray | None:
    """The RGB image of stored bytes; None where there are none, or they are no image."""
    if not jpeg:
        return None
    image = cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR)
    return None if image is None else cv2.cvtColor(image, cv2.COLOR_BGR2RGB)


def jpeg_of(image: np.ndarray, quality: int = _QUALITY, limit: int = 0) -> bytes:
    """An RGB image as JPEG.

    Args:
        image: [H, W, 3] uint8.
        quality: from 0 to 100.
        limit: most bytes; the quality is lowered to 40, and then the image is made smaller, until
            it fits. 0 sets no limit.

    Raises:
        InputError: the image is too large for JPEG.
    """
    if max(image.shape[:2]) > _MAX_SIDE:
        raise InputError(f'an image of {image.shape[1]}x{image.shape[0]} pixels gives no JPEG')
    while True:
        data = _encoded(image, '.jpg', [cv2.IMWRITE_JPEG_QUALITY, quality])
        if not limit or len(data) <= limit or min(image.shape[:2]) < 32:
            return data
        if quality > 40:
            quality = max(40, quality - 15)
        else:
            smaller = min(0.9, math.sqrt(limit / len(data)))
            image = fitted(image, round(image.shape[1] * smaller), len(image))


def write_picture(path: str | Path, image: np.ndarray) -> None:
    """Write an RGB image; the suffix of the name sets the format.

    Raises:
        StorageError: the file cannot be written, or its suffix is of no format that is known.
    """
    path = Path(path)
    check_suffix(path)
    suffix = path.suffix.lower()
    encoded = _encoded(image, suffix, _OPTIONS.get(suffix, []))
    with atomic_bytes(path) as file:
        file.write(encoded)


def check_suffix(path: str | Path) -> None:
    """Check that the name of a picture says a format that can be written.

    Raises:
        StorageError: it does not.
    """
    if Path(path).suffix.lower() not in SUFFIXES:
        raise StorageError(
            f'the picture {path} cannot be written: give a name that ends in '
            f'{", ".join(SUFFIXES[:-1])} or {SUFFIXES[-1]}'
        )


def _encoded(image: np.ndarray, suffix: str, options: list[int]) -> bytes:
    bgr = cv2.cvtColor(image, cv2.COLOR_RGB2BGR)
    done, data = cv2.imencode(suffix, bgr, options)
    if not done:
        raise InputError(
            f'an image of {image.shape[1]}x{image.shape[0]} pixels cannot be written as {suffix}'
        )
    encoded: bytes = data.tobytes()
    return encoded
