"""The embedding of patches by three convolutions in bfloat16, by tiles; see embedding.py.

The position of an image is a place in it, row by row. The padded input of the second and of the
third convolution has a border of one position, which stays zero.
"""

from __future__ import annotations

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
from fol_vpr.network.cpu.tiles.compiled_numbers import add_row, store_normalised
from fol_vpr.network.cpu.tiles.compiled_products import add_products, clear, store_block, supported

__all__ = ['BORDER', 'FIRST_KERNEL', 'FIRST_STRIDE', 'SLACK', 'compile_all', 'embed', 'supported']

SLACK = 128
"""Positions after the last one that are read, or written, to no effect."""
BORDER = 2
"""Pixels around an image."""
# The first convolution, which sees 8 pixels of a row, the second and the third.
FIRST_KERNEL, FIRST_STRIDE = 5, 2
SECOND_KERNEL = 3
THIRD_KERNEL, THIRD_STRIDE = 9, 7

# Bytes: of a pixel, of a position in bfloat16 and in float32, of 32 rows of a panel.
_PIXEL, _NARROW, _WIDE, _PANEL = 8, 2 * SIDE, 4 * SIDE, 2 * TILE_BYTES
_HALF, _LOW = np.uint64(0x7FFF), np.uint64(1)
_BITS = np.uint64(16)


@compiled
def _rounded(bits: int) -> int:
    """The bits of the nearest bfloat16 of a float32, of two the even one."""
    wide = np.uint64(bits)
    return (wide + _HALF + ((wide >> _BITS) & _LOW)) >> _BITS


@compiled
def _pack(image: np.ndarray, pixels: np.ndarray, line: int) -> None:
    """Write an image as pixels of three numbers in bfloat16 and a zero.

    Args:
        image: [3, H, W] uint32, the bits of float32.
        pixels: [(H + 4) * line + SLACK] uint64, whose border stays.
        line: pixels of a row, W + 4.
    """
    for y in range(image.shape[1]):
        red, green, blue = image[0, y], image[1, y], image[2, y]
        row = pixels[(y + BORDER) * line + BORDER :]
        for x in range(image.shape[2]):
            two = _rounded(red[x]) | _rounded(green[x]) << _BITS
            row[x] = two | _rounded(blue[x]) << (_BITS + _BITS)


@compiled
def _activate(
    found: np.ndarray,
    height: int,
    width: int,
    line: int,
    norm: np.ndarray,
    groups: int,
    eps: float,
    padded: int,
) -> None:
    """Write what a convolution has found after its bias, a group normalisation and GELU.

    Args:
        found: [height * line, 32] float32, of each row the first `width` positions.
        height, width: of the positions.
        line: from a row of `found` to the next one.
        norm: [3, 32] float32, bias of the convolution, weight and bias of the normalisation.
        groups: of channels.
        eps: of the normalisation.
        padded: [height + 2, width + 2, 32] bfloat16.
    """
    sums, squares = np.zeros(SIDE), np.zeros(SIDE)
    row_sums, row_squares = np.empty(SIDE, np.float32), np.empty(SIDE, np.float32)
    for y in range(height):
        row_sums[:], row_squares[:] = 0, 0
        for x in range(width):
            values = found[y * line + x]
            for channel in range(SIDE):
                value = values[channel] + norm[0, channel]
                row_sums[channel] += value
                row_squares[channel] += value * value
        for channel in range(SIDE):
            sums[channel] += row_sums[channel]
            squares[channel] += row_squares[channel]
    scale = np.empty((2, SIDE), np.float32)
    size = SIDE // groups
    for group in range(groups):
        mean = sums[group * size : (group + 1) * size].sum() / (size * height * width)
        square = squares[group * size : (group + 1) * size].sum() / (size * height * width)
        factor = 1 / np.sqrt(max(square - mean * mean, 0.0) + eps)
        for channel in range(group * size, (group + 1) * size):
            scale[0, channel] = factor * norm[1, channel]
            scale[1, channel] = norm[2, channel] + (norm[0, channel] - mean) * scale[0, channel]
    factors, shifts = scale[0].ctypes.data, scale[1].ctypes.data
    for y in range(height):
        for x in range(width):
            source = found.ctypes.data + (y * line + x) * _WIDE
            to = padded + ((y + 1) * (width + 2) + x + 1) * _NARROW
            store_normalised(source, factors, shifts, to)


@compiled
def embed(
    images: np.ndarray,
    weights: tuple[np.ndarray, np.ndarray, np.ndarray],
    norms: np.ndarray,
    groups: int,
    eps: float,
    bias: np.ndarray,
    pixels: np.ndarray,
    found: np.ndarray,
    padded: np.ndarray,
    tokens: np.ndarray,
) -> None:
    """Add the embedding of each patch of images to tokens.

    Args:
        images: [B, 3, H, W] uint32, the bits of float32.
        weights: panels of the three convolutions, uint16.
        norms: [2, 3, 32] float32, bias of a convolution, weight and bias of its normalisation.
        groups: of the normalisations.
        eps: of the normalisations.
        bias: [C] float32, of the third convolution.
        pixels: [(H + 4) * (W + 4) + SLACK] uint64, zeros before the first call.
        found: [h * (w + 2) + SLACK, 32] float32, h and w half of H and W.
        padded: [(h + 2) * (w + 2) + SLACK, 32] uint16, zeros before the first call.
        tokens: [B, T, C] float32, the patches after those that are left as they are.
    """
    first, second, third = weights
    line = images.shape[3] + 2 * BORDER
    height, width = (images.shape[2] + 1) // FIRST_STRIDE, (images.shape[3] + 1) // FIRST_STRIDE
    inside = width + 2
    rows = (height + 2 - THIRD_KERNEL) // THIRD_STRIDE + 1
    columns = (inside - THIRD_KERNEL) // THIRD_STRIDE + 1
    block = np.empty((SIDE, SIDE), np.float32)
    begin_tiles(LAYOUT.ctypes.data)
    for number in range(len(images)):
        _pack(images[number], pixels, line)
        for y in range(height):
            for x in range(0, width, SIDE):
                two = width - x > TILE
                clear()
                for tap in range(FIRST_KERNEL):
                    seen = (FIRST_STRIDE * y + tap) * line + FIRST_STRIDE * x
                    step = FIRST_STRIDE * _PIXEL
                    add_products(
                        pixels.ctypes.data + seen * _PIXEL, step, 0, TILE * step,
                        first.ctypes.data + tap * _PANEL, 1, two,
                    )  # fmt: skip
                store_block(found.ctypes.data + (y * width + x) * _WIDE, _WIDE, two)
        _activate(found, height, width, width, norms[0], groups, eps, padded.ctypes.data)
        for place in range(0, height * inside, SIDE):
            clear()
            for tap in range(SECOND_KERNEL):
                add_products(
                    padded.ctypes.data + (place + tap * inside) * _NARROW, _NARROW, _NARROW,
                    TILE * _NARROW, second.ctypes.data + tap * SECOND_KERNEL * _PANEL,
                    SECOND_KERNEL, True,
                )  # fmt: skip
            store_block(found.ctypes.data + place * _WIDE, _WIDE, True)
        _activate(found, height, width, inside, norms[1], groups, eps, padded.ctypes.data)
        patches = tokens[number, tokens.shape[1] - rows * columns :]
        for y in range(0, rows, 2):
            for x in range(0, columns, TILE):
                _project(
                    padded.ctypes.data + THIRD_STRIDE * (y * inside + x) * _NARROW, inside,
                    third.ctypes.data, bias, block, patches, y * columns + x,
                    min(TILE, columns - x), columns if y + 1 < rows else 0,
                )  # fmt: skip
    end_tiles()


@compiled
def _project(
    seen: int,
    inside: int,
    weights: int,
    bias: np.ndarray,
    block: np.ndarray,
    patches: np.ndarray,
    patch: int,
    count: int,
    below: int,
) -> None:
    """Add the third convolution to at most 16 patches of a row, and as many of the next one.

    Args:
        seen: address of what the first patch sees.
        inside: positions of a row of the padded input.
        weights: address of the panels.
        bias: [C] float32.
        block: [32, 32] float32, scratch.
        patches: [N, C] float32.
        patch: number of the first one.
        count: patches of a row.
        below: patches from there to the same one of the next row; 0 leaves that row out.
    """
    row = inside * _NARROW
    for panel in range(patches.shape[1] // SIDE):
        clear()
        for tap in range(THIRD_KERNEL):
            add_products(
                seen + tap * row, THIRD_STRIDE * _NARROW, _NARROW, THIRD_STRIDE * row,
                weights + (panel * THIRD_KERNEL + tap) * THIRD_KERNEL * _PANEL, THIRD_KERNEL,
                below > 0,
            )  # fmt: skip
        store_block(block.ctypes.data, _WIDE, below > 0)
        added = bias.ctypes.data + panel * _WIDE
        for half in range(2 if below else 1):
            for column in range(count):
                source = block.ctypes.data + (half * TILE + column) * _WIDE
                to = patches[patch + half * below + column].ctypes.data + panel * _WIDE
                add_row(source, added, to)


def compile_all() -> None:
    """Compile what is above."""
    side, half = 28, 14
    embed(
        np.zeros((1, 3, side, side), np.uint32),
        (
            np.zeros(FIRST_KERNEL * _PANEL // 2, np.uint16),
            np.zeros(SECOND_KERNEL**2 * _PANEL // 2, np.uint16),
            np.zeros(THIRD_KERNEL**2 * _PANEL // 2, np.uint16),
        ),
        np.zeros((2, 3, SIDE), np.float32),
        8,
        1e-5,
        np.zeros(SIDE, np.float32),
        np.zeros((side + 2 * BORDER) ** 2 + SLACK, np.uint64),
        np.zeros((half * (half + 2) + SLACK, SIDE), np.float32),
        np.zeros(((half + 2) ** 2 + SLACK, SIDE), np.uint16),
        np.zeros((1, 5, SIDE), np.float32),
    )
