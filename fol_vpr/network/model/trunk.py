"""The first layers of EfficientNet-Lite2, to a stride of 16 pixels.

EfficientNet (Tan and Le, ICML 2019, arXiv 1905.11946) in its variant for processors and phones:
no squeeze and excitation, ReLU6. Batch normalisation is part of the convolutions before it, so
that there is none to be trained, folded or kept in another precision.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from fol_vpr.network.model.architectures import PATCH

STRIDE = 16
"""Pixels of the trunk's input from one position of its output to the next."""


class Stage(NamedTuple):
    """Blocks of the same kind.

    Attributes:
        blocks: how many.
        channels: of their output.
        kernel: side of the depthwise convolution.
        stride: of the first of them.
        expansion: factor of the channels between the pointwise convolutions.
    """

    blocks: int
    channels: int
    kernel: int
    stride: int
    expansion: int


STEM_CHANNELS = 32
STAGES = (
    Stage(blocks=1, channels=16, kernel=3, stride=1, expansion=1),
    Stage(blocks=3, channels=24, kernel=3, stride=2, expansion=6),
    Stage(blocks=3, channels=48, kernel=5, stride=2, expansion=6),
    Stage(blocks=4, channels=88, kernel=3, stride=2, expansion=6),
    Stage(blocks=4, channels=120, kernel=5, stride=1, expansion=6),
)
TRUNK_CHANNELS = STAGES[-1].channels


class Trunk(nn.Module):
    """EfficientNet-Lite2 without its last two stages and its classifier; 1.15 million parameters.

    An image whose sides are multiples of 14 is enlarged to the same multiples of 16, so that every
    patch of 14 x 14 px gets the features of one position.
    """

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, STEM_CHANNELS, 3, stride=2)
        blocks, channels = [], STEM_CHANNELS
        for stage in STAGES:
            for number in range(stage.blocks):
                stride = stage.stride if number == 0 else 1
                blocks.append(Bottleneck(channels, stage, stride))
                channels = stage.channels
        self.blocks = nn.ModuleList(blocks)

    def forward(self, images: Tensor) -> Tensor:
        """Images [B, 3, 14·h, 14·w] to features [B, 120, h, w], in the dtype of the weights."""
        x = enlarged(images).to(self.stem.weight.dtype, memory_format=torch.channels_last)
        x = F.relu6(self.stem(padded(x, self.stem)))
        for block in self.blocks:
            x = block(x)
        return x


class Bottleneck(nn.Module):
    """A wide depthwise convolution between two pointwise ones (MobileNetV2, arXiv 1801.04381).

    Attributes:
        is_residual: its input is added to its output.
    """

    def __init__(self, channels: int, stage: Stage, stride: int) -> None:
        super().__init__()
        wide = channels * stage.expansion
        self.expand = nn.Conv2d(channels, wide, 1) if stage.expansion > 1 else None
        padding = stage.kernel // 2 if stride == 1 else 0
        self.depthwise = nn.Conv2d(wide, wide, stage.kernel, stride, padding, groups=wide)
        self.project = nn.Conv2d(wide, stage.channels, 1)
        self.is_residual = stride == 1 and channels == stage.channels

    def forward(self, x: Tensor) -> Tensor:
        """[B, C, h, w] to [B, C', h / stride, w / stride]."""
        wide = x if self.expand is None else F.relu6(self.expand(x))
        wide = F.relu6(self.depthwise(padded(wide, self.depthwise)))
        projected = self.project(wide)
        return x + projected if self.is_residual else projected


def enlarged(images: Tensor) -> Tensor:
    """Images [B, 3, 14·h, 14·w] as [B, 3, 16·h, 16·w] float32."""
    size = tuple(side // PATCH * STRIDE for side in images.shape[2:])
    return F.interpolate(images.float(), size=size, mode='bilinear', align_corners=False)


def padded(x: Tensor, convolution: nn.Conv2d) -> Tensor:
    """Padded as TensorFlow does for even sides and a stride of 2: one less before than after.

    Args:
        x: [B, C, h, w].
        convolution: that is to take it.

    Returns:
        [B, C, h + k - 2, w + k - 2] for a kernel of side k and a stride of 2; x for a stride of 1.
    """
    if convolution.stride[0] == 1:
        return x
    missing = convolution.kernel_size[0] - 2
    before, after = missing // 2, missing - missing // 2
    return F.pad(x, (before, after, before, after))
