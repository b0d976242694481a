"""Pseudo-correspondences: patches that the aggregation takes for the same thing."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from training.losses.inputs import EPSILON, LossInputs, full_precision
from training.losses.matching import Matches, nearest_of_rows, tile_bytes, weighted_mean
from training.losses.places import next_of_place, positive_pairs

_RELEASED_ATTENTION = 0.1
_RELEASED_SHARE = 0.1
_RELEASED_AGREEMENT = 0.8
_RELEASED_RATIO = 2.0
_RELEASED_MAX = 5
_NO_CANDIDATE = -10.0


class Correspondences(NamedTuple):
    """M pairs of patches, and how well their features agree.

    Attributes:
        pairs: [P, 2], which images.
        matches: M patches of either image.
        agreement: [M], cosine of their features, without gradient.
    """

    pairs: Tensor
    matches: Matches
    agreement: Tensor


@full_precision
def correspondence_loss(
    inputs: LossInputs,
    *,
    variant: str = 'paper',
    agreement: float = 0.8,
    ratio: float = 0.9,
) -> Tensor:
    """Pull the local descriptors of pseudo-correspondences together.

    Σ a (1 - cos(x_i, x_j)) / Σ a over the correspondences of two images, averaged over all pairs
    of images of one place; x are local descriptors, a the agreement of the patch features.

    That patches correspond which go to the same cluster and whose features agree clearly is the
    paper's; its formula is not public as text. Our choice: among the kept patches of both images,
    those that go mostly to the same cluster, are mutual nearest neighbours among such ones with a
    cosine of at least `agreement`, and whose 1 - cosine is at most `ratio` of that of the next
    best partner of either (Lowe's test). x is the descriptor at the centre of the patch.

    The released variant takes patches of the extraction mask over 0.1 in each image but the first
    such patch; candidates of the next image of the place that give more than 0.1 to the patch's
    cluster; the best one if its cosine is over 0.8 and more than twice the second best, which a
    single candidate never is; and at most five for each image. x is a mean of 3 x 3 descriptors
    up to half a patch from the centre. The mean is over all correspondences of the batch.

    Args:
        inputs: what to compute it from.
        variant: paper or released.
        agreement: of the paper's variant.
        ratio: of the paper's variant.
    """
    hard = variant == 'released'
    found = released_correspondences(inputs) if hard else correspondences(inputs, agreement, ratio)
    pair, first, second = found.matches
    if not len(pair):
        return inputs.zero()
    left, right = found.pairs[pair].unbind(1)
    descriptors = _around_centres if hard else _at_centres
    cosine = (descriptors(inputs, left, first) * descriptors(inputs, right, second)).sum(dim=1)
    if hard:
        return (found.agreement * (1 - cosine)).mean()
    return weighted_mean(1 - cosine, found.agreement, pair, len(found.pairs)).mean()


def _at_centres(inputs: LossInputs, image: Tensor, patch: Tensor) -> Tensor:
    """Local descriptors [M, L] at the centres of patches, unit length."""
    flat = inputs.centres.flatten(0, 1)
    return flat.index_select(0, image * inputs.centres.shape[1] + patch)


def _around_centres(inputs: LossInputs, image: Tensor, patch: Tensor) -> Tensor:
    """Means [M, L] of 3 x 3 local descriptors where the released code has patches, unit length.

    It takes the dense grid for a picture of the input, which it is not quite: it ends at the
    centres of the outermost patches.
    """
    rows, columns = inputs.dense.shape[1:3]
    around = torch.arange(-1, 2, device=patch.device)
    y = _released_position(patch // inputs.grid[1], inputs.grid[0], rows)
    x = _released_position(patch % inputs.grid[1], inputs.grid[1], columns)
    position = (y[:, None] + around)[:, :, None] * columns + (x[:, None] + around)[:, None, :]
    index = (image[:, None, None] * rows * columns + position).flatten()
    found = F.normalize(inputs.dense.flatten(0, 2).index_select(0, index), dim=1, eps=EPSILON)
    return F.normalize(found.view(len(patch), 9, -1).mean(dim=1), dim=1, eps=EPSILON)


def _released_position(patch: Tensor, patches: int, positions: int) -> Tensor:
    scale = 14 * patches / positions
    return ((14 * patch + 7) / scale).round().long().clamp(1, positions - 2)


@torch.no_grad()
def correspondences(inputs: LossInputs, agreement: float, ratio: float) -> Correspondences:
    """The pseudo-correspondences of all pairs of images of one place, as the paper means them."""
    pairs = positive_pairs(inputs.labels)
    kept = inputs.kept
    images = torch.arange(len(kept), device=kept.device).unsqueeze(1)
    features = F.normalize(inputs.patches[images, kept], dim=2, eps=EPSILON)
    clusters = inputs.assignment.argmax(dim=1).gather(1, kept)
    together = max(1, tile_bytes(kept.device) // (4 * kept.shape[1] ** 2))
    parts = []
    for start in range(0, len(pairs), together):
        first, second = pairs[start : start + together].unbind(1)
        similarity = features[first] @ features[second].transpose(1, 2)
        apart = clusters[first].unsqueeze(2) != clusters[second].unsqueeze(1)
        similarity.masked_fill_(apart, -1)
        pair, left, right, best = _clear(similarity, agreement, ratio)
        parts.append((pair + start, kept[first[pair], left], kept[second[pair], right], best))
    return _collected(pairs, parts)


def _clear(similarity: Tensor, agreement: float, ratio: float) -> tuple[Tensor, ...]:
    """Mutual nearest neighbours that agree, and clearly more than the next best partners.

    Args:
        similarity: [P, A, A], -1 where there can be none; is overwritten.
        agreement: least similarity.
        ratio: largest 1 - similarity, relative to the next best.

    Returns:
        Pair, row, column and similarity of each of them, [M] each.
    """
    nearest = nearest_of_rows(similarity)
    best = similarity.gather(2, nearest.unsqueeze(2)).squeeze(2)
    mutual = (best == similarity.amax(dim=1).gather(1, nearest)) & (best >= agreement)
    pair, left = mutual.nonzero(as_tuple=True)
    right, best = nearest[pair, left], best[pair, left]
    similarity[pair, left, right] = -1
    rows, columns = similarity.amax(dim=2), similarity.amax(dim=1)
    second = torch.maximum(rows[pair, left], columns[pair, right])
    clear = 1 - best <= ratio * (1 - second)
    return pair[clear], left[clear], right[clear], best[clear]


@torch.no_grad()
def released_correspondences(inputs: LossInputs) -> Correspondences:
    """The pseudo-correspondences that the released training code finds."""
    pairs = next_of_place(inputs.labels)
    features = F.normalize(inputs.patches, dim=2, eps=EPSILON)
    clusters = inputs.assignment.argmax(dim=1)
    seen = inputs.attention > _RELEASED_ATTENTION
    most = int(seen.sum(dim=1).max())
    anchors = seen.byte().argsort(dim=1, descending=True, stable=True)[:, :most]
    seen = seen.gather(1, anchors)
    seen[:, :1] = False
    patches = features.shape[1]
    together = max(1, tile_bytes(pairs.device) // (4 * max(1, most) * patches))
    parts = []
    for start in range(0, len(pairs), together):
        first, second = pairs[start : start + together].unbind(1)
        of_first = anchors[first]
        similarity = features[first.unsqueeze(1), of_first] @ features[second].transpose(1, 2)
        cluster = clusters[first].gather(1, of_first).unsqueeze(2).expand(-1, -1, patches)
        share = inputs.assignment[second].gather(1, cluster)
        similarity.masked_fill_(share <= _RELEASED_SHARE, _NO_CANDIDATE)
        values, indices = similarity.topk(2, dim=2)
        best, next_best = values.unbind(2)
        good = (best > _RELEASED_AGREEMENT) & (best / next_best > _RELEASED_RATIO) & seen[first]
        good &= good.cumsum(dim=1) <= _RELEASED_MAX
        pair, anchor = good.nonzero(as_tuple=True)
        found = best[pair, anchor]
        parts.append((pair + start, of_first[pair, anchor], indices[pair, anchor, 0], found))
    return _collected(pairs, parts)


def _collected(pairs: Tensor, parts: Sequence[tuple[Tensor, ...]]) -> Correspondences:
    if not parts:
        empty = pairs.new_empty(0)
        return Correspondences(pairs, Matches(empty, empty, empty), empty.float())
    pair, first, second, agreement = (torch.cat(each) for each in zip(*parts, strict=True))
    return Correspondences(pairs, Matches(pair, first, second), agreement)
