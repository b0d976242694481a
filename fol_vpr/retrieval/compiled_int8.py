"""Nearest neighbours from products of 8 bit integers, by instructions made for them; see
int8_matching.py.

The processor multiplies blocks of 32 rows of a candidate with 32 rows of a query, 128 numbers
each: with AMX by tiles of 16 x 16 results, with VNNI by vectors of groups of four bytes. A block
is compared with the threshold while it is in the first cache.

Packed rows of a query, [N / 16, 32, 16] int32: of 16 rows, 32 groups of four numbers each, as both
AMX and VNNI read them.
"""

from __future__ import annotations

import numpy as np

from fol_vpr.compiled import CACHE_LINE, compiled, read_only
from fol_vpr.compiled_tiles import LAYOUT, TILE
from fol_vpr.retrieval.compiled_instructions import (
    BY_VECTORS,
    NUMBERS,
    ROW_BYTES,
    SIDE,
    begin,
    by_tiles,
    by_vectors,
    end,
    instruction_sets,
    lowest,
    over,
    supported,
)
from fol_vpr.retrieval.compiled_matching import mutual
from fol_vpr.retrieval.int8_matching import LEVELS

__all__ = [
    'BY_VECTORS',
    'NUMBERS',
    'compile_all',
    'instruction_sets',
    'match',
    'nearest',
    'packed_rows',
    'supported',
]

ROUNDING = np.float32(1e-5)
"""Of cosines in float32, far above it."""


@compiled
def packed_rows(rows: np.ndarray, shift: int) -> tuple[np.ndarray, np.float32, int]:
    """Rows [N, 128] float32 of a query, rounded to 8 bits and packed.

    Args:
        rows: finite.
        shift: added to the integers.

    Returns:
        The packed rows, four numbers in each int32, those that fill the last block up zero; what
        one step is worth; and the largest sum of the absolute values of a row, in steps.
    """
    largest = np.float32(1e-30)
    for row in range(len(rows)):
        for index in range(NUMBERS):
            largest = max(largest, abs(rows[row, index]))
    step = largest / np.float32(LEVELS)
    scale = np.float32(1) / step
    blocks = (len(rows) + SIDE - 1) // SIDE
    tiles, numbers = blocks * SIDE // TILE, NUMBERS // 4 * TILE
    # From a line of the cache on: tiles load in two thirds of the time.
    memory = np.zeros(tiles * numbers + CACHE_LINE // 4, np.int32)
    start = -memory.ctypes.data % CACHE_LINE // 4
    packed = memory[start : start + tiles * numbers].reshape(tiles, NUMBERS // 4, TILE)
    codes = np.empty(NUMBERS, np.uint8)
    fours = codes.view(np.int32)
    most = 0
    for row in range(len(rows)):
        total = np.int32(0)
        for index in range(NUMBERS):
            code = np.int32(np.rint(rows[row, index] * scale))
            total += abs(code)
            codes[index] = np.uint8((code + shift) & 255)
        for group in range(NUMBERS // 4):
            packed[row // TILE, group, row % TILE] = fours[group]
        most = max(most, total)
    return packed, step, most


@compiled
def row_sums(codes: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Sums of squares, of absolute values, and of values of rows [M, 128] int8; [M] int32."""
    count = len(codes)
    squares, sizes = np.empty(count, np.int32), np.empty(count, np.int32)
    sums = np.empty(count, np.int32)
    for row in range(count):
        square, size, total = np.int32(0), np.int32(0), np.int32(0)
        for index in range(NUMBERS):
            number = np.int32(codes[row, index])
            square += number * number
            size += abs(number)
            total += number
        squares[row], sizes[row], sums[row] = square, size, total
    return squares, sizes, sums


@compiled
def nearest(
    query: np.ndarray,
    packed: np.ndarray,
    codes: np.ndarray,
    numbers: np.ndarray,
    factors: np.ndarray,
    units: np.ndarray,
    slacks: np.ndarray,
    offsets: np.ndarray,
    threshold: np.float32,
    max_share: float,
    tiles: bool,
) -> tuple[np.ndarray, np.ndarray]:
    """The nearest row of the query for each row of a candidate, and the other way round.

    Args:
        query: [N, 128] float32.
        packed: its rows in 8 bits; see the module.
        codes: [M, 128] int8, the candidate in 8 bits.
        numbers: [M, 128] of any type, and `factors` [M] float32: the candidate itself is
            `numbers * factors`.
        units: [M] float32, what a product of codes is multiplied with to be about a cosine.
        slacks: [M] float32, the largest error of that.
        offsets: [M] int32, by how much a product of codes is too large.
        threshold: cosine that a pair must exceed.
        max_share: of all pairs, whose cosine may be computed from all numbers.
        tiles: multiply by AMX, which the process must have been allowed, else by VNNI.

    Returns:
        [M] and [N] int64, -1 where none is over the threshold. Both are empty where more cosines
        were needed than `max_share`.
    """
    rows, columns = len(codes), len(query)
    row_column, column_row = np.full(rows, -1), np.full(columns, -1)
    row_best, column_best = np.full(rows, threshold), np.full(columns, threshold)
    floors = np.empty(rows, np.int32)
    for row in range(rows):
        least = (threshold - slacks[row]) / units[row]
        floors[row] = np.int32(np.floor(least)) + offsets[row]
    block = np.empty((SIDE, SIDE), np.int32)
    last = np.zeros((SIDE, NUMBERS), np.int8)
    computed = 0
    if tiles:
        begin(LAYOUT)
    for first in range(0, rows, SIDE):
        height = min(SIDE, rows - first)
        source = codes.ctypes.data + first * NUMBERS
        if height < SIDE:
            last[:height] = codes[first:]
            source = last.ctypes.data
        for start in range(0, columns, SIDE):
            seen = packed.ctypes.data + start * NUMBERS
            if tiles:
                by_tiles(source, seen, block.ctypes.data)
            else:
                by_vectors(source, seen, block.ctypes.data)
            width = min(SIDE, columns - start)
            for number in range(height):
                row = first + number
                bits = over(block.ctypes.data + number * ROW_BYTES, floors[row])
                if width < SIDE:
                    bits &= np.uint32((1 << width) - 1)
                best = row_best[row]
                while bits:
                    place = np.int64(lowest(bits))
                    bits &= bits - np.uint32(1)
                    column = start + place
                    product = block[number, place] - offsets[row]
                    bound = product * units[row] + slacks[row]
                    if bound >= best or bound >= column_best[column]:
                        cosine = np.float32(0)
                        for index in range(NUMBERS):
                            cosine += query[column, index] * numbers[row, index]
                        cosine *= factors[row]
                        computed += 1
                        if cosine > best:
                            best = cosine
                            row_column[row] = column
                        if cosine > column_best[column]:
                            column_best[column] = cosine
                            column_row[column] = row
                row_best[row] = best
        if computed > max_share * columns * (first + height):
            row_column, column_row = row_column[:0], column_row[:0]
            break
    if tiles:
        end(LAYOUT)
    return row_column, column_row


@compiled
def match(
    query: np.ndarray,
    packed: np.ndarray,
    step: np.float32,
    largest: int,
    codes: np.ndarray,
    numbers: np.ndarray,
    steps: np.ndarray,
    error: float,
    threshold: np.float32,
    max_share: float,
    tiles: bool,
) -> tuple[np.ndarray, bool]:
    """Mutual nearest neighbours of a query and a candidate over a threshold.

    Args:
        query: [N, 128] float32.
        packed: of `packed_rows`, and likewise `step` and `largest`.
        step: see there.
        largest: see there.
        codes: [M, 128] int8, the candidate in 8 bits.
        numbers: [M, 128] the candidate as it was given. Of int8, only the direction of a row
            counts.
        steps: [M] float32, what one step of a code of each row is worth.
        error: of a number of the candidate, in steps; 0 where it was given as int8.
        threshold: cosine that a match must exceed.
        max_share: of all pairs, whose cosine may be computed from all numbers.
        tiles: multiply by AMX, which the process must have been allowed, else by VNNI.

    Returns:
        [K, 2] row of the query and row of the candidate, and whether `max_share` sufficed.
    """
    squares, sizes, sums = row_sums(codes)
    count = len(codes)
    factors, units = np.empty(count, np.float32), np.empty(count, np.float32)
    slacks, offsets = np.empty(count, np.float32), np.empty(count, np.int32)
    for row in range(count):
        length = np.sqrt(np.float32(max(squares[row], 1)))
        factors[row] = np.float32(1) if error > 0 else np.float32(1) / length
        units[row] = factors[row] * steps[row] * step
        errors = sizes[row] / 2 + error * (largest + NUMBERS / 2)
        slacks[row] = np.float32(units[row] * errors) + ROUNDING
        offsets[row] = 0 if tiles else 128 * sums[row]
    row_column, column_row = nearest(
        query, packed, codes, numbers, factors, units, slacks, offsets, threshold, max_share, tiles
    )
    enough = count == 0 or len(row_column) > 0
    return mutual(row_column, column_row), enough


def compile_all() -> None:
    """Compile what is above."""
    codes = np.eye(2, NUMBERS, dtype=np.int8)
    unit, ones = codes.astype(np.float32), np.ones(2, np.float32)
    packed, step, largest = packed_rows(unit, 0)
    for numbers in (codes, unit):
        given = read_only(codes), read_only(numbers)
        match(unit, packed, step, largest, *given, ones, 0.5, np.float32(0.5), 1.0, False)
