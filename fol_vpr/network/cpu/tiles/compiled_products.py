"""Products of bfloat16 by tiles, for the other loops `compiled_*.py` of this folder.

What is multiplied, [R, C], is stored row by row, or as tiles, [R / 16, C / 32, 16, 32] uint16.
What it is multiplied with, [C, N], is stored as panels of 32 columns, [N / 32, C / 32, 2, 16, 16,
2]: two tiles of 16 columns, whose rows are pairs of numbers of a column.

A block of results, 16 or 32 rows of 32 numbers in float32, stays in tiles while products are
added.
"""

from __future__ import annotations

from typing import Any

from numba import types
from numba.core import cgutils

from fol_vpr.compiled import compiled
from fol_vpr.compiled_tiles import (
    INT64,
    TILE,
    TILE_BYTES,
    has_features,
    intrinsic,
    may_use_tiles,
    move_tile,
    tiles,
)

# The first of the tiles that hold rows, and of those that hold columns.
_ROWS, _COLUMNS = 4, 6


def _results(rows: int) -> list[tuple[int, int]]:
    return [(row, column) for row in range(rows) for column in range(2)]


@intrinsic
def _clear(_context: Any) -> Any:
    def generate(context: Any, builder: Any, _signature: Any, _arguments: Any) -> Any:
        for row, column in _results(2):
            tiles(builder, 'tilezero', 2 * row + column)
        return context.get_dummy_value()

    return types.void(), generate


def _adding(rows: int) -> Any:
    @intrinsic
    def add(
        _context: Any, _rows: Any, _line: Any, _along: Any, _apart: Any, _columns: Any, _count: Any
    ) -> Any:
        def generate(context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
            left, line, along, apart, right, count = arguments
            with cgutils.for_range(builder, count) as loop:
                place = builder.mul(loop.index, along)
                for row in range(rows):
                    below = builder.add(place, apart) if row else place
                    move_tile(builder, 'tileloadd64', _ROWS + row, left, below, line)
                place = builder.mul(loop.index, INT64(2 * TILE_BYTES))
                for column in range(2):
                    beside = builder.add(place, INT64(column * TILE_BYTES))
                    move_tile(builder, 'tileloadd64', _COLUMNS + column, right, beside, 64)
                for row, column in _results(rows):
                    result = 2 * row + column
                    tiles(builder, 'tdpbf16ps', result, _ROWS + row, _COLUMNS + column)
            return context.get_dummy_value()

        return types.void(*[types.intp] * 6), generate

    return add


def _storing(rows: int) -> Any:
    @intrinsic
    def store(_context: Any, _block: Any, _step: Any) -> Any:
        def generate(context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
            block, step = arguments
            for row, column in _results(rows):
                down = builder.mul(step, INT64(row * TILE))
                place = builder.add(down, INT64(column * TILE * 4))
                move_tile(builder, 'tilestored64', 2 * row + column, block, place, step)
            return context.get_dummy_value()

        return types.void(types.intp, types.intp), generate

    return store


_add_one, _add_two = _adding(1), _adding(2)
_store_one, _store_two = _storing(1), _storing(2)


@compiled
def clear() -> None:
    """Begin a block of results with zeros."""
    _clear()


@compiled
def add_products(
    rows: int, line: int, along: int, apart: int, columns: int, count: int, two: bool
) -> None:
    """Add the products of 16 or 32 rows with a panel of columns to the block.

    Args:
        rows: address of the first row.
        line: bytes from a row to the next one.
        along: bytes from 32 numbers of a row to its next 32 ones.
        apart: bytes from the first row to that after the first 16 ones.
        columns: address of the panel.
        count: how many times 32 numbers are summed.
        two: multiply 32 rows.
    """
    if two:
        _add_two(rows, line, along, apart, columns, count)
    else:
        _add_one(rows, line, along, apart, columns, count)


@compiled
def store_block(block: int, step: int, two: bool) -> None:
    """Write the block, [16 or 32, 32] float32, to an address, its rows `step` bytes apart."""
    if two:
        _store_two(block, step)
    else:
        _store_one(block, step)


@compiled
def multiply(
    rows: int, apart: int, columns: int, count: int, block: int, step: int, two: bool
) -> None:
    """Write the products of one or two tiles of rows and a panel of columns, in float32.

    Args:
        rows: address of the first tile of the first 16 rows.
        apart: bytes from there to the first tile of the next 16 rows.
        columns: address of the panel.
        count: tiles along the sum.
        block: address of the results, [16 or 32, 32] float32.
        step: bytes between two rows of the results.
        two: multiply 32 rows.
    """
    clear()
    add_products(rows, 64, TILE_BYTES, apart, columns, count, two)
    store_block(block, step, two)


def supported() -> bool:
    """Whether the processor has what the loops of this folder need."""
    return has_features('amx-tile', 'amx-bf16', 'avx512f') and may_use_tiles()
