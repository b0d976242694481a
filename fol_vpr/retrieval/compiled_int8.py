"""Nearest neighbours from products of 8 bit integers, by instructions made for them; see
int8_matching.py.

The processor multiplies blocks of 32 rows of a candidate with 32 rows of a query, 128 numbers
each: with AMX by tiles of 16 x 16 results, with VNNI by vectors of groups of four bytes. A block
is compared with the threshold while it is in the first cache. LLVM has these instructions as
intrinsics only, so that this module writes them into the code that Numba compiles. An intrinsic
that the processor does not have would end the process: `instruction_sets` says which may be used.

Packed rows of a query, [N / 16, 32, 16] int32: of 16 rows, 32 groups of four numbers each, as both
AMX and VNNI read them.
"""

from __future__ import annotations

import ctypes
import functools
import platform
from collections.abc import Callable
from typing import Any

import numpy as np
from llvmlite import binding, ir
from numba import extending, types
from numba.core import config as numba_config

from fol_vpr.compiled import compiled
from fol_vpr.retrieval.int8_matching import LEVELS

NUMBERS = 128
"""Length of the rows."""
SIDE = 32
"""Rows and columns of a block."""

_TILE = 16
_ROW_BYTES = SIDE * 4
_INT8, _INT32, _INT64 = (ir.IntType(bits) for bits in (8, 32, 64))
_POINTER = _INT8.as_pointer()
_ARCH_PRCTL = 158
_REQUEST_PERMISSION, _TILE_DATA = 0x1023, 18  # ARCH_REQ_XCOMP_PERM, XFEATURE_XTILEDATA

# What it makes of a function is called in another way than the function says.
intrinsic: Callable[[Callable[..., Any]], Any] = extending.intrinsic

# ---- what the processor has

_NEEDED = {
    'amx': ('amx-tile', 'amx-int8', 'avx512f'),
    'avx512_vnni': ('avx512vnni', 'avx512f'),
    'avx_vnni': ('avxvnni', 'avx2'),
}


def _features() -> tuple[str, ...]:
    """Those of `_NEEDED` that the processor has and LLVM may use, the fastest one first."""
    set_processor = any(vars(numba_config)[name] for name in ('CPU_NAME', 'CPU_FEATURES'))
    if platform.machine() != 'x86_64' or set_processor:
        # Numba may have been told to compile for another processor.
        return ()
    found = binding.get_host_cpu_features()
    return tuple(name for name, needed in _NEEDED.items() if all(map(found.get, needed)))


# Numba keeps compiled code by processor, so that what is compiled may depend on this alone.
_FEATURES = _features()


@functools.cache
def instruction_sets() -> tuple[str, ...]:
    """Those of amx, avx512_vnni and avx_vnni that may be used here, the fastest one first."""
    return tuple(name for name in _FEATURES if name != 'amx' or _may_use_tiles())


def _may_use_tiles() -> bool:
    """Ask Linux, from 5.16 on, for the registers of AMX; for the whole process."""
    syscall = ctypes.CDLL(None).syscall
    return bool(syscall(_ARCH_PRCTL, _REQUEST_PERMISSION, _TILE_DATA) == 0)


def supported() -> bool:
    """Whether the functions of this module may be called."""
    return any(name != 'amx' for name in instruction_sets())


# ---- instructions


def _call(builder: ir.IRBuilder, name: str, result: ir.Type, *arguments: ir.Value) -> ir.Value:
    function = builder.module.globals.get(name)
    if function is None:
        kind = ir.FunctionType(result, [argument.type for argument in arguments])
        function = ir.Function(builder.module, kind, name)
    return builder.call(function, arguments)


def _tiles(builder: ir.IRBuilder, name: str, *numbers: int) -> None:
    constants = [ir.Constant(_INT8, number) for number in numbers]
    _call(builder, f'llvm.x86.{name}', ir.VoidType(), *constants)


def _move_tile(
    builder: ir.IRBuilder, name: str, number: int, address: ir.Value, offset: int, step: int
) -> None:
    """Load or store a tile whose rows are `step` bytes apart."""
    place = builder.inttoptr(builder.add(address, _INT64(offset)), _POINTER)
    _call(builder, f'llvm.x86.{name}', ir.VoidType(), _INT8(number), place, _INT64(step))


@intrinsic
def _begin_tiles(_context: Any, _layout: Any) -> Any:
    """Set the shapes of the tiles up, from 64 bytes at an address."""

    def generate(context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        place = builder.inttoptr(arguments[0], _POINTER)
        _call(builder, 'llvm.x86.ldtilecfg', ir.VoidType(), place)
        return context.get_dummy_value()

    return types.void(types.intp), generate


@intrinsic
def _end_tiles(_context: Any) -> Any:
    """Let go of the tiles, so that Linux need not save them any more."""

    def generate(context: Any, builder: Any, _signature: Any, _arguments: Any) -> Any:
        _call(builder, 'llvm.x86.tilerelease', ir.VoidType())
        return context.get_dummy_value()

    return types.void(), generate


@intrinsic
def _multiply_tiles(_context: Any, _rows: Any, _columns: Any, _block: Any) -> Any:
    """A block [32, 32] int32 of the products of rows [32, 128] int8 and 32 packed columns."""

    def generate(context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        rows, columns, block = arguments
        half, step = NUMBERS // 2, _TILE * NUMBERS
        for result in range(4):
            _tiles(builder, 'tilezero', result)
        for part in range(2):
            for side in range(2):
                place = side * step
                _move_tile(builder, 'tileloadd64', 4 + side, rows, place + part * half, NUMBERS)
                _move_tile(builder, 'tileloadd64', 6 + side, columns, place + part * step // 2, 64)
            for result in range(4):
                _tiles(builder, 'tdpbssd', result, 4 + result // 2, 6 + result % 2)
        for result in range(4):
            place = (result // 2) * _TILE * _ROW_BYTES + (result % 2) * _TILE * 4
            _move_tile(builder, 'tilestored64', result, block, place, _ROW_BYTES)
        return context.get_dummy_value()

    return types.void(types.intp, types.intp, types.intp), generate


def _vectors(bits: int, count: int) -> Any:
    """An intrinsic that computes `count` rows of a block by vectors of so many bits."""
    lanes = bits // 32
    vector = ir.VectorType(_INT32, lanes)
    name = f'llvm.x86.avx512.vpdpbusd.{bits}'

    @intrinsic
    def multiply(_context: Any, _rows: Any, _columns: Any, _block: Any) -> Any:
        """The same as `_multiply_tiles`, with packed columns that are 128 too large, as uint8."""

        def at(builder: Any, address: Any, offset: int, kind: Any) -> Any:
            place = builder.add(address, _INT64(offset))
            return builder.inttoptr(place, kind.as_pointer())

        def generate(context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
            rows, columns, block = arguments
            parts = SIDE // lanes
            zeros, undefined = ir.Constant(vector, [0] * lanes), ir.Constant(vector, ir.Undefined)
            sums = [[zeros] * parts for _ in range(count)]
            for group in range(NUMBERS // 4):
                seen = []
                for part in range(parts):
                    tile, lane = divmod(part * lanes, _TILE)
                    offset = tile * _TILE * NUMBERS + group * 4 * _TILE + 4 * lane
                    seen.append(builder.load(at(builder, columns, offset, vector), align=4))
                for row in range(count):
                    offset = row * NUMBERS + 4 * group
                    four = builder.load(at(builder, rows, offset, _INT32), align=4)
                    one = builder.insert_element(undefined, four, _INT32(0))
                    spread = builder.shuffle_vector(one, undefined, zeros)
                    sums[row] = [
                        _call(builder, name, vector, total, right, spread)
                        for total, right in zip(sums[row], seen, strict=True)
                    ]
            for row, totals in enumerate(sums):
                for part, total in enumerate(totals):
                    offset = row * _ROW_BYTES + 4 * part * lanes
                    builder.store(total, at(builder, block, offset, vector), align=4)
            return context.get_dummy_value()

        return types.void(types.intp, types.intp, types.intp), generate

    return multiply


@intrinsic
def _over(_context: Any, _line: Any, _floor: Any) -> Any:
    """Which of 32 numbers int32 at an address are larger than `floor`, as bits."""

    def generate(_: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        line, floor = arguments
        vector = ir.VectorType(_INT32, SIDE)
        undefined = ir.Constant(vector, ir.Undefined)
        values = builder.load(builder.inttoptr(line, vector.as_pointer()), align=4)
        one = builder.insert_element(undefined, floor, _INT32(0))
        floors = builder.shuffle_vector(one, undefined, ir.Constant(vector, [0] * SIDE))
        return builder.bitcast(builder.icmp_signed('>', values, floors), _INT32)

    return types.uint32(types.intp, types.int32), generate


@intrinsic
def _lowest(_context: Any, _bits: Any) -> Any:
    """Number of the lowest bit that is set."""

    def generate(_: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        return builder.cttz(arguments[0], ir.Constant(ir.IntType(1), 1))

    return types.uint32(types.uint32), generate


_multiply_512 = _vectors(512, 4)
_multiply_256 = _vectors(256, 2)

# Eight tiles of 16 rows of 64 bytes.
_LAYOUT = np.zeros(64, np.uint8)
_LAYOUT[0] = 1
_LAYOUT[16:32:2], _LAYOUT[48:56] = 64, 16


@compiled
def _set_tiles(layout: np.ndarray) -> None:
    _begin_tiles(layout.ctypes.data)


@compiled
def _release_tiles(_layout: np.ndarray) -> None:
    _end_tiles()


@compiled
def _no_setting(_layout: np.ndarray) -> None:
    """What stands for the two above where there are no tiles."""


@compiled
def _block_by_tiles(rows: int, columns: int, block: int) -> None:
    _multiply_tiles(rows, columns, block)


@compiled
def _block_by_512(rows: int, columns: int, block: int) -> None:
    for row in range(0, SIDE, 4):
        _multiply_512(rows + row * NUMBERS, columns, block + row * _ROW_BYTES)


@compiled
def _block_by_256(rows: int, columns: int, block: int) -> None:
    for row in range(0, SIDE, 2):
        _multiply_256(rows + row * NUMBERS, columns, block + row * _ROW_BYTES)


BY_VECTORS = {'avx512_vnni': _block_by_512, 'avx_vnni': _block_by_256}
_by_vectors = _block_by_512 if 'avx512_vnni' in _FEATURES else _block_by_256
_has_tiles = 'amx' in _FEATURES
_begin, _by_tiles, _end = (
    (_set_tiles, _block_by_tiles, _release_tiles)
    if _has_tiles
    else (_no_setting, _by_vectors, _no_setting)
)

# ---- with them


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
    packed = np.zeros((blocks * SIDE // _TILE, NUMBERS // 4, _TILE), np.int32)
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
            packed[row // _TILE, group, row % _TILE] = fours[group]
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
        _begin(_LAYOUT)
    for first in range(0, rows, SIDE):
        height = min(SIDE, rows - first)
        source = codes.ctypes.data + first * NUMBERS
        if height < SIDE:
            last[:height] = codes[first:]
            source = last.ctypes.data
        for start in range(0, columns, SIDE):
            seen = packed.ctypes.data + start * NUMBERS
            if tiles:
                _by_tiles(source, seen, block.ctypes.data)
            else:
                _by_vectors(source, seen, block.ctypes.data)
            width = min(SIDE, columns - start)
            for number in range(height):
                row = first + number
                bits = _over(block.ctypes.data + number * _ROW_BYTES, floors[row])
                if width < SIDE:
                    bits &= np.uint32((1 << width) - 1)
                best = row_best[row]
                while bits:
                    place = np.int64(_lowest(bits))
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
        _end(_LAYOUT)
    return row_column, column_row


def compile_all() -> None:
    """Compile what is above."""
    codes = np.eye(2, NUMBERS, dtype=np.int8)
    unit, packed = codes.astype(np.float32), np.zeros((2, 32, 16), np.int32)
    ones, zeros = np.ones(2, np.float32), np.zeros(2, np.int32)
    row_sums(codes)
    packed_rows(unit, 0)
    for numbers in (codes, unit):
        nearest(unit, packed, codes, numbers, ones, ones, ones, zeros, np.float32(0.5), 1.0, False)
