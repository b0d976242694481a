"""The blocks of the vision transformer in bfloat16, by tiles; see tiled_blocks.py.

Several threads run `run_blocks` at once. A block has seven steps, each of which is cut into jobs;
see compiled_threads.py.

For each step the residual stream is [R, C] float32. Each image has a multiple of 16 rows, of which
those after its tokens are filled with anything finite. The layouts of bfloat16 are those of
compiled_products.py.
"""

from __future__ import annotations

import math

import numpy as np

from fol_vpr.compiled import compiled
from fol_vpr.compiled_tiles import (
    LAYOUT,
    SIDE,
    TILE,
    TILE_BYTES,
    begin_tiles,
    end_tiles,
)
from fol_vpr.network.cpu.tiles.compiled_numbers import (
    add_row,
    both_exponentials,
    largest,
    narrow_exponentials,
    normalise_row,
    store_gelu,
    store_pairs,
    store_row,
)
from fol_vpr.network.cpu.tiles.compiled_products import multiply, supported
from fol_vpr.network.cpu.tiles.compiled_threads import COUNTERS, finish, take, wait

__all__ = ['COUNTERS', 'HEAD', 'STEPS', 'compile_all', 'run_blocks', 'supported']

HEAD = 64
"""Channels of an attention head."""
STEPS = 7
"""Of a block."""

_NORM1, _QKV, _ATTENTION, _PROJECTION, _NORM2, _FIRST, _SECOND = range(STEPS)
_ONE = np.float32(1)
_SCALE = np.float32(math.log2(math.e) / math.sqrt(HEAD))
# Bytes: of a row of a block in float32, of a row and of one number of a tile.
_LINE, _ROW, _NUMBER = 4 * SIDE, 2 * SIDE, 2


@compiled
def _store_tiles(block: int, height: int, bias: int, out: int, step: int, active: bool) -> None:
    """Write a block of 32 columns plus its bias, after GELU or not, as `height` tiles of rows.

    Args:
        block: [16 or 32, 32] float32.
        height: 1 or 2.
        bias: [32] float32.
        out: the first tile.
        step: bytes from there to the next one.
        active: apply GELU.
    """
    for row in range(height * TILE):
        to = out + (row // TILE) * step + (row % TILE) * _ROW
        if active:
            store_gelu(block + row * _LINE, _ONE, bias, to)
        else:
            store_row(block + row * _LINE, _ONE, bias, to)


@compiled
def _store_keys(block: int, bias: int, pairs: np.ndarray, out: np.ndarray) -> None:
    """Write 16 tokens of 32 channels of keys as a tile of columns, one a token.

    Args:
        block: [16, 32] float32.
        bias: [32] float32.
        pairs: [256] int32, scratch.
        out: [256] int32, the tile.
    """
    _store_tiles(block, 1, bias, pairs.ctypes.data, 0, False)
    for pair in range(TILE):
        for token in range(TILE):
            out[pair * TILE + token] = pairs[token * TILE + pair]


@compiled
def _store_values(block: int, bias: int, out: int) -> None:
    """Write 16 tokens of 32 channels of values as half of two tiles of columns, one a channel.

    Args:
        block: [16, 32] float32.
        bias: [32] float32.
        out: the half of the first tile.
    """
    for pair in range(TILE // 2):
        even = block + 2 * pair * _LINE
        for column in range(2):
            shift = column * _LINE // 2
            to = out + column * TILE_BYTES + pair * _ROW
            store_pairs(even + shift, even + _LINE + shift, bias + shift, to)


@compiled
def _attend(
    job: int,
    tokens: int,
    heads: int,
    queries: int,
    keys: int,
    values: int,
    scratch: np.ndarray,
    shares: int,
    nothing: int,
    out: int,
    cls: np.ndarray,
    last: bool,
) -> None:
    """Attention of 32 tokens of an image in one head.

    Args:
        job: which ones.
        tokens: of an image.
        heads: of attention.
        queries: tiles of all heads.
        keys: of each image and head, panels of 32 tokens.
        values: of each image and head, panels of 32 channels.
        scratch: [32 * 32 + 32 * P] float32, P the tokens rounded up to 32.
        shares: [32 * P] of 16 bits, scratch.
        nothing: [32] float32, zeros.
        out: tiles of all heads.
        cls: [B, heads, P] float32.
        last: write what the first token attends to into `cls`.
    """
    tiles, panels = (tokens + TILE - 1) // TILE, (tokens + SIDE - 1) // SIDE
    half = panels * SIDE
    pair, head, image = job % panels, job // panels % heads, job // (panels * heads)
    height = min(2, tiles - 2 * pair)
    place = ((image * tiles + 2 * pair) * heads + head) * 2 * TILE_BYTES
    apart = 2 * heads * TILE_BYTES
    one = (image * heads + head) * half * HEAD * _NUMBER
    block, logits = scratch.ctypes.data, scratch[SIDE * SIDE :]
    for panel in range(panels):
        seen, to = keys + one + panel * 4 * TILE_BYTES, logits.ctypes.data + panel * _LINE
        multiply(queries + place, apart, seen, 2, to, half * 4, height == 2)
    factors = np.empty(SIDE, np.float32)
    for row in range(height * TILE):
        line = logits[row * half : (row + 1) * half]
        for index in range(tokens, half):
            line[index] = -np.inf
        high = largest(line.ctypes.data, panels) * _SCALE
        to = shares + (row // TILE) * panels * TILE_BYTES + (row % TILE) * _ROW
        if last and pair == 0 and row == 0:
            total = both_exponentials(line.ctypes.data, _SCALE, high, panels, to)
        else:
            total = narrow_exponentials(line.ctypes.data, _SCALE, high, panels, to)
        factors[row] = _ONE / total
    if last and pair == 0:
        for index in range(tokens):
            cls[image, head, index] = logits[index] * factors[0]
    for panel in range(2):
        seen = values + one + panel * panels * 2 * TILE_BYTES
        multiply(shares, panels * TILE_BYTES, seen, panels, block, _LINE, height == 2)
        for row in range(height * TILE):
            to = out + place + panel * TILE_BYTES + (row // TILE) * apart + (row % TILE) * _ROW
            store_row(block + row * _LINE, factors[row], nothing, to)


@compiled
def _store_qkv(
    block: int,
    height: int,
    bias: int,
    tile: int,
    panel: int,
    tokens: int,
    heads: int,
    queries: int,
    keys: np.ndarray,
    values: int,
    pairs: np.ndarray,
) -> None:
    """Write a block of queries, keys or values plus its bias to where attention reads it."""
    across = 2 * heads
    kind, channels = panel // across, panel % across
    if kind == 0:
        step = across * TILE_BYTES
        _store_tiles(
            block, height, bias, queries + tile * step + channels * TILE_BYTES, step, False
        )
        return
    tiles, panels = (tokens + TILE - 1) // TILE, (tokens + SIDE - 1) // SIDE
    for number in range(height):
        image, place = (tile + number) // tiles, (tile + number) % tiles
        # In tiles, of which a head has four for each panel of tokens.
        one = 4 * panels * (image * heads + channels // 2)
        source = block + number * TILE * _LINE
        if kind == 1:
            first = one + 4 * (place // 2) + 2 * (channels % 2) + place % 2
            tile_numbers = TILE * TILE
            to = keys[first * tile_numbers : (first + 1) * tile_numbers]
            _store_keys(source, bias, pairs, to)
        else:
            first = one + 2 * panels * (channels % 2) + 2 * (place // 2)
            half = place % 2 * (TILE_BYTES // 2)
            _store_values(source, bias, values + first * TILE_BYTES + half)


@compiled
def run_blocks(
    x: np.ndarray,
    images: int,
    tokens: int,
    weights: np.ndarray,
    vectors: np.ndarray,
    eps: float,
    normed: np.ndarray,
    queries: np.ndarray,
    keys: np.ndarray,
    values: np.ndarray,
    hidden: np.ndarray,
    scratch: np.ndarray,
    shares: np.ndarray,
    cls: np.ndarray,
    counters: np.ndarray,
    group: int,
) -> None:
    """Do the jobs of all blocks that no other thread does; return when all are done.

    Args:
        x: [R, C] float32, the residual stream, changed in place.
        images: of the batch.
        tokens: of an image.
        weights: [L, 12 C²] uint16, panels of the four products of each of L blocks.
        vectors: [L, 13 C] float32: weight and bias of a norm and bias of a product, twice each
            by turns, with the bias of the projection after that of queries, keys and values.
        eps: of the norms.
        normed: [R * C] uint16, tiles of what the next product reads.
        queries: [R * C] uint16, tiles.
        keys: [B * P * C / 2] int32, two numbers each, P the tokens of an image rounded up to 32.
        values: [B * P * C] uint16.
        hidden: [4 R * C] uint16.
        scratch: [1024 + 32 P] float32, of this thread.
        shares: [32 P] uint16, of this thread.
        cls: [B, heads, P] float32, what the first token of an image attends to in the last block.
        counters: [7 L, 16] int64, zero before the first thread begins.
        group: tiles of rows that a job of a product has at most, an even number.
    """
    width = x.shape[1]
    heads, across, tiles = width // HEAD, width // SIDE, len(x) // TILE
    panels = (tokens + SIDE - 1) // SIDE
    groups = (tiles + group - 1) // group
    results, eps32, nothing = scratch.ctypes.data, np.float32(eps), np.zeros(SIDE, np.float32)
    pairs = np.empty(TILE * TILE, np.int32)
    begin_tiles(LAYOUT.ctypes.data)
    for step in range(len(counters)):
        layer, kind = step // STEPS, step % STEPS
        vector = vectors[layer]
        shared = counters.ctypes.data + step * COUNTERS * 8
        # Of a product: what is multiplied, its channels, the first weight and the first bias.
        source, depth, first, start, count = normed, across, 0, 2 * width, 3 * across
        if kind == _PROJECTION:
            first, start, count = 3 * width * width, 5 * width, across
        elif kind == _FIRST:
            first, start, count = 4 * width * width, 8 * width, 4 * across
        elif kind == _SECOND:
            source, depth = hidden, 4 * across
            first, start, count = 8 * width * width, 12 * width, across
        jobs = count * groups
        if kind in (_NORM1, _NORM2):
            jobs = tiles
        elif kind == _ATTENTION:
            jobs = images * heads * panels
        while True:
            job = take(shared)
            if job >= jobs:
                break
            if kind in (_NORM1, _NORM2):
                weight = vector.ctypes.data + (0 if kind == _NORM1 else 24 * width)
                bias, to = weight + 4 * width, normed.ctypes.data + job * across * TILE_BYTES
                for place in range(TILE):
                    row = x[job * TILE + place].ctypes.data
                    normalise_row(row, across, eps32, weight, bias, to + place * _ROW)
            elif kind == _ATTENTION:
                _attend(
                    job, tokens, heads, queries.ctypes.data, keys.ctypes.data, values.ctypes.data,
                    scratch, shares.ctypes.data, nothing.ctypes.data, normed.ctypes.data, cls,
                    layer == len(weights) - 1,
                )  # fmt: skip
            else:
                panel, begin = job % count, job // count * group
                columns = weights[layer].ctypes.data + _NUMBER * first
                columns += panel * 2 * depth * TILE_BYTES
                bias = vector.ctypes.data + 4 * (start + panel * SIDE)
                for tile in range(begin, min(begin + group, tiles), 2):
                    height = min(2, tiles - tile)
                    apart = depth * TILE_BYTES
                    rows = source.ctypes.data + tile * apart
                    multiply(rows, apart, columns, depth, results, _LINE, height == 2)
                    if kind == _QKV:
                        _store_qkv(
                            results, height, bias, tile, panel, tokens, heads,
                            queries.ctypes.data, keys, values.ctypes.data, pairs,
                        )  # fmt: skip
                    elif kind == _FIRST:
                        to = hidden.ctypes.data + (tile * count + panel) * TILE_BYTES
                        _store_tiles(results, height, bias, to, count * TILE_BYTES, True)
                    else:
                        to = x.ctypes.data + 4 * (tile * TILE * width + panel * SIDE)
                        for row in range(height * TILE):
                            add_row(results + row * _LINE, bias, to + 4 * row * width)
            finish(shared)
        wait(shared, jobs)
    end_tiles()


def compile_all() -> None:
    """Compile what is above."""
    rows, panel = 16, 32
    run_blocks(
        np.zeros((rows, HEAD), np.float32),
        1,
        rows,
        np.zeros((1, 12 * HEAD**2), np.uint16),
        np.zeros((1, 13 * HEAD), np.float32),
        1e-6,
        np.zeros(rows * HEAD, np.uint16),
        np.zeros(rows * HEAD, np.uint16),
        np.zeros(panel * HEAD // 2, np.int32),
        np.zeros(panel * HEAD, np.uint16),
        np.zeros(4 * rows * HEAD, np.uint16),
        np.zeros(panel * (panel + panel), np.float32),
        np.zeros(panel * panel, np.uint16),
        np.zeros((1, 1, panel), np.float32),
        np.zeros((STEPS, COUNTERS), np.int64),
        2,
    )
