"""The blocks of the transformer as loops of our own, on processors that multiply by tiles (AMX).

A block of 32 x 32 results is normalised, activated or added while it is in the first cache, and is
written in the order in which the next product reads it. compiled_blocks.py has the loops.

Numbers are rounded to bfloat16 at the same places as by torch, but for what the branches add to
the residual stream, which stays in float32.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Sequence
from types import ModuleType
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from fol_vpr.compiled import aligned
from fol_vpr.network.cpu.products import SIDE, TILE, panels
from fol_vpr.threads import shared_out

HEAD = 64
"""Channels of an attention head that the loops are written for."""
# Tiles of rows of a job, whose inputs fit into the second cache beside the weights.
_GROUP = 32


class BlockWeights(NamedTuple):
    """What a block of the transformer has learned, with LayerScale in the weights.

    Attributes:
        norms: weight and bias, [C] each, of the norm before attention and of that before the MLP.
        products: weight [O, I] and bias [O] of the queries, keys and values, the projection, and
            both layers of the MLP.
    """

    norms: tuple[tuple[Tensor, Tensor], tuple[Tensor, Tensor]]
    products: Sequence[tuple[Tensor, Tensor]]


class _Buffers(NamedTuple):
    """What is computed between the products, for one shape of input; see `run_blocks`."""

    x: np.ndarray
    normed: np.ndarray
    queries: np.ndarray
    keys: np.ndarray
    values: np.ndarray
    hidden: np.ndarray
    cls: np.ndarray


class TiledBlocks:
    """All blocks of a vision transformer, in bfloat16. For several threads, which take turns.

    Args:
        module: `compiled_blocks`, once it is compiled.
        blocks: read one by one, so that not all weights need be in memory twice.
        count: how many there are.
        width: channels C of a token, a multiple of 64.
        eps: of the norms.
    """

    def __init__(
        self,
        module: ModuleType,
        blocks: Iterable[BlockWeights],
        count: int,
        width: int,
        eps: float,
    ) -> None:
        self._module = module
        self._eps = eps
        self._weights = aligned((count, 12 * width**2), np.uint16)
        self._vectors = aligned((count, 13 * width), np.float32)
        for number, block in enumerate(blocks):
            parts = [panels(weight) for weight, _ in block.products]
            np.concatenate(parts, out=self._weights[number])
            (norm1, norm2), (qkv, proj, first, second) = block.norms, block.products
            vectors = [*norm1, qkv[1], proj[1], *norm2, first[1], second[1]]
            self._vectors[number] = torch.cat([each.float() for each in vectors]).numpy()
        self._turn = threading.Lock()
        self._shape: tuple[int, ...] = ()
        self._buffers: _Buffers | None = None

    def __call__(self, x: Tensor, threads: int) -> tuple[Tensor, Tensor]:
        """Apply the blocks to tokens [B, T, C] float32.

        Args:
            x: the tokens, the CLS token first.
            threads: most that compute at a time.

        Returns:
            The same shape, and what the CLS token attends to in the last block, summed over heads,
            [B, T - 1].
        """
        images, tokens, width = x.shape
        rows = -(-tokens // TILE) * TILE
        with self._turn:
            buffers = self._buffers_for(images, tokens, width)
            stream = torch.from_numpy(buffers.x).view(images, rows, width)
            stream[:, :tokens] = x
            # What an earlier call has left there may be infinite.
            stream[:, tokens:] = 0
            counters = np.zeros(
                (self._module.STEPS * len(self._weights), self._module.COUNTERS), np.int64
            )
            padded = -(-tokens // SIDE) * SIDE

            def work(_: int) -> None:
                self._module.run_blocks(
                    buffers.x,
                    images,
                    tokens,
                    self._weights,
                    self._vectors,
                    self._eps,
                    *buffers[1:-1],
                    aligned((SIDE * (SIDE + padded),), np.float32),
                    aligned((SIDE * padded,), np.uint16),
                    buffers.cls,
                    counters,
                    _GROUP,
                )

            # A thread that comes after the others finds nothing left to do.
            shared_out(work, range(threads), threads, 'transformer')
            return stream[:, :tokens].clone(), torch.from_numpy(buffers.cls[:, :, 1:tokens].sum(1))

    def _buffers_for(self, images: int, tokens: int, width: int) -> _Buffers:
        if self._buffers is None or self._shape != (images, tokens):
            rows = images * -(-tokens // TILE) * TILE
            padded = -(-tokens // SIDE) * SIDE
            self._buffers = _Buffers(
                x=aligned((rows, width), np.float32),
                normed=aligned((rows * width,), np.uint16),
                queries=aligned((rows * width,), np.uint16),
                # Two numbers of 16 bits each.
                keys=aligned((images * padded * width // 2,), np.int32),
                values=aligned((images * padded * width,), np.uint16),
                hidden=aligned((4 * rows * width,), np.uint16),
                cls=aligned((images, width // HEAD, padded), np.float32),
            )
            self._shape = images, tokens
        return self._buffers
