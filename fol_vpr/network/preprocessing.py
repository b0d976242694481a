"""Preprocessing: from an RGB image to the network's input, and back to its pixels."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

import cv2
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
    difference beyond rounding; resizing first is faster. OpenCV resizes, which needs no torch
    and less time.

    Args:
        image: [H, W, 3] uint8, RGB.
        size: height and width of the result.

    Returns:
        [3, height, width] float32. `tensors.to_input` may differ by up to 5e-4 in noise, because
        torch computes the positions of the samples in float32.
    """
    # OpenCV interpolates uint8 in fixed point, float32 in float32.
    resized = cv2.resize(
        image.astype(np.float32, order='C'), size[::-1], interpolation=cv2.INTER_LINEAR
    )
    planes: np.ndarray = np.stack(cv2.split(resized))
    planes -= 255 * np.array(MEAN, np.float32)[:, None, None]
    planes /= 255 * np.array(DEVIATION, np.float32)[:, None, None]
    return planes


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
