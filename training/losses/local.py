"""The loss of local descriptors: places are told apart by their mutual nearest neighbours."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from training.losses.inputs import EPSILON, LossInputs, full_precision
from training.losses.matching import mutual_nearest, weighted_mean
from training.losses.places import hardest_triplets


@full_precision
def local_triplet_loss(
    inputs: LossInputs,
    *,
    variant: str = 'paper',
    stride: int = 4,
    margin: float = 0.1,
    threshold: float = 0.7,
    softness: float = 0.1,
) -> Tensor:
    """Triplet loss over the similarity of mutual nearest local descriptors.

    max(0, margin + s(anchor, negative) - s(anchor, positive)), where s of two images is the mean
    cosine of their mutual nearest neighbours over a threshold; triplets are batch-hard by the
    global descriptor (SelaVPR, Lu et al., ICLR 2024, from where FoL takes it).

    A hard threshold is silent where nothing matches, and in the released code an empty mean is
    NaN. Our choice for the paper's variant is a soft one: matches count with the weight
    σ((cosine - threshold) / softness), which like membership in the hard one is taken for
    constant; so every mutual pair has a gradient from the first step, and the hard mean is the
    limit of small softness. Also ours: a margin above 0, without which the loss is silent as soon
    as the positive is ahead at all, and the mean over triplets.

    The released variant is hard, with margin 0, and summed over triplets. Where an image pair has
    no match over the threshold its similarity is 0 here.

    Args:
        inputs: what to compute it from.
        variant: paper or released.
        stride: every how many positions of the dense grid there is a descriptor; 4 is one for
            each kept patch, at its centre, 1 is what re-ranking uses.
        margin: of the paper's variant.
        threshold: in cosine.
        softness: of the paper's variant, in cosine.
    """
    triplets = hardest_triplets(inputs.descriptor, inputs.labels)
    if not len(triplets):
        return inputs.zero()
    anchor, positive, negative = triplets.unbind(1)
    pairs = torch.stack([torch.cat([anchor, anchor]), torch.cat([positive, negative])], dim=1)
    # Hardest is often mutual: the similarity of a pair is symmetric, and is computed once.
    pairs, which = pairs.sort(dim=1).values.unique(dim=0, return_inverse=True)
    hard = variant == 'released'
    similarity = pair_similarity(inputs, pairs, stride, threshold, None if hard else softness)
    toward, away = similarity[which].chunk(2)
    if hard:
        return F.relu(away - toward).sum()
    return F.relu(margin + away - toward).mean()


def pair_similarity(
    inputs: LossInputs, pairs: Tensor, stride: int, threshold: float, softness: float | None
) -> Tensor:
    """Mean cosine [P] of the mutual nearest local descriptors of pairs [P, 2] of images.

    Without `softness` those over the threshold count, else all count by how far they are over it.
    """
    rows, valid = kept_descriptors(inputs, stride)
    found = mutual_nearest(rows.detach(), pairs, valid)
    size, flat = rows.shape[1], rows.flatten(0, 1)
    first, second = pairs[found.pair].unbind(1)
    left = flat.index_select(0, first * size + found.left)
    right = flat.index_select(0, second * size + found.right)
    cosine = (left * right).sum(dim=1)
    known = cosine.detach()
    if softness is None:
        weights = (known > threshold).to(cosine.dtype)
    else:
        weights = torch.sigmoid((known - threshold) / softness)
    return weighted_mean(cosine, weights, found.pair, len(pairs))


def kept_descriptors(inputs: LossInputs, stride: int) -> tuple[Tensor, Tensor | None]:
    """Local descriptors of the kept patches, on every `stride`-th position of the dense grid.

    Returns:
        [B, K, L] of unit length, row by row over the grid, and which of them there are: [B, K]
        bool, or None where all are there.
    """
    if stride == 4:
        index = inputs.kept.unsqueeze(2).expand(-1, -1, inputs.centres.shape[2])
        return inputs.centres.gather(1, index), None
    dense = inputs.dense[:, ::stride, ::stride]
    chosen = torch.zeros_like(inputs.aggregation).scatter(1, inputs.kept, 1)
    nearest = F.interpolate(
        chosen.view(-1, 1, *inputs.grid), size=inputs.dense.shape[1:3], mode='nearest'
    )[:, 0, ::stride, ::stride].flatten(1)
    most = int(nearest.sum(dim=1).max())
    order = nearest.argsort(dim=1, descending=True, stable=True)[:, :most]
    rows, columns = order // dense.shape[2], order % dense.shape[2]
    images = torch.arange(len(order), device=order.device).unsqueeze(1)
    valid = nearest.gather(1, order) > 0
    return F.normalize(dense[images, rows, columns], dim=-1, eps=EPSILON), valid
