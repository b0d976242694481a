"""Embeds the patches of images on a CPU."""

from __future__ import annotations

import threading
from types import ModuleType

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from fol_vpr.compiled import aligned, aligned_copy
from fol_vpr.network.cpu.products import panels, product, ready_loops
from fol_vpr.network.cpu.trunk import CpuTrunk
from fol_vpr.network.model.architectures import PATCH
from fol_vpr.network.model.vit import ConvolutionalEmbedding, PatchEmbedding


class FlatEmbedding:
    """`PatchEmbedding` as a product of the pixels of each patch with the weights."""

    def __init__(self, embedding: PatchEmbedding, dtype: torch.dtype, rows: int) -> None:
        weight, bias = embedding.proj.weight, embedding.proj.bias
        assert bias is not None
        self._product = product(weight.flatten(1), bias, dtype, rows)

    def __call__(self, images: Tensor) -> Tensor:
        """[B, 3, H, W] float32 to [B·N, C], patches in row-major order."""
        pixels = images.unflatten(3, (-1, PATCH)).unflatten(2, (-1, PATCH))
        return self._product(pixels.permute(0, 2, 4, 1, 3, 5).flatten(0, 2).flatten(1))


class OverlappingEmbedding:
    """`ConvolutionalEmbedding` by tiles (AMX) once the loops are compiled, and by torch.

    By torch, the last convolution is a product. It has as many weights as a whole block of the
    transformer, which an ordinary convolution rearranges in each call.
    """

    def __init__(self, embedding: ConvolutionalEmbedding, dtype: torch.dtype, rows: int) -> None:
        self._convolutions = [_half(embedding.conv1, dtype), _half(embedding.conv2, dtype)]
        self._norms = [embedding.norm1, embedding.norm2]
        last = embedding.proj
        assert last.bias is not None
        self._kernel, self._stride = last.kernel_size[0], last.stride[0]
        self._padding = int(last.padding[0])
        weight = last.weight.permute(0, 2, 3, 1).flatten(1)
        self._product = product(weight, last.bias, dtype, rows)
        self._dtype = dtype
        self._tiled: _TiledEmbedding | None = None
        self._lock = threading.Lock()

    def __call__(self, images: Tensor) -> Tensor:
        """[B, 3, H, W] float32 to [B·N, C], patches in row-major order."""
        with self._lock:
            tiled = self._tiled or self._by_tiles()
        if tiled is not None:
            return tiled(images)
        x = images.to(self._dtype, memory_format=torch.channels_last)
        for convolution, norm in zip(self._convolutions, self._norms, strict=True):
            # The norm takes bfloat16 and float32 parameters, and computes in float32.
            x = F.gelu(norm(convolution(x)))
        return self._product(self._windows(x))

    def _by_tiles(self) -> _TiledEmbedding | None:
        """The embedding by tiles, as soon as its loops are compiled."""
        loops = ready_loops('embedding', self._dtype)
        if loops is not None:
            last = self._product.parameters()
            self._tiled = _TiledEmbedding(loops, self._convolutions, self._norms, last)
        return self._tiled

    def _windows(self, x: Tensor) -> Tensor:
        """What the last convolution sees of x [B, C, h, w], [B·N, kernel²·C]."""
        x = F.pad(x.permute(0, 2, 3, 1), (0, 0, *[self._padding] * 4))
        batch, height, width, channels = x.shape
        size, step = self._kernel, self._stride
        rows, columns = (height - size) // step + 1, (width - size) // step + 1
        line = width * channels
        windows = x.as_strided(
            (batch, rows, columns, size, size * channels),
            (height * line, step * line, step * channels, line, 1),
        )
        return windows.reshape(-1, size * size * channels)


class EmbeddingWithTrunk:
    """`ConvolutionalEmbedding` with a `Trunk`."""

    def __init__(self, embedding: ConvolutionalEmbedding, dtype: torch.dtype, rows: int) -> None:
        trunk, last = embedding.trunk, embedding.trunk_proj
        assert trunk is not None
        assert last is not None
        assert last.bias is not None
        self._convolutions = OverlappingEmbedding(embedding, dtype, rows)
        self._trunk = CpuTrunk(trunk, dtype)
        self._product = product(last.weight.flatten(1), last.bias, dtype, rows)

    def __call__(self, images: Tensor) -> Tensor:
        """[B, 3, H, W] float32 to [B·N, C] float32, patches in row-major order."""
        features = self._trunk(images).permute(0, 2, 3, 1).flatten(0, 2)
        return self._product.add_to(self._convolutions(images).float(), features)


def _half(convolution: nn.Conv2d, dtype: torch.dtype) -> nn.Conv2d:
    return convolution.to(dtype).to(memory_format=torch.channels_last)  # type: ignore[call-overload]


class _TiledEmbedding:
    """The three convolutions as loops of our own; for several threads, which take turns.

    Args:
        loops: `compiled_embedding`.
        convolutions: the first two.
        norms: after each of them.
        last: weight [C, 9·9·32] and bias [C] of the third.
    """

    def __init__(
        self,
        loops: ModuleType,
        convolutions: list[nn.Conv2d],
        norms: list[nn.GroupNorm],
        last: tuple[Tensor, Tensor],
    ) -> None:
        self._loops = loops
        first, second = (each.weight.detach().float() for each in convolutions)
        # Pixels have four numbers, of which the last is 0, and eight of a row are read.
        pixels = first.new_zeros(len(first), loops.FIRST_KERNEL, 8, 4)
        pixels[:, :, : loops.FIRST_KERNEL, :3] = first.permute(0, 2, 3, 1)
        weights = pixels.flatten(1), second.permute(0, 2, 3, 1).flatten(1), last[0]
        self._weights = tuple(aligned_copy(panels(each)) for each in weights)
        vectors = [
            torch.stack([_vector(convolution.bias), _vector(norm.weight), _vector(norm.bias)])
            for convolution, norm in zip(convolutions, norms, strict=True)
        ]
        self._norms = torch.stack(vectors).numpy()
        self._groups, self._eps = norms[0].num_groups, norms[0].eps
        self._bias = _vector(last[1]).numpy()
        self._turn = threading.Lock()
        self._size: tuple[int, int] = (0, 0)
        self._buffers: tuple[np.ndarray, ...] = ()

    def __call__(self, images: Tensor) -> Tensor:
        """[B, 3, H, W] float32 to [B·N, C] float32."""
        batch, _, height, width = images.shape
        tokens = images.new_zeros(batch, (height // PATCH) * (width // PATCH), len(self._bias))
        with self._turn:
            if self._size != (height, width):
                self._buffers = self._new_buffers(height, width)
                self._size = height, width
            self._loops.embed(
                images.contiguous().numpy().view(np.uint32),
                self._weights,
                self._norms,
                self._groups,
                self._eps,
                self._bias,
                *self._buffers,
                tokens.numpy(),
            )
        return tokens.flatten(0, 1)

    def _new_buffers(self, height: int, width: int) -> tuple[np.ndarray, ...]:
        """What is computed on the way; see `embed`."""
        slack, border = self._loops.SLACK, 2 * self._loops.BORDER
        stride, channels = self._loops.FIRST_STRIDE, self._norms.shape[2]
        down, across = -(-height // stride), -(-width // stride)
        return (
            aligned(((height + border) * (width + border) + slack,), np.uint64),
            aligned((down * (across + 2) + slack, channels), np.float32),
            aligned(((down + 2) * (across + 2) + slack, channels), np.uint16),
        )


def _vector(parameter: Tensor | None) -> Tensor:
    assert parameter is not None
    return parameter.detach().float()
