"""The aggregation on a CPU, with tokens as rows and the optimal transport without logarithms."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from fol_vpr.network.cpu.products import product
from fol_vpr.network.model.aggregation import (
    SINKHORN_ITERATIONS,
    Aggregator,
    AggregatorOutput,
    assign,
    extraction_mask,
)
from fol_vpr.network.model.vit import Tokens

# Range of logits up to which their exponentials, and products of two of them, fit into float32.
_MAX_RANGE = 40.0


class CpuAggregator:
    """`Aggregator` for inference on a CPU.

    The first layers of the two networks that read all patches are one product.

    Args:
        net: in float32, on the CPU.
        dtype: of matrix products.
        rows: expected number of patches of a call.
    """

    def __init__(self, net: Aggregator, dtype: torch.dtype, rows: int) -> None:
        heads = [_pointwise(net.cluster_features), _pointwise(net.score)]
        weights, biases = zip(*(head[0] for head in heads), strict=True)
        self._hidden = len(biases[0])
        self._first = product(torch.cat(weights), torch.cat(biases), dtype, rows)
        self._features, self._scores = (product(w, b, dtype, rows) for _, (w, b) in heads)
        self._token_features = net.token_features

    def __call__(self, tokens: Tokens) -> AggregatorOutput:
        """Aggregate the tokens of B images."""
        batch, patches, width = tokens.patches.shape
        hidden = self._first(tokens.patches.reshape(-1, width), 'relu')
        features = self._features(hidden[:, : self._hidden]).float().view(batch, patches, -1)
        scores = self._scores(hidden[:, self._hidden :]).float().view(batch, patches, -1)
        token = self._token_features(tokens.cls)

        attention = extraction_mask(tokens)
        assignment = assign_rows(scores, 1 - attention).transpose(1, 2)
        clusters = assignment @ features
        parts = [
            F.normalize(token, dim=-1),
            F.normalize(clusters, dim=2).transpose(1, 2).flatten(1),
        ]
        descriptor = F.normalize(torch.cat(parts, dim=-1), dim=-1)
        return AggregatorOutput(descriptor, assignment, attention)


def _pointwise(mlp: nn.Sequential) -> list[tuple[Tensor, Tensor]]:
    """Weights [O, I] and bias of each of the two convolutions."""
    return [
        (layer.weight.detach().flatten(1), layer.bias.detach())
        for layer in mlp
        if isinstance(layer, nn.Conv2d) and layer.bias is not None
    ]


def assign_rows(scores: Tensor, dustbin: Tensor) -> Tensor:
    """`assign` for scores by patch.

    The iterations multiply with exponentials of the logits, which takes one exponential of each
    logit instead of one in each half step. Where the logits differ by more than 40, their
    exponentials could leave float32, and `assign` computes the result.

    Args:
        scores: [B, n, m] logits of n patches and m clusters.
        dustbin: [B, n] logits.

    Returns:
        [B, n, m] fractions, without the dustbin.
    """
    patches, clusters = scores.shape[1:]
    logits = torch.cat([scores, dustbin.unsqueeze(2)], dim=2)
    low, high = logits.aminmax()
    # Not finite numbers compare as false, and go the way of the plain network.
    if not high - low <= _MAX_RANGE:
        return assign(scores.transpose(1, 2), dustbin).transpose(1, 2)
    kernel = (logits - (high + low) / 2).exp_()
    columns = logits.new_ones(clusters + 1, 1)
    columns[-1] = patches - clusters
    share = 1 / (clusters + patches)
    transposed = kernel.transpose(1, 2)
    v = logits.new_ones(logits.shape[0], patches, 1)
    for _ in range(SINKHORN_ITERATIONS):
        u = (columns * share) / (transposed @ v)
        v = share / (kernel @ u)
    fractions = kernel.mul_(v).mul_(u.transpose(1, 2) / share)
    return fractions[:, :, :-1]
