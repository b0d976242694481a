"""Reads NumPy arrays of Python objects without executing the pickle that they are stored as.

A pickle is a program: loading one runs whatever its author wrote. Here its instructions are parsed
with `pickletools`, and only those that build numbers, texts, lists and arrays are followed; a name
of anything else is refused, and nothing that the file names is imported or called.
"""

from __future__ import annotations

import io
import math
import pickletools
import re
import tokenize
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from fol_vpr.errors import InputError
from fol_vpr.files import printable, read_bytes

MAGIC = b'\x93NUMPY'
MAX_BYTES = 256 * 2**20
_MAX_ITEMS = 20_000_000
_DAMAGE = (
    ValueError, EOFError, TypeError, OverflowError, SyntaxError, RecursionError, MemoryError,
    tokenize.TokenError,
)  # fmt: skip
_DTYPE = re.compile(r'[<>|=]?([biufO])(\d+)')
_PUSHES = {
    'BININT', 'BININT1', 'BININT2', 'INT', 'LONG', 'LONG1', 'LONG4', 'FLOAT', 'BINFLOAT', 'STRING',
    'BINSTRING', 'SHORT_BINSTRING', 'UNICODE', 'BINUNICODE', 'SHORT_BINUNICODE', 'BINUNICODE8',
    'BINBYTES', 'SHORT_BINBYTES', 'BINBYTES8', 'BYTEARRAY8',
}  # fmt: skip
_CONSTANTS: dict[str, Any] = {'NONE': None, 'NEWTRUE': True, 'NEWFALSE': False, 'EMPTY_TUPLE': ()}
_IGNORED = {'PROTO', 'FRAME'}


@dataclass(eq=False)
class _DType:
    """A data type, whose byte order comes after it."""

    text: str

    def numpy(self) -> np.dtype[Any]:
        match = _DTYPE.fullmatch(self.text)
        if match is None:
            raise ValueError(f'data type {self.text!r}')
        return np.dtype(object) if match[1] == 'O' else np.dtype(self.text)


@dataclass(eq=False)
class _Array:
    """An array, whose content comes after it."""

    shape: tuple[int, ...] = (0,)
    items: list[Any] | np.ndarray | None = None
    made: np.ndarray | None = None

    def plain(self) -> np.ndarray:
        """The array; its objects are those of the pickle, arrays within it as `np.ndarray`."""
        if self.made is None and isinstance(self.items, np.ndarray):
            self.made = self.items
        elif self.made is None:
            # Made once, however often and in whatever circle the pickle names it.
            self.made = np.empty(self.shape, dtype=object)
            flat = self.made.reshape(-1)
            for number, item in enumerate(self.items or ()):
                flat[number] = item.plain() if isinstance(item, _Array) else item
        return self.made


def read_array(path: str | Path) -> np.ndarray:
    """The array of a .npy file: numbers, or objects made of numbers, texts, lists and arrays.

    Raises:
        InputError: the file cannot be read, is no such array, or its pickle does anything else.
    """
    content = read_bytes(path, 'a NumPy array', MAX_BYTES)
    where = printable(str(path))
    file = io.BytesIO(content)
    try:
        version = np.lib.format.read_magic(file)
        read = {
            (1, 0): np.lib.format.read_array_header_1_0,
            (2, 0): np.lib.format.read_array_header_2_0,
        }.get(version)
        if read is None:
            raise ValueError(f'version {version} of the format')
        with warnings.catch_warnings():
            warnings.simplefilter('ignore')  # of Python about the literals in a damaged header
            shape, is_fortran, dtype = read(file)
        count = math.prod(shape)
        if any(side < 0 for side in shape) or count > _MAX_ITEMS:
            raise ValueError(f'the shape {shape}')
        if dtype.hasobject:
            if dtype != np.dtype(object):
                raise ValueError(f'data type {dtype}')
            array = _unpickled(content[file.tell() :])
        elif count * dtype.itemsize > len(content) - file.tell():
            raise ValueError(f'{len(content)} bytes, too few for the shape {shape}')
        else:
            array = np.frombuffer(content, dtype, count, file.tell())
            array = array.reshape(shape, order='F' if is_fortran else 'C')
        if array.shape != tuple(shape):
            raise ValueError(f'the shape {array.shape}, though its header says {shape}')
    except _DAMAGE as error:
        raise InputError(
            f'{where} cannot be read as a NumPy array of numbers and lists: '
            f'{printable(str(error))}; it may be damaged, or of another kind'
        ) from error
    return array


def _unpickled(content: bytes) -> np.ndarray:
    """The array that a pickle builds.

    Raises:
        ValueError: the pickle is damaged, or does anything else.
    """
    machine = _Machine()
    try:
        for opcode, argument, _ in pickletools.genops(content):
            if opcode.name == 'STOP':
                break
            machine.step(opcode.name, argument)
        found = machine.stack.pop()
    except (IndexError, KeyError, AttributeError) as error:
        raise ValueError('its pickle is damaged') from error
    if not isinstance(found, _Array):
        raise ValueError('its pickle is no array')
    return found.plain()


class _Machine:
    """The stack of a pickle, for the few instructions that build arrays."""

    def __init__(self) -> None:
        self.stack: list[Any] = []
        self._marks: list[int] = []
        self._memo: dict[int, Any] = {}

    def step(self, name: str, argument: Any) -> None:
        """Follow one instruction.

        Raises:
            ValueError: it is none of those that build arrays.
        """
        if name in _PUSHES:
            self.stack.append(argument)
        elif name in _CONSTANTS:
            self.stack.append(_CONSTANTS[name])
        elif name in ('BINGET', 'LONG_BINGET', 'GET'):
            self.stack.append(self._memo[int(argument)])
        elif name in ('BINPUT', 'LONG_BINPUT', 'PUT'):
            self._memo[int(argument)] = self.stack[-1]
        elif name == 'MEMOIZE':
            self._memo[len(self._memo)] = self.stack[-1]
        elif action := _ACTIONS.get(name):
            action(self, argument)
        elif name not in _IGNORED:
            raise ValueError(f'its pickle has the instruction {name}, which no array needs')

    def _marked(self) -> list[Any]:
        start = self._marks.pop()
        found = self.stack[start:]
        del self.stack[start:]
        return found

    def _mark(self, _: Any) -> None:
        self._marks.append(len(self.stack))

    def _tuple(self, _: Any) -> None:
        self.stack.append(tuple(self._marked()))

    def _list(self, _: Any) -> None:
        self.stack.append(self._marked())

    def _empty_list(self, _: Any) -> None:
        self.stack.append([])

    def _append(self, _: Any) -> None:
        item = self.stack.pop()
        self._target().append(item)

    def _appends(self, _: Any) -> None:
        items = self._marked()
        self._target().extend(items)

    def _target(self) -> list[Any]:
        target = self.stack[-1]
        if type(target) is not list:
            raise ValueError('its pickle is damaged')
        return target

    def _last(self, count: int) -> tuple[Any, ...]:
        if len(self.stack) < count:
            raise ValueError('its pickle is damaged')
        found = tuple(self.stack[-count:])
        del self.stack[-count:]
        return found

    def _global(self, argument: Any) -> None:
        self._name(*str(argument).split(' ', 1))

    def _stack_global(self, _: Any) -> None:
        self._name(*map(str, self._last(2)))

    def _name(self, module: str, name: str = '') -> None:
        known = _KNOWN.get((module.replace('numpy._core', 'numpy.core'), name))
        if known is None:
            raise ValueError(f'its pickle names {module}.{name}, which no array needs')
        self.stack.append(known)

    def _reduce(self, _: Any) -> None:
        function, arguments = self._last(2)
        if function not in _KNOWN.values() or not isinstance(arguments, tuple):
            raise ValueError('its pickle calls what no array needs')
        self.stack.append(function(*arguments))

    def _build(self, _: Any) -> None:
        target, state = self._last(2)
        if isinstance(target, _DType) and isinstance(state, tuple) and len(state) > 1:
            order = state[1]
            if order in ('<', '>') and _DTYPE.fullmatch(target.text):
                target.text = order + target.text.lstrip('<>|=')
        elif isinstance(target, _Array) and isinstance(state, tuple) and len(state) == 5:
            _, shape, dtype, is_fortran, data = state
            _fill(target, shape, dtype, is_fortran, data)
        else:
            raise ValueError('its pickle is damaged')
        self.stack.append(target)


def _fill(target: _Array, shape: Any, dtype: Any, is_fortran: Any, data: Any) -> None:
    if not isinstance(dtype, _DType) or not _is_shape(shape):
        raise ValueError('its pickle is damaged')
    count = math.prod(shape)
    kind = dtype.numpy()
    if kind == np.dtype(object):
        # The objects are in C order whatever the flag says.
        if not isinstance(data, list) or len(data) != count:
            raise ValueError('its pickle is damaged')
        target.shape, target.items = shape, data
        return
    # A pickle of Python 2, or of protocol 2, has bytes as text.
    raw = data.encode('latin-1') if isinstance(data, str) else data
    if not isinstance(raw, (bytes, bytearray)) or len(raw) != count * kind.itemsize:
        raise ValueError('its pickle is damaged')
    target.shape = shape
    target.items = np.frombuffer(raw, kind).reshape(shape, order='F' if is_fortran else 'C')


def _is_shape(shape: Any) -> bool:
    return (
        isinstance(shape, tuple)
        and all(type(side) is int and 0 <= side <= _MAX_ITEMS for side in shape)
        and math.prod(shape) <= _MAX_ITEMS
    )


def _new_array(*_: Any) -> _Array:
    return _Array()


def _array_type(*_: Any) -> None:
    """Stands for numpy.ndarray, which is named and never called."""
    raise ValueError('its pickle is damaged')


def _dtype(text: Any, *_: Any) -> _DType:
    found = _DType(str(text))
    found.numpy()
    return found


def _scalar(dtype: Any, data: Any) -> Any:
    raw = data.encode('latin-1') if isinstance(data, str) else data
    if not isinstance(dtype, _DType) or not isinstance(raw, bytes):
        raise ValueError('its pickle is damaged')
    kind = dtype.numpy()
    if kind == np.dtype(object) or len(raw) != kind.itemsize:
        raise ValueError('its pickle is damaged')
    return np.frombuffer(raw, kind)[0].item()


def _from_buffer(data: Any, dtype: Any, shape: Any, order: Any) -> _Array:
    found = _Array()
    _fill(found, shape, dtype, order == 'F', data)
    return found


def _encode(text: Any, encoding: Any = 'latin1') -> bytes:
    if not isinstance(text, str) or encoding not in ('latin1', 'latin-1'):
        raise ValueError('its pickle is damaged')
    return text.encode('latin-1')


def _no_bytes() -> bytes:
    return b''


def _range(*numbers: Any) -> range:
    if not all(type(number) is int for number in numbers):
        raise ValueError('its pickle is damaged')
    found = range(*numbers)
    if len(found) > _MAX_ITEMS:
        raise ValueError('it holds a range that is too long')
    return found


# What an array's pickle names, and what is done instead of importing it.
_KNOWN: dict[tuple[str, str], Callable[..., Any]] = {
    ('numpy.core.multiarray', '_reconstruct'): _new_array,
    ('numpy.core.multiarray', 'scalar'): _scalar,
    ('numpy.core.numeric', '_frombuffer'): _from_buffer,
    ('numpy', 'ndarray'): _array_type,
    ('numpy', 'dtype'): _dtype,
    ('_codecs', 'encode'): _encode,
    ('builtins', 'bytes'): _no_bytes,
    ('__builtin__', 'bytes'): _no_bytes,
    ('builtins', 'range'): _range,
    ('__builtin__', 'xrange'): _range,
}
_ACTIONS: dict[str, Callable[[_Machine, Any], None]] = {
    'MARK': _Machine._mark,
    'TUPLE': _Machine._tuple,
    'TUPLE1': lambda machine, _: machine.stack.append(machine._last(1)),
    'TUPLE2': lambda machine, _: machine.stack.append(machine._last(2)),
    'TUPLE3': lambda machine, _: machine.stack.append(machine._last(3)),
    'EMPTY_LIST': _Machine._empty_list,
    'LIST': _Machine._list,
    'APPEND': _Machine._append,
    'APPENDS': _Machine._appends,
    'GLOBAL': _Machine._global,
    'STACK_GLOBAL': _Machine._stack_global,
    'REDUCE': _Machine._reduce,
    'BUILD': _Machine._build,
}
