"""The aggregation on a CPU, with tokens as rows and the optimal transport without logarithms.

Where the processor multiplies by tiles (AMX), it is loops of our own as soon as those are compiled
(tiles/compiled_aggregation.py). Until then, and elsewhere, it is operators of torch.
"""

from __future__ import annotations

import threading
from types import ModuleType
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from fol_vpr.compiled import aligned, aligned_copy
from fol_vpr.network.cpu.products import SIDE, Product, panels, product, ready_loops
from fol_vpr.network.model.aggregation import (
    CLUSTER_DIM,
    CLUSTERS,
    DESCRIPTOR_DIM,
    SINKHORN_ITERATIONS,
    TOKEN_DIM,
    Aggregator,
    AggregatorOutput,
    assign,
    extraction_mask,
)
from fol_vpr.network.model.vit import Tokens
from fol_vpr.threads import shared_out

# Range of logits up to which their exponentials, and products of two of them, fit into float32.
_MAX_RANGE = 40.0
# Lengths below it count as it, as in torch's normalize.
_TINY = 1e-12


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
        self._dtype = dtype
        self._tiled: _TiledAggregation | None = None
        self._lock = threading.Lock()

    def __call__(self, tokens: Tokens) -> AggregatorOutput:
        """Aggregate the tokens of B images."""
        with self._lock:
            tiled = self._tiled or self._by_tiles()
        attention = extraction_mask(tokens)
        token = F.normalize(self._token_features(tokens.cls), dim=-1)
        if tiled is None:
            assignment, clusters = self._by_torch(tokens.patches, attention)
            descriptor = torch.cat([token, clusters.flatten(1)], dim=-1)
        else:
            batch, patches = attention.shape
            descriptor = token.new_empty(batch, DESCRIPTOR_DIM)
            descriptor[:, :TOKEN_DIM] = token
            fractions = token.new_empty(batch, patches, CLUSTERS)
            clusters = descriptor[:, TOKEN_DIM:].unflatten(1, (CLUSTER_DIM, CLUSTERS))
            threads = torch.get_num_threads()
            images = zip(tokens.patches, 1 - attention, fractions, clusters, strict=True)
            for image in images:
                tiled(*image, threads)
            assignment = fractions.transpose(1, 2)
        return AggregatorOutput(F.normalize(descriptor, dim=-1), assignment, attention)

    def _by_tiles(self) -> _TiledAggregation | None:
        """The loops, as soon as they are compiled."""
        loops = ready_loops('aggregation', self._dtype)
        if loops is not None:
            self._tiled = _TiledAggregation(loops, self._first, self._features, self._scores)
        return self._tiled

    def _by_torch(self, features: Tensor, attention: Tensor) -> tuple[Tensor, Tensor]:
        """Assignment [B, 64, N] and clusters [B, 128, 64] at unit length of patches [B, N, C]."""
        batch, patches, width = features.shape
        hidden = self._first(features.reshape(-1, width), 'relu')
        features = self._features(hidden[:, : self._hidden]).float().view(batch, patches, -1)
        scores = self._scores(hidden[:, self._hidden :]).float().view(batch, patches, -1)
        assignment = assign_rows(scores, 1 - attention).transpose(1, 2)
        return assignment, F.normalize(assignment @ features, dim=2).transpose(1, 2)


class _TiledAggregation:
    """The aggregation of one image by tiles; for several threads, which take turns.

    Args:
        loops: `compiled_aggregation`.
        first: the first layers of both MLPs.
        features, scores: their second ones.
    """

    def __init__(
        self, loops: ModuleType, first: Product, features: Product, scores: Product
    ) -> None:
        self._loops = loops
        self._layers = [
            (aligned_copy(panels(weight)), bias.float().numpy())
            for weight, bias in (each.parameters() for each in (first, features, scores))
        ]
        self._turn = threading.Lock()
        self._buffers: _Buffers | None = None

    def __call__(
        self, patches: Tensor, dustbin: Tensor, fractions: Tensor, clusters: Tensor, threads: int
    ) -> None:
        """Assign the patches of an image to the clusters.

        Args:
            patches: [N, C].
            dustbin: [N] logits.
            fractions: [N, 64] float32, set to those of each patch.
            clusters: [128, 64] float32, set to their features at unit length.
            threads: most that compute at a time.
        """
        count = len(patches)
        with self._turn:
            buffers = self._buffers_for(patches.shape, threads)
            inputs = torch.from_numpy(buffers.inputs.view(np.int16)).view(torch.bfloat16)
            inputs[:count] = patches
            counters = np.zeros((1, self._loops.COUNTERS), np.int64)

            def work(number: int) -> None:
                self._loops.project(
                    buffers.inputs, count, *self._layers, *buffers.own[number], buffers.features,
                    fractions.numpy(), counters,
                )  # fmt: skip

            shared_out(work, range(threads), threads, 'aggregation')
            if not self._loops.assign(
                fractions.numpy(), dustbin.numpy(), SINKHORN_ITERATIONS, _MAX_RANGE,
                buffers.kernel,
            ):  # fmt: skip
                fractions[...] = assign(fractions.t()[None], dustbin[None])[0].t()
            self._loops.sum_up(
                fractions.numpy(), buffers.features, _TINY, buffers.sums, clusters.numpy()
            )

    def _buffers_for(self, shape: tuple[int, ...], threads: int) -> _Buffers:
        kept = self._buffers
        if kept is None or kept.shape != shape or len(kept.own) < threads:
            count, width = shape
            units, dim, clusters = (len(bias) for _, bias in self._layers)
            columns = -(-(clusters + 1) // SIDE) * SIDE
            kept = self._buffers = _Buffers(
                shape=shape,
                inputs=aligned((-(-count // SIDE) * SIDE, width), np.uint16),
                features=aligned((count, dim), np.float32),
                kernel=aligned((count, columns), np.float32),
                sums=aligned((clusters, dim), np.float32),
                # A line more than the units: rows at a power of two share few lines of the cache.
                own=[
                    (
                        aligned((SIDE, units + SIDE), np.uint16),
                        aligned((SIDE, SIDE), np.float32),
                    )
                    for _ in range(threads)
                ],
            )
        return kept


class _Buffers(NamedTuple):
    """What is computed on the way, for one shape of input; see compiled_aggregation.py.

    Attributes:
        shape: of the patches.
        own: of each thread.
    """

    shape: tuple[int, ...]
    inputs: np.ndarray
    features: np.ndarray
    kernel: np.ndarray
    sums: np.ndarray
    own: list[tuple[np.ndarray, np.ndarray]]


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
