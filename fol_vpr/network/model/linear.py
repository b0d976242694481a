"""Linear layers, and their forms for inference on a CPU: packed, or in 8 bits a number."""

from __future__ import annotations

import functools
import platform
import warnings
from pathlib import Path
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

Activation = Literal['none', 'gelu']

# What torch's compiler calls for frozen weights, though not documented; measured on x86 alone.
_OPERATORS = ('_linear_pointwise', '_reorder_linear_weight', '_is_mkldnn_bf16_supported')
_ONEDNN = (
    platform.machine() in ('x86_64', 'AMD64')
    and torch.backends.mkldnn.is_available()
    and all(hasattr(torch.ops.mkldnn, name) for name in _OPERATORS)
)


def packs(dtype: torch.dtype) -> bool:
    """Whether this machine has packed linear layers of a dtype."""
    if dtype == torch.bfloat16:
        return _ONEDNN and bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())
    return _ONEDNN and dtype == torch.float32


def linear(layer: nn.Module, x: Tensor, activation: Activation = 'none') -> Tensor:
    """The layer of x [..., C], and GELU of that where asked for, in the dtype of the weights."""
    if isinstance(layer, (PackedLinear, QuantizedLinear)):
        return layer(x, activation)
    assert isinstance(layer, nn.Linear)
    x = layer(x.to(layer.weight.dtype))
    return F.gelu(x) if activation == 'gelu' else x


class PackedLinear(nn.Module):
    """A linear layer with its weights in the order that oneDNN's matrix product reads them in.

    torch would rearrange them in each call, copy the bias into the result before the product, and
    pass over the result once more for GELU.

    Args:
        layer: on the CPU; its weights are copied.
        rows: how many rows the input will have, about; others are computed as well.
    """

    def __init__(self, layer: nn.Linear, rows: int) -> None:
        super().__init__()
        self._weight = torch.ops.mkldnn._reorder_linear_weight(layer.weight.detach(), rows)
        self._bias = None if layer.bias is None else layer.bias.detach()

    def forward(self, x: Tensor, activation: Activation = 'none') -> Tensor:
        """The layer of x [..., C], and GELU of that where asked for; gives no gradients."""
        # The exact GELU is the algorithm that oneDNN calls none.
        algorithm = 'none' if activation == 'gelu' else ''
        return torch.ops.mkldnn._linear_pointwise(
            x.to(self._weight.dtype), self._weight, self._bias, activation, [], algorithm
        )


@functools.cache
def has_fast_int8() -> bool:
    """Whether this processor multiplies 8 bit numbers faster than float32, and torch uses it."""
    try:
        flags = set(Path('/proc/cpuinfo').read_text().split())
    except OSError:
        return False
    engines = torch.backends.quantized.supported_engines
    return bool(flags & {'avx512_vnni', 'avx_vnni'}) and 'x86' in engines


class QuantizedLinear(nn.Module):
    """A linear layer whose product is one of 8 bit numbers.

    Each row of the weights has a scale of its own, and so has each input, which is quantised when
    it comes; bias, result and GELU are float32.

    Args:
        layer: on the CPU, float32; its weights are copied.
    """

    def __init__(self, layer: nn.Linear) -> None:
        super().__init__()
        weight = layer.weight.detach().float()
        scales = (weight.abs().amax(1) / 127).clamp(min=1e-12).double()
        zeros = torch.zeros(len(weight), dtype=torch.long)
        rounded = torch.quantize_per_channel(weight, scales, zeros, 0, torch.qint8)
        bias = None if layer.bias is None else layer.bias.detach().float()
        self._packed = torch.ops.quantized.linear_prepack(rounded, bias)

    def forward(self, x: Tensor, activation: Activation = 'none') -> Tensor:
        """The layer of x [..., C], and GELU of that where asked for; gives no gradients."""
        x = torch.ops.quantized.linear_dynamic(x.float(), self._packed, False)
        return F.gelu(x) if activation == 'gelu' else x


def quantize(net: nn.Module) -> None:
    """Replace the linear layers in `net`, on the CPU in float32, by quantised ones, in place."""
    with warnings.catch_warnings():
        # torch means its own tools for quantising whole networks, not the operators.
        warnings.filterwarnings('ignore', message='.*quant', category=Warning)
        for module in net.modules():
            for name, child in module.named_children():
                if isinstance(child, nn.Linear):
                    setattr(module, name, QuantizedLinear(child))


def pack(net: nn.Module, rows: int) -> None:
    """Replace the linear layers in `net` by packed ones, in place, where this machine has them.

    Args:
        net: on the CPU; its parameters in these layers are gone afterwards.
        rows: as for `PackedLinear`.
    """
    for module in net.modules():
        for name, child in module.named_children():
            if isinstance(child, nn.Linear) and packs(child.weight.dtype):
                setattr(module, name, PackedLinear(child, rows))
