"""Preprocessing: from an RGB image to the network's input, and back to its pixels."""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from fol_vpr.config import NetworkConfig
from fol_vpr.errors import InputError
from fol_vpr.network.model.vit import PATCH

RELEASED_SIZE = 322
"""Side in pixels of the input of the released evaluation."""
MEAN = (0.485, 0.456, 0.406)
DEVIATION = (0.229, 0.224, 0.225)
"""Standard deviation of red, green and blue (0 to 1) on ImageNet; `MEAN` is their mean."""
# Fewest patches along a side of the input with `keep_aspect`.
_MIN_PATCHES_PER_SIDE = 4


def preprocessing_id(config: NetworkConfig) -> str:
    """Name of the preprocessing that `config` selects, as maps record it."""
    return f'{config.resize}-{config.input_size}-imagenet'


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


def to_input(image: np.ndarray, size: tuple[int, int], device: torch.device) -> Tensor:
    """Resize and normalise an image as the released evaluation does.

    The released code normalises first and resizes then, bilinearly without antialiasing
    (torchvision 0.15's resize of a tensor). Interpolation weights sum to 1, so the order makes no
    difference beyond rounding; resizing first is faster.

    Args:
        image: [H, W, 3] uint8, RGB.
        size: height and width of the result.
        device: where to compute.

    Returns:
        [3, height, width] float32.
    """
    return _resized(_tensor(image).to(device), size)


def _tensor(image: np.ndarray) -> Tensor:
    return torch.from_numpy(np.require(image, requirements=['C', 'W']))


def _resized(pixels: Tensor, size: tuple[int, int]) -> Tensor:
    """[H, W, 3] uint8 to the network's input [3, height, width] float32, on the same device."""
    resized = F.interpolate(
        pixels.permute(2, 0, 1).unsqueeze(0).float(),
        size=size,
        mode='bilinear',
        align_corners=False,
        antialias=False,
    )
    return normalise(resized.squeeze(0))


def normalise(pixels: Tensor) -> Tensor:
    """Normalise colours from 0 to 255, [..., 3, H, W] of any dtype, to the network's float32."""
    mean, deviation = _colours(pixels.device)
    return (pixels.float() / 255 - mean) / deviation


@functools.cache
def _colours(device: torch.device) -> tuple[Tensor, Tensor]:
    """Mean and deviation [3, 1, 1] on a device; cached, because an upload waits for the GPU."""
    with torch.inference_mode(False):
        mean, deviation = torch.tensor(MEAN, device=device), torch.tensor(DEVIATION, device=device)
        return mean.view(3, 1, 1), deviation.view(3, 1, 1)


@dataclass(frozen=True, eq=False)
class PreparedImage:
    """An image after all preprocessing that can run while the network is busy.

    Attributes:
        pixels: for the CPU the network's input [3, h, w] float32. For CUDA the image itself,
            [H, W, 3] uint8, in page-locked memory: uint8 is uploaded faster than float32, and
            resizing on the GPU takes less time than that saves.
        size: height and width of the network's input.
        image_size: width and height of the original image.
    """

    pixels: Tensor
    size: tuple[int, int]
    image_size: tuple[int, int]


def prepare(image: np.ndarray, config: NetworkConfig, device: torch.device) -> PreparedImage:
    """Do all preprocessing that needs no network; may be called from any thread.

    Raises:
        InputError: the image is not [H, W, 3] uint8, or the input size is invalid.
    """
    height, width = check_image(image)
    size = input_size(height, width, config)
    if device.type == 'cuda':
        pixels = _tensor(image).pin_memory()
    else:
        pixels = to_input(image, size, device)
    return PreparedImage(pixels, size, (width, height))


def to_batch(images: Sequence[PreparedImage], device: torch.device) -> Tensor:
    """The network's input [B, 3, h, w] from images prepared for one input size and `device`."""
    if device.type != 'cuda':
        return torch.stack([image.pixels for image in images])
    uploads = [image.pixels.to(device, non_blocking=True) for image in images]
    return torch.stack([_resized(u, image.size) for u, image in zip(uploads, images, strict=True)])


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
