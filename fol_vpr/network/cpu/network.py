"""The whole network on a CPU."""

from __future__ import annotations

import torch
from torch import Tensor

from fol_vpr.network.cpu.aggregation import CpuAggregator
from fol_vpr.network.cpu.local_head import CpuLocalHead
from fol_vpr.network.cpu.transformer import CpuTransformer
from fol_vpr.network.model.architectures import PATCH
from fol_vpr.network.model.fol import FoL, FoLOutput, check_input


class CpuNetwork:
    """`FoL` for inference on a CPU; computes no gradients.

    Args:
        net: in float32, on the CPU; it must not be used otherwise afterwards.
        dtype: of matrix products, convolutions and attention. The residual stream, normalisations,
            attention masks and the optimal transport stay in float32.
        size: side in pixels of most inputs.
        quantized: compute the transformer's products with weights in 8 bit integers; requires
            float32.
    """

    def __init__(
        self, net: FoL, dtype: torch.dtype, size: int, *, quantized: bool = False
    ) -> None:
        with torch.no_grad():
            patches = (size // PATCH) ** 2
            backbone = net.backbone.model
            self._transformer = CpuTransformer(backbone, dtype, patches + 1, quantized=quantized)
            self._aggregator = CpuAggregator(net.aggregator, dtype, patches)
            self._local_head = CpuLocalHead(net.upconv, net.upconv2, dtype, patches)

    def __call__(self, images: Tensor) -> FoLOutput:
        """Output for images [B, 3, H, W] float32; to be called in inference mode.

        Raises:
            InputError: the images have another shape.
        """
        check_input(tuple(images.shape))
        tokens = self._transformer(images)
        descriptor, assignment, attention = self._aggregator(tokens)
        local = self._local_head(tokens.patches, assignment.mean(dim=1), tokens.grid)
        return FoLOutput(descriptor, local, attention, assignment)
