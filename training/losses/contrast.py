"""CEL, the foreground-background contrast enhancement loss."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from training.losses.inputs import EPSILON, LossInputs, full_precision
from training.losses.masks import released_distribution, spatial_distribution
from training.losses.places import positives

_RELEASED_FOREGROUND = 0.7


@full_precision
def contrast_loss(
    inputs: LossInputs,
    *,
    variant: str = 'paper',
    temperature: float = 0.1,
    train_features: bool = False,
) -> Tensor:
    """Foregrounds of one place are alike, and unlike the backgrounds.

    -log exp(f_i·f_j / τ) / (exp(f_i·f_j / τ) + exp(f_i·b_i / τ) + exp(f_i·b_j / τ)), averaged over
    the ordered pairs i, j of each place; f = normalise(Σ m x), b = normalise(Σ (1 - m) x) over the
    local descriptors x at the centres of patches. It starts near log 3, which is f = b.

    That f and b are sums weighted by a mask, and that f is pulled to f and pushed from b, is the
    paper's; its formula is not public as text, and the form of the contrast is our choice. So is
    the weight: m = M / (M + median M) of the mean M of both masks, as spatial distributions, which
    is 1/2 for the median patch whatever the scale of the masks, and whose slope is bounded where
    the masks are still flat.

    In the released variant there is no push: 0.7 (1 - cos(f_i, f_j)) + 0.3 (1 - cos(b_i, b_j))
    with the sum of two softmaxes for m, which is about 2/N everywhere, on the whole dense grid. It
    draws one j for each i; here it is the mean over all, which is what is expected of the draw.

    Args:
        inputs: what to compute it from.
        variant: paper or released.
        temperature: of the paper's variant.
        train_features: gradients reach the local descriptors too (paper's variant), not only the
            masks. The released code keeps them from there.
    """
    positive = positives(inputs.labels)
    if not positive.any():
        return inputs.zero()
    if variant == 'released':
        each = _released(inputs)
    else:
        each = _contrast(inputs, temperature, train_features)
    count = positive.sum(dim=1)
    of_image = (each * positive).sum(dim=1) / count.clamp_min(1)
    return of_image.sum() / (count > 0).sum()


def _contrast(inputs: LossInputs, temperature: float, train_features: bool) -> Tensor:
    """The loss [B, B] of all pairs."""
    mask = (spatial_distribution(inputs.aggregation) + spatial_distribution(inputs.extraction)) / 2
    median = mask.quantile(0.5, dim=1, keepdim=True)
    weights = mask / (mask + median).clamp_min(EPSILON)
    features = inputs.centres if train_features else inputs.centres.detach()
    both = torch.stack([weights, 1 - weights], dim=1) @ features
    foreground, background = F.normalize(both, dim=2, eps=EPSILON).unbind(1)
    alike = foreground @ foreground.T / temperature
    against = foreground @ background.T / temperature
    own = against.diagonal().unsqueeze(1).expand_as(against)
    logits = torch.stack([alike, own, against])
    return logits.logsumexp(dim=0) - alike


def _released(inputs: LossInputs) -> Tensor:
    """The released loss [B, B] of all pairs."""
    mask = released_distribution(inputs.aggregation) + released_distribution(inputs.extraction)
    dense = inputs.dense.detach()
    mask = F.interpolate(
        mask.view(-1, 1, *inputs.grid), size=dense.shape[1:3], mode='bilinear', align_corners=True
    ).flatten(1)
    # Dividing the weights by the lengths saves a normalised copy of all local descriptors.
    inverse = 1 / torch.linalg.vector_norm(dense, dim=-1).clamp_min(EPSILON).flatten(1)
    weights = torch.stack([mask * inverse, (1 - mask) * inverse], dim=1)
    foreground, background = F.normalize(weights @ dense.flatten(1, 2), dim=2).unbind(1)
    alike = foreground @ foreground.T
    bland = background @ background.T
    share = _RELEASED_FOREGROUND
    return share * (1 - alike) + (1 - share) * (1 - bland)
