"""Cache files of arrays: written atomically, memory-mapped for reading, validated before use.

Layout: the arrays one after the other, their description in JSON, its length (8 bytes,
little-endian), the SHA-256 of all that, and eight letters. The first array begins at offset 0.
Nothing in the file is executed, and the reader checks that every described array lies within the
file. A cache can be deleted at any time.
"""

from __future__ import annotations

import hashlib
import json
import mmap
import os
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import numpy as np

from fol_vpr.errors import FolVprError
from fol_vpr.files import open_file, umask
from fol_vpr.json_text import parse_json

LETTERS = b'FOLINDEX'
TAIL = 8 + 32 + len(LETTERS)
ALIGNMENT = 64
CHUNK = 16 << 20
WHAT = 'a search index'
# Other types could contain objects or text.
DTYPES = frozenset({'|u1', '<i8', '<f4'})


class UnusableCacheError(Exception):
    """A cache file cannot be used; its message says why. The remedy is to build it again."""


class Pieces(NamedTuple):
    """An array of bytes that is written piece by piece.

    Attributes:
        shape: of the array.
        arrays: uint8, C-contiguous, which make up the array one after the other.
    """

    shape: tuple[int, ...]
    arrays: Iterable[np.ndarray]


class _Hashed:
    """Writes to a file, and computes the SHA-256 of what was written."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.hash = hashlib.sha256()
        self.written = 0

    def write(self, data: Any) -> None:
        self.hash.update(data)
        self._file.write(data)
        self.written += memoryview(data).nbytes


def write_cache(
    path: Path, meta: dict[str, Any], arrays: Mapping[str, np.ndarray | Pieces]
) -> None:
    """Write a cache file atomically: a reader sees the old content or all of the new one.

    Args:
        path: the file; its folder must exist.
        meta: what a reader compares; JSON types.
        arrays: by name; C-contiguous uint8, int64 or float32.

    Raises:
        OSError: no space or no permission; no temporary file remains.
    """
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f'.{path.name}.')
    try:
        with open(handle, 'wb') as file:
            _write(_Hashed(file), meta, arrays)
            file.flush()
            os.fsync(file.fileno())
        # mkstemp makes files that only their owner can read, unlike the map beside it.
        Path(temporary).chmod(0o666 & ~umask())
        os.replace(temporary, path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def _write(file: _Hashed, meta: dict[str, Any], arrays: Mapping[str, np.ndarray | Pieces]) -> None:
    described = {}
    for name, given in arrays.items():
        file.write(bytes(-file.written % ALIGNMENT))
        first = file.written
        if isinstance(given, np.ndarray):
            file.write(given.data)
            dtype, shape = given.dtype.str, list(given.shape)
        else:
            for piece in given.arrays:
                file.write(piece.data)
            dtype, shape = '|u1', list(given.shape)
        described[name] = {'offset': first, 'dtype': dtype, 'shape': shape}
    text = json.dumps({'meta': meta, 'arrays': described}).encode()
    file.write(text)
    file.write(len(text).to_bytes(8, 'little'))
    digest = file.hash.digest()
    file.write(digest)
    file.write(LETTERS)


def read_cache(
    path: Path, expected: dict[str, Any], kinds: dict[str, tuple[str, int]] | None = None
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Read the meta data of a cache file and map its arrays read-only.

    Args:
        path: the file.
        expected: entries that the meta data must have; compared before the content is hashed.
        kinds: dtype and number of dimensions of arrays that it must have, by name.

    Returns:
        The meta data, and the arrays by name.

    Raises:
        UnusableCacheError: the file is missing, damaged, or was made for something else.
    """
    try:
        size = path.stat().st_size
        if size < TAIL:
            raise UnusableCacheError('it is truncated' if size else 'it is empty')
        whole = np.memmap(path, np.uint8, 'r')
        size = len(whole)
        meta, arrays, end = _described(whole, size)
        for key, value in expected.items():
            if meta.get(key) != value:
                raise UnusableCacheError(f'its {key} is {meta.get(key)!r}, expected {value!r}')
        if _computed_digest(path, size - 40) != whole[size - 40 : size - 8].tobytes():
            raise UnusableCacheError('its content has changed since it was written')
        found = {name: _view(whole[:end], entry) for name, entry in arrays.items()}
        for name, kind in (kinds or {}).items():
            if (found[name].dtype.str, found[name].ndim) != kind:
                raise UnusableCacheError(f'its {name} have another type or number of dimensions')
        return meta, found
    except FileNotFoundError as error:
        raise UnusableCacheError('there is no file yet') from error
    except OSError as error:
        raise UnusableCacheError(f'it cannot be read: {error.strerror}') from error
    except FolVprError as error:
        raise UnusableCacheError(str(error)) from error
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise UnusableCacheError(f'its description is invalid: {error!r}') from error


def digest_of(path: Path) -> bytes:
    """The SHA-256 that a cache file gives of itself; read_cache compares it with the content.

    Raises:
        UnusableCacheError: the file is missing or too short.
    """
    try:
        with open_file(path, WHAT) as file:
            if file.seek(0, os.SEEK_END) < TAIL:
                raise UnusableCacheError('it is truncated')
            file.seek(-40, os.SEEK_END)
            return file.read(32)
    except (FolVprError, OSError) as error:
        raise UnusableCacheError(f'it cannot be read: {error}') from error


def forget_pages(array: np.ndarray) -> None:
    """Let the pages of a mapped cache file leave this process until they are used again."""
    mapped = getattr(array, '_mmap', None)
    if mapped is not None:
        mapped.madvise(mmap.MADV_DONTNEED)


def _computed_digest(path: Path, size: int) -> bytes:
    """The SHA-256 of the first bytes of a file.

    They are read, not taken from the map, whose pages would all become resident.
    """
    digest = hashlib.sha256()
    with open_file(path, WHAT) as file:
        while size and (data := file.read(min(CHUNK, size))):
            digest.update(data)
            size -= len(data)
    return digest.digest()


def _described(whole: np.ndarray, size: int) -> tuple[dict[str, Any], dict[str, Any], int]:
    """The meta data, the descriptions of the arrays, and the offset where the arrays end."""
    tail = whole[size - TAIL :].tobytes()
    if not tail.endswith(LETTERS):
        raise UnusableCacheError('it is truncated, or not a cache file')
    length = int.from_bytes(tail[:8], 'little')
    if length > size - TAIL:
        raise UnusableCacheError('its description is longer than the file')
    end = size - TAIL - length
    described = parse_json(whole[end : size - TAIL].tobytes())
    return dict(described['meta']), dict(described['arrays']), end


def _view(body: np.ndarray, entry: dict[str, Any]) -> np.ndarray:
    """An array of the file; ValueError where its description is invalid."""
    shape = [int(length) for length in entry['shape']]
    if entry['dtype'] not in DTYPES or any(length < 0 for length in shape):
        raise ValueError(f'an array of {entry["dtype"]} {shape}')
    dtype = np.dtype(entry['dtype'])
    count = 1
    for length in shape:
        count *= length
    first = int(entry['offset'])
    if first < 0 or first % ALIGNMENT or first + count * dtype.itemsize > len(body):
        raise ValueError(f'an array at {first} that does not lie within the file')
    array: np.ndarray = body[first : first + count * dtype.itemsize].view(dtype).reshape(shape)
    return array
