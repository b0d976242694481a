"""Arrays in a file that can be thrown away: written at once, mapped when read, never trusted.

The layout is: arrays one after the other, a description of them in JSON, its length (8 bytes,
little-endian), SHA-256 of all that, and eight letters. The first array begins at 0, so that what
maps the file by itself finds it there. Nothing in it is executed or resolved, and readers check
that what it describes lies within it.
"""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

LETTERS = b'FOLINDEX'
TAIL = 8 + 32 + len(LETTERS)
ALIGNMENT = 64
CHUNK = 16 << 20
# Everything else could hide objects, or take text for numbers.
DTYPES = frozenset({'|u1', '<i8', '<f4'})


class UnusableCacheError(Exception):
    """Why a file cannot be taken; the remedy is to make it anew."""


class _Hashed:
    """Writes to a file, and hashes what it writes."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.hash = hashlib.sha256()
        self.written = 0

    def write(self, data: Any) -> None:
        self.hash.update(data)
        self._file.write(data)
        self.written += memoryview(data).nbytes


def write_cache(
    path: Path, meta: dict[str, Any], arrays: dict[str, np.ndarray | Iterable[np.ndarray]]
) -> None:
    """Write a file so that its name stands for the old content or the whole new one.

    Args:
        path: whose folder must be there.
        meta: what a reader compares; of JSON's types.
        arrays: C-contiguous uint8, int64 or float32; one that is given in pieces is read back in
            one dimension, as bytes.

    Raises:
        OSError: no space or no permission; nothing is left behind then.
    """
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f'.{path.name}.')
    try:
        with open(handle, 'wb') as file:
            _write(_Hashed(file), meta, arrays)
            file.flush()
            os.fsync(file.fileno())
        # mkstemp gives it to its owner alone; the map beside it is everybody's.
        umask = os.umask(0)
        os.umask(umask)
        Path(temporary).chmod(0o666 & ~umask)
        os.replace(temporary, path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def _write(
    file: _Hashed, meta: dict[str, Any], arrays: dict[str, np.ndarray | Iterable[np.ndarray]]
) -> None:
    described = {}
    for name, given in arrays.items():
        file.write(bytes(-file.written % ALIGNMENT))
        first = file.written
        if isinstance(given, np.ndarray):
            file.write(given.data)
            dtype, shape = given.dtype.str, list(given.shape)
        else:
            for piece in given:
                file.write(piece.data)
            dtype, shape = '|u1', [file.written - first]
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
    """The description and the arrays of a file, mapped read-only.

    Args:
        path: the file.
        expected: entries that its meta must have; compared before its content is hashed.
        kinds: dtype and number of dimensions of arrays that it must have.

    Returns:
        The whole meta, and the arrays by name.

    Raises:
        UnusableCacheError: there is none, it was made for something else, or is damaged.
    """
    try:
        size = path.stat().st_size
        if size < TAIL:
            raise UnusableCacheError('it is cut' if size else 'it is empty')
        whole = np.memmap(path, np.uint8, 'r')
        size = len(whole)
        meta, arrays, end = _described(whole, size)
        for key, value in expected.items():
            if meta.get(key) != value:
                raise UnusableCacheError(f'its {key} is {meta.get(key)!r}, needed is {value!r}')
        digest = hashlib.sha256()
        for first in range(0, size - 40, CHUNK):
            digest.update(whole[first : min(first + CHUNK, size - 40)].data)
        if digest.digest() != whole[size - 40 : size - 8].tobytes():
            raise UnusableCacheError('its content has changed since it was written')
        found = {name: _view(whole[:end], entry) for name, entry in arrays.items()}
        for name, kind in (kinds or {}).items():
            if (found[name].dtype.str, found[name].ndim) != kind:
                raise UnusableCacheError(f'its {name} are of another kind')
        return meta, found
    except FileNotFoundError as error:
        raise UnusableCacheError('there is none yet') from error
    except OSError as error:
        raise UnusableCacheError(f'it cannot be read: {error.strerror}') from error
    except (KeyError, TypeError, ValueError, OverflowError, RecursionError) as error:
        raise UnusableCacheError(f'its description makes no sense: {error!r}') from error


def _described(whole: np.ndarray, size: int) -> tuple[dict[str, Any], dict[str, Any], int]:
    """The meta, the descriptions of the arrays, and where these end."""
    tail = whole[size - TAIL :].tobytes()
    if not tail.endswith(LETTERS):
        raise UnusableCacheError('it is cut, or was made by another program')
    length = int.from_bytes(tail[:8], 'little')
    if length > size - TAIL:
        raise UnusableCacheError('its description is longer than the file')
    end = size - TAIL - length
    described = json.loads(whole[end : size - TAIL].tobytes())
    return dict(described['meta']), dict(described['arrays']), end


def _view(body: np.ndarray, entry: dict[str, Any]) -> np.ndarray:
    """An array of the file; ValueError where it is none."""
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
