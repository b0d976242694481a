"""SAL, the extraction-aggregation spatial alignment loss."""

from __future__ import annotations

from torch import Tensor

from training.losses.inputs import EPSILON, LossInputs, full_precision
from training.losses.masks import released_distribution, spatial_distribution


@full_precision
def alignment_loss(inputs: LossInputs, *, variant: str = 'paper') -> Tensor:
    """Symmetric KL divergence of the aggregation mask and the extraction mask.

    1/N Σ_i M_a log(M_a / M_e) + 1/N Σ_i M_e log(M_e / M_a), averaged over images (paper, "Spatial
    Alignment Loss"). Both masks are first clipped by percentiles; that they are scaled to a mean
    of 1 is our reading: with it the mean over patches is the divergence of two distributions,
    whatever the size of the grid. The gradient reaches both masks through both terms.

    The released variant compares softmaxes of the masks, which are all but uniform, sums over
    patches, and takes the first argument of each divergence for constant.
    """
    if variant == 'released':
        kept = released_distribution(inputs.aggregation)
        seen = released_distribution(inputs.extraction)
        to_seen = seen.detach() * (seen.detach().log() - kept.log())
        to_kept = kept.detach() * (kept.detach().log() - seen.log())
        return (to_seen + to_kept).sum(dim=1).mean()
    kept = spatial_distribution(inputs.aggregation) + EPSILON
    seen = spatial_distribution(inputs.extraction) + EPSILON
    return ((kept - seen) * (kept.log() - seen.log())).mean()
