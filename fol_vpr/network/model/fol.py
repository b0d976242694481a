"""The FoL network: backbone, aggregation and local head under the released parameter names."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn

from fol_vpr.errors import InputError, WeightsError
from fol_vpr.network.model.aggregation import Aggregator, AggregatorOutput
from fol_vpr.network.model.architectures import ARCHITECTURES, PATCH
from fol_vpr.network.model.initialisation import allocate, initialise
from fol_vpr.network.model.local_head import (
    HIDDEN_DIM,
    LOCAL_DIM,
    LocalDescriptors,
    gather_descriptors,
    select_positions,
    upsample,
)
from fol_vpr.network.model.vit import Tokens, VisionTransformer

_MIN_PATCHES = 65


class FoLOutput(NamedTuple):
    """Output of the network for B images of N patches each.

    Attributes:
        global_descriptor: [B, 8448] float32, unit length.
        local: the local descriptors of each image.
        attention: [B, N] float32, the extraction mask: CLS attention of the last block summed
            over heads, values under 0.01 set to 0.
        assignment: [B, 64, N] float32, the fraction of each patch assigned to each cluster.
    """

    global_descriptor: Tensor
    local: list[LocalDescriptors]
    attention: Tensor
    assignment: Tensor


class DenseOutput(NamedTuple):
    """Output before local descriptors are selected: all shapes follow from the input's shape.

    That is required for a CUDA graph and for an ONNX file.

    Attributes:
        global_descriptor, attention, assignment: as in `FoLOutput`.
        dense: [B, 4h - 3, 4w - 3, 128] float32, local descriptors of all positions, not
            normalised.
        kept: [B, 4h - 3, 4w - 3] bool, which of them are selected.
        weights: [B, 4h - 3, 4w - 3] float32, the aggregation mask at the nearest patch.
    """

    global_descriptor: Tensor
    attention: Tensor
    assignment: Tensor
    dense: Tensor
    kept: Tensor
    weights: Tensor

    def output(self) -> FoLOutput:
        """The output with the selected local descriptors alone, at unit length."""
        local = gather_descriptors(self.dense, self.kept, self.weights)
        return FoLOutput(self.global_descriptor, local, self.attention, self.assignment)


class EncoderOutput(NamedTuple):
    """Output of all trained layers for B images, before local descriptors are selected.

    Attributes:
        tokens: of the backbone; their `cls_attention` is the extraction mask before values under
            0.01 are set to 0.
        aggregated: output of the aggregation: the global descriptor and the assignment.
        dense: [B, 4h - 3, 4w - 3, 128] float32, local descriptors of all positions, not
            normalised.
    """

    tokens: Tokens
    aggregated: AggregatorOutput
    dense: Tensor


class Backbone(nn.Module):
    """Wraps the transformer so that its parameter names are the released `backbone.model.*`."""

    def __init__(self, architecture: str) -> None:
        super().__init__()
        self.model = VisionTransformer(ARCHITECTURES[architecture])

    def forward(self, images: Tensor) -> Tokens:
        """Tokens of images [B, 3, H, W]."""
        return self.model(images)


class FoL(nn.Module):
    """Focus on Local (AAAI 2025, arXiv 2504.09881).

    Attributes:
        architecture: a key of `ARCHITECTURES`.
    """

    def __init__(self, architecture: str) -> None:
        super().__init__()
        self.architecture = architecture
        width = ARCHITECTURES[architecture].width
        self.backbone = Backbone(architecture)
        self.aggregator = Aggregator(width)
        self.upconv = nn.ConvTranspose2d(width, HIDDEN_DIM, 3, stride=2, padding=1)
        self.upconv2 = nn.ConvTranspose2d(HIDDEN_DIM, LOCAL_DIM, 3, stride=2, padding=1)

    def forward(self, images: Tensor) -> FoLOutput:
        """Compute global and local descriptors.

        Args:
            images: [B, 3, H, W] float, normalised RGB; H and W multiples of 14, with more than 64
                patches in all.

        Raises:
            InputError: the images have another shape.
        """
        return self.describe(images).output()

    def describe(self, images: Tensor) -> DenseOutput:
        """`forward` before local descriptors are selected, whose number depends on the image."""
        tokens, aggregated, dense = self.encode(images)
        descriptor, assignment, attention = aggregated
        kept, weights = select_positions(assignment.mean(dim=1), tokens.grid)
        return DenseOutput(descriptor, attention, assignment, dense, kept, weights)

    def encode(self, images: Tensor) -> EncoderOutput:
        """All trained layers of `forward`, with gradients where these are enabled."""
        check_input(tuple(images.shape))
        tokens = self.backbone(images)
        aggregated = self.aggregator(tokens)
        dense = upsample(tokens.feature_map(), self.upconv, self.upconv2)
        return EncoderOutput(tokens, aggregated, dense)

    def set_precision(self, dtype: torch.dtype) -> FoL:
        """Store the weights of matrix products and convolutions in `dtype`, and compute with it.

        Normalisations, the residual stream, attention masks and the optimal transport stay in
        float32, as do transposed convolutions on a CPU, where half precision is half as fast.
        """
        halved: tuple[type[nn.Module], ...] = (nn.Linear, nn.Conv2d)
        if self.upconv.weight.is_cuda:
            halved += (nn.ConvTranspose2d,)
        for module in self.modules():
            if isinstance(module, halved):
                module.to(dtype)
        return self


def check_input(shape: tuple[int, ...]) -> None:
    """Raise InputError where the network cannot process images of this shape."""
    fits = len(shape) == 4 and shape[0] > 0 and shape[1] == 3
    if not fits or shape[2] % PATCH or shape[3] % PATCH:
        raise InputError(
            f'expected images [B, 3, H, W] with H and W multiples of {PATCH}, got {list(shape)}'
        )
    patches = (shape[2] // PATCH) * (shape[3] // PATCH)
    if patches < _MIN_PATCHES:
        raise InputError(
            f'{shape[3]}x{shape[2]} px are {patches} patches of {PATCH}x{PATCH} px, expected at '
            f'least {_MIN_PATCHES}, such as those of 126x126 px'
        )


def build_fol(architecture: str, *, initialised: bool = True) -> FoL:
    """A FoL network in evaluation mode, on the CPU in float32.

    Args:
        architecture: a key of `ARCHITECTURES`.
        initialised: give the parameters deterministic random values. Otherwise they take no
            memory until `load_weights` fills them.

    Raises:
        WeightsError: the architecture is unknown.
    """
    if architecture not in ARCHITECTURES:
        raise WeightsError(
            f'unknown architecture {architecture!r}, expected one of {", ".join(ARCHITECTURES)}'
        )
    with torch.device('meta'):
        net = FoL(architecture)
    if initialised:
        allocate(net)
        initialise(net)
    return net.eval()
