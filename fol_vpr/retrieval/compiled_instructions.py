"""Instructions that multiply 8 bit integers, for the loops of compiled_int8.py.

LLVM has them as intrinsics only, so that this module writes them into the code that Numba
compiles. An intrinsic that the processor does not have would end the process: `instruction_sets`
says which may be used.
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

NUMBERS = 128
"""Length of the rows."""
SIDE = 32
"""Rows and columns of a block."""

TILE = 16
ROW_BYTES = SIDE * 4
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
        half, step = NUMBERS // 2, TILE * NUMBERS
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
            place = (result // 2) * TILE * ROW_BYTES + (result % 2) * TILE * 4
            _move_tile(builder, 'tilestored64', result, block, place, ROW_BYTES)
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
                    tile, lane = divmod(part * lanes, TILE)
                    offset = tile * TILE * NUMBERS + group * 4 * TILE + 4 * lane
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
        vector = ir.VectorType(_INT32, SIDE)
        undefined = ir.Constant(vector, ir.Undefined)
        values = builder.load(builder.inttoptr(line, vector.as_pointer()), align=4)
        one = builder.insert_element(undefined, floor, _INT32(0))
        floors = builder.shuffle_vector(one, undefined, ir.Constant(vector, [0] * SIDE))
        return builder.bitcast(builder.icmp_signed('>', values, floors), _INT32)

    return types.uint32(types.intp, types.int32), generate


@intrinsic
def lowest(_context: Any, _bits: Any) -> Any:
    """Number of the lowest bit that is set."""

    def generate(_: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        return builder.cttz(arguments[0], ir.Constant(ir.IntType(1), 1))

    return types.uint32(types.uint32), generate


_multiply_512 = _vectors(512, 4)
_multiply_256 = _vectors(256, 2)

# Eight tiles of 16 rows of 64 bytes.
LAYOUT = np.zeros(64, np.uint8)
LAYOUT[0] = 1
LAYOUT[16:32:2], LAYOUT[48:56] = 64, 16


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
