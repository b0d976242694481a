"""Who may change a map: one process at a time."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

from fol_vpr.errors import AccessError, MapBusyError


class MapLock:
    """The right to change a map, until it is released or the process ends, however it does.

    An flock(2) of the map file itself, which readers do not look at: the file is never written in
    place, only replaced. It needs no file of its own, leaves nothing behind, and what SQLite locks
    by fcntl(2) is not touched.

    Raises:
        MapBusyError: another writer has it, in this process or another.
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
                # It may have been replaced between opening and locking.
                if os.path.samestat(os.fstat(file), path.stat()):
                    self._file = file
            except BlockingIOError as error:
                raise MapBusyError(
                    f'{path} is being changed by another process: wait until that has ended or '
                    'has let go of the map, or work on a copy'
                ) from error
            finally:
                if self._file is None:
                    os.close(file)

    def release(self) -> None:
        """Let others change the map."""
        if self._file is not None:
            os.close(self._file)
            self._file = None
