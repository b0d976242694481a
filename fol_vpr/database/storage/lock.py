"""The lock under which one process at a time may change a map."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

from fol_vpr.errors import AccessError, MapBusyError


class MapLock:
    """An exclusive lock on a map, held until `release` or the end of the process.

    It is an flock(2) of the map file itself, which readers ignore: the file is never written in
    place, only replaced. The lock needs no file of its own, leaves nothing behind when a process
    is killed, and does not interfere with SQLite, which locks by fcntl(2).

    Args:
        path: the map file.

    Raises:
        MapBusyError: another writer, in this process or another one, holds the lock.
        AccessError: the file cannot be opened.
    """

    def __init__(self, path: Path) -> None:
        self._file: int | None = None
        while self._file is None:
            try:
                file = os.open(path, os.O_RDONLY)
            except OSError as error:
                raise AccessError(
                    f'{path} cannot be opened for changes ({error.strerror}): check its name and '
                    'permissions'
                ) from error
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                # The file may have been replaced between opening and locking.
                if os.path.samestat(os.fstat(file), path.stat()):
                    self._file = file
            except BlockingIOError as error:
                raise MapBusyError(
                    f'{path} is being changed by another process: wait until that process has '
                    'ended or closed the map, or work on a copy'
                ) from error
            finally:
                if self._file is None:
                    os.close(file)

    def release(self) -> None:
        """Release the lock; does nothing if it was released before."""
        if self._file is not None:
            os.close(self._file)
            self._file = None
