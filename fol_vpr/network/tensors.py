"""Preprocessing on torch tensors: for CUDA and for training."""

from __future__ import annotations

import functools

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from fol_vpr.network.preprocessing import DEVIATION, MEAN


def to_input(image: np.ndarray, size: tuple[int, int], device: torch.device) -> Tensor:
    """Resize and normalise an image as the released evaluation does.

    `preprocessing.to_input` does the same without torch.

    Args:
        image: [H, W, 3] uint8, RGB.
        size: height and width of the result.
        device: where to compute.

    Returns:
        [3, height, width] float32.
    """
    return resized(as_tensor(image).to(device), size)


def as_tensor(image: np.ndarray) -> Tensor:
    """An image as a tensor that shares its memory where it can."""
    return torch.from_numpy(np.require(image, requirements=['C', 'W']))


def resized(pixels: Tensor, size: tuple[int, int]) -> Tensor:
    """[H, W, 3] uint8 to the network's input [3, height, width] float32, on the same device."""
    found = F.interpolate(
        pixels.permute(2, 0, 1).unsqueeze(0).float(),
        size=size,
        mode='bilinear',
        align_corners=False,
        antialias=False,
    )
    return normalise(found.squeeze(0))


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
