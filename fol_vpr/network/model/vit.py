"""The DINOv2 vision transformer (Oquab et al., arXiv 2304.07193), without register tokens.

Parameter names are those of the released DINOv2 models. The small networks of this project have
convolutions before the first block and a smaller table of position embeddings, which both help
when few images are available for training. The last block also returns the attention of the CLS
token to the patches, by which FoL measures how discriminative a region is.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from fol_vpr.network.model.architectures import PATCH, Architecture
from fol_vpr.network.model.trunk import TRUNK_CHANNELS, Trunk

_STEM_CHANNELS = 32
_STEM_GROUPS = 8
_INTERPOLATION_OFFSET = 0.1
_ROWS_COMPUTED_FOR_CLS = 8


class Tokens(NamedTuple):
    """Output of the backbone for B images of N = h·w patches.

    Attributes:
        cls: [B, C] float32, after the last LayerNorm.
        patches: [B, N, C] float32, after the last LayerNorm, in row-major order.
        cls_attention: [B, N] float32, attention from the CLS token in the last block, softmaxed
            per head over all tokens and summed over heads.
        grid: h and w.
    """

    cls: Tensor
    patches: Tensor
    cls_attention: Tensor
    grid: tuple[int, int]

    def feature_map(self) -> Tensor:
        """The patches as [B, C, h, w] in channels_last order."""
        batch, _, channels = self.patches.shape
        return self.patches.reshape(batch, *self.grid, channels).permute(0, 3, 1, 2)


class VisionTransformer(nn.Module):
    """DINOv2 ViT/14 for any input whose sides are multiples of 14.

    Matrix products are computed in the dtype of their weights; the residual stream and the
    normalisations stay in float32, so that half precision stays close to float32.
    """

    def __init__(self, architecture: Architecture) -> None:
        super().__init__()
        width = architecture.width
        self.cls_token = nn.Parameter(torch.empty(1, 1, width))
        self.pos_embed = nn.Parameter(torch.empty(1, 1 + architecture.positions**2, width))
        self.mask_token = nn.Parameter(torch.empty(1, width))
        self.patch_embed: nn.Module = PatchEmbedding(width)
        if architecture.convolutions:
            self.patch_embed = ConvolutionalEmbedding(width, trunk=architecture.trunk)
        self.blocks = nn.ModuleList(Block(architecture) for _ in range(architecture.depth))
        self.norm = nn.LayerNorm(width, eps=1e-6)

    def forward(self, images: Tensor) -> Tokens:
        """Tokens of images [B, 3, H, W]."""
        patches = self.patch_embed(images)
        grid = (images.shape[2] // PATCH, images.shape[3] // PATCH)
        x = torch.cat([self.cls_token.expand(images.shape[0], -1, -1), patches], dim=1)
        x = x + self.position_embedding(grid)
        for block in self.blocks[:-1]:
            x, _ = block(x)
        x, attention = self.blocks[-1](x, attend_from_cls=True)
        x = self.norm(x)
        return Tokens(x[:, 0], x[:, 1:], attention, grid)

    def position_embedding(self, grid: tuple[int, int]) -> Tensor:
        """Position embedding [1, 1 + h·w, C] for a grid of h x w patches; see `resampled`."""
        return resampled(self.pos_embed, grid)


def resampled(positions: Tensor, grid: tuple[int, int]) -> Tensor:
    """Position embeddings [1, 1 + h·w, C] for a grid of h x w patches.

    The scale of the bicubic resampling is computed for a grid that is 0.1 patches larger, as in
    DINOv2: the released models were trained and evaluated that way.

    Args:
        positions: [1, 1 + n², C], for the CLS token and a grid of n x n patches.
        grid: h and w.
    """
    side = math.isqrt(positions.shape[1])
    if grid == (side, side):
        return positions
    width = positions.shape[-1]
    table = positions[:, 1:].reshape(1, side, side, width).permute(0, 3, 1, 2)
    scale = tuple((n + _INTERPOLATION_OFFSET) / side for n in grid)
    table = F.interpolate(table, scale_factor=scale, mode='bicubic', antialias=False)
    return torch.cat([positions[:, :1], table.flatten(2).transpose(1, 2)], dim=1)


class PatchEmbedding(nn.Module):
    """A linear map of each 14 x 14 patch."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.proj = nn.Conv2d(3, width, kernel_size=PATCH, stride=PATCH)

    def forward(self, images: Tensor) -> Tensor:
        """[B, 3, H, W] to [B, N, C], in float32."""
        patches = self.proj(images.to(self.proj.weight.dtype))
        return patches.flatten(2).transpose(1, 2).float()


class ConvolutionalEmbedding(nn.Module):
    """Patches from three convolutions; receptive fields overlap by a sixth of a patch.

    Args:
        width: channels of a token.
        trunk: add the features of a `Trunk`.
    """

    def __init__(self, width: int, *, trunk: bool = False) -> None:
        super().__init__()
        channels = _STEM_CHANNELS
        self.conv1 = nn.Conv2d(3, channels, kernel_size=5, stride=2, padding=2)
        self.norm1 = nn.GroupNorm(_STEM_GROUPS, channels)
        self.conv2 = nn.Conv2d(channels, channels, kernel_size=3, padding=1)
        self.norm2 = nn.GroupNorm(_STEM_GROUPS, channels)
        self.proj = nn.Conv2d(channels, width, kernel_size=9, stride=7, padding=1)
        self.trunk = Trunk() if trunk else None
        self.trunk_proj = nn.Conv2d(TRUNK_CHANNELS, width, 1) if trunk else None

    def forward(self, images: Tensor) -> Tensor:
        """[B, 3, H, W] to [B, N, C], in float32."""
        dtype = self.proj.weight.dtype
        x = images.to(dtype, memory_format=torch.channels_last)
        x = F.gelu(self.norm1(self.conv1(x).float())).to(dtype)
        x = F.gelu(self.norm2(self.conv2(x).float())).to(dtype)
        return self._with_trunk(self.proj(x), images).flatten(2).transpose(1, 2).float()

    def _with_trunk(self, patches: Tensor, images: Tensor) -> Tensor:
        """Patches [B, C, h, w], and where there is a trunk its features of the images added."""
        if self.trunk is None or self.trunk_proj is None:
            return patches
        return patches.float() + self.trunk_proj(self.trunk(images)).float()


class Block(nn.Module):
    """Pre-norm transformer block with LayerScale."""

    def __init__(self, architecture: Architecture) -> None:
        super().__init__()
        width = architecture.width
        self.norm1 = nn.LayerNorm(width, eps=1e-6)
        self.attn = Attention(width, architecture.heads)
        self.ls1 = LayerScale(width)
        self.norm2 = nn.LayerNorm(width, eps=1e-6)
        self.mlp: nn.Module = SwiGlu(width) if architecture.swiglu else Mlp(width)
        self.ls2 = LayerScale(width)

    def forward(self, x: Tensor, attend_from_cls: bool = False) -> tuple[Tensor, Tensor | None]:
        """[B, 1 + N, C] to the same, and the CLS attention [B, N] where asked for."""
        mixed, attention = self.attn(self.norm1(x), attend_from_cls)
        x = self.ls1(x, mixed)
        x = self.ls2(x, self.mlp(self.norm2(x)))
        return x, attention


class Attention(nn.Module):
    """Multi-head self-attention."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(width, 3 * width)
        self.proj = nn.Linear(width, width)

    def forward(self, x: Tensor, attend_from_cls: bool = False) -> tuple[Tensor, Tensor | None]:
        """[B, 1 + N, C] to the same, and the CLS attention [B, N] where asked for."""
        batch, tokens, width = x.shape
        qkv = _apply(self.qkv, x)
        q, k, v = qkv.view(batch, tokens, 3, self.heads, -1).permute(2, 0, 3, 1, 4)
        mixed = attend(q, k, v)
        mixed = _apply(self.proj, mixed.transpose(1, 2).reshape(batch, tokens, width))
        return mixed, attention_from_cls(q, k) if attend_from_cls else None


def attend(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    """Attention, [B, heads, N, C] each.

    In training under autocast on a CPU by matrix products, because torch's own takes four times as
    long in bfloat16, most of it in the backward pass; the softmax is in float32.
    """
    if torch.is_autocast_enabled('cpu') and not q.is_cuda and q.requires_grad:
        logits = (q @ k.transpose(-2, -1)).float() * q.shape[-1] ** -0.5
        return logits.softmax(dim=-1).to(v.dtype) @ v
    return F.scaled_dot_product_attention(q, k, v)


def attention_from_cls(q: Tensor, k: Tensor) -> Tensor:
    """Row of the CLS token, summed over heads: [B, heads, 1 + N, C] twice to [B, N].

    Eight rows are computed although one is needed: BLAS computes a product with a single row
    differently, and its rounding differs from that of the full matrix in the released code. That
    can change the selection among patches whose aggregation masks are almost equal.
    """
    rows = q[:, :, :_ROWS_COMPUTED_FOR_CLS].float() @ k.float().transpose(-2, -1)
    row = (rows[:, :, 0] * q.shape[-1] ** -0.5).softmax(dim=-1)
    return row[:, :, 1:].sum(dim=1)


def _apply(layer: nn.Linear, x: Tensor) -> Tensor:
    """Apply a linear layer to x [..., C] in the dtype of its weights."""
    return layer(x.to(layer.weight.dtype))


class LayerScale(nn.Module):
    """A learned factor per channel of what a branch adds to the residual stream."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.gamma = nn.Parameter(torch.empty(width))

    def forward(self, x: Tensor, branch: Tensor) -> Tensor:
        """Add the scaled branch [..., C] to the residual stream x [..., C]."""
        return torch.addcmul(x, branch, self.gamma)


class Mlp(nn.Module):
    """The feed-forward layer of ViT-S, B and L."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.fc1 = nn.Linear(width, 4 * width)
        self.fc2 = nn.Linear(4 * width, width)

    def forward(self, x: Tensor) -> Tensor:
        """[..., C] to the same."""
        return _apply(self.fc2, F.gelu(_apply(self.fc1, x)))


class SwiGlu(nn.Module):
    """The gated feed-forward layer of ViT-g (Shazeer, arXiv 2002.05202)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        hidden = (4 * width * 2 // 3 + 7) // 8 * 8
        self.w12 = nn.Linear(width, 2 * hidden)
        self.w3 = nn.Linear(hidden, width)

    def forward(self, x: Tensor) -> Tensor:
        """[..., C] to the same."""
        gate, value = _apply(self.w12, x).chunk(2, dim=-1)
        return _apply(self.w3, F.silu(gate) * value)
