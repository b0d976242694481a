"""The trunk of fol_small on a CPU."""

from __future__ import annotations

from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from fol_vpr.network.cpu.products import HAS_ONEDNN
from fol_vpr.network.model.trunk import Bottleneck, Trunk, enlarged, padded
from fol_vpr.network.runtime.precision import torch_has_bfloat16

Activation = Literal['none', 'hardtanh']

# Undocumented operators, as in products.py.
_OPERATORS = ('_convolution_pointwise', '_reorder_convolution_weight')
_HAS_CONVOLUTION = HAS_ONEDNN and all(hasattr(torch.ops.mkldnn, name) for name in _OPERATORS)
# The bounds of ReLU6.
_BOUNDS = (0.0, 6.0)
# Shapes of the input whose layout of the weights is kept; most programs use one.
_MAX_LAYOUTS = 4


class CpuTrunk:
    """`Trunk` for inference on a CPU: convolutions by oneDNN, with what follows in the same pass.

    Where torch has no such operator, by its ordinary ones.

    Args:
        trunk: in float32, on the CPU; it must not be used otherwise afterwards.
        dtype: to compute in.
    """

    def __init__(self, trunk: Trunk, dtype: torch.dtype) -> None:
        # In float16 some processors have no such layout of the weights.
        known = dtype == torch.float32 or (dtype == torch.bfloat16 and torch_has_bfloat16())
        available = _HAS_CONVOLUTION and known
        kind = _Packed if available else _Plain
        self._dtype = dtype
        self._stem = kind(trunk.stem, dtype, 'hardtanh')
        self._blocks = [
            (
                None if block.expand is None else kind(block.expand, dtype, 'hardtanh'),
                kind(block.depthwise, dtype, 'hardtanh'),
                kind(block.project, dtype, 'none'),
                block.is_residual,
            )
            for block in trunk.blocks
            if isinstance(block, Bottleneck)
        ]

    def __call__(self, images: Tensor) -> Tensor:
        """Images [B, 3, 14·h, 14·w] float32 to features [B, 120, h, w] in `dtype`."""
        x = enlarged(images).to(self._dtype, memory_format=torch.channels_last)
        x = self._stem(x)
        for expand, depthwise, project, is_residual in self._blocks:
            wide = depthwise(x if expand is None else expand(x))
            x = project.add_to(x, wide) if is_residual else project(wide)
        return x


class _Plain:
    """A convolution by torch's ordinary operator.

    Args:
        convolution: in float32.
        dtype: to compute in.
        activation: after it; 'hardtanh' is ReLU6.
    """

    def __init__(self, convolution: nn.Conv2d, dtype: torch.dtype, activation: Activation) -> None:
        self._convolution = convolution.to(dtype).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self._activation = activation

    def __call__(self, x: Tensor) -> Tensor:
        """The convolution of x [B, C, h, w], then the activation."""
        x = self._convolution(padded(x, self._convolution))
        return F.relu6(x, inplace=True) if self._activation == 'hardtanh' else x

    def add_to(self, residual: Tensor, x: Tensor) -> Tensor:
        """Add to residual [B, C', h, w] the convolution of x; residual may change in place."""
        return residual.add_(self(x))


class _Packed(_Plain):
    """A convolution by oneDNN, with weights in its layout.

    The layout depends on the shape of the input and on the number of threads: with that of another
    number, oneDNN lays the weights out anew in every call, and in bfloat16 the trunk takes seven
    times as long. So they are laid out when a shape first comes, and kept for the first four.
    """

    def __init__(self, convolution: nn.Conv2d, dtype: torch.dtype, activation: Activation) -> None:
        super().__init__(convolution, dtype, activation)
        self._layouts: dict[tuple[int, ...], Tensor] = {}
        c = self._convolution
        self._geometry = c.padding, c.stride, c.dilation, c.groups
        self._bounds = list(_BOUNDS) if activation == 'hardtanh' else []

    def __call__(self, x: Tensor) -> Tensor:
        """The convolution of x [B, C, h, w] and the activation, in one pass."""
        x = padded(x, self._convolution)
        return torch.ops.mkldnn._convolution_pointwise(
            x, self._layout(x), self._convolution.bias, *self._geometry,
            self._activation, self._bounds, '',
        )  # fmt: skip

    def add_to(self, residual: Tensor, x: Tensor) -> Tensor:
        """Add to residual [B, C', h, w] the convolution of x, in one pass; see `_Plain`."""
        return torch.ops.mkldnn._convolution_pointwise.binary(
            x, residual, self._layout(x), self._convolution.bias, *self._geometry,
            'add', None, None, [], None,
        )  # fmt: skip

    def _layout(self, x: Tensor) -> Tensor:
        """The weights in oneDNN's layout for x [B, C, h, w] and the number of threads of now."""
        key = torch.get_num_threads(), *x.shape
        found = self._layouts.get(key)
        if found is None:
            weight = self._convolution.weight.detach()
            found = torch.ops.mkldnn._reorder_convolution_weight(
                weight, *self._geometry, list(x.shape)
            )
            if len(self._layouts) < _MAX_LAYOUTS:
                self._layouts[key] = found
        return found
