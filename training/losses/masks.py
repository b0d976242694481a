"""The two masks as spatial distributions."""

from __future__ import annotations

import torch
from torch import Tensor

from training.losses.inputs import EPSILON

_LOW, _HIGH = 0.05, 0.95
_RELEASED_REPLACED = 3
_RELEASED_RANK = 0.05


def spatial_distribution(mask: Tensor) -> Tensor:
    """Clip a mask [B, N] to its percentiles 5 and 95, and scale its mean over patches to 1.

    That the paper clips by percentiles is public, which ones is not; these are our choice. The
    clipping keeps a few outliers, which transformers are known for, from being all of the mask.
    """
    shares = mask.new_tensor([_LOW, _HIGH])
    low, high = torch.quantile(mask, shares, dim=1).unsqueeze(2)
    clipped = torch.minimum(torch.maximum(mask, low), high)
    return clipped / clipped.mean(dim=1, keepdim=True).clamp_min(EPSILON)


def released_distribution(mask: Tensor) -> Tensor:
    """Softmax of a mask [B, N] whose three largest values are lowered to that at rank 5 %.

    Values under 1/64, as those of the aggregation mask, make this uniform within 1.6 %.
    """
    rank = int(_RELEASED_RANK * mask.shape[1])
    ceiling = mask.sort(dim=1, descending=True).values[:, rank : rank + 1]
    largest = mask.topk(_RELEASED_REPLACED, dim=1, sorted=False).indices
    return mask.scatter(1, largest, ceiling.expand(-1, _RELEASED_REPLACED)).softmax(dim=1)
