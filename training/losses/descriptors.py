"""The losses of global descriptors."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from pytorch_metric_learning.distances import CosineSimilarity, DotProductSimilarity
from pytorch_metric_learning.losses import MultiSimilarityLoss, SupConLoss
from pytorch_metric_learning.miners import MultiSimilarityMiner
from torch import Tensor

from training.losses.inputs import LossInputs, full_precision

_LOSS = MultiSimilarityLoss(
    alpha=1.0, beta=50.0, base=0.0, distance=DotProductSimilarity(normalize_embeddings=False)
)
# A cosine that leaves no share of a softmax.
_NO_PAIR = -1e3
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


@full_precision
def distillation_loss(inputs: LossInputs, *, temperature: float = 0.07) -> Tensor:
    """Let the descriptors be as similar to each other as those of the teachers are.

    For each image, its cosines with the other images, divided by the temperature, become
    probabilities by a softmax: p of the teachers, q of the network that learns. The loss is the
    mean over the images of the Kullback-Leibler divergence, Σ p log(p / q). Similarities are
    compared, so that descriptors may be longer or shorter than those of the teachers, as in
    "Relational Knowledge Distillation" (Park et al., CVPR 2019); the softmax, and the images of
    earlier batches, are those of SEED (Fang et al., ICLR 2021). Not of FoL.

    The other images are those of the batch but copies of the same photograph, and those of
    earlier batches in `inputs.remembered`.

    Args:
        inputs: with `taught`; 0 without it.
        temperature: of the cosines.
    """
    if inputs.taught is None:
        return inputs.zero()
    same = torch.eye(len(inputs.taught), dtype=torch.bool, device=inputs.taught.device)
    if inputs.photographs is not None:
        same |= inputs.photographs.unsqueeze(0) == inputs.photographs.unsqueeze(1)
    student = _cosines(inputs.descriptor, inputs.remembered, same) / temperature
    teacher = _cosines(inputs.taught, inputs.remembered_taught, same) / temperature
    return F.kl_div(
        student.log_softmax(dim=1),
        teacher.log_softmax(dim=1),
        reduction='batchmean',
        log_target=True,
    )


def _cosines(descriptor: Tensor, remembered: Tensor | None, same: Tensor) -> Tensor:
    """[B, B + M], of a batch with itself, `_NO_PAIR` where `same` holds, and with M others."""
    cosines = (descriptor @ descriptor.T).masked_fill(same, _NO_PAIR)
    if remembered is None:
        return cosines
    return torch.cat([cosines, descriptor @ remembered.to(descriptor.dtype).T], dim=1)
