"""Linear layers, and their packed and their 8 bit forms for inference on a CPU."""

from __future__ import annotations

import platform
import warnings
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

Activation = Literal['none', 'gelu']

# Undocumented operators that torch's compiler uses for frozen weights; tested on x86 only.
_OPERATORS = ('_linear_pointwise', '_reorder_linear_weight', '_is_mkldnn_bf16_supported')
_ONEDNN = (
    platform.machine() in ('x86_64', 'AMD64')
    and torch.backends.mkldnn.is_available()
    and all(hasattr(torch.ops.mkldnn, name) for name in _OPERATORS)
)


def packs(dtype: torch.dtype) -> bool:
    """Whether packed linear layers of a dtype are available on this machine."""
    if dtype == torch.bfloat16:
        return _ONEDNN and bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())
    return _ONEDNN and dtype == torch.float32


def apply_linear(layer: nn.Module, x: Tensor, activation: Activation = 'none') -> Tensor:
    """Apply a linear layer to x [..., C], then the activation, in the dtype of the weights."""
    if isinstance(layer, (PackedLinear, QuantizedLinear)):
        return layer(x, activation)
    assert isinstance(layer, nn.Linear)
    x = layer(x.to(layer.weight.dtype))
    return F.gelu(x) if activation == 'gelu' else x


class PackedLinear(nn.Module):
    """A linear layer whose weights are stored in the memory layout of oneDNN's matrix product.

    An ordinary layer converts the weights in every call, copies the bias into the result before
    the product, and computes GELU in a second pass.

    Args:
        layer: on the CPU; its weights are copied.
        rows: expected number of rows of the input; other numbers work as well.
    """

    def __init__(self, layer: nn.Linear, rows: int) -> None:
        super().__init__()
        self._weight = torch.ops.mkldnn._reorder_linear_weight(layer.weight.detach(), rows)
        self._bias = None if layer.bias is None else layer.bias.detach()

    def forward(self, x: Tensor, activation: Activation = 'none') -> Tensor:
        """Apply the layer to x [..., C], then the activation; computes no gradients."""
        # Algorithm `none` of oneDNN is the exact GELU.
        algorithm = 'none' if activation == 'gelu' else ''
        return torch.ops.mkldnn._linear_pointwise(
            x.to(self._weight.dtype), self._weight, self._bias, activation, [], algorithm
        )


class QuantizedLinear(nn.Module):
    """A linear layer whose product is computed with 8 bit integers.

    Each row of the weights has its own scale, and each input is quantised with its own scale when
    the layer is called; bias, result and GELU are float32.

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
        """Apply the layer to x [..., C], then the activation; computes no gradients."""
        x = torch.ops.quantized.linear_dynamic(x.float(), self._packed, False)
        return F.gelu(x) if activation == 'gelu' else x


def quantize(net: nn.Module) -> None:
    """Replace the linear layers in `net`, on the CPU in float32, by quantised ones, in place."""
    with warnings.catch_warnings():
        # The warning is about torch's tools for whole networks, not about these operators.
        warnings.filterwarnings('ignore', message='.*quant', category=Warning)
        for module in net.modules():
            for name, child in module.named_children():
                if isinstance(child, nn.Linear):
                    setattr(module, name, QuantizedLinear(child))


def pack(net: nn.Module, rows: int) -> None:
    """Replace the linear layers in `net` by packed ones, in place, where this machine has them.

    Args:
        net: on the CPU; the replaced layers' parameters are no longer in it afterwards.
        rows: as for `PackedLinear`.
    """
    for module in net.modules():
        for name, child in module.named_children():
            if isinstance(child, nn.Linear) and packs(child.weight.dtype):
                setattr(module, name, PackedLinear(child, rows))
