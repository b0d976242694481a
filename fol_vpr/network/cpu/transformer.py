"""The vision transformer on a CPU.

Where the processor multiplies by tiles (AMX), the blocks are loops of our own as soon as those are
compiled, see tiled_blocks.py. Until then, and elsewhere, they are operators of torch.

Beside the layout of the weights, it differs from the plain transformer in three things: LayerScale
is part of the weights before it, what a branch adds to the residual stream is added by the product
itself where the library can, and position embeddings are resampled once for each shape of the
grid.
"""

from __future__ import annotations

import threading
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from fol_vpr.network.cpu.embedding import (
    EmbeddingWithTrunk,
    FlatEmbedding,
    OverlappingEmbedding,
)
from fol_vpr.network.cpu.products import Product, product, ready_loops
from fol_vpr.network.cpu.tiled_blocks import HEAD, BlockWeights, TiledBlocks
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
            kind = OverlappingEmbedding if net.patch_embed.trunk is None else EmbeddingWithTrunk
            self._embed: Callable[[Tensor], Tensor] = kind(net.patch_embed, dtype, rows)
        else:
            assert isinstance(net.patch_embed, PatchEmbedding)
            self._embed = FlatEmbedding(net.patch_embed, dtype, rows)
        self._blocks = [_Block(block, layer) for block in net.blocks if isinstance(block, Block)]
        self._dtype = dtype
        self._eps = net.norm.eps
        self._tiled: TiledBlocks | None = None
        self._may_tile = not quantized and all(block.may_be_tiled for block in self._blocks)
        self._lock = threading.Lock()
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
        x, attention = self._apply_blocks(x)
        x = self._norm(x)
        return Tokens(x[:, 0], x[:, 1:], attention, grid)

    def _apply_blocks(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """[B, 1 + N, C] to the same, and the CLS attention [B, N] of the last block."""
        with self._lock:
            tiled, blocks = self._tiled_blocks(), self._blocks
        if tiled is not None:
            return tiled(x, torch.get_num_threads())
        attention = None
        for block in blocks:
            x, attention = block(x, last=block is blocks[-1])
        assert attention is not None
        return x, attention

    def _tiled_blocks(self) -> TiledBlocks | None:
        """The blocks by tiles; the first call after the loops were compiled moves the weights."""
        module = (
            ready_loops('blocks', self._dtype) if self._may_tile and self._tiled is None else None
        )
        if module is not None:
            count, width = len(self._blocks), self._cls.shape[-1]
            parts = (block.parameters() for block in self._blocks)
            self._tiled = TiledBlocks(module, parts, count, width, self._eps)
            self._blocks = []
        return self._tiled

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
        width = block.attn.proj.in_features
        self.may_be_tiled = not self._gated and width == HEAD * self._heads

    def parameters(self) -> BlockWeights:
        """What the block has learned, with LayerScale in the weights."""
        norms = [(norm.weight.detach(), norm.bias.detach()) for norm in (self._norm1, self._norm2)]
        products = (self._qkv, self._proj, self._first, self._second)
        return BlockWeights((norms[0], norms[1]), [each.parameters() for each in products])

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
