"""The known architectures, readable without torch."""

from __future__ import annotations

from dataclasses import dataclass

PATCH = 14
"""Side in pixels of the patches that images are cut into."""


@dataclass(frozen=True)
class Architecture:
    """Dimensions of a backbone.

    Attributes:
        width: channels of a token.
        depth: transformer blocks.
        heads: attention heads.
        swiglu: gated feed-forward layers instead of an MLP.
        convolutions: patches are embedded by three overlapping convolutions instead of one linear
            map (Xiao et al., Early Convolutions Help Transformers See Better, NeurIPS 2021).
        positions: side of the grid of learned position embeddings.
        trunk: the first layers of EfficientNet-Lite2 see the image as well; their features of a
            patch are added to its embedding.
    """

    width: int
    depth: int
    heads: int
    swiglu: bool = False
    convolutions: bool = False
    positions: int = 37
    trunk: bool = False


ARCHITECTURES = {
    'vits14': Architecture(width=384, depth=12, heads=6),
    'vitb14': Architecture(width=768, depth=12, heads=12),
    'vitl14': Architecture(width=1024, depth=24, heads=16),
    'vitg14': Architecture(width=1536, depth=40, heads=24, swiglu=True),
    'fol_tiny': Architecture(width=192, depth=6, heads=3, convolutions=True, positions=16),
    'fol_small': Architecture(
        width=192, depth=6, heads=3, convolutions=True, positions=16, trunk=True
    ),
}
