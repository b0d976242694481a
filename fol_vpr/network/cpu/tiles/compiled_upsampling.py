"""The two transposed convolutions of the local head in bfloat16, by tiles; see local_head.py.

Positions of one kind are computed 32 at a time, in the order of the inputs, row by row. Those of
odd columns have one position less in each row: where the row ends, what is computed is of no use,
and is left out.
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
from fol_vpr.network.cpu.tiles.compiled_numbers import store_relu, unit_length
from fol_vpr.network.cpu.tiles.compiled_products import add_products, clear, store_block, supported
from fol_vpr.network.cpu.tiles.compiled_threads import COUNTERS, finish, take, wait

__all__ = ['COUNTERS', 'STEPS', 'compile_all', 'select', 'supported', 'upsample']

STEPS = 2
"""The two convolutions."""
_KINDS = 4
# Bytes: of 32 rows of a panel, of a number of 32 and of 16 bits.
_PANEL, _WIDE, _NARROW = 2 * TILE_BYTES, 4, 2
_ONE, _TINY = np.float32(1), np.float32(1e-12)


@compiled
def select(
    kept: np.ndarray, nearest: np.ndarray, columns: int, chosen: np.ndarray, found: np.ndarray,
    needed: np.ndarray,
) -> int:  # fmt: skip
    """Select the positions of patches, and those of the first convolution that they are made of.

    Args:
        kept: [N] bool, which patches.
        nearest: [P] int64, the patch that is nearest to each position.
        columns: of the positions.
        chosen: [P] int64; the first K are set to the selected positions.
        found: [P] int64, set to the place among the K of each position, -1 where it has none.
        needed: [Q] int64, set to its own place for each position of the first convolution that is
            needed, -1 for the others.

    Returns:
        K.
    """
    count, across = 0, (columns + 1) // 2
    needed[:] = -1
    for position in range(len(nearest)):
        found[position] = -1
        if kept[nearest[position]]:
            chosen[count] = position
            found[position] = count
            count += 1
            y, x = position // columns, position % columns
            for i in range(y // 2, y // 2 + y % 2 + 1):
                for j in range(x // 2, x // 2 + x % 2 + 1):
                    needed[i * across + j] = i * across + j
    return count


@compiled
def _positions(
    first: int, kind: int, rows: int, columns: int, wanted: np.ndarray, places: np.ndarray
) -> bool:
    """Where the outputs of one kind of 32 inputs are to be written.

    Args:
        first: number of the first input.
        kind: twice the parity of the row plus that of the column of the outputs.
        rows, columns: of the inputs.
        wanted: [P] int64, where each output is written; negative where it is not.
        places: [32] int64, where those of the inputs are.

    Returns:
        Whether there are any.
    """
    any_wanted, down, right = False, kind // 2, kind % 2
    for number in range(SIDE):
        y, x = (first + number) // columns, (first + number) % columns
        places[number] = -1
        if y < rows - down and x < columns - right:
            places[number] = wanted[(2 * y + down) * (2 * columns - 1) + 2 * x + right]
            any_wanted |= places[number] >= 0
    return any_wanted


@compiled
def upsample(
    inputs: np.ndarray,
    rows: int,
    columns: int,
    first: tuple[np.ndarray, np.ndarray],
    second: tuple[np.ndarray, np.ndarray],
    needed: np.ndarray,
    found: np.ndarray,
    hidden: np.ndarray,
    descriptors: np.ndarray,
    block: np.ndarray,
    counters: np.ndarray,
) -> None:
    """Do the jobs of both convolutions that no other thread does; return when all are done.

    Args:
        inputs: [rows * columns + columns + 33, C] uint16, features of the patches in bfloat16.
        rows, columns: of the patches.
        first, second: panels of the weights of the four kinds one after the other, uint16, and
            bias, float32.
        needed: of `select`.
        found: of `select`.
        hidden: [Q + 2 * columns + 32, D] uint16, outputs of the first convolution.
        descriptors: [K, E] float32, the selected outputs of the second one at unit length.
        block: [32, E] float32, of this thread.
        counters: [2, COUNTERS] int64, zero before the first thread begins.
    """
    places = np.empty(SIDE, np.int64)
    begin_tiles(LAYOUT.ctypes.data)
    for step in range(STEPS):
        is_last = step == 1
        seen, (weights, bias), wanted = inputs, first, needed
        panels = hidden.shape[1] // SIDE
        if is_last:
            seen, (weights, bias), wanted = hidden, second, found
            rows, columns = 2 * rows - 1, 2 * columns - 1
            panels = descriptors.shape[1] // SIDE
        line = seen.shape[1] * _NARROW
        depth = seen.shape[1] // SIDE
        # Blocks of the last one are side by side, for lengths go over all.
        across = panels * SIDE * _WIDE if is_last else SIDE * _WIDE
        blocks = (rows * columns + SIDE - 1) // SIDE
        shared = counters.ctypes.data + step * COUNTERS * 8
        while True:
            job = take(shared)
            if job >= _KINDS * blocks:
                break
            # Those of most inputs first.
            kind, start = _KINDS - 1 - job // blocks, job % blocks * SIDE
            if _positions(start, kind, rows, columns, wanted, places):
                down, right = kind // 2 + 1, kind % 2 + 1
                before = (0, 1, 3, 5)[kind] * panels * depth * _PANEL
                for panel in range(panels):
                    at = weights.ctypes.data + before + panel * down * right * depth * _PANEL
                    clear()
                    for i in range(down):
                        for j in range(right):
                            add_products(
                                seen.ctypes.data + (start + i * columns + j) * line, line,
                                SIDE * _NARROW, TILE * line, at + (i * right + j) * depth * _PANEL,
                                depth, True,
                            )  # fmt: skip
                    shift = panel * SIDE * _WIDE if is_last else 0
                    store_block(block.ctypes.data + shift, across, True)
                    if not is_last:
                        added = bias.ctypes.data + panel * SIDE * _WIDE
                        for row in range(SIDE):
                            if places[row] >= 0:
                                to = hidden[places[row], panel * SIDE :].ctypes.data
                                store_relu(block.ctypes.data + row * across, _ONE, added, to)
                if is_last:
                    for row in range(SIDE):
                        if places[row] >= 0:
                            unit_length(
                                block.ctypes.data + row * across, bias.ctypes.data,
                                panels * SIDE // TILE, _TINY, descriptors[places[row]].ctypes.data,
                            )  # fmt: skip
            finish(shared)
        wait(shared, _KINDS * blocks)
    end_tiles()


def compile_all() -> None:
    """Compile what is above."""
    kept, nearest = np.zeros(1, np.bool_), np.zeros(1, np.int64)
    chosen, found, needed = (np.zeros(1, np.int64) for _ in range(3))
    select(kept, nearest, 1, chosen, found, needed)
    weights, bias = np.zeros(9 * _PANEL // 2, np.uint16), np.zeros(SIDE, np.float32)
    upsample(
        np.zeros((SIDE + 3, SIDE), np.uint16),
        1,
        1,
        (weights, bias),
        (weights, bias),
        needed,
        found,
        np.zeros((SIDE + 3, SIDE), np.uint16),
        np.zeros((1, SIDE), np.float32),
        np.zeros((SIDE, SIDE), np.float32),
        np.zeros((STEPS, COUNTERS), np.int64),
    )
