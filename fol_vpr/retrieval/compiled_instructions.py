"""Instructions that multiply 8 bit integers, for the loops of compiled_int8.py.

LLVM has them as intrinsics only, as those of compiled_tiles.py. An intrinsic that the processor
does not have would end the process: `instruction_sets` says which may be used.
"""

from __future__ import annotations

import functools
from typing import Any

import numpy as np
from llvmlite import ir
from numba import types

from fol_vpr.compiled import compiled
from fol_vpr.compiled_tiles import (
    INT32,
    INT64,
    TILE,
    begin_tiles,
    call,
    end_tiles,
    has_features,
    intrinsic,
    may_use_tiles,
    move_tile,
    tiles,
)

NUMBERS = 128
"""Length of the rows."""
SIDE = 32
"""Rows and columns of a block."""

ROW_BYTES = SIDE * 4

# ---- what the processor has

_NEEDED = {
    'amx': ('amx-tile', 'amx-int8', 'avx512f'),
    'avx512_vnni': ('avx512vnni', 'avx512f'),
    'avx_vnni': ('avxvnni', 'avx2'),
}

# Numba keeps compiled code by processor, so that what is compiled may depend on this alone; the
# fastest one first.
_FEATURES = tuple(name for name, needed in _NEEDED.items() if has_features(*needed))


@functools.cache
def instruction_sets() -> tuple[str, ...]:
    """Those of amx, avx512_vnni and avx_vnni that may be used here, the fastest one first."""
    return tuple(name for name in _FEATURES if name != 'amx' or may_use_tiles())


def supported() -> bool:
    """Whether the functions of this module may be called."""
    return any(name != 'amx' for name in instruction_sets())


# ---- instructions


@intrinsic
def _multiply_tiles(_context: Any, _rows: Any, _columns: Any, _block: Any) -> Any:
    """A block [32, 32] int32 of the products of rows [32, 128] int8 and 32 packed columns."""

    def generate(context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        rows, columns, block = arguments
        half, step = NUMBERS // 2, TILE * NUMBERS
        for result in range(4):
            tiles(builder, 'tilezero', result)
        for part in range(2):
            for side in range(2):
                place = side * step
                move_tile(builder, 'tileloadd64', 4 + side, rows, place + part * half, NUMBERS)
                move_tile(builder, 'tileloadd64', 6 + side, columns, place + part * step // 2, 64)
            for result in range(4):
                tiles(builder, 'tdpbssd', result, 4 + result // 2, 6 + result % 2)
        for result in range(4):
            place = (result // 2) * TILE * ROW_BYTES + (result % 2) * TILE * 4
            move_tile(builder, 'tilestored64', result, block, place, ROW_BYTES)
        return context.get_dummy_value()

    return types.void(types.intp, types.intp, types.intp), generate


def _vectors(bits: int, count: int) -> Any:
    """An intrinsic that computes `count` rows of a block by vectors of so many bits."""
    lanes = bits // 32
    vector = ir.VectorType(INT32, lanes)
    name = f'llvm.x86.avx512.vpdpbusd.{bits}'

    @intrinsic
    def multiply(_context: Any, _rows: Any, _columns: Any, _block: Any) -> Any:
        """The same as `_multiply_tiles`, with packed columns that are 128 too large, as uint8."""

        def at(builder: Any, address: Any, offset: int, kind: Any) -> Any:
            place = builder.add(address, INT64(offset))
            return builder.inttoptr(place, kind.as_pointer())

        def generate(context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
            rows, columns, block = arguments
            parts = SIDE // lanes
            zeros, undefined = ir.Constant(vector, [0] * lanes), ir.Constant(vector, ir.Undefined)
            sums = [[zeros] * parts for _ in range(count)]
            for group in range(NUMBERS // 4):
                seen = []
                for part in range(parts):
                    tile, lane = divmod(part * lanes, TILE)
                    offset = tile * TILE * NUMBERS + group * 4 * TILE + 4 * lane
                    seen.append(builder.load(at(builder, columns, offset, vector), align=4))
                for row in range(count):
                    offset = row * NUMBERS + 4 * group
                    four = builder.load(at(builder, rows, offset, INT32), align=4)
                    one = builder.insert_element(undefined, four, INT32(0))
                    spread = builder.shuffle_vector(one, undefined, zeros)
                    sums[row] = [
                        call(builder, name, vector, total, right, spread)
                        for total, right in zip(sums[row], seen, strict=True)
                    ]
            for row, totals in enumerate(sums):
                for part, total in enumerate(totals):
                    offset = row * ROW_BYTES + 4 * part * lanes
                    builder.store(total, at(builder, block, offset, vector), align=4)
            return context.get_dummy_value()

        return types.void(types.intp, types.intp, types.intp), generate

    return multiply


@intrinsic
def over(_context: Any, _line: Any, _floor: Any) -> Any:
    """Which of 32 numbers int32 at an address are larger than `floor`, as bits."""

    def generate(_: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        line, floor = arguments
        vector = ir.VectorType(INT32, SIDE)
        undefined = ir.Constant(vector, ir.Undefined)
        values = builder.load(builder.inttoptr(line, vector.as_pointer()), align=4)
        one = builder.insert_element(undefined, floor, INT32(0))
        floors = builder.shuffle_vector(one, undefined, ir.Constant(vector, [0] * SIDE))
        return builder.bitcast(builder.icmp_signed('>', values, floors), INT32)

    return types.uint32(types.intp, types.int32), generate


@intrinsic
def lowest(_context: Any, _bits: Any) -> Any:
    """Number of the lowest bit that is set."""

    def generate(_: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        return builder.cttz(arguments[0], ir.Constant(ir.IntType(1), 1))

    return types.uint32(types.uint32), generate


_multiply_512 = _vectors(512, 4)
_multiply_256 = _vectors(256, 2)


@compiled
def _set_tiles(layout: np.ndarray) -> None:
    begin_tiles(layout.ctypes.data)


@compiled
def _release_tiles(_layout: np.ndarray) -> None:
    end_tiles()


@compiled
def _no_setting(_layout: np.ndarray) -> None:
    """What stands for the two above where there are no tiles."""


@compiled
def _block_by_tiles(rows: int, columns: int, block: int) -> None:
    _multiply_tiles(rows, columns, block)


@compiled
def _block_by_512(rows: int, columns: int, block: int) -> None:
    for row in range(0, SIDE, 4):
        _multiply_512(rows + row * NUMBERS, columns, block + row * ROW_BYTES)


@compiled
def _block_by_256(rows: int, columns: int, block: int) -> None:
    for row in range(0, SIDE, 2):
        _multiply_256(rows + row * NUMBERS, columns, block + row * ROW_BYTES)


BY_VECTORS = {'avx512_vnni': _block_by_512, 'avx_vnni': _block_by_256}
by_vectors = _block_by_512 if 'avx512_vnni' in _FEATURES else _block_by_256
_has_tiles = 'amx' in _FEATURES
begin, by_tiles, end = (
    (_set_tiles, _block_by_tiles, _release_tiles)
    if _has_tiles
    else (_no_setting, by_vectors, _no_setting)
)
