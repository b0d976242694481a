"""From an RGB image to the network's input."""

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
"""Of red, green and blue from 0 to 1 over ImageNet, after the mean of the same."""
_MIN_PATCHES_PER_SIDE = 4


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
    rows = min(max(rows, _MIN_PATCHES_PER_SIDE), patches // _MIN_PATCHES_PER_SIDE)
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
    return _resized(_tensor(image).to(device), size)


def _tensor(image: np.ndarray) -> Tensor:
    return torch.from_numpy(np.require(image, requirements=['C', 'W']))


def _resized(pixels: Tensor, size: tuple[int, int]) -> Tensor:
    """[H, W, 3] uint8 to the network's input [3, height, width], where the pixels are."""
    resized = F.interpolate(
        pixels.permute(2, 0, 1).unsqueeze(0).float(),
        size=size,
        mode='bilinear',
        align_corners=False,
        antialias=False,
    )
    return normalise(resized.squeeze(0))


def normalise(pixels: Tensor) -> Tensor:
    """Colours from 0 to 255, [..., 3, H, W] of any dtype, to the network's float32."""
    mean, deviation = _colours(pixels.device)
    return (pixels.float() / 255 - mean) / deviation


@functools.cache
def _colours(device: torch.device) -> tuple[Tensor, Tensor]:
    """Mean and deviation; kept, because bringing them to a GPU would wait for it each time."""
    with torch.inference_mode(False):
        mean, deviation = torch.tensor(MEAN, device=device), torch.tensor(DEVIATION, device=device)
        return mean.view(3, 1, 1), deviation.view(3, 1, 1)


@dataclass(frozen=True, eq=False)
class PreparedImage:
    """An image after all that can be done to it before the network is free.

    Attributes:
        pixels: for the CPU the network's input [3, h, w] float32. For CUDA the image itself,
            [H, W, 3] uint8, in page-locked memory: it is smaller, and resizing takes the GPU less
            time than the upload of a float.
        size: height and width of the network's input.
        image_size: width and height of the image.
    """

    pixels: Tensor
    size: tuple[int, int]
    image_size: tuple[int, int]


def prepare(image: np.ndarray, config: NetworkConfig, device: torch.device) -> PreparedImage:
    """Do what needs no network; from any thread.

    Raises:
        InputError: the image is not [H, W, 3] of uint8.
    """
    height, width = check_image(image)
    size = input_size(height, width, config)
    if device.type == 'cuda':
        pixels = _tensor(image).pin_memory()
    else:
        pixels = to_input(image, size, device)
    return PreparedImage(pixels, size, (width, height))


def to_batch(images: Sequence[PreparedImage], device: torch.device) -> Tensor:
    """The network's input [B, 3, h, w] of images that were prepared for one size and `device`."""
    if device.type != 'cuda':
        return torch.stack([image.pixels for image in images])
    uploads = [image.pixels.to(device, non_blocking=True) for image in images]
    return torch.stack([_resized(u, image.size) for u, image in zip(uploads, images, strict=True)])


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
