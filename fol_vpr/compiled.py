"""Loops that Numba compiles for the processor at hand, and whether they are ready.

NumPy computes everything that this program needs. Where it spends its time on many small calls, or
writes large arrays to reduce them at once, there is a second version of the same computation as a
loop over numbers, in a module whose name begins with `compiled_`. Numba (LLVM) makes machine code
of it, at the first start on a machine within some forty seconds; later starts read the code from
`__pycache__`, or from a folder of the user where that cannot be written, in about one.

Whatever answers many images calls `prepare`, the node in a thread of its own. Until that is done,
and without Numba, NumPy's version runs: the import of Numba alone takes more time than one image.
"""

from __future__ import annotations

import functools
import importlib
import logging
import math
import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any, TypeVar, cast

import numpy as np

Function = TypeVar('Function', bound=Callable[..., Any])

# Each defines `compile_all()`, which calls its functions with each kind of argument they get, and
# `supported()` where it needs a processor that has certain instructions.
MODULES = (
    'fol_vpr.geometry.metric.compiled_bundle',
    'fol_vpr.geometry.metric.compiled_tracking',
    'fol_vpr.geometry.two_view.compiled_motions',
    'fol_vpr.geometry.two_view.compiled_rotation',
    'fol_vpr.geometry.two_view.compiled_sampling',
    'fol_vpr.network.cpu.tiles.compiled_aggregation',
    'fol_vpr.network.cpu.tiles.compiled_blocks',
    'fol_vpr.network.cpu.tiles.compiled_embedding',
    'fol_vpr.network.cpu.tiles.compiled_upsampling',
    'fol_vpr.retrieval.compiled_int8',
    'fol_vpr.retrieval.compiled_matching',
    'fol_vpr.retrieval.compiled_spatial',
)

# What LLVM may do to sums: fuse them with products, and change their order. NaN and infinity keep
# their meaning, and zeros their sign: with `nsz`, a function that is read from the cache adds in
# another order than in the process that compiled it.
FAST_MATH = {'contract', 'reassoc', 'arcp'}

CACHE_LINE = 64
"""Bytes."""

_logger = logging.getLogger(__name__)
_lock = threading.Lock()
_ready: dict[str, ModuleType] = {}
_failed: list[str] = []


def compiled(function: Function) -> Function:
    """Decorate a function of numbers and arrays: Numba compiles it at its first call.

    It runs without Python's lock. Sums may round in another order than NumPy's.
    """
    from numba import njit

    options: dict[str, Any] = {'nogil': True, 'error_model': 'numpy', 'fastmath': FAST_MATH}
    try:
        found: Any = njit(cache=True, **options)(function)
    except RuntimeError:
        # Neither the folder of the sources nor one of the user can be written.
        found = njit(**options)(function)
    else:
        _depend_on_all_sources(found)
    return cast('Function', found)


def _depend_on_all_sources(function: Any) -> None:
    """Let the cache of a compiled function be no older than the newest source of any.

    Numba compares the file of the function alone, so that it would go on with the former code of
    a function, or the former value of a constant, of another `compiled_*.py`. Constants of files
    of other names are still not seen.
    """
    file = getattr(getattr(function, '_cache', None), '_cache_file', None)
    if file is not None and hasattr(file, '_source_stamp'):
        file._source_stamp = (file._source_stamp, *_sources())


@functools.cache
def _sources() -> tuple[tuple[str, int, int], ...]:
    """Name, time of the last change in ns and bytes of each file of compiled functions."""
    found = Path(__file__).parent.rglob('compiled*.py')
    stats = [(path.name, path.stat()) for path in sorted(found)]
    return tuple((name, stat.st_mtime_ns, stat.st_size) for name, stat in stats)


def aligned(shape: tuple[int, ...], dtype: type) -> np.ndarray:
    """Zeros that begin at a line of the cache: a row of a tile that does not takes two."""
    size = math.prod(shape) * np.dtype(dtype).itemsize
    memory = np.zeros(size + CACHE_LINE, np.uint8)
    start = -memory.ctypes.data % CACHE_LINE
    return memory[start : start + size].view(dtype).reshape(shape)


def aligned_copy(array: np.ndarray) -> np.ndarray:
    """The same numbers, beginning at a line of the cache."""
    copy = aligned(array.shape, array.dtype.type)
    copy[...] = array
    return copy


def read_only(array: np.ndarray) -> np.ndarray:
    """A view of an array that cannot be written.

    For Numba it has another type than an array that can be, for which a function is compiled
    anew, while an image waits. What is read from a map cannot be written, what is computed can;
    of a view the type is always the same.
    """
    view: np.ndarray = array.view()
    view.flags.writeable = False
    return view


def prepare() -> str:
    """Compile all modules, or read them from the cache of earlier starts; thread-safe.

    Returns:
        Why NumPy computes instead, empty where the compiled versions are used from now on.
    """
    with _lock:
        if not _ready and not _failed:
            started = time.perf_counter()
            try:
                modules = {name: importlib.import_module(name) for name in MODULES}
                modules = {name: each for name, each in modules.items() if _supported(each)}
                for module in modules.values():
                    module.compile_all()
            # Numba and LLVM raise errors of many kinds, also at their import.
            except Exception as error:  # noqa: BLE001
                _failed.append(f'Numba cannot be used: {type(error).__name__}: {error}')
                _logger.warning('%s; NumPy computes instead, in more time', _failed[0])
            else:
                _ready.update(modules)
                seconds = time.perf_counter() - started
                _logger.info('compiled matching and geometry in %.1f s', seconds)
        return ''.join(_failed)


def _supported(module: ModuleType) -> bool:
    return bool(module.supported()) if hasattr(module, 'supported') else True


def prepare_in_background() -> None:
    """Do `prepare` in a thread that does not keep the process alive; return at once."""
    threading.Thread(target=prepare, name='compiling', daemon=True).start()


def ready(name: str) -> ModuleType | None:
    """The module of that full name once `prepare` has compiled it.

    None without Numba, and where the processor lacks what the module needs.
    """
    return _ready.get(name)
