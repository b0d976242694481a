"""Local descriptors of the selected positions alone, on a CPU.

A transposed convolution of kernel 3, stride 2 and padding 1 computes output position 2i from input
i alone, and output 2i + 1 from inputs i and i + 1. So there are four kinds of positions, of one,
two, two and four inputs, and those of one kind are a matrix product. Only positions that are asked
for are computed, and of the first of the two convolutions only those that the second one reads.

Where the processor multiplies by tiles (AMX), both are loops of our own as soon as those are
compiled (compiled_upsampling.py). Until then, and elsewhere, they are operators of torch.
"""

from __future__ import annotations

import functools
import threading
from types import ModuleType
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from fol_vpr.compiled import aligned, aligned_copy
from fol_vpr.network.cpu.products import SIDE, Activation, panels, product, ready_loops
from fol_vpr.network.model.local_head import (
    KEPT_PATCHES,
    LocalDescriptors,
    grid_positions,
    select_patches,
)
from fol_vpr.threads import shared_out

# Along one axis: the inputs of an even and of an odd output position, counted from half of it,
# with the tap of the kernel that each is multiplied with.
_TAPS = (((0, 1),), ((0, 2), (1, 0)))
_KINDS = 4
_MAX_GRIDS = 8
# Lengths below it count as it, as in torch's normalize.
_TINY = 1e-12


class _Layout(NamedTuple):
    """Where the outputs of a transposed convolution come from; P output positions, row-major.

    Attributes:
        kinds: [P], 0 to 3: twice the parity of the row plus that of the column.
        inputs: [P, 4], flat indices of the inputs; the first 1, 2, 2 or 4 count by kind.
    """

    kinds: Tensor
    inputs: Tensor


class _Grid(NamedTuple):
    """What depends on the shape of the grid of patches alone.

    Attributes:
        shape: rows and columns of patches.
        first, second: layouts of the two transposed convolutions.
        nearest: [P], the patch that is nearest to each position.
        pixels: [P, 2], x and y of each position in pixels of the network's input.
    """

    shape: tuple[int, int]
    first: _Layout
    second: _Layout
    nearest: Tensor
    pixels: Tensor


class CpuLocalHead:
    """The local head for inference on a CPU.

    Args:
        first, second: transposed convolutions in float32, on the CPU.
        dtype: of matrix products.
        rows: expected number of patches.
    """

    def __init__(
        self,
        first: nn.ConvTranspose2d,
        second: nn.ConvTranspose2d,
        dtype: torch.dtype,
        rows: int,
    ) -> None:
        self._first = _SparseUpsampling(first, dtype, rows)
        self._second = _SparseUpsampling(second, dtype, rows)
        self._dtype = dtype
        self._tiled: _TiledUpsampling | None = None
        self._lock = threading.Lock()

    def __call__(
        self, patches: Tensor, mask: Tensor, grid: tuple[int, int]
    ) -> list[LocalDescriptors]:
        """Select positions and compute their descriptors.

        Args:
            patches: [B, h·w, C], features of the patches.
            mask: [B, h·w], the aggregation mask.
            grid: h and w.
        """
        known = _grid(*grid)
        with self._lock:
            tiled = self._tiled or self._by_tiles()
        if tiled is not None:
            kept = torch.ones_like(mask, dtype=torch.bool)
            if mask.shape[1] > KEPT_PATCHES:
                kept = (~kept).scatter_(1, select_patches(mask), True)
            threads = torch.get_num_threads()
            return [tiled(known, *each, threads) for each in zip(patches, mask, kept, strict=True)]
        images = zip(patches.to(self._dtype), mask, strict=True)
        if mask.shape[1] <= KEPT_PATCHES:
            return [self._all(known, features, weights) for features, weights in images]
        chosen = torch.zeros_like(mask, dtype=torch.bool).scatter_(1, select_patches(mask), True)
        return [
            self._selected(known, features, weights, kept)
            for (features, weights), kept in zip(images, chosen, strict=True)
        ]

    def _by_tiles(self) -> _TiledUpsampling | None:
        """Both convolutions by tiles, as soon as their loops are compiled."""
        loops = ready_loops('upsampling', self._dtype)
        if loops is not None:
            layers = [each.parameters() for each in (self._first, self._second)]
            self._tiled = _TiledUpsampling(loops, *layers)
        return self._tiled

    def _all(self, known: _Grid, features: Tensor, weights: Tensor) -> LocalDescriptors:
        """Descriptors of all positions of one image."""
        hidden = self._first.everywhere(features.unflatten(0, known.shape), 'relu')
        dense = self._second.everywhere(hidden)
        descriptors = _unit_length(dense.flatten(0, 1).float())
        return LocalDescriptors(descriptors, known.pixels.clone(), weights[known.nearest])

    def _selected(
        self, known: _Grid, features: Tensor, weights: Tensor, kept: Tensor
    ) -> LocalDescriptors:
        """Descriptors of the positions of one image whose nearest patch is kept."""
        wanted = kept[known.nearest].nonzero().squeeze(1)
        needed = torch.zeros(len(known.first.kinds), dtype=torch.bool)
        needed[known.second.inputs[wanted].flatten()] = True
        hidden = self._first(features, known.first, needed.nonzero().squeeze(1), 'relu')
        dense = self._second(hidden, known.second, wanted)
        descriptors = _unit_length(dense[wanted].float())
        return LocalDescriptors(descriptors, known.pixels[wanted], weights[known.nearest[wanted]])


def _unit_length(rows: Tensor) -> Tensor:
    """Scale rows [N, C] to unit length, in place."""
    return rows.div_(torch.linalg.vector_norm(rows, dim=1, keepdim=True).clamp_(min=_TINY))


class _SparseUpsampling:
    """A transposed convolution of kernel 3, stride 2 and padding 1, at some output positions."""

    def __init__(self, convolution: nn.ConvTranspose2d, dtype: torch.dtype, rows: int) -> None:
        weight, bias = convolution.weight.detach(), convolution.bias
        assert bias is not None
        assert convolution.kernel_size == (3, 3) and convolution.padding == (1, 1)
        self._products = [
            product(
                torch.cat([weight[:, :, i, j].t() for _, i in down for _, j in across], dim=1),
                bias,
                dtype,
                rows,
            )
            for down in _TAPS
            for across in _TAPS
        ]
        self._channels = weight.shape[1]

    def parameters(self) -> tuple[list[Tensor], Tensor]:
        """Weights [O, inputs · I] of each kind of positions, and the bias [O]."""
        pairs = [each.parameters() for each in self._products]
        return [weight for weight, _ in pairs], pairs[0][1]

    def everywhere(self, x: Tensor, activation: Activation = 'none') -> Tensor:
        """Outputs [2h - 1, 2w - 1, O] of inputs [h, w, C].

        Those of one kind are every second row and column, and so are whole slices of the inputs,
        which are copied in a fifth of the time of single rows.

        Args:
            x: the inputs.
            activation: of the outputs.
        """
        height, width, _ = x.shape
        out = x.new_empty(2 * height - 1, 2 * width - 1, self._channels)
        for kind, multiply in enumerate(self._products):
            odd = kind // 2, kind % 2
            rows, columns = height - odd[0], width - odd[1]
            if not (rows and columns):
                continue
            seen = [
                x[i : i + rows, j : j + columns]
                for i, _ in _TAPS[odd[0]]
                for j, _ in _TAPS[odd[1]]
            ]
            gathered = torch.cat(seen, dim=2) if len(seen) > 1 else x
            found = multiply(gathered.reshape(rows * columns, -1), activation)
            out[odd[0] :: 2, odd[1] :: 2] = found.view(rows, columns, -1)
        return out

    def __call__(
        self, x: Tensor, layout: _Layout, wanted: Tensor, activation: Activation = 'none'
    ) -> Tensor:
        """Outputs [P, O]; those at other positions than `wanted` are not initialised.

        Args:
            x: [M, C], inputs in row-major order.
            layout: where the outputs come from.
            wanted: [K], flat indices of positions.
            activation: of the outputs.
        """
        out = x.new_empty(len(layout.kinds), self._channels)
        for multiply, (positions, inputs) in zip(
            self._products, _by_kind(layout, wanted), strict=True
        ):
            if len(positions):
                gathered = x.index_select(0, inputs.flatten()).view(len(positions), -1)
                out.index_copy_(0, positions, multiply(gathered, activation))
        return out


class _TiledUpsampling:
    """Both transposed convolutions by tiles; for several threads, which take turns.

    Args:
        loops: `compiled_upsampling`.
        first, second: of `_SparseUpsampling.parameters`.
    """

    def __init__(
        self,
        loops: ModuleType,
        first: tuple[list[Tensor], Tensor],
        second: tuple[list[Tensor], Tensor],
    ) -> None:
        self._loops = loops
        self._layers = tuple(
            (
                aligned_copy(np.concatenate([panels(weight) for weight in weights])),
                bias.float().numpy(),
            )
            for weights, bias in (first, second)
        )
        # A position of the first kind has one input.
        self._widths = tuple(layer[0][0].shape[1] for layer in (first, second))
        self._turn = threading.Lock()
        self._shape: tuple[int, int] = (0, 0)
        self._inputs = self._hidden = np.zeros((0, 0), np.uint16)

    def __call__(
        self, known: _Grid, features: Tensor, weights: Tensor, kept: Tensor, threads: int
    ) -> LocalDescriptors:
        """The local descriptors of the patches of one image that are kept.

        Args:
            known: of the image.
            features: [h·w, C].
            weights: [h·w].
            kept: [h·w] bool.
            threads: most that compute at a time.
        """
        rows, columns = known.shape
        nearest, size = known.nearest.numpy(), (2 * rows - 1) * (2 * columns - 1)
        chosen, found = np.empty_like(nearest), np.empty_like(nearest)
        needed = np.empty(size, np.int64)
        count = self._loops.select(kept.numpy(), nearest, 4 * columns - 3, chosen, found, needed)
        descriptors = torch.empty(count, len(self._layers[1][1]))
        counters = np.zeros((self._loops.STEPS, self._loops.COUNTERS), np.int64)
        with self._turn:
            if self._shape != known.shape:
                self._inputs = aligned((rows * columns + columns + 33, self._widths[0]), np.uint16)
                self._hidden = aligned((size + 2 * columns + 32, self._widths[1]), np.uint16)
                self._shape = known.shape
            inputs = torch.from_numpy(self._inputs.view(np.int16)).view(torch.bfloat16)
            inputs[: rows * columns] = features

            def work(_: int) -> None:
                block = aligned((SIDE, descriptors.shape[1]), np.float32)
                self._loops.upsample(
                    self._inputs, rows, columns, *self._layers, needed, found, self._hidden,
                    descriptors.numpy(), block, counters,
                )  # fmt: skip

            shared_out(work, range(threads), threads, 'local head')
        positions = torch.from_numpy(chosen[:count])
        return LocalDescriptors(
            descriptors, known.pixels[positions], weights[known.nearest[positions]]
        )


def _by_kind(layout: _Layout, wanted: Tensor) -> list[tuple[Tensor, Tensor]]:
    """The wanted positions of each kind, and their inputs."""
    kinds = layout.kinds[wanted]
    parts = []
    for kind in range(_KINDS):
        positions = wanted[kinds == kind]
        parts.append((positions, layout.inputs[positions, : _inputs_of(kind)]))
    return parts


def _inputs_of(kind: int) -> int:
    return len(_TAPS[kind // 2]) * len(_TAPS[kind % 2])


@functools.lru_cache(maxsize=_MAX_GRIDS)
def _grid(rows: int, columns: int) -> _Grid:
    """The tables for a grid of `rows` x `columns` patches."""
    with torch.inference_mode(False):
        size = (4 * rows - 3, 4 * columns - 3)
        patches = torch.arange(rows * columns, dtype=torch.float64).view(1, 1, rows, columns)
        nearest = F.interpolate(patches, size=size, mode='nearest').flatten().long()
        pixels = grid_positions(torch.arange(size[0] * size[1]), size[1])
        second = _layout(2 * rows - 1, 2 * columns - 1)
        return _Grid((rows, columns), _layout(rows, columns), second, nearest, pixels)


def _layout(rows: int, columns: int) -> _Layout:
    """The layout of a transposed convolution of `rows` x `columns` inputs."""
    down = torch.arange(2 * rows - 1)[:, None].expand(-1, 2 * columns - 1).flatten()
    across = torch.arange(2 * columns - 1).repeat(2 * rows - 1)
    kinds = 2 * (down % 2) + across % 2
    inputs = torch.zeros(len(kinds), _KINDS, dtype=torch.long)
    for kind in range(_KINDS):
        at = (kinds == kind).nonzero().squeeze(1)
        taps = [(i, j) for i, _ in _TAPS[kind // 2] for j, _ in _TAPS[kind % 2]]
        flat = [(down[at] // 2 + i) * columns + across[at] // 2 + j for i, j in taps]
        # Unused columns repeat the first input, so that all are valid.
        inputs[at] = torch.stack(flat + flat[:1] * (_KINDS - len(flat)), dim=1)
    return _Layout(kinds, inputs)
