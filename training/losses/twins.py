"""The loss of local descriptors where it is known which belong together.

Not of FoL: the paper begins with DINOv2, whose patches are told apart before the first step. In a
network from random weights all local descriptors are alike, mutual nearest neighbours are chance,
and the losses that learn from them settle on that. Two differently changed copies of one
photograph (twins) have correspondences that nobody has to guess. They do not show what another
viewpoint, weather or hour does to a point; two photographs of a place of known depth do.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from training.losses.inputs import EPSILON, LossInputs, full_precision

_NEAR = 1.5


@full_precision
def twin_loss(inputs: LossInputs, *, temperature: float = 0.07) -> Tensor:
    """InfoNCE (van den Oord et al., arXiv 1807.03748) over the local descriptors of twins.

    Each patch centre of one twin has to find its own point in the other, among the patch centres
    of that one which are farther than 1.5 patches from it, and those of an image of another
    place. The descriptor of the point is interpolated in the dense grid, so that positions
    between the centres learn too.

    Args:
        inputs: with `photographs` and `frames`.
        temperature: of the cosines.

    Returns:
        The mean over all points that both twins see; 0 where there are no twins.
    """
    pairs = twin_pairs(inputs)
    if not len(pairs):
        return inputs.zero()
    assert inputs.frames is not None
    first, second = pairs.unbind(1)
    points = corresponding(inputs.frames[first], inputs.frames[second], inputs.grid)
    return _found_again(inputs, first, second, points, temperature)


@full_precision
def view_loss(inputs: LossInputs, *, temperature: float = 0.07) -> Tensor:
    """The same over two photographs of a place, where it is known which points they share.

    Args:
        inputs: with `partners` and `points`.
        temperature: of the cosines.

    Returns:
        The mean over all points that both photographs show; 0 where there are none.
    """
    if inputs.partners is None or inputs.points is None:
        return inputs.zero()
    first = inputs.partners.nonzero().flatten()
    if not len(first):
        return inputs.zero()
    second = first + inputs.partners[first]
    return _found_again(inputs, first, second, inputs.points[first], temperature)


def _found_again(
    inputs: LossInputs, first: Tensor, second: Tensor, points: Tensor, temperature: float
) -> Tensor:
    """InfoNCE of P pairs of images.

    Args:
        first, second: [P] int64, the images.
        points: [P, N, 2], where the patch centres of the first ones are in the second ones, in
            shares of their sides; those within half a patch of the border, or outside, do not
            count.
    """
    h, w = inputs.grid
    scale = points.new_tensor([w, h])
    inside = ((points * scale > 0.5) & (points * scale < scale - 0.5)).all(dim=2)

    # The dense grid begins and ends at the centres of the outer patches.
    found = interpolated(inputs.dense, second, (points * scale - 0.5) / (scale - 1))
    target = F.normalize(found, dim=-1, eps=EPSILON)

    queries, others = inputs.centres[first], inputs.centres[_of_another_place(inputs, first)]
    right = (queries * target).sum(dim=2, keepdim=True)
    within = queries @ inputs.centres[second].transpose(1, 2)
    centres = patch_centres(inputs.grid).to(points)
    near = torch.cdist(points * scale, centres.unsqueeze(0) * scale) < _NEAR
    within = within.masked_fill(near, -torch.inf)
    logits = torch.cat([right, within, queries @ others.transpose(1, 2)], dim=2) / temperature
    loss = logits.logsumexp(dim=2) - logits[:, :, 0]
    return (loss * inside).sum() / inside.sum().clamp(min=1)


def interpolated(dense: Tensor, images: Tensor, points: Tensor) -> Tensor:
    """Values between the positions of a grid, linear in both directions; 0 outside it.

    As torch's `grid_sample`, but from the four rows next to each point alone, where that needs a
    copy of the whole grid of each image, and writes a gradient of the same size.

    Args:
        dense: [B, H, W, L].
        images: [P] int64, which of the B images.
        points: [P, K, 2], x and y from 0 to 1, from the first position to the last one.

    Returns:
        [P, K, L].
    """
    height, width = dense.shape[1:3]
    size = points.new_tensor([width, height])
    xy = points.to(dense.dtype) * (size - 1)
    low = xy.floor()
    share = xy - low
    indices, weights = [], []
    for right in (0, 1):
        for below in (0, 1):
            corner = low + low.new_tensor([right, below])
            inside = ((corner >= 0) & (corner <= size - 1)).all(dim=2)
            x, y = corner.clamp(min=0).minimum(size - 1).long().unbind(2)
            across = share[..., 0] if right else 1 - share[..., 0]
            down = share[..., 1] if below else 1 - share[..., 1]
            indices.append((images.unsqueeze(1) * height + y) * width + x)
            weights.append(across * down * inside)
    index, weight = torch.stack(indices), torch.stack(weights)
    rows = dense.flatten(0, 2).index_select(0, index.flatten()).view(*index.shape, -1)
    return (rows * weight.unsqueeze(3)).sum(dim=0)


def twin_pairs(inputs: LossInputs) -> Tensor:
    """Pairs [P, 2] of different images of one photograph, both ways round."""
    if inputs.photographs is None:
        return torch.empty(0, 2, dtype=torch.int64)
    same = inputs.photographs.unsqueeze(0) == inputs.photographs.unsqueeze(1)
    return same.fill_diagonal_(False).nonzero()


def patch_centres(grid: tuple[int, int]) -> Tensor:
    """[h·w, 2], x and y of the centres of all patches, as shares of the image's sides."""
    h, w = grid
    y, x = torch.meshgrid(torch.arange(h), torch.arange(w), indexing='ij')
    size = torch.tensor([w, h])
    return (torch.stack([x, y], dim=2).reshape(-1, 2) + 0.5) / size


def corresponding(first: Tensor, second: Tensor, grid: tuple[int, int]) -> Tensor:
    """Where the patch centres of images are seen in their twins.

    Args:
        first, second: [P, 3, 3], from shares of an image's sides to those of its photograph.
        grid: h and w, of both.

    Returns:
        [P, h·w, 2], shares of the twins' sides; outside 0 to 1 where they do not see it.
    """
    centres = patch_centres(grid).to(first)
    homogeneous = torch.cat([centres, torch.ones_like(centres[:, :1])], dim=1)
    moved = homogeneous @ (torch.linalg.inv(second) @ first).transpose(1, 2)
    return moved[..., :2] / moved[..., 2:]


def _of_another_place(inputs: LossInputs, images: Tensor) -> Tensor:
    """[P], for each image one of another place, or itself where there is none."""
    other = inputs.labels[images].unsqueeze(1) != inputs.labels.unsqueeze(0)
    shift = images.unsqueeze(1) + torch.arange(1, len(inputs.labels) + 1, device=images.device)
    shift = shift % len(inputs.labels)
    return shift.gather(1, other.gather(1, shift).int().argmax(dim=1, keepdim=True)).squeeze(1)
