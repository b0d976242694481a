"""Which images of a batch show one place."""

from __future__ import annotations

import torch
from torch import Tensor


def positives(labels: Tensor) -> Tensor:
    """[B, B] bool: another image of the same place."""
    same = labels.unsqueeze(0) == labels.unsqueeze(1)
    return same.fill_diagonal_(False)


def positive_pairs(labels: Tensor) -> Tensor:
    """All pairs [P, 2] of images of one place, the first of each pair being the smaller index."""
    return positives(labels).triu().nonzero()


def next_of_place(labels: Tensor) -> Tensor:
    """Pairs [P, 2] of each image and the next one of its place, the first after the last.

    Images that are alone at their place are left out.
    """
    order = labels.argsort(stable=True)
    ranked = labels[order]
    here = torch.arange(len(labels), device=labels.device)
    first = torch.searchsorted(ranked, ranked)
    end = torch.searchsorted(ranked, ranked, right=True)
    following = torch.where(here + 1 < end, here + 1, first)
    pairs = torch.stack([order, order[following]], dim=1)
    return pairs[pairs[:, 0] != pairs[:, 1]]


@torch.no_grad()
def hardest_triplets(descriptor: Tensor, labels: Tensor) -> Tensor:
    """Each image with its hardest positive and its hardest negative.

    Batch-hard mining (Hermans, Beyer and Leibe, arXiv 1703.07737) by cosine.

    Args:
        descriptor: [B, D], unit length.
        labels: [B].

    Returns:
        [T, 3] int64: anchor, its least similar positive, its most similar negative. Images
        without the one or the other are left out.
    """
    similarity = descriptor @ descriptor.T
    positive = positives(labels)
    negative = labels.unsqueeze(0) != labels.unsqueeze(1)
    far = similarity.masked_fill(~positive, torch.inf).argmin(dim=1)
    near = similarity.masked_fill(~negative, -torch.inf).argmax(dim=1)
    anchors = torch.arange(len(labels), device=labels.device)
    complete = positive.any(dim=1) & negative.any(dim=1)
    return torch.stack([anchors, far, near], dim=1)[complete]
