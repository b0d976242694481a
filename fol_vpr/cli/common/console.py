"""What people see while they wait, and JSON for programs."""

from __future__ import annotations

import json
import os
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, TextIO

from fol_vpr.errors import FolVprError, InputError, StorageError

QUIET_INTERVAL = 10.0  # seconds between lines where nobody watches a terminal


class Progress:
    """Progress with rate and time left on stderr: a bar on a terminal, else now and then a line.

    Call it with what is done, what there is to do, and a note; use it as a context manager, so
    that the bar is closed before anything else is printed.

    Args:
        what: is being done, in a word or two.
        unit: of `done`; 'B' counts in multiples of 1000 bytes.
    """

    def __init__(self, what: str, unit: str = 'images', stream: TextIO | None = None) -> None:
        self._what = what
        self._unit = unit
        self._stream = sys.stderr if stream is None else stream
        self._bar: Any = None
        self._first: tuple[float, int] | None = None
        self._printed = time.monotonic()

    def __call__(self, done: int, total: int, note: str = '') -> None:
        """Tell what is done, what there is to do in all, and a note for the end of the line."""
        if self._first is None:
            # What an earlier run has done must not count as done within the first second.
            self._first = (time.monotonic(), done)
        if self._stream.isatty():
            self._update_bar(done, total, note)
        elif time.monotonic() - self._printed >= QUIET_INTERVAL:
            self._printed = time.monotonic()
            print(self._line(done, total, note), file=self._stream, flush=True)

    def __enter__(self) -> Progress:
        return self

    def __exit__(
        self,
        _type: type[BaseException] | None,
        _error: BaseException | None,
        _traceback: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Leave the bar as it is."""
        if self._bar is not None:
            self._bar.close()

    def warn(self, message: str) -> None:
        """Print a line without tearing the bar."""
        if self._bar is not None:
            self._bar.write(message, file=self._stream)
        else:
            print(message, file=self._stream, flush=True)

    def _update_bar(self, done: int, total: int, note: str) -> None:
        if self._bar is None:
            from tqdm import tqdm

            assert self._first is not None
            self._bar = tqdm(
                desc=self._what,
                total=total,
                initial=self._first[1],
                unit=self._unit if self._unit == 'B' else f' {self._unit}',
                unit_scale=self._unit == 'B',
                file=self._stream,
                dynamic_ncols=True,
            )
        if note:
            self._bar.set_postfix_str(note, refresh=False)
        self._bar.update(done - self._bar.n)

    def _line(self, done: int, total: int, note: str) -> str:
        assert self._first is not None
        started, initial = self._first
        rate = (done - initial) / max(time.monotonic() - started, 1e-9)
        left = f'{(total - done) / rate:.0f} s left' if rate > 0 else 'time left unknown'
        if self._unit == 'B':
            amounts = f'{done / 1e6:.0f} of {total / 1e6:.0f} MB, {rate / 1e6:.1f} MB/s'
        else:
            amounts = f'{done} of {total}, {rate:.1f} {self._unit}/s'
        return f'{self._what}: {amounts}, {left}' + (f' ({note})' if note else '')


class SkipBad:
    """Takes the items that cannot be used: warns of each, counts them, keeps the first error."""

    def __init__(self, progress: Progress) -> None:
        self.count = 0
        self.first: FolVprError | None = None
        self._progress = progress

    def __call__(self, position: int, error: FolVprError) -> None:
        """Warn of one item."""
        self.count += 1
        self.first = self.first or error
        self._progress.warn(f'skipped item {position}: {error}')


def print_json(value: Any) -> None:
    """Print a value as JSON; NaN, which JSON does not have, becomes null before this."""
    print(json.dumps(value, indent=2, allow_nan=False))


@contextmanager
def atomic_text(path: str | Path) -> Iterator[TextIO]:
    """A text file that is at `path` whole or not at all.

    Raises:
        StorageError: no such folder, no permission, or no space; a file that was there stays.
    """
    path = Path(path)
    partial: str | None = None
    try:
        handle, partial = tempfile.mkstemp(dir=path.parent, prefix=f'.{path.name}.')
        with open(handle, 'w', encoding='utf-8', newline='') as file:
            os.fchmod(handle, 0o666 & ~_umask())
            yield file
            file.flush()
            os.fsync(handle)
        os.replace(partial, path)
        partial = None
    except OSError as error:
        raise _not_written(path, error) from error
    finally:
        if partial is not None:
            os.unlink(partial)


def check_writable(path: str | Path) -> None:
    """Raise StorageError now, rather than after minutes of work, if `path` cannot be written."""
    path = Path(path)
    try:
        if path.is_dir():
            raise IsADirectoryError(0, 'it is a folder')
        with tempfile.TemporaryFile(dir=path.parent):
            pass
    except OSError as error:
        raise _not_written(path, error) from error


def check_map_name(option: str, path: str | None) -> None:
    """Raise InputError where a map would get a name that the node does not take for one."""
    if path is not None and Path(path).suffix != '.folmap':
        raise InputError(
            f'{option} is {path}, expected a name that ends in .folmap, which the node asks for: '
            f'{option} {path.rstrip("/")}.folmap'
        )


def _not_written(path: Path, error: OSError) -> StorageError:
    try:
        missing = not path.parent.exists()
    except OSError:
        missing = False
    if missing:
        return StorageError(
            f'{path} cannot be written: there is no folder {path.parent}; create it'
        )
    return StorageError(
        f'{path} cannot be written: {error.strerror or error}; choose another place, or make room'
    )


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
