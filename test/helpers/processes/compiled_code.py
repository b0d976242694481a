"""Both ways to compute: by NumPy, and by what Numba compiled."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from unittest import mock

import pytest

from fol_vpr import compiled

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
