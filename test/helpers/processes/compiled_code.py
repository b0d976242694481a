"""Both ways to compute: by NumPy, and by what Numba compiled."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar
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


def in_both_ways(compute: Callable[[], Found]) -> list[Found]:
    """What is computed by NumPy, and what by the compiled code."""
    found = []
    for way in WAYS:
        with computed(way):
            found.append(compute())
    return found
