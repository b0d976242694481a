"""Nearest neighbours among the rows of pairs of images, in bounded memory."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

# Similarities in memory at once, in bytes.
CPU_TILE_BYTES = 8 << 20
GPU_TILE_BYTES = 256 << 20
# Further than any cosine: what is added where there is no row.
_FAR = -4.0


class Matches(NamedTuple):
    """M matches between rows of pairs of images.

    Attributes:
        pair: [M] int64, which pair.
        left: [M] int64, row of its first image.
        right: [M] int64, row of its second image.
    """

    pair: Tensor
    left: Tensor
    right: Tensor


def tile_bytes(device: torch.device) -> int:
    """How many bytes of similarities to hold at once."""
    return CPU_TILE_BYTES if device.type == 'cpu' else GPU_TILE_BYTES


@torch.no_grad()
def mutual_nearest(rows: Tensor, pairs: Tensor, valid: Tensor | None = None) -> Matches:
    """Rows of two images of which each is the nearest to the other.

    Args:
        rows: [B, K, C], unit length.
        pairs: [P, 2], which images.
        valid: [B, K] bool, which rows there are; None means all.
    """
    if valid is not None:
        rows = _with_validity(rows, valid)
    size, width = rows.shape[1], rows.element_size()
    budget = tile_bytes(rows.device)
    together = max(1, budget // (size * size * width)) if size else 1
    block = max(1, min(size, budget // max(1, size * width)))
    found = [
        _matches_of(rows, pairs[start : start + together], block, valid is not None)
        for start in range(0, len(pairs) if size else 0, together)
    ]
    if not found:
        empty = pairs.new_empty(0)
        return Matches(empty, empty, empty)
    nearest = torch.cat([near for near, _ in found])
    mutual = torch.cat([both for _, both in found])
    pair, left = mutual.nonzero(as_tuple=True)
    return Matches(pair, left, nearest[pair, left])


def _with_validity(rows: Tensor, valid: Tensor) -> Tensor:
    """Rows [B, K, C + 2] that as first and second of a pair are far from all where not valid.

    Cosines of two valid rows stay what they are, and no similarities have to be masked, which
    would cost as much as a third of computing them.
    """
    penalty = _FAR * (~valid).to(rows.dtype)
    return torch.cat([rows, penalty.unsqueeze(2), torch.ones_like(rows[..., :1])], dim=2)


def _matches_of(
    rows: Tensor, pairs: Tensor, block: int, with_validity: bool
) -> tuple[Tensor, Tensor]:
    """For each row of the first images its nearest [P, K], and whether it is mutual [P, K]."""
    first, second = pairs.unbind(1)
    targets = rows[second]
    if with_validity:
        # The penalty of either side meets the one of the other.
        targets = torch.cat([targets[..., :-2], targets[..., -1:], targets[..., -2:-1]], dim=2)
    targets = targets.transpose(1, 2)
    column_best = rows.new_full((len(pairs), rows.shape[1]), -torch.inf)
    nearest, best = [], []
    for start in range(0, rows.shape[1], block):
        similarity = rows[first, start : start + block] @ targets
        found = nearest_of_rows(similarity)
        nearest.append(found)
        best.append(similarity.gather(2, found.unsqueeze(2)).squeeze(2))
        torch.maximum(column_best, similarity.amax(dim=1), out=column_best)
    index, value = torch.cat(nearest, dim=1), torch.cat(best, dim=1)
    return index, (value == column_best.gather(1, index)) & (value > _FAR / 2)


def nearest_of_rows(similarity: Tensor) -> Tensor:
    """Argmax over the last dimension; NumPy's is vectorised and ten times torch's on the CPU."""
    if similarity.device.type == 'cpu':
        return torch.from_numpy(similarity.numpy().argmax(axis=-1))
    return similarity.argmax(dim=-1)


def weighted_mean(values: Tensor, weights: Tensor, group: Tensor, groups: int) -> Tensor:
    """Weighted mean of `values` [M] over each of `groups` groups; 0 where one has no weight.

    Args:
        values: [M].
        weights: [M], not negative.
        group: [M] int64, to which group each belongs.
        groups: how many there are.
    """
    zeros = values.new_zeros(groups)
    total = zeros.index_add(0, group, weights)
    return zeros.index_add(0, group, weights * values) / torch.where(total > 0, total, 1)
