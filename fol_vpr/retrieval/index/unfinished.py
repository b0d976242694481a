"""Codes of a build that is not finished, so that it goes on where it was interrupted.

`CACHE.partial` grows by one block for each block of references: the SHA-256 of the block, its fine
codes, its coarse codes. The digest includes the number of the block and the digest of
`CACHE.learned`, a cache file that holds what the codes depend on, and the key of map, network and
references that it was learned from. So a block is used for what it was computed for, or not at
all: reading ends at the first one that is cut or has changed, as after a power failure.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from fol_vpr.retrieval.index.cache import digest_of, read_cache, write_cache

DIGEST = 32
# Seconds between calls of fsync: what a power failure costs at most, beside one block.
SYNC_INTERVAL = 5.0
# Seconds that a build waits for another process whose file has stopped growing.
PATIENCE = 60.0
POLL = 0.2


def partial_path(cache: Path) -> Path:
    """The file of the codes of an unfinished build."""
    return cache.with_name(cache.name + '.partial')


def learned_path(cache: Path) -> Path:
    """The file of what the codes of an unfinished build depend on."""
    return cache.with_name(cache.name + '.learned')


@contextmanager
def exclusive_build(cache: Path, is_there: Callable[[], bool]) -> Iterator[int | None]:
    """Become the one process that builds a cache file, or wait until another one has done it.

    Args:
        cache: the file that is to be built.
        is_there: whether the finished file can be used now; asked after another process ended.

    Yields:
        The locked partial file, whose lock ends with the process; None where the cache can be
        used by now, where another process has the lock and makes no progress, or where the folder
        cannot be written.
    """
    path = partial_path(cache)
    grown, size = time.monotonic(), -1
    while True:
        try:
            # A link could lead to a file that is not ours to cut.
            flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
            file = os.open(path, flags, 0o666)
        except OSError:
            yield None
            return
        try:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                locked = True
            except OSError:
                locked = False
            if locked and not _is_at(file, path):
                # The other process has finished and removed it.
                if is_there():
                    yield None
                    return
                continue
            if locked:
                yield None if size >= 0 and is_there() else file
                return
            if (now := os.fstat(file).st_size) != size:
                grown, size = time.monotonic(), now
            elif time.monotonic() - grown > PATIENCE:
                yield None
                return
        finally:
            os.close(file)
        time.sleep(POLL)


def _is_at(file: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(file), path.stat())
    except FileNotFoundError:
        return False


def read_learned(
    cache: Path, key: dict[str, Any], kinds: dict[str, tuple[str, int]]
) -> dict[str, np.ndarray]:
    """What an unfinished build has learned.

    Raises:
        UnusableCacheError: there is none, or it is damaged or of another map.
    """
    found = read_cache(learned_path(cache), key, kinds)[1]
    return {name: np.array(array) for name, array in found.items()}


def write_learned(cache: Path, key: dict[str, Any], arrays: dict[str, np.ndarray]) -> None:
    """Write what codes depend on, before the first of them.

    Raises:
        OSError: no space or no permission.
    """
    write_cache(learned_path(cache), key, dict(arrays))


def remove_unfinished(cache: Path) -> None:
    """Remove the files, once the cache is written or cannot be written."""
    learned_path(cache).unlink(missing_ok=True)
    partial_path(cache).unlink(missing_ok=True)


class PartialCodes:
    """The blocks of `CACHE.partial`.

    Args:
        cache: the cache file that they will become.
        file: `CACHE.partial`, open and locked; not closed by this object.
        total: references in all.
        rows: references in each block but the last.
        widths: bytes of the fine and of the coarse code of a reference.

    Attributes:
        done: references whose codes are in the file.

    Raises:
        OSError: the file cannot be read.
        UnusableCacheError: `CACHE.learned` is missing or damaged.
    """

    def __init__(
        self, cache: Path, file: int, total: int, rows: int, widths: tuple[int, int]
    ) -> None:
        self._cache, self._file = cache, file
        self._total, self._rows, self._widths = total, rows, widths
        self._seed = digest_of(learned_path(cache))
        self._synced = time.monotonic()
        self.done = 0
        while self.done < total and self._block(self.done) is not None:
            self.done = min(self.done + rows, total)
        os.ftruncate(file, self._offset(self.done))

    def _offset(self, row: int) -> int:
        blocks = -(-row // self._rows)
        return blocks * DIGEST + row * sum(self._widths)

    def _digest(self, row: int, *parts: Any) -> bytes:
        found = hashlib.sha256(self._seed + row.to_bytes(8, 'little'))
        for part in parts:
            found.update(part)
        return found.digest()

    def _block(self, row: int) -> tuple[np.ndarray, np.ndarray] | None:
        """Fine and coarse codes [n, width] of the block that begins at a row; None if damaged."""
        count = min(self._rows, self._total - row)
        size = DIGEST + count * sum(self._widths)
        data = os.pread(self._file, size, self._offset(row))
        body = memoryview(data)[DIGEST:]
        if len(data) != size or data[:DIGEST] != self._digest(row, body):
            return None
        fine, coarse = np.split(np.frombuffer(body, np.uint8), [count * self._widths[0]])
        return fine.reshape(count, -1), coarse.reshape(count, -1)

    def append(self, fine: np.ndarray, coarse: np.ndarray) -> None:
        """Append the block that begins at `done`.

        Args:
            fine: [n, width] uint8, C-contiguous.
            coarse: [n, width] uint8, C-contiguous.

        Raises:
            OSError: no space; the blocks before stay readable.
        """
        data = memoryview(
            b''.join((self._digest(self.done, fine.data, coarse.data), fine.data, coarse.data))
        )
        offset = self._offset(self.done)
        while data:
            written = os.pwrite(self._file, data, offset)
            data, offset = data[written:], offset + written
        self.done += len(fine)
        if time.monotonic() - self._synced > SYNC_INTERVAL:
            os.fdatasync(self._file)
            self._synced = time.monotonic()

    def blocks(self) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Fine and coarse codes of all blocks that are done.

        Raises:
            OSError: a block has changed since it was checked.
        """
        for row in range(0, self.done, self._rows):
            found = self._block(row)
            if found is None:
                raise OSError(0, f'{partial_path(self._cache)} was changed while it was used')
            yield found
