"""A beginning for random weights in which images differ."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from fol_vpr.network import FoL
from fol_vpr.network.tensors import normalise

_MIN_DEVIATION = 1e-6


@torch.no_grad()
def standardise_heads(net: FoL, images: Tensor) -> None:
    """Shift and scale the last layers of the heads, so that over `images` each channel has the
    mean 0 and the deviation 1.

    What a random network says of all images is nearly the same vector, whose cosines are 1, where
    the cosine is flat: the multi-similarity loss then stands still for hundreds of steps. After
    this they are spread around 0. The idea of setting the first scale from data is that of
    Krähenbühl et al., Data-dependent Initializations of CNNs, ICLR 2016.

    Args:
        net: with random weights; changed in place.
        images: [B, 3, H, W] uint8, some of those to learn from.
    """
    aggregator = net.aggregator
    heads: list[nn.Module] = [
        aggregator.token_features[-1],
        aggregator.cluster_features[-1],
        aggregator.score[-1],
        net.upconv2,
    ]
    seen: dict[nn.Module, Tensor] = {}
    hooks = [head.register_forward_hook(_remember(seen)) for head in heads]
    mode = net.training
    net.eval().encode(normalise(images))
    net.train(mode)
    for hook in hooks:
        hook.remove()
    for head in heads:
        _rescale(head, seen[head].float())


def _remember(seen: dict[nn.Module, Tensor]):  # type: ignore[no-untyped-def]
    def hook(module: nn.Module, _inputs: tuple[Tensor], output: Tensor) -> None:
        seen[module] = output

    return hook


def _rescale(head: nn.Module, output: Tensor) -> None:
    """Make a layer's output [B, C, ...] have mean 0 and deviation 1 in each channel."""
    others = tuple(d for d in range(output.ndim) if d != 1)
    deviation = output.std(dim=others).clamp(min=_MIN_DEVIATION)
    weight, bias = head.get_parameter('weight'), head.get_parameter('bias')
    channels = [1] * weight.ndim
    channels[1 if isinstance(head, nn.ConvTranspose2d) else 0] = -1
    weight.div_(deviation.view(channels))
    bias.copy_((bias - output.mean(dim=others)) / deviation)
