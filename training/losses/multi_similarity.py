"""The loss of global descriptors."""

from __future__ import annotations

from pytorch_metric_learning.distances import CosineSimilarity, DotProductSimilarity
from pytorch_metric_learning.losses import MultiSimilarityLoss, SupConLoss
from pytorch_metric_learning.miners import MultiSimilarityMiner
from torch import Tensor

from training.losses.inputs import LossInputs, full_precision

_LOSS = MultiSimilarityLoss(
    alpha=1.0, beta=50.0, base=0.0, distance=DotProductSimilarity(normalize_embeddings=False)
)
_MINER = MultiSimilarityMiner(epsilon=0.1, distance=CosineSimilarity())


@full_precision
def multi_similarity_loss(inputs: LossInputs) -> Tensor:
    """Multi-similarity loss (Wang et al., CVPR 2019) with its miner.

    For cosines S of image i with its mined positives P and negatives N:
    1/α log(1 + Σ_P exp(-α S)) + 1/β log(1 + Σ_N exp(β S)), averaged over the images, α = 1,
    β = 50. The miner keeps positives that are less than 0.1 more similar than the most similar
    negative, and negatives that are less than 0.1 less similar than the least similar positive.
    The paper and the released code agree on all of it.
    """
    mined = _MINER(inputs.descriptor, inputs.labels)
    loss: Tensor = _LOSS(inputs.descriptor, inputs.labels, mined)
    return loss


@full_precision
def supervised_contrast_loss(inputs: LossInputs, *, temperature: float = 0.1) -> Tensor:
    """Supervised contrastive loss (Khosla et al., NeurIPS 2020) of the global descriptors.

    Not of FoL. With α = 1 the multi-similarity loss pulls images of one place together so gently
    that from random weights, where all it sees is negatives, it is content with descriptors that
    are all perpendicular to each other.

    Args:
        inputs: what to compute it from.
        temperature: of the cosines.
    """
    distance = DotProductSimilarity(normalize_embeddings=False)
    loss: Tensor = SupConLoss(temperature=temperature, distance=distance)(
        inputs.descriptor, inputs.labels
    )
    return loss
