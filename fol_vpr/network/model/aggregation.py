"""Aggregates patch features to a global descriptor by optimal transport with a dustbin.

This follows SALAD (Izquierdo and Civera, CVPR 2024). In FoL the dustbin's logit of a patch is 1
minus the attention of the CLS token to the patch.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from fol_vpr.network.model.vit import Tokens

CLUSTERS = 64
CLUSTER_DIM = 128
TOKEN_DIM = 256
DESCRIPTOR_DIM = TOKEN_DIM + CLUSTERS * CLUSTER_DIM
_HIDDEN = 512
_DROPOUT = 0.3
SINKHORN_ITERATIONS = 3
_MIN_ATTENTION = 0.01


class AggregatorOutput(NamedTuple):
    """Output of the aggregation for B images of N patches.

    Attributes:
        descriptor: [B, 8448] float32, unit length.
        assignment: [B, 64, N] float32, the fraction of each patch assigned to each cluster; the
            rest, up to 1 per patch, is assigned to the dustbin.
        attention: [B, N] float32, the extraction mask: CLS attention, values under 0.01 set to 0.
    """

    descriptor: Tensor
    assignment: Tensor
    attention: Tensor


class Aggregator(nn.Module):
    """Aggregates the tokens of an image to a global descriptor of 256 + 64·128 numbers."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.token_features = nn.Sequential(
            nn.Linear(width, _HIDDEN), nn.ReLU(), nn.Linear(_HIDDEN, TOKEN_DIM)
        )
        self.cluster_features = _pointwise_mlp(width, CLUSTER_DIM)
        self.score = _pointwise_mlp(width, CLUSTERS)

    def forward(self, tokens: Tokens) -> AggregatorOutput:
        """Aggregate the tokens of B images; everything after the MLPs is computed in float32."""
        dtype = self.score.get_parameter('0.weight').dtype
        patches = tokens.feature_map().to(dtype)
        features = self.cluster_features(patches).flatten(2).float()
        scores = self.score(patches).flatten(2).float()
        token = self.token_features(tokens.cls.to(dtype)).float()

        attention = extraction_mask(tokens)
        assignment = assign(scores, 1 - attention)

        clusters = features @ assignment.transpose(1, 2)
        parts = [F.normalize(token, dim=-1), F.normalize(clusters, dim=1).flatten(1)]
        descriptor = F.normalize(torch.cat(parts, dim=-1), dim=-1)
        return AggregatorOutput(descriptor, assignment, attention)


def extraction_mask(tokens: Tokens) -> Tensor:
    """Attention of the CLS token to the patches [B, N], values under 0.01 set to 0."""
    attention = tokens.cls_attention
    return torch.where(attention >= _MIN_ATTENTION, attention, 0)


def _pointwise_mlp(width: int, channels: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(width, _HIDDEN, 1),
        nn.Dropout(_DROPOUT),
        nn.ReLU(),
        nn.Conv2d(_HIDDEN, channels, 1),
    )


def assign(scores: Tensor, dustbin: Tensor) -> Tensor:
    """Assign patches to clusters by entropic optimal transport.

    Sinkhorn iterations in log space, with marginals as in SuperGlue (Sarlin et al., CVPR 2020):
    each of the m clusters receives 1 / (m + n), the dustbin the rest; each of the n patches gives
    1 / (m + n). The result is scaled by m + n, so that every patch gives 1 in total.

    Args:
        scores: [B, m, n] logits.
        dustbin: [B, n] logits.

    Returns:
        [B, m, n] fractions, without the dustbin.
    """
    clusters, patches = scores.shape[1:]
    logits = torch.cat([scores, dustbin.unsqueeze(1)], dim=1)
    log_norm = -math.log(clusters + patches)
    log_rows = logits.new_full((clusters + 1,), log_norm)
    log_rows[-1] += math.log(patches - clusters)
    v = logits.new_zeros(logits.shape[0], patches)
    for _ in range(SINKHORN_ITERATIONS):
        u = log_rows - torch.logsumexp(logits + v.unsqueeze(1), dim=2)
        v = log_norm - torch.logsumexp(logits + u.unsqueeze(2), dim=1)
    return (logits + u.unsqueeze(2) + v.unsqueeze(1) - log_norm).exp()[:, :-1]
