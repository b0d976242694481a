"""Tiles of the processor (AMX), for the loops of modules `compiled_*.py`.

There are eight registers of 16 rows of 64 bytes; one instruction multiplies two of them and adds
the product to a third. LLVM has these instructions as intrinsics only, so that this module writes
them into the code that Numba compiles. An intrinsic that the processor does not have would end the
process: ask `has_features` and `may_use_tiles` first.

A tile whose rows do not begin at multiples of 64 bytes takes two to three times as long to load.
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

TILE = 16
"""Rows of a tile, and numbers of 32 bits in each."""
TILE_BYTES = TILE * 64
SIDE = 2 * TILE
"""Rows and columns of a block of results that four tiles hold."""

INT8, INT32, INT64 = (ir.IntType(bits) for bits in (8, 32, 64))
POINTER = INT8.as_pointer()
_ARCH_PRCTL = 158
_REQUEST_PERMISSION, _TILE_DATA = 0x1023, 18  # ARCH_REQ_XCOMP_PERM, XFEATURE_XTILEDATA

# What it makes of a function is called in another way than the function says.
intrinsic: Callable[[Callable[..., Any]], Any] = extending.intrinsic

# Eight tiles of 16 rows of 64 bytes.
LAYOUT = np.zeros(64, np.uint8)
LAYOUT[0] = 1
LAYOUT[16:32:2], LAYOUT[48:56] = 64, TILE


def has_features(*names: str) -> bool:
    """Whether the processor has features that LLVM knows by these names, and LLVM may use them."""
    set_processor = any(vars(numba_config)[name] for name in ('CPU_NAME', 'CPU_FEATURES'))
    if platform.machine() != 'x86_64' or set_processor:
        # Numba may have been told to compile for another processor.
        return False
    return all(map(_host_features().get, names))


@functools.cache
def _host_features() -> dict[str, bool]:
    return dict(binding.get_host_cpu_features())


@functools.cache
def may_use_tiles() -> bool:
    """Ask Linux, from 5.16 on, for the registers of AMX; for the whole process."""
    syscall = ctypes.CDLL(None).syscall
    return bool(syscall(_ARCH_PRCTL, _REQUEST_PERMISSION, _TILE_DATA) == 0)


def call(builder: ir.IRBuilder, name: str, result: ir.Type, *arguments: ir.Value) -> Any:
    """Call an intrinsic of LLVM, or a function of the C library, by its name."""
    function = builder.module.globals.get(name)
    if function is None:
        kind = ir.FunctionType(result, [argument.type for argument in arguments])
        function = ir.Function(builder.module, kind, name)
    return builder.call(function, arguments)


def tiles(builder: ir.IRBuilder, name: str, *numbers: int) -> None:
    """Write an instruction that has tiles as its operands alone."""
    constants = [ir.Constant(INT8, number) for number in numbers]
    call(builder, f'llvm.x86.{name}', ir.VoidType(), *constants)


def move_tile(
    builder: ir.IRBuilder,
    name: str,
    number: int,
    address: ir.Value,
    offset: int | ir.Value,
    step: int | ir.Value,
) -> None:
    """Load or store a tile whose rows are `step` bytes apart, `offset` bytes after an address."""
    offset, step = (INT64(each) if isinstance(each, int) else each for each in (offset, step))
    place = builder.inttoptr(builder.add(address, offset), POINTER)
    call(builder, f'llvm.x86.{name}', ir.VoidType(), INT8(number), place, step)


@intrinsic
def begin_tiles(_context: Any, _layout: Any) -> Any:
    """Set the shapes of the tiles up, from 64 bytes at an address."""

    def generate(context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        place = builder.inttoptr(arguments[0], POINTER)
        call(builder, 'llvm.x86.ldtilecfg', ir.VoidType(), place)
        return context.get_dummy_value()

    return types.void(types.intp), generate


def without_operands(name: str) -> Any:
    """An intrinsic that is one instruction of the processor, by the name that LLVM has for it."""

    @intrinsic
    def instruction(_context: Any) -> Any:
        def generate(context: Any, builder: Any, _signature: Any, _arguments: Any) -> Any:
            call(builder, f'llvm.x86.{name}', ir.VoidType())
            return context.get_dummy_value()

        return types.void(), generate

    return instruction


end_tiles = without_operands('tilerelease')
"""Let go of the tiles, so that Linux need not save them any more."""
