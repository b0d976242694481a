"""Preprocessing: from an RGB image to the network's input, and back to its pixels."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from fol_vpr.config import NetworkConfig
from fol_vpr.errors import InputError
from fol_vpr.network.model.architectures import PATCH

RELEASED_SIZE = 322
"""Side in pixels of the input of the released evaluation."""
MEAN = (0.485, 0.456, 0.406)
DEVIATION = (0.229, 0.224, 0.225)
"""Standard deviation of red, green and blue (0 to 1) on ImageNet; `MEAN` is their mean."""
# Fewest patches along a side of the input with `keep_aspect`.
_MIN_PATCHES_PER_SIDE = 4


def preprocessing_id(config: NetworkConfig) -> str:
    """Name of the preprocessing that `config` selects, as maps record it."""
    return preprocessing_of(config.resize, config.input_size)


def preprocessing_of(resize: str, size: int) -> str:
    """`preprocessing_id` of the settings `resize` and `input_size`."""
    return f'{resize}-{size}-imagenet'


def with_preprocessing(config: NetworkConfig, recorded: str) -> NetworkConfig:
    """`config` with the settings that a recorded `preprocessing_id` stands for.

    Raises:
        InputError: this version does not know the preprocessing.
    """
    resize, _, rest = recorded.rpartition('-')[0].rpartition('-')
    if rest.isdecimal():
        candidate = replace(config, resize=resize, input_size=int(rest))
        if preprocessing_id(candidate) == recorded:
            return candidate
    raise InputError(f'unknown preprocessing {recorded!r}; a newer fol_vpr may know it')


def input_size(height: int, width: int, config: NetworkConfig) -> tuple[int, int]:
    """Height and width of the network's input for an image of `height` x `width` pixels.

    With `keep_aspect`, every image gets about as many patches as a square of `input_size`, and at
    least 4 along each side: the aspect ratio is kept up to patches / 16 (1:33 at 322 px).

    Raises:
        InputError: the configured size is not a multiple of 14.
    """
    side = config.input_size
    if side % PATCH:
        nearest = round(side / PATCH) * PATCH
        raise InputError(f'input_size is {side}, expected a multiple of {PATCH} such as {nearest}')
    if config.resize == 'fixed':
        return side, side
    patches = (side // PATCH) ** 2
    rows = round(math.sqrt(patches * height / width))
    rows = min(max(rows, _MIN_PATCHES_PER_SIDE), patches // _MIN_PATCHES_PER_SIDE)
    columns = round(patches / rows)
    return rows * PATCH, columns * PATCH


def check_image(image: np.ndarray) -> tuple[int, int]:
    """Height and width of an RGB image.

    Raises:
        InputError: it is not [H, W, 3] uint8.
    """
    shape, dtype = np.shape(image), getattr(image, 'dtype', None)
    if len(shape) != 3 or shape[2] != 3 or 0 in shape or dtype != np.uint8:
        raise InputError(
            f'expected an RGB image [height, width, 3] of uint8, got {shape} of {dtype}'
        )
    return shape[0], shape[1]


def to_input(image: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Resize and normalise an image as the released evaluation does.

    The released code normalises first and resizes then, bilinearly without antialiasing
    (torchvision 0.15's resize of a tensor). Interpolation weights sum to 1, so the order makes no
    difference beyond rounding; resizing first is faster. Only the pixels that the result depends
    on are read and converted, where `torch.nn.functional.interpolate` converts all of them. That
    takes 4 to 7 times as long for images of 1280x720 and more, and less time for images of about
    the size of the result.

    Args:
        image: [H, W, 3] uint8, RGB.
        size: height and width of the result.

    Returns:
        [3, height, width] float32; equal to `tensors.to_input` within 1e-6.
    """
    row, next_row, down = _sampling(image.shape[0], size[0])
    column, next_column, right = _sampling(image.shape[1], size[1])
    upper, lower = image[row], image[next_row]
    across = right[None, :, None]
    resized = _blend(upper, column, next_column, across)
    below = _blend(lower, column, next_column, across)
    below -= resized
    below *= down[:, None, None]
    resized += below
    resized -= 255 * np.array(MEAN, np.float32)
    resized /= 255 * np.array(DEVIATION, np.float32)
    return np.ascontiguousarray(resized.transpose(2, 0, 1))


def _sampling(length: int, count: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """For `count` samples along `length` pixels: pixel before, pixel behind, and weight of that.

    torch computes the position in float32, with one rounding where the processor fuses product
    and sum. Double precision, rounded once, gives that for images of any size.
    """
    scale = float(np.float32(length) / np.float32(count))
    at = ((np.arange(count) + 0.5) * scale - 0.5).astype(np.float32).clip(0)
    before = at.astype(np.intp).clip(max=length - 1)
    weight = at - before.astype(np.float32)
    return before, (before + 1).clip(max=length - 1), weight


def _blend(
    rows: np.ndarray, column: np.ndarray, next_column: np.ndarray, weight: np.ndarray
) -> np.ndarray:
    """Columns between `column` and `next_column` of rows [h, W, 3], as float32."""
    left = rows.take(column, axis=1).astype(np.float32)
    right = rows.take(next_column, axis=1).astype(np.float32)
    right -= left
    right *= weight
    left += right
    return left


@dataclass(frozen=True, eq=False)
class PreparedImage:
    """An image after all preprocessing that can run while the network is busy.

    Attributes:
        pixels: the network's input [3, h, w] float32. For torch on CUDA the image itself as a
            tensor [H, W, 3] uint8 in page-locked memory: uint8 is uploaded faster than float32,
            and resizing on the GPU takes less time than that saves.
        size: height and width of the network's input.
        image_size: width and height of the original image.
    """

    pixels: Any
    size: tuple[int, int]
    image_size: tuple[int, int]


def to_original(
    positions: np.ndarray, size: tuple[int, int], image_size: tuple[int, int]
) -> np.ndarray:
    """Move pixel positions [N, 2] from the network's input to the original image.

    Args:
        positions: x and y; (0, 0) is the centre of the top left pixel.
        size: height and width of the network's input.
        image_size: width and height of the original image.
    """
    scale = np.asarray([image_size[0] / size[1], image_size[1] / size[0]], dtype=np.float32)
    return (positions + np.float32(0.5)) * scale - np.float32(0.5)
