"""Products of rows with weights that are laid out once, for inference on a CPU.

Three libraries multiply here. MKL, by torch's ordinary operators, is the fastest for float32 on
processors with AVX2 alone. oneDNN is faster with AVX-512 and for bfloat16, and computes the
activation in the same pass. FBGEMM multiplies 8 bit integers, and oneDNN where there is AMX, which
FBGEMM has no code for.

Loops of our own multiply bfloat16 by tiles (AMX), in modules `compiled_*.py` that are written for
one part of the network each: torch's products reach a fifth of what the tiles can do at the sizes
of one image, and each of its operators in between writes its result to memory for the next one to
read.
"""

from __future__ import annotations

import contextlib
import platform
import warnings
from collections.abc import Iterator
from types import ModuleType
from typing import Literal

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from fol_vpr import compiled
from fol_vpr.network.runtime.precision import (
    has_fast_int8,
    processor_flags,
    torch_has_bfloat16,
)

Activation = Literal['none', 'relu', 'gelu']

# Undocumented operators that torch's compiler uses for frozen weights; tested on x86 only.
_OPERATORS = ('_linear_pointwise', '_reorder_linear_weight')
HAS_ONEDNN = (
    platform.machine() in ('x86_64', 'AMD64')
    and torch.backends.mkldnn.is_available()
    and all(hasattr(torch.ops.mkldnn, name) for name in _OPERATORS)
)
"""Whether torch has oneDNN's products with packed weights here."""


def packs(dtype: torch.dtype) -> bool:
    """Whether oneDNN's product of a dtype is available, and the fastest on this machine.

    In float32 it needs AVX-512: with AVX2, MKL's product is as fast, and oneDNN's exact GELU takes
    as long as half the product before it.
    """
    if dtype == torch.bfloat16:
        return HAS_ONEDNN and torch_has_bfloat16()
    return HAS_ONEDNN and dtype == torch.float32 and 'avx512f' in processor_flags()


class Product:
    """x Wᵀ + b for rows x, by torch's ordinary operators.

    Args:
        weight: [O, I] float32.
        bias: [O] float32.
        dtype: to compute in, and of results.
    """

    def __init__(self, weight: Tensor, bias: Tensor, dtype: torch.dtype) -> None:
        self._weight = weight.detach().to(dtype).contiguous()
        self._bias = bias.detach().to(dtype)
        self._dtype = dtype

    def __call__(self, x: Tensor, activation: Activation = 'none') -> Tensor:
        """Apply the layer to x [N, I] of any dtype, then the activation."""
        x = F.linear(x.to(self._dtype), self._weight, self._bias)
        if activation == 'relu':
            return x.relu_()
        return F.gelu(x) if activation == 'gelu' else x

    def add_to(self, residual: Tensor, x: Tensor) -> Tensor:
        """Add to residual [N, O] float32 the layer of x [N, I]; residual may change in place."""
        if self._dtype == residual.dtype:
            return residual.add_(self._bias).addmm_(x.to(self._dtype), self._weight.t())
        return residual.add_(self(x))

    def parameters(self) -> tuple[Tensor, Tensor]:
        """Weight [O, I] and bias [O] in the dtype of the product."""
        return self._weight, self._bias


class PackedProduct(Product):
    """`Product` with the weights in the memory layout of oneDNN's matrix product.

    Args:
        rows: expected number of rows of x; other numbers work as well.
    """

    def __init__(self, weight: Tensor, bias: Tensor, dtype: torch.dtype, rows: int) -> None:
        super().__init__(weight, bias, dtype)
        self._weight = torch.ops.mkldnn._reorder_linear_weight(self._weight, rows)

    def __call__(self, x: Tensor, activation: Activation = 'none') -> Tensor:
        """Apply the layer to x [N, I] of any dtype, then the activation, in one pass."""
        # Algorithm `none` of oneDNN is the exact GELU.
        algorithm = 'none' if activation == 'gelu' else ''
        return torch.ops.mkldnn._linear_pointwise(
            x.to(self._dtype), self._weight, self._bias, activation, [], algorithm
        )

    def add_to(self, residual: Tensor, x: Tensor) -> Tensor:
        """Add to residual [N, O] float32 the layer of x [N, I], in one pass in float32."""
        if self._dtype == residual.dtype:
            return torch.ops.mkldnn._linear_pointwise.binary(
                x.to(self._dtype), residual, self._weight, self._bias, 'add'
            )
        return residual.add_(self(x))

    def parameters(self) -> tuple[Tensor, Tensor]:
        """Weight [O, I] and bias [O] in the dtype of the product."""
        return self._weight.to_dense(), self._bias


class QuantizedProduct(Product):
    """`Product` of 8 bit integers with results in float32.

    Each row of the weights has its own scale, and each input is quantised with its own scale when
    the layer is called. Without VNNI the sum of two products has 16 bits, which overflow: inputs
    are then quantised to 7 bits.

    Args:
        engine: of torch's quantised operators; None takes the fastest for this processor.
    """

    def __init__(self, weight: Tensor, bias: Tensor, engine: str | None = None) -> None:
        super().__init__(weight, bias, torch.float32)
        self._seven_bits = not has_fast_int8()
        weight = self._weight
        scales = (weight.abs().amax(1) / 127).clamp(min=1e-12).double()
        zeros = torch.zeros(len(weight), dtype=torch.long)
        with warnings.catch_warnings():
            # The warning is about torch's tools for whole networks, not about these operators.
            warnings.filterwarnings('ignore', message='.*quant', category=Warning)
            rounded = torch.quantize_per_channel(weight, scales, zeros, 0, torch.qint8)
            with _quantized_engine(engine or _fastest_engine()):
                self._packed = torch.ops.quantized.linear_prepack(rounded, self._bias)
        del self._weight

    def __call__(self, x: Tensor, activation: Activation = 'none') -> Tensor:
        """Apply the layer to x [N, I] of any dtype, then the activation."""
        x = torch.ops.quantized.linear_dynamic(x.float(), self._packed, self._seven_bits)
        if activation == 'relu':
            return x.relu_()
        return F.gelu(x) if activation == 'gelu' else x

    def add_to(self, residual: Tensor, x: Tensor) -> Tensor:
        """Add to residual [N, O] float32 the layer of x [N, I], in place."""
        return residual.add_(self(x))


def _fastest_engine() -> str:
    onednn = 'amx_int8' in processor_flags()
    return 'onednn' if onednn and 'onednn' in torch.backends.quantized.supported_engines else 'x86'


@contextlib.contextmanager
def _quantized_engine(name: str) -> Iterator[None]:
    """Lay out the weights of quantised operators for an engine; they keep it afterwards."""
    before = torch.backends.quantized.engine
    torch.backends.quantized.engine = name
    try:
        yield
    finally:
        torch.backends.quantized.engine = before


def product(
    weight: Tensor,
    bias: Tensor,
    dtype: torch.dtype,
    rows: int,
    *,
    scale: Tensor | None = None,
    quantized: bool = False,
) -> Product:
    """The fastest product with these weights.

    Args:
        weight, bias: [O, I] and [O], float32.
        dtype: to compute in.
        rows: expected number of rows of the input.
        scale: [O], factors of the results; they become part of the weights.
        quantized: multiply 8 bit integers; requires float32.
    """
    if scale is not None:
        weight, bias = weight * scale[:, None], bias * scale
    if quantized:
        return QuantizedProduct(weight, bias)
    if packs(dtype):
        return PackedProduct(weight, bias, dtype, rows)
    return Product(weight, bias, dtype)


# ---- for the loops, which cannot be imported without Numba

TILE, SIDE = 16, 32
"""Rows of a tile, and rows that are computed together; as in compiled_tiles.py."""


def ready_loops(name: str, dtype: torch.dtype) -> ModuleType | None:
    """The module `compiled_NAME.py`, once it is compiled, where the processor can multiply so.

    Args:
        name: of the part of the network.
        dtype: that it computes in.
    """
    known = f'fol_vpr.network.cpu.tiles.compiled_{name}'
    return compiled.ready(known) if dtype == torch.bfloat16 else None


def panels(weight: Tensor) -> np.ndarray:
    """Weights [O, I] as panels of 32 columns of bfloat16; see compiled_products.py.

    Returns:
        [O·I] uint16.
    """
    outputs, inputs = weight.shape
    bits = weight.detach().to(torch.bfloat16).contiguous().view(torch.int16).numpy()
    pairs = bits.view(np.uint16).reshape(outputs // SIDE, 2, TILE, inputs // SIDE, TILE, 2)
    return np.ascontiguousarray(pairs.transpose(0, 3, 1, 4, 2, 5)).reshape(-1)
