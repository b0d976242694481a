"""From an RGB image to the network's input."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from fol_vpr.config import NetworkConfig
from fol_vpr.errors import InputError
from fol_vpr.network.vit import PATCH

RELEASED_SIZE = 322
"""Side in pixels of the input of the released evaluation."""
_MEAN = (0.485, 0.456, 0.406)
_DEVIATION = (0.229, 0.224, 0.225)
_LEAST_PATCHES = 4


def preprocessing_id(config: NetworkConfig) -> str:
    """Name of the way that `config` brings images to the network, as maps record it."""
    return f'{config.resize}-{config.input_size}-imagenet'


def with_preprocessing(config: NetworkConfig, recorded: str) -> NetworkConfig:
    """`config` with the settings that a `preprocessing_id` names: its inverse.

    Raises:
        InputError: it names none that this version knows.
    """
    resize, _, rest = recorded.rpartition('-')[0].rpartition('-')
    if rest.isdecimal():
        candidate = replace(config, resize=resize, input_size=int(rest))
        if preprocessing_id(candidate) == recorded:
            return candidate
    raise InputError(f'unknown preprocessing {recorded!r}; a newer fol_vpr may know it')


def input_size(height: int, width: int, config: NetworkConfig) -> tuple[int, int]:
    """Height and width of the network's input for an image of `height` x `width` pixels.

    `keep_aspect` gives all images about as many patches, and strips at least 4 along either side:
    their aspect ratio is kept only up to patches / 16 (1:33 at 322 px).

    Raises:
        InputError: the configured size is no multiple of 14.
    """
    side = config.input_size
    if side % PATCH:
        near = round(side / PATCH) * PATCH
        raise InputError(f'input_size is {side}, expected a multiple of {PATCH} such as {near}')
    if config.resize == 'fixed':
        return side, side
    patches = (side // PATCH) ** 2
    rows = round(math.sqrt(patches * height / width))
    rows = min(max(rows, _LEAST_PATCHES), patches // _LEAST_PATCHES)
    columns = round(patches / rows)
    return rows * PATCH, columns * PATCH


def check_image(image: np.ndarray) -> tuple[int, int]:
    """Height and width of an RGB image.

    Raises:
        InputError: it is not [H, W, 3] of uint8.
    """
    shape, dtype = np.shape(image), getattr(image, 'dtype', None)
    if len(shape) != 3 or shape[2] != 3 or 0 in shape or dtype != np.uint8:
        raise InputError(
            f'an RGB image [height, width, 3] of uint8 is needed, got {shape} of {dtype}'
        )
    return shape[0], shape[1]


def to_input(image: np.ndarray, size: tuple[int, int], device: torch.device) -> Tensor:
    """Resize and normalise to what the released evaluation feeds its network.

    That one resizes the normalised image, bilinearly without antialiasing (torchvision 0.15's
    resize of a tensor). Interpolation weights sum to 1, so that the order makes no difference
    beyond rounding; this one touches fewer numbers.

    Args:
        image: [H, W, 3] uint8, RGB.
        size: height and width of the result.
        device: where to compute.

    Returns:
        [3, height, width] float32.
    """
    pixels = torch.from_numpy(np.require(image, requirements=['C', 'W'])).to(device)
    resized = F.interpolate(
        pixels.permute(2, 0, 1).unsqueeze(0).float(),
        size=size,
        mode='bilinear',
        align_corners=False,
        antialias=False,
    ).squeeze(0)
    return normalise(resized)


def normalise(pixels: Tensor) -> Tensor:
    """Colours from 0 to 255, [..., 3, H, W] of any dtype, to the network's float32."""
    mean = torch.tensor(_MEAN, device=pixels.device).view(3, 1, 1)
    deviation = torch.tensor(_DEVIATION, device=pixels.device).view(3, 1, 1)
    return (pixels.float() / 255 - mean) / deviation


def to_original(
    positions: np.ndarray, size: tuple[int, int], image_size: tuple[int, int]
) -> np.ndarray:
    """Move pixel positions [N, 2] from the network's input to the original image.

    Args:
        positions: x and y, the centre of the top left pixel being (0, 0).
        size: height and width of the network's input.
        image_size: width and height of the original image.
    """
    scale = np.asarray([image_size[0] / size[1], image_size[1] / size[0]], dtype=np.float32)
    return (positions + np.float32(0.5)) * scale - np.float32(0.5)
