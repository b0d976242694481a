"""Reads the arrays of an exported folder: what a file claims is checked before memory is taken.

`numpy.load` allocates what the header of an array says, and unpacks what a .npz holds, whatever
the size of the file.
"""

from __future__ import annotations

import math
import struct
import tokenize
import zipfile
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import IO, Literal

import numpy as np

from fol_vpr.errors import InputError
from fol_vpr.files import open_file

MAX_ARRAY_BYTES = 2**28
"""Most bytes of an array in a .npz; the local features of one image are a few megabytes."""
_MAX_RATIO = 100
_RATIO_FROM = 2**16
_FLOATS = ('<f2', '<f4', '<f8')
# What numpy and zipfile raise for files that are not what they expect.
_ERRORS = (
    OSError,
    ValueError,
    KeyError,
    TypeError,
    EOFError,
    SyntaxError,
    OverflowError,
    MemoryError,
    RecursionError,
    RuntimeError,  # encrypted
    NotImplementedError,  # another compression
    struct.error,
    tokenize.TokenError,
    zlib.error,
    zipfile.BadZipFile,
)


def map_array(path: Path, shape: tuple[int, ...]) -> np.ndarray:
    """A .npy file of floats with a known shape, mapped into memory read-only.

    Raises:
        InputError: the file cannot be read, or is no array of this shape.
    """
    with open_file(path, 'an array (.npy)') as file:
        try:
            found, columns_first, dtype = _header(file)
            offset = file.tell()
        except _ERRORS as error:
            raise refusal(path, f'it is no .npy file: {error}') from error
        if found != shape or dtype.str not in _FLOATS:
            raise refusal(path, f'{dtype} {str(found)[:100]}, expected floats {shape}')
        size = math.prod(shape) * dtype.itemsize
        if path.stat().st_size < offset + size:
            raise refusal(path, f'it is too short for {shape}')
    if not size:
        return np.empty(shape, dtype)
    order: Literal['C', 'F'] = 'F' if columns_first else 'C'
    return np.memmap(path, dtype, 'r', offset, shape, order)


def read_arrays(path: Path, names: Sequence[str]) -> list[np.ndarray]:
    """Arrays of floats from a .npz file, by name.

    Raises:
        InputError: the file cannot be read, lacks one of them, or claims more than it has.
    """
    with open_file(path, 'arrays (.npz)') as file:
        try:
            with zipfile.ZipFile(file) as archive:
                return [_part(archive, name) for name in names]
        except _ERRORS as error:
            raise refusal(path, f'{type(error).__name__} {str(error)[:200]}') from error


def _part(archive: zipfile.ZipFile, name: str) -> np.ndarray:
    entry = archive.getinfo(f'{name}.npy')
    large = entry.file_size > max(_RATIO_FROM, _MAX_RATIO * entry.compress_size)
    if large or entry.file_size > MAX_ARRAY_BYTES:
        raise ValueError(
            f'{name} is {entry.file_size} bytes from {entry.compress_size}, more than an image has'
        )
    with archive.open(entry) as part:
        shape, columns_first, dtype = _header(part)
        if dtype.str not in _FLOATS:
            raise ValueError(f'{name} is {dtype}, expected floats')
        if any(type(length) is not int or length < 0 for length in shape):
            raise ValueError(f'{name} has the shape {str(shape)[:100]}')
        size = math.prod(shape) * dtype.itemsize
        if part.tell() + size != entry.file_size:
            raise ValueError(
                f'{name} has {entry.file_size} bytes, which do not fit its shape '
                f'{str(shape)[:100]}'
            )
        data = part.read(size)
    if len(data) != size:
        raise EOFError(f'{name} is cut')
    return np.frombuffer(data, dtype).reshape(shape, order='F' if columns_first else 'C')


def _header(file: IO[bytes]) -> tuple[tuple[int, ...], bool, np.dtype]:
    """Shape, order and type, without the data; numpy limits how long a header may be."""
    version = np.lib.format.read_magic(file)
    if version == (1, 0):
        return np.lib.format.read_array_header_1_0(file)
    if version == (2, 0):
        return np.lib.format.read_array_header_2_0(file)
    raise ValueError(f'the format {version} is unknown')


def refusal(path: Path, reason: str) -> InputError:
    """The error for a file of an exported folder that cannot be used."""
    return InputError(
        f'{path} cannot be used ({reason}): correct the file, or export the map again'
    )
