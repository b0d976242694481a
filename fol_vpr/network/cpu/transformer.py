"""The vision transformer on a CPU.

Beside the layout of the weights, it differs from the plain transformer in three things: LayerScale
is part of the weights before it, what a branch adds to the residual stream is added by the product
itself where the library can, and position embeddings are resampled once for each shape of the
grid.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from fol_vpr.network.cpu.embedding import FlatEmbedding, OverlappingEmbedding
from fol_vpr.network.cpu.products import Product, product
from fol_vpr.network.model.architectures import PATCH
from fol_vpr.network.model.vit import (
    Block,
    ConvolutionalEmbedding,
    Mlp,
    PatchEmbedding,
    SwiGlu,
    Tokens,
    VisionTransformer,
    attention_from_cls,
    resampled,
)

# Shapes of the grid whose position embeddings are kept; most programs use one.
_MAX_GRIDS = 8


class CpuTransformer:
    """`VisionTransformer` for inference on a CPU.

    Args:
        net: in float32, on the CPU; it must not be used otherwise afterwards.
        dtype: of matrix products and attention.
        rows: expected number of tokens of a call.
        quantized: multiply with weights in 8 bit integers; requires float32.
    """

    def __init__(
        self, net: VisionTransformer, dtype: torch.dtype, rows: int, *, quantized: bool = False
    ) -> None:
        def layer(linear: nn.Linear, scale: Tensor | None = None) -> Product:
            return product(
                linear.weight, linear.bias, dtype, rows, scale=scale, quantized=quantized
            )

        if isinstance(net.patch_embed, ConvolutionalEmbedding):
            self._embed: Callable[[Tensor], Tensor]
            self._embed = OverlappingEmbedding(net.patch_embed, dtype, rows)
        else:
            assert isinstance(net.patch_embed, PatchEmbedding)
            self._embed = FlatEmbedding(net.patch_embed, dtype, rows)
        self._blocks = [_Block(block, layer) for block in net.blocks if isinstance(block, Block)]
        self._norm = net.norm
        self._cls = net.cls_token.detach()
        self._table = net.pos_embed.detach()
        self._positions: dict[tuple[int, int], Tensor] = {}

    def __call__(self, images: Tensor) -> Tokens:
        """Tokens of images [B, 3, H, W] float32."""
        batch = images.shape[0]
        grid = (images.shape[2] // PATCH, images.shape[3] // PATCH)
        positions = self._position_embedding(grid)
        x = positions.expand(batch, -1, -1).clone()
        x[:, :1] += self._cls
        x[:, 1:] += self._embed(images).view(batch, -1, x.shape[-1])
        attention = None
        for block in self._blocks:
            x, attention = block(x, last=block is self._blocks[-1])
        assert attention is not None
        x = self._norm(x)
        return Tokens(x[:, 0], x[:, 1:], attention, grid)

    def _position_embedding(self, grid: tuple[int, int]) -> Tensor:
        found = self._positions.get(grid)
        if found is None:
            found = resampled(self._table, grid)
            if len(self._positions) < _MAX_GRIDS:
                self._positions[grid] = found
        return found


class _Block:
    """`Block` for inference on a CPU."""

    def __init__(self, block: Block, layer: Callable[..., Product]) -> None:
        self._norm1, self._norm2 = block.norm1, block.norm2
        self._heads = block.attn.heads
        self._qkv = layer(block.attn.qkv)
        self._proj = layer(block.attn.proj, block.ls1.gamma)
        mlp, scale = block.mlp, block.ls2.gamma
        self._gated = isinstance(mlp, SwiGlu)
        if isinstance(mlp, SwiGlu):
            self._first, self._second = layer(mlp.w12), layer(mlp.w3, scale)
        else:
            assert isinstance(mlp, Mlp)
            self._first, self._second = layer(mlp.fc1), layer(mlp.fc2, scale)

    def __call__(self, x: Tensor, last: bool) -> tuple[Tensor, Tensor | None]:
        """[B, 1 + N, C] float32 to the same, and of the last block the CLS attention [B, N]."""
        batch, tokens, width = x.shape
        rows = x.view(-1, width)
        qkv = self._qkv(self._norm1(rows))
        q, k, v = qkv.view(batch, tokens, 3, self._heads, -1).permute(2, 0, 3, 1, 4)
        mixed = F.scaled_dot_product_attention(q, k, v).transpose(1, 2).reshape(-1, width)
        rows = self._proj.add_to(rows, mixed)
        normed = self._norm2(rows)
        if self._gated:
            gate, value = self._first(normed).chunk(2, dim=-1)
            hidden = F.silu(gate).mul_(value)
        else:
            hidden = self._first(normed, 'gelu')
        rows = self._second.add_to(rows, hidden)
        return rows.view(x.shape), attention_from_cls(q, k) if last else None
