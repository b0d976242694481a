"""The losses of the released training code, written anew from their description, for timing.

Images, triplets and image pairs are taken one after the other in Python; features of all pairs of
patches are broadcast against each other; foreground and background are multiplied out over the
dense grid. What that code draws at random is the next image of the place here, and where it takes
a mean of nothing, which is NaN, there is 0.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from training.losses import LossInputs
from training.losses.descriptors import multi_similarity_loss
from training.losses.masks import released_distribution
from training.losses.places import hardest_triplets, next_of_place

THRESHOLD = 0.7


def local(inputs: LossInputs) -> Tensor:
    """Sum over triplets of the difference in mean cosine of mutual nearest neighbours."""
    mask = torch.zeros_like(inputs.aggregation).scatter(1, inputs.kept, 1)
    mask = F.interpolate(mask.view(-1, 1, *inputs.grid), size=inputs.dense.shape[1:3])[:, 0]
    mask = mask.flatten(1)
    flat = inputs.dense.flatten(1, 2)
    chosen = flat[mask.nonzero(as_tuple=True)].split(mask.sum(dim=1).int().tolist())
    padded = torch.nn.utils.rnn.pad_sequence(list(chosen), batch_first=True)
    rows = F.normalize(padded, dim=-1)
    total = rows.new_zeros(())
    for triplet in hardest_triplets(inputs.descriptor, inputs.labels).tolist():
        anchor, positive, negative = (rows[image] for image in triplet)
        total = total + F.relu(_similarity(anchor, negative) - _similarity(anchor, positive))
    return total


def _similarity(left: Tensor, right: Tensor) -> Tensor:
    similarity = (right @ left.T).unsqueeze(0)
    of_left, of_right = similarity.argmax(dim=1)[0], similarity.argmax(dim=2)[0]
    mutual = (of_right[of_left] == torch.arange(len(left))).nonzero()[:, 0]
    partner = of_left[mutual]
    over = (left[mutual] * right[partner]).sum(dim=1) > THRESHOLD
    cosine = (left[mutual[over]] * right[partner[over]]).sum(dim=1)
    return cosine.mean() if len(cosine) else cosine.sum()


def alignment(inputs: LossInputs) -> Tensor:
    """Two divergences of softmaxed masks."""
    kept = released_distribution(inputs.aggregation)
    seen = released_distribution(inputs.extraction)
    divergence = F.kl_div(kept.log(), seen.detach(), reduction='none').sum(-1).mean()
    return divergence + F.kl_div(seen.log(), kept.detach(), reduction='none').sum(-1).mean()


def contrast(inputs: LossInputs) -> Tensor:
    """Foregrounds and backgrounds of an image and another one of its place, multiplied out."""
    mask = released_distribution(inputs.aggregation) + released_distribution(inputs.extraction)
    dense = F.normalize(inputs.dense.detach(), dim=-1)
    mask = F.interpolate(
        mask.view(-1, 1, *inputs.grid), size=dense.shape[1:3], mode='bilinear', align_corners=True
    )[:, 0]

    def sums(image: int) -> tuple[Tensor, Tensor]:
        foreground = dense[image] * mask[image].unsqueeze(-1)
        background = dense[image] * (1 - mask[image]).unsqueeze(-1)
        return foreground.sum(dim=(0, 1)), background.sum(dim=(0, 1))

    total = dense.new_zeros(())
    for i, j in next_of_place(inputs.labels).tolist():
        (fi, bi), (fj, bj) = sums(i), sums(j)
        alike, bland = F.cosine_similarity(fi, fj, dim=0), F.cosine_similarity(bi, bj, dim=0)
        total = total + (0.7 * (1 - alike) + 0.3 * (1 - bland)) / len(dense)
    return total


def correspondence(inputs: LossInputs) -> Tensor:
    """Up to five pseudo-correspondences of an image, by a broadcast cosine of all patches."""
    unit = F.normalize(inputs.patches, dim=2)
    local = F.normalize(inputs.dense, dim=-1)
    total, count = local.new_zeros(()), 0
    for i, j in next_of_place(inputs.labels).tolist():
        anchors = (inputs.attention[i] > 0.1).nonzero()[1:, 0]
        if not len(anchors):
            continue
        cluster = inputs.assignment[i][:, anchors].argmax(dim=0)
        candidate = inputs.assignment[j][cluster] > 0.1
        cosine = F.cosine_similarity(unit[i][anchors].unsqueeze(1), unit[j].unsqueeze(0), dim=-1)
        best, index = cosine.masked_fill(~candidate, -10.0).topk(2, dim=1)
        good = (best[:, 0] > 0.8) & (best[:, 0] / best[:, 1] > 2)
        found = zip(anchors[good].tolist(), index[good, 0].tolist(), best[good, 0], strict=True)
        for p, q, agreement in list(found)[:5]:
            left, right = _around(local[i], p, inputs.grid), _around(local[j], q, inputs.grid)
            total = total + agreement.item() * (1 - F.cosine_similarity(left, right, dim=0))
            count += 1
    return total / max(1, count)


def _around(local: Tensor, patch: int, grid: tuple[int, int]) -> Tensor:
    rows, columns = local.shape[:2]
    y = min(max(round((14 * (patch // grid[1]) + 7) / (14 * grid[0] / rows)), 1), rows - 2)
    x = min(max(round((14 * (patch % grid[1]) + 7) / (14 * grid[1] / columns)), 1), columns - 2)
    return sum(
        (local[y + dy, x + dx] for dy in (-1, 0, 1) for dx in (-1, 0, 1)), local.new_zeros(())
    )


LOSSES: dict[str, Callable[[LossInputs], Tensor]] = {
    'multi_similarity': multi_similarity_loss,
    'local': local,
    'alignment': alignment,
    'contrast': contrast,
    'correspondence': correspondence,
}
