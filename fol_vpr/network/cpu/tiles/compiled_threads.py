"""Jobs that threads share, for the other loops `compiled_*.py` of this folder.

Several threads run the same function at once. What it does has steps, each of which is cut into
jobs; a thread takes the next job of a step until none is left, and waits until all are done. A
thread that comes late, or never, does no harm.
"""

from __future__ import annotations

from typing import Any

from numba import types

from fol_vpr.compiled import compiled
from fol_vpr.compiled_tiles import INT32, INT64, call, intrinsic, without_operands

COUNTERS = 16
"""Numbers int64 of a step that threads share, on two lines of the cache."""

# Bytes from the number of jobs that were taken to the number of those that are done.
_TO_DONE = 64
# Rounds of a loop in which a thread waits before it lets others run on its core.
_SPINS = 2000


@intrinsic
def _add(_context: Any, _address: Any, _number: Any) -> Any:
    """Add to an int64 at an address, for all threads at once; return what was there."""

    def generate(_: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        place = builder.inttoptr(arguments[0], INT64.as_pointer())
        return builder.atomic_rmw('add', place, arguments[1], 'seq_cst')

    return types.int64(types.intp, types.int64), generate


@intrinsic
def _load(_context: Any, _address: Any) -> Any:
    """An int64 at an address, as other threads have left it."""

    def generate(_: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        place = builder.inttoptr(arguments[0], INT64.as_pointer())
        return builder.load_atomic(place, 'acquire', 8)

    return types.int64(types.intp), generate


@intrinsic
def _give_way(_context: Any) -> Any:
    """Let another thread run on this core; sched_yield(2)."""

    def generate(_: Any, builder: Any, _signature: Any, _arguments: Any) -> Any:
        return call(builder, 'sched_yield', INT32)

    return types.int32(), generate


# Lets a thread that waits in a loop take less power.
_pause = without_operands('sse2.pause')


@compiled
def take(counters: int) -> int:
    """The number of the next job of a step.

    Args:
        counters: address of the `COUNTERS` numbers of the step, zero before it begins.
    """
    return _add(counters, 1)


@compiled
def finish(counters: int) -> None:
    """Say that a job of a step is done."""
    _add(counters + _TO_DONE, 1)


@compiled
def wait(counters: int, jobs: int) -> None:
    """Wait until all jobs of a step are done."""
    spins = 0
    while _load(counters + _TO_DONE) < jobs:
        _pause()
        spins += 1
        if spins > _SPINS:
            _give_way()
