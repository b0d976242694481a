"""Deterministic random parameters.

They depend on the parameter's name and shape alone, not on torch's version, its global random
state, the device, or the order of the modules.
"""

from __future__ import annotations

import hashlib
import math

import numpy as np
import torch
from torch import nn

_TOKEN_DEVIATION = 0.02


def initialise(net: nn.Module) -> None:
    """Set every parameter of `net` to its deterministic value, in place.

    Weights preserve the variance of their input (He et al., arXiv 1502.01852, with gain 1), biases
    are 0, normalisations and LayerScale are 1, tokens and positions have a deviation of 0.02.
    """
    with torch.no_grad():
        for name, parameter in net.named_parameters():
            parameter.copy_(torch.from_numpy(initial_value(name, tuple(parameter.shape))))


def initial_value(name: str, shape: tuple[int, ...]) -> np.ndarray:
    """Value of the parameter called `name`, float32."""
    leaf = name.rsplit('.', 1)[-1]
    if leaf == 'bias':
        return np.zeros(shape, dtype=np.float32)
    if leaf == 'gamma' or len(shape) == 1:
        return np.ones(shape, dtype=np.float32)
    token = leaf in ('cls_token', 'pos_embed', 'mask_token')
    deviation = _TOKEN_DEVIATION if token else 1 / math.sqrt(_fan_in(name, shape))
    seed = int.from_bytes(hashlib.sha256(name.encode()).digest()[:16], 'big')
    generator = np.random.Generator(np.random.PCG64(seed))
    # Drawn in float64: rounding to float32 removes differences between mathematical libraries.
    return (generator.standard_normal(shape) * deviation).astype(np.float32)


def _fan_in(name: str, shape: tuple[int, ...]) -> int:
    """Inputs that one output sums over; a transposed 3x3 convolution of stride 2 has 9/4 taps."""
    if name.startswith('upconv'):
        return shape[0] * 9 // 4
    return math.prod(shape[1:])


def allocate(net: nn.Module) -> None:
    """Give parameters without memory (device meta) memory on the CPU, with any values.

    `net.to_empty(device='cpu')` does so too, but imports sympy in torch 2.13: half a second and
    36 MB. The network has no buffers.
    """
    for module in net.modules():
        for name, parameter in module.named_parameters(recurse=False):
            if parameter.is_meta:
                empty = torch.empty(parameter.shape, dtype=parameter.dtype)
                setattr(module, name, nn.Parameter(empty, parameter.requires_grad))
