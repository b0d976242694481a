"""Reproducible parameters and images for comparisons with the authors' code.

`test/network/model/expected.npz` holds what the released network computes for them.
"""

from __future__ import annotations

import zlib

import numpy as np
import torch
from torch import nn


def parameter(name: str, shape: tuple[int, ...]) -> np.ndarray:
    """Value of the parameter `name`, float32: large enough that every part affects the output."""
    noise = _generator(zlib.crc32(name.encode())).standard_normal(shape).astype(np.float32)
    *path, leaf = name.split('.')
    if leaf == 'gamma':
        value = 0.3 + 0.05 * noise
    elif leaf == 'bias':
        value = 0.02 * noise
    elif leaf in ('cls_token', 'pos_embed', 'mask_token'):
        value = 0.5 * noise
    elif 'norm' in path[-1] or len(shape) == 1:
        value = 1 + 0.1 * noise
    else:
        value = noise * (1.5 / np.sqrt(int(np.prod(shape[1:]))))
    return np.asarray(value, dtype=np.float32)


def image(seed: int, height: int, width: int) -> np.ndarray:
    """Smooth waves with 15 % noise, float32 [3, height, width] in [0, 1]."""
    rng = _generator(seed)
    y, x = np.mgrid[0:height, 0:width].astype(np.float64)
    waves = np.zeros((3, height, width))
    for channel in range(3):
        for _ in range(12):
            fx, fy = rng.uniform(0, 0.15), rng.uniform(0, 0.15)
            phase, amplitude = rng.uniform(0, 6.28), rng.uniform(0.2, 1)
            waves[channel] += amplitude * np.sin(fx * x + fy * y + phase)
    waves = (waves - waves.min()) / (waves.max() - waves.min())
    return (0.85 * waves + 0.15 * rng.random((3, height, width))).astype(np.float32)


def fill(net: nn.Module, prefix: str = '') -> None:
    """Set every parameter of `net` to the value of `parameter`, in place."""
    with torch.no_grad():
        for name, values in net.named_parameters():
            values.copy_(torch.from_numpy(parameter(prefix + name, tuple(values.shape))))


def projections(rows: np.ndarray, count: int = 24) -> np.ndarray:
    """Summarise `rows` [N, C] in a few numbers that depend on every entry and its position.

    Returns:
        [count + C]: projections of the flat rows on fixed random directions, and a mean of the
        rows with fixed random signs.
    """
    rows = np.asarray(rows, dtype=np.float64)
    rng = _generator(rows.size)
    flat = rows.ravel()
    directions = [flat @ (rng.integers(0, 2, flat.size) * 2 - 1) for _ in range(count)]
    signs = rng.integers(0, 2, len(rows)) * 2 - 1
    return np.concatenate([np.array(directions) / np.sqrt(flat.size), signs @ rows / len(rows)])


def _generator(seed: int) -> np.random.Generator:
    return np.random.Generator(np.random.PCG64(seed))
