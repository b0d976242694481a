"""Rows of numbers in float32 and bfloat16, for the other loops `compiled_*.py` of this folder."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils

from fol_vpr.compiled_tiles import (
    INT32,
    INT64,
    SIDE,
    TILE_BYTES,
    call,
    intrinsic,
)

_FLOAT, _INT16 = ir.FloatType(), ir.IntType(16)
_LANES = 16
_FLOATS, _INTS = ir.VectorType(_FLOAT, _LANES), ir.VectorType(INT32, _LANES)
_SHORTS = ir.VectorType(_INT16, _LANES)
_FUSED = ('contract',)
_LEAST_EXPONENT = -126.0
"""Smaller powers of two count as this one; smaller numbers take a hundred times as long."""
_LARGEST_GELU = 5.0
"""Beyond it the normal distribution function counts as 0 and 1, an error below 3e-7."""


def _fit(function: Callable[[float], float], low: float, high: float, degree: int) -> list[float]:
    """Coefficients of a polynomial near a function, of the highest power first.

    Its argument runs from -1 to 1 where that of the function does from `low` to `high`.
    """
    unit = np.cos(np.pi * (np.arange(1000) + 0.5) / 1000)
    values = [function(low + (high - low) * (number + 1) / 2) for number in unit]
    found = np.polynomial.Chebyshev.fit(unit, values, degree, domain=[-1, 1])
    coefficients = found.convert(kind=np.polynomial.Polynomial).coef
    return [float(np.float32(number)) for number in coefficients[::-1]]


# Largest errors in float32: 3e-7 of the value, and 3e-6 after the product with the argument. The
# first polynomial is one of the power itself, from -1/2 to 1/2.
_EXP2 = [
    number * 2.0 ** (5 - place) for place, number in enumerate(_fit(lambda x: 2**x, -0.5, 0.5, 5))
]
_GELU = _fit(lambda t: math.erf(math.sqrt(t / 2)) / math.sqrt(t) / 2, 0.0, _LARGEST_GELU**2, 12)


def _load(builder: ir.IRBuilder, address: ir.Value, offset: int | ir.Value = 0) -> Any:
    offset = INT64(offset) if isinstance(offset, int) else offset
    place = builder.inttoptr(builder.add(address, offset), _FLOATS.as_pointer())
    return builder.load(place, align=4)


def _store(builder: ir.IRBuilder, value: ir.Value, address: ir.Value, offset: Any = 0) -> None:
    offset = INT64(offset) if isinstance(offset, int) else offset
    place = builder.inttoptr(builder.add(address, offset), value.type.as_pointer())
    builder.store(value, place, align=2)


def _spread(builder: ir.IRBuilder, number: ir.Value) -> Any:
    """A vector of one number."""
    one = builder.insert_element(ir.Constant(_FLOATS, ir.Undefined), number, INT32(0))
    return builder.shuffle_vector(one, one, ir.Constant(_INTS, [0] * _LANES))


def _floats(number: float) -> Any:
    return ir.Constant(_FLOATS, [number] * _LANES)


def _ints(number: int) -> Any:
    return ir.Constant(_INTS, [number] * _LANES)


def _polynomial(builder: ir.IRBuilder, x: ir.Value, coefficients: list[float]) -> Any:
    value = _floats(coefficients[0])
    for coefficient in coefficients[1:]:
        product = builder.fmul(value, x, flags=_FUSED)
        value = builder.fadd(product, _floats(coefficient), flags=_FUSED)
    return value


class _Bfloat16(ir.Type):  # type: ignore[misc]
    """The type of LLVM that llvmlite has no name for."""

    def _to_string(self) -> str:
        return 'bfloat'


_BFLOATS = ir.VectorType(_Bfloat16(), _LANES)


def _rounded(builder: ir.IRBuilder, values: ir.Value) -> Any:
    """The nearest bfloat16, of two the even one, as integers of 16 bits."""
    return builder.bitcast(builder.fptrunc(values, _BFLOATS), _SHORTS)


def _exp2(builder: ir.IRBuilder, power: ir.Value) -> Any:
    """2 to a power below 128, with a relative error below 3e-7; NaN of NaN."""
    low = builder.fcmp_ordered('<', power, _floats(_LEAST_EXPONENT))
    power = builder.select(low, _floats(_LEAST_EXPONENT), power)
    whole = call(builder, 'llvm.rint.v16f32', _FLOATS, power)
    value = _polynomial(builder, builder.fsub(power, whole), _EXP2)
    # The value times 2 to the whole power, in one instruction.
    every, rounding = ir.Constant(_INT16, -1), INT32(4)
    name = 'llvm.x86.avx512.mask.scalef.ps.512'
    return call(builder, name, _FLOATS, value, whole, value, every, rounding)


def _gelu(builder: ir.IRBuilder, values: ir.Value) -> Any:
    """The exact GELU, x times the normal distribution function; errors below 3e-6."""
    high, low = _floats(_LARGEST_GELU), _floats(-_LARGEST_GELU)
    # Far below, the error of the function counts as often as the number is large.
    values = builder.select(builder.fcmp_ordered('<', values, low), low, values)
    near = builder.select(builder.fcmp_ordered('>', values, high), high, values)
    square = builder.fmul(near, near)
    share = builder.fmul(square, _floats(2 / _LARGEST_GELU**2), flags=_FUSED)
    share = builder.fsub(share, _floats(1.0), flags=_FUSED)
    value = builder.fmul(near, _polynomial(builder, share, _GELU), flags=_FUSED)
    value = builder.fadd(value, _floats(0.5), flags=_FUSED)
    return builder.fmul(values, value)


def _sum(builder: ir.IRBuilder, values: ir.Value) -> Any:
    """The sum of a vector, by halves."""
    lanes = _LANES
    while lanes > 1:
        lanes //= 2
        low, high = (
            ir.Constant(ir.VectorType(INT32, lanes), list(range(first, first + lanes)))
            for first in (0, lanes)
        )
        parts = [builder.shuffle_vector(values, values, each) for each in (low, high)]
        values = builder.fadd(*parts)
    return builder.extract_element(values, INT32(0))


def _row(activation: Callable[[Any, Any], Any] | None = None) -> Any:
    """An intrinsic that stores 32 numbers, after an activation or not."""

    @intrinsic
    def store(_context: Any, _source: Any, _factor: Any, _bias: Any, _to: Any) -> Any:
        def generate(context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
            source, factor, bias, to = arguments
            factors = _spread(builder, factor)
            for half in range(2):
                values = _load(builder, source, half * _LANES * 4)
                values = builder.fmul(values, factors, flags=_FUSED)
                added = _load(builder, bias, half * _LANES * 4)
                values = builder.fadd(values, added, flags=_FUSED)
                values = activation(builder, values) if activation else values
                _store(builder, _rounded(builder, values), to, half * _LANES * 2)
            return context.get_dummy_value()

        return types.void(types.intp, types.float32, types.intp, types.intp), generate

    return store


def _relu(builder: ir.IRBuilder, values: ir.Value) -> Any:
    """The larger of each number and 0; NaN of NaN."""
    negative = builder.fcmp_ordered('<', values, _floats(0.0))
    return builder.select(negative, _floats(0.0), values)


store_row, store_relu, store_gelu = _row(), _row(_relu), _row(_gelu)
"""Write 32 float32 at an address, times a factor, plus 32 at another, as bfloat16 at a third."""


@intrinsic
def store_normalised(_context: Any, _source: Any, _factors: Any, _bias: Any, _to: Any) -> Any:
    """The same after GELU, with a factor for each of the 32 at an address."""

    def generate(context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        source, factors, bias, to = arguments
        for half in range(2):
            values, factor, added = (
                _load(builder, each, half * _LANES * 4) for each in (source, factors, bias)
            )
            values = builder.fmul(values, factor, flags=_FUSED)
            values = _gelu(builder, builder.fadd(values, added, flags=_FUSED))
            _store(builder, _rounded(builder, values), to, half * _LANES * 2)
        return context.get_dummy_value()

    return types.void(*[types.intp] * 4), generate


@intrinsic
def unit_length(
    _context: Any, _source: Any, _bias: Any, _count: Any, _least: Any, _to: Any
) -> Any:
    """Write 16 times `count` float32 at an address plus as many at another, scaled to length 1.

    Lengths below `least` count as it.
    """

    def generate(context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        source, bias, count, least, to = arguments
        total = cgutils.alloca_once_value(builder, _floats(0.0))
        with cgutils.for_range(builder, count) as loop:
            place = builder.mul(loop.index, INT64(_LANES * 4))
            values = builder.fadd(_load(builder, source, place), _load(builder, bias, place))
            square = builder.fmul(values, values, flags=_FUSED)
            builder.store(builder.fadd(builder.load(total), square, flags=_FUSED), total)
        length = call(builder, 'llvm.sqrt.f32', _FLOAT, _sum(builder, builder.load(total)))
        short = builder.fcmp_ordered('<', length, least)
        length = builder.select(short, least, length)
        factors = _spread(builder, builder.fdiv(ir.Constant(_FLOAT, 1.0), length))
        with cgutils.for_range(builder, count) as loop:
            place = builder.mul(loop.index, INT64(_LANES * 4))
            values = builder.fadd(_load(builder, source, place), _load(builder, bias, place))
            _store(builder, builder.fmul(values, factors), to, place)
        return context.get_dummy_value()

    kinds = types.intp, types.intp, types.intp, types.float32, types.intp
    return types.void(*kinds), generate


@intrinsic
def add_row(_context: Any, _source: Any, _bias: Any, _to: Any) -> Any:
    """Add 32 float32 at an address, and 32 at another, to those at a third."""

    def generate(context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        source, bias, to = arguments
        for offset in (0, _LANES * 4):
            values = builder.fadd(_load(builder, source, offset), _load(builder, bias, offset))
            _store(builder, builder.fadd(_load(builder, to, offset), values), to, offset)
        return context.get_dummy_value()

    return types.void(*[types.intp] * 3), generate


@intrinsic
def normalise_row(
    _context: Any, _row: Any, _count: Any, _eps: Any, _weight: Any, _bias: Any, _to: Any
) -> Any:
    """Write 32 times `count` float32 with mean 0 and variance 1, times a weight, plus a bias.

    They are written as bfloat16, 32 to a row of a tile each.
    """

    def generate(context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        row, count, eps, weight, bias, to = arguments
        halves = (0, _LANES * 4)

        def mean(deviation: Callable[[Any], Any]) -> Any:
            totals = [cgutils.alloca_once_value(builder, _floats(0.0)) for _ in halves]
            with cgutils.for_range(builder, count) as loop:
                place = builder.mul(loop.index, INT64(SIDE * 4))
                for offset, total in zip(halves, totals, strict=True):
                    values = _load(builder, row, builder.add(place, INT64(offset)))
                    values = builder.fadd(builder.load(total), deviation(values))
                    builder.store(values, total)
            whole = _sum(builder, builder.fadd(*[builder.load(each) for each in totals]))
            numbers = builder.sitofp(builder.mul(count, INT64(SIDE)), _FLOAT)
            return builder.fdiv(whole, numbers)

        def square(values: Any) -> Any:
            return builder.fmul(values, values)

        middle = _spread(builder, mean(lambda values: values))
        variance = mean(lambda values: square(builder.fsub(values, middle)))
        root = call(builder, 'llvm.sqrt.f32', _FLOAT, builder.fadd(variance, eps))
        factors = _spread(builder, builder.fdiv(ir.Constant(_FLOAT, 1.0), root))
        with cgutils.for_range(builder, count) as loop:
            place = builder.mul(loop.index, INT64(SIDE * 4))
            tile = builder.mul(loop.index, INT64(TILE_BYTES))
            for offset in halves:
                at = builder.add(place, INT64(offset))
                values = builder.fsub(_load(builder, row, at), middle)
                values = builder.fmul(builder.fmul(values, factors), _load(builder, weight, at))
                values = builder.fadd(values, _load(builder, bias, at))
                at = builder.add(tile, INT64(offset // 2))
                _store(builder, _rounded(builder, values), to, at)
        return context.get_dummy_value()

    kinds = types.intp, types.intp, types.float32, types.intp, types.intp, types.intp
    return types.void(*kinds), generate


@intrinsic
def store_pairs(_context: Any, _even: Any, _odd: Any, _bias: Any, _to: Any) -> Any:
    """Write two rows of 16 float32, each plus 16 at an address, as pairs of bfloat16."""

    def generate(context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        bias = _load(builder, arguments[2])
        even, odd = (
            _rounded(builder, builder.fadd(_load(builder, source), bias))
            for source in arguments[:2]
        )
        low, high = builder.zext(even, _INTS), builder.zext(odd, _INTS)
        pairs = builder.or_(low, builder.shl(high, _ints(16)))
        _store(builder, pairs, arguments[3])
        return context.get_dummy_value()

    return types.void(*[types.intp] * 4), generate


@intrinsic
def largest(_context: Any, _row: Any, _count: Any) -> Any:
    """The largest of 32 times `count` float32 at an address, of which none is NaN."""

    def generate(_: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        row, count = arguments
        # Two of them, so that one comparison need not wait for the last one.
        halves = [(half, _load(builder, row, half * _LANES * 4)) for half in range(2)]
        bests = [cgutils.alloca_once_value(builder, values) for _, values in halves]
        with cgutils.for_range(builder, count) as loop:
            for half, best in enumerate(bests):
                place = builder.mul(loop.index, INT64(SIDE * 4))
                values = _load(builder, row, builder.add(place, INT64(half * _LANES * 4)))
                builder.store(_larger(builder, values, builder.load(best)), best)
        values = _larger(builder, *[builder.load(best) for best in bests])
        return call(builder, 'llvm.vector.reduce.fmax.v16f32', _FLOAT, values)

    return types.float32(types.intp, types.intp), generate


def _larger(builder: ir.IRBuilder, values: ir.Value, others: ir.Value) -> Any:
    return builder.select(builder.fcmp_ordered('>', values, others), values, others)


def _exponentials(wide: bool, narrow: bool) -> Any:
    @intrinsic
    def compute(
        _context: Any, _row: Any, _scale: Any, _subtracted: Any, _count: Any, _to: Any
    ) -> Any:
        def generate(_: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
            row, scale, subtracted, count, to = arguments
            scales, lows = _spread(builder, scale), _spread(builder, subtracted)
            totals = [cgutils.alloca_once_value(builder, _floats(0.0)) for _ in range(2)]
            with cgutils.for_range(builder, count) as loop:
                for half, total in enumerate(totals):
                    place = builder.mul(loop.index, INT64(SIDE * 4))
                    place = builder.add(place, INT64(half * _LANES * 4))
                    powers = builder.fmul(_load(builder, row, place), scales, flags=_FUSED)
                    values = _exp2(builder, builder.fsub(powers, lows, flags=_FUSED))
                    builder.store(builder.fadd(builder.load(total), values), total)
                    if wide:
                        _store(builder, values, row, place)
                    if narrow:
                        place = builder.mul(loop.index, INT64(TILE_BYTES))
                        place = builder.add(place, INT64(half * _LANES * 2))
                        _store(builder, _rounded(builder, values), to, place)
            return _sum(builder, builder.fadd(*[builder.load(each) for each in totals]))

        kinds = types.intp, types.float32, types.float32, types.intp, types.intp
        return types.float32(*kinds), generate

    return compute


exponentials, narrow_exponentials = _exponentials(True, False), _exponentials(False, True)
both_exponentials = _exponentials(True, True)
"""Compute 2^(x scale - subtracted) of 32 times `count` float32 at an address; return their sum.

They take the place of what was there, or are written as bfloat16 at another address, 32 to a row
of a tile each, or both.
"""
