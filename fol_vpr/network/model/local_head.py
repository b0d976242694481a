"""Dense local descriptors, and the selection of those in discriminative regions.

Two transposed convolutions upsample h x w patches to (4h - 3) x (4w - 3) positions, a quarter of a
patch apart. Selected are the positions whose nearest patch is among the 225 patches with the
largest aggregation mask.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from fol_vpr.network.model.architectures import PATCH

LOCAL_DIM = 128
HIDDEN_DIM = 256
KEPT_PATCHES = 225
# How many of the largest mask values are lowered, and the rank, as a fraction of all patches, of
# the value that they are lowered to.
_DAMPED = 3
_DAMPED_TO = 0.05


class LocalDescriptors(NamedTuple):
    """Local descriptors of one image, in row-major order of the upsampled grid.

    Attributes:
        descriptors: [N, 128] float32, unit length.
        positions: [N, 2] float32, x and y in pixels of the network's input; (0, 0) is the centre
            of the top left pixel.
        weights: [N] float32, the aggregation mask (mean of the assignment over the clusters) at
            the nearest patch.
    """

    descriptors: Tensor
    positions: Tensor
    weights: Tensor


def upsample(patches: Tensor, upconv: nn.ConvTranspose2d, upconv2: nn.ConvTranspose2d) -> Tensor:
    """Patch features [B, C, h, w] to dense features [B, 4h - 3, 4w - 3, 128], not normalised."""
    if torch.is_autocast_enabled('cpu') and not patches.is_cuda:
        hidden = F.relu(_by_products(patches.permute(0, 2, 3, 1), upconv))
        return _by_products(hidden, upconv2).float()
    x = patches.to(upconv.weight.dtype)
    return upconv2(F.relu(upconv(x))).permute(0, 2, 3, 1).float()


def _by_products(x: Tensor, convolution: nn.ConvTranspose2d) -> Tensor:
    """A transposed convolution of kernel 3, stride 2 and padding 1, as four matrix products.

    For training under autocast on a CPU, where torch's own takes twice as long in bfloat16 as in
    float32. With padding 1, position o of the output gets input i by the tap 1 + o - 2i of the
    kernel: an even one by tap 1, an odd one by tap 2 of the input before it, and by tap 0 of the
    one after it.

    Args:
        x: [B, h, w, C].
        convolution: with a bias.

    Returns:
        [B, 2h - 1, 2w - 1, D], in the dtype of a matrix product.
    """
    _, h, w, _ = x.shape
    starts = {0: ((1, 0),), 1: ((2, 0), (0, 1))}
    kernel = convolution.weight.permute(2, 3, 1, 0)
    lines = []
    for odd_row in (0, 1):
        columns = []
        for odd_column in (0, 1):
            taps = [(r, c) for r in starts[odd_row] for c in starts[odd_column]]
            rows, across = h - odd_row, w - odd_column
            seen = [x[:, i : i + rows, j : j + across] for (_, i), (_, j) in taps]
            weight = torch.cat([kernel[r, c] for (r, _), (c, _) in taps], dim=1)
            columns.append(F.linear(torch.cat(seen, dim=3), weight, convolution.bias))
        lines.append(_interleaved(columns[0], columns[1], dim=2))
    return _interleaved(lines[0], lines[1], dim=1)


def _interleaved(even: Tensor, odd: Tensor, dim: int) -> Tensor:
    """Slices of a dimension, n even ones and n - 1 odd ones, in turns."""
    joined = torch.stack([even.narrow(dim, 0, odd.shape[dim]), odd], dim=dim + 1)
    last = even.narrow(dim, odd.shape[dim], 1)
    return torch.cat([joined.flatten(dim, dim + 1), last], dim=dim)


def select_patches(mask: Tensor) -> Tensor:
    """Indices [B, min(225, n)] of the patches whose local descriptors are selected.

    The three largest values are first lowered to the value at rank 5 %, and the largest are taken
    after a softmax, whose rounding in float32 makes close values equal. Both change the selection
    slightly; the released models were evaluated with them.

    Args:
        mask: [B, n], the aggregation mask.
    """
    patches = mask.shape[1]
    ranked = mask.sort(dim=1, descending=True).values
    rank = int(_DAMPED_TO * patches)
    largest = mask.topk(_DAMPED, dim=1, sorted=False).indices
    damped = mask.scatter(1, largest, ranked[:, rank : rank + 1].expand(-1, _DAMPED))
    return damped.softmax(dim=-1).topk(min(KEPT_PATCHES, patches), dim=-1).indices


def select_descriptors(
    dense: Tensor, mask: Tensor, grid: tuple[int, int]
) -> list[LocalDescriptors]:
    """Select the local descriptors of the patches with the largest aggregation mask.

    Args:
        dense: [B, 4h - 3, 4w - 3, 128], not normalised.
        mask: [B, h·w], the aggregation mask.
        grid: h and w.
    """
    return gather_descriptors(dense, *select_positions(mask, grid))


def select_positions(mask: Tensor, grid: tuple[int, int]) -> tuple[Tensor, Tensor]:
    """Select positions of the upsampled grid, and give their weights.

    Args:
        mask: [B, h·w], the aggregation mask.
        grid: h and w.

    Returns:
        [B, 4h - 3, 4w - 3] bool, which are selected, and [B, 4h - 3, 4w - 3] float32, the mask at
        the nearest patch.
    """
    size = (4 * grid[0] - 3, 4 * grid[1] - 3)
    chosen = torch.zeros_like(mask).scatter(1, select_patches(mask), 1)
    maps = torch.stack([chosen, mask], dim=1).unflatten(2, grid)
    kept, weights = F.interpolate(maps, size=size, mode='nearest').unbind(1)
    return kept > 0, weights


def gather_descriptors(dense: Tensor, kept: Tensor, weights: Tensor) -> list[LocalDescriptors]:
    """The selected local descriptors of each image, scaled to unit length.

    Args:
        dense: [B, H, W, 128], not normalised.
        kept: [B, H, W] bool, which are selected.
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
    """Pixel positions [N, 2] of flat indices [N] into an upsampled grid of `columns` columns.

    A transposed convolution of kernel 3, stride 2 and padding 1 centres output 2i on input i. So
    every fourth position is the centre of a patch, and the others lie between.
    """
    step, first = PATCH / 4, (PATCH - 1) / 2
    xy = torch.stack([index % columns, index // columns], dim=1)
    return xy.float() * step + first
