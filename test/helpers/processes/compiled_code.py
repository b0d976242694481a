"""Both ways to compute: by NumPy, and by what Numba compiled."""

from __future__ import annotations

import functools
import importlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FunctionType, SimpleNamespace
from typing import Any, TypeVar
from unittest import mock

import pytest

from fol_vpr import compiled

Found = TypeVar('Found')
WAYS = ['numpy', 'compiled']


@contextmanager
def computed(way: str) -> Iterator[None]:
    """Within the context `way`, one of WAYS, computes; skipped where Numba cannot be imported."""
    if way == 'numpy':
        with mock.patch.dict(compiled._ready, clear=True):
            yield
        return
    pytest.importorskip('numba', reason='numba is not installed')
    assert compiled.prepare() == ''
    yield


INSTRUCTION_SETS = ['amx', 'avx512_vnni', 'avx_vnni']
INT8 = 'fol_vpr.retrieval.compiled_int8'


@contextmanager
def matched_by(way: str) -> Iterator[None]:
    """The same for matching: numpy, compiled (without int8), or int8 with one of the sets."""
    if way == 'numpy':
        with computed(way):
            yield
        return
    with computed('compiled'):
        module = compiled.ready(INT8)
        if way == 'compiled':
            with mock.patch.dict(compiled._ready):
                compiled._ready.pop(INT8, None)
                yield
            return
        if module is None or way not in module.instruction_sets():
            pytest.skip(f'this processor has no {way}')
        chosen = SimpleNamespace(**vars(module))
        chosen.instruction_sets = lambda: (way,)
        if way in module.BY_VECTORS:
            nearest = _with_globals(module.nearest, {'by_vectors': module.BY_VECTORS[way]})
            chosen.match = _with_globals(module.match, {'nearest': nearest})
        with mock.patch.dict(compiled._ready, {INT8: chosen}):
            yield


@functools.cache
def _compiled_with(function: Any, names: tuple[tuple[str, Any], ...]) -> Any:
    plain = function.py_func
    changed = FunctionType(plain.__code__, {**plain.__globals__, **dict(names)})
    return importlib.import_module('numba').njit(nogil=True, fastmath=compiled.FAST_MATH)(changed)


def _with_globals(function: Any, names: dict[str, Any]) -> Any:
    """The function compiled anew, without a cache, with some of its globals exchanged."""
    return _compiled_with(function, tuple(names.items()))


def in_both_ways(compute: Callable[[], Found]) -> list[Found]:
    """What is computed by NumPy, and what by the compiled code."""
    found = []
    for way in WAYS:
        with computed(way):
            found.append(compute())
    return found
