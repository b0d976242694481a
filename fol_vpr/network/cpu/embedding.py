"""Embeds the patches of an image by one matrix product each, on a CPU."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from fol_vpr.network.cpu.products import product
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
    """`ConvolutionalEmbedding` with its last convolution as a product.

    That convolution has as many weights as a whole block of the transformer, which an ordinary
    convolution rearranges in each call.
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

    def __call__(self, images: Tensor) -> Tensor:
        """[B, 3, H, W] float32 to [B·N, C], patches in row-major order."""
        x = images.to(self._dtype, memory_format=torch.channels_last)
        for convolution, norm in zip(self._convolutions, self._norms, strict=True):
            # The norm takes bfloat16 and float32 parameters, and computes in float32.
            x = F.gelu(norm(convolution(x)))
        return self._product(self._windows(x))

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


def _half(convolution: nn.Conv2d, dtype: torch.dtype) -> nn.Conv2d:
    return convolution.to(dtype).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
