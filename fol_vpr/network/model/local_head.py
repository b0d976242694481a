"""Dense local descriptors, and which of them the aggregation kept.

Two transposed convolutions bring h x w patches to (4h - 3) x (4w - 3) positions, a quarter of a
patch apart; kept are the positions whose nearest patch is among the most kept ones.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from fol_vpr.network.model.vit import PATCH

LOCAL_DIM = 128
HIDDEN_DIM = 256
_KEPT_PATCHES = 225
_DAMPED = 3
_DAMPED_TO = 0.05


class LocalDescriptors(NamedTuple):
    """Local descriptors of one image, row by row over the upsampled grid.

    Attributes:
        descriptors: [N, 128] float32, unit length.
        positions: [N, 2] float32, x and y in pixels of the network's input, the centre of the
            top left pixel being (0, 0).
        weights: [N] float32, the aggregation mask (mean of the assignment over the clusters) at
            the nearest patch.
    """

    descriptors: Tensor
    positions: Tensor
    weights: Tensor


def upsample(patches: Tensor, upconv: nn.ConvTranspose2d, upconv2: nn.ConvTranspose2d) -> Tensor:
    """Patch features [B, C, h, w] to dense features [B, 4h - 3, 4w - 3, 128], not normalised."""
    x = patches.to(upconv.weight.dtype)
    return upconv2(F.relu(upconv(x))).permute(0, 2, 3, 1).float()


def select_patches(mask: Tensor) -> Tensor:
    """Indices [B, min(225, n)] of the patches that give local descriptors.

    The three largest values are first lowered to the value at rank 5 %, and the choice is made
    after a softmax, whose rounding in float32 ties close values. Neither changes the idea, both
    change the choice, and the released models were evaluated with them.

    Args:
        mask: [B, n], the aggregation mask.
    """
    patches = mask.shape[1]
    ranked = mask.sort(dim=1, descending=True).values
    rank = int(_DAMPED_TO * patches)
    largest = mask.topk(_DAMPED, dim=1, sorted=False).indices
    damped = mask.scatter(1, largest, ranked[:, rank : rank + 1].expand(-1, _DAMPED))
    return damped.softmax(dim=-1).topk(min(_KEPT_PATCHES, patches), dim=-1).indices


def select_descriptors(
    dense: Tensor, mask: Tensor, grid: tuple[int, int]
) -> list[LocalDescriptors]:
    """Keep the local descriptors of the selected patches.

    Args:
        dense: [B, 4h - 3, 4w - 3, 128], not normalised.
        mask: [B, h·w], the aggregation mask.
        grid: h and w.
    """
    return gather_descriptors(dense, *select_positions(mask, grid))


def select_positions(mask: Tensor, grid: tuple[int, int]) -> tuple[Tensor, Tensor]:
    """Which positions are kept, and what each weighs.

    Args:
        mask: [B, h·w], the aggregation mask.
        grid: h and w.

    Returns:
        [B, 4h - 3, 4w - 3] bool, and the same of float32: the mask at the nearest patch.
    """
    size = (4 * grid[0] - 3, 4 * grid[1] - 3)
    chosen = torch.zeros_like(mask).scatter(1, select_patches(mask), 1)
    maps = torch.stack([chosen, mask], dim=1).unflatten(2, grid)
    kept, weights = F.interpolate(maps, size=size, mode='nearest').unbind(1)
    return kept > 0, weights


def gather_descriptors(dense: Tensor, kept: Tensor, weights: Tensor) -> list[LocalDescriptors]:
    """The kept ones of the dense descriptors, with unit length, of each image.

    Args:
        dense: [B, H, W, 128], not normalised.
        kept: [B, H, W] bool.
        weights: [B, H, W].
    """
    found = []
    for rows, chosen, weight in zip(
        dense.flatten(1, 2), kept.flatten(1), weights.flatten(1), strict=True
    ):
        index = chosen.nonzero().squeeze(1)
        positions = grid_positions(index, dense.shape[2])
        descriptors = F.normalize(rows[index], dim=-1)
        found.append(LocalDescriptors(descriptors, positions, weight[index]))
    return found


def grid_positions(index: Tensor, columns: int) -> Tensor:
    """Pixel positions [N, 2] of flat indices [N] into the upsampled grid.

    Stride 2 with kernel 3 and padding 1 puts output 2i over input i, so that every fourth
    position lies on the centre of a patch and the others between.
    """
    step, first = PATCH / 4, (PATCH - 1) / 2
    xy = torch.stack([index % columns, index // columns], dim=1)
    return xy.float() * step + first
