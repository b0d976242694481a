"""Progress and tables on the terminal, and checks of files that are to be written."""

from __future__ import annotations

import errno
import os
import sys
import tempfile
import threading
import time
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, TextIO

from fol_vpr.cli.common.terminal import is_quiet
from fol_vpr.errors import FolVprError, InputError
from fol_vpr.files import is_written_in_place, not_written

QUIET_INTERVAL = 10.0  # seconds between lines where the output is no terminal
_TICK = 1.0  # seconds between two updates of a line on a terminal


class Progress:
    """Shows progress with rate and time left: a bar on a terminal, else a line every 10 s.

    With --quiet it shows nothing, and still prints warnings.

    Call it with the number of items done, the number of all items, and a note. Use it as a context
    manager, so that the bar is closed before anything else is printed.

    Args:
        what: what is being done, in a word or two.
        unit: of the items; 'B' counts in multiples of 1000 bytes.
        stream: where it is shown; stderr where None.
    """

    def __init__(self, what: str, unit: str = 'images', stream: TextIO | None = None) -> None:
        self._what = what
        self._unit = unit
        self._stream = sys.stderr if stream is None else stream
        self._bar: Any = None
        self._first: tuple[float, int] | None = None
        self._printed = time.monotonic()

    def __call__(self, done: int, total: int, note: str = '') -> None:
        """Show the number of items done, of all items, and a note at the end of the line."""
        if self._first is None:
            # Items that an earlier run has done must not count for the rate.
            self._first = (time.monotonic(), done)
        if is_quiet():
            return
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
        """End the bar and leave it on the terminal, on a line of its own."""
        if self._bar is not None:
            self._bar.close()
            self._bar = None

    def warn(self, message: str) -> None:
        """Print a line above the bar."""
        # tqdm.write does not know the bar of a stream that is wrapped, and prints behind it.
        if self._bar is not None:
            self._bar.clear()
        print(message, file=self._stream, flush=True)
        if self._bar is not None:
            self._bar.refresh()

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


@contextmanager
def working(what: str, stream: TextIO | None = None) -> Iterator[None]:
    """Shows, within the context, what is being done where nothing can be counted.

    On a terminal a line with the seconds so far, which vanishes at the end; elsewhere a line every
    10 s; with --quiet nothing.

    Args:
        what: is being done, in a few words.
        stream: where it is shown; stderr where None.
    """
    shown_on = sys.stderr if stream is None else stream
    if is_quiet():
        yield
        return
    terminal, ended = shown_on.isatty(), threading.Event()

    def show() -> None:
        started = time.monotonic()
        while not ended.wait(_TICK if terminal else QUIET_INTERVAL):
            seconds = time.monotonic() - started
            begin, end = ('\r', '') if terminal else ('', '\n')
            print(f'{begin}{what}: {seconds:.0f} s', end=end, file=shown_on, flush=True)

    shower = threading.Thread(target=show, name='working', daemon=True)
    shower.start()
    try:
        yield
    finally:
        ended.set()
        shower.join()
        if terminal:
            print('\r' + ' ' * (len(what) + 12) + '\r', end='', file=shown_on, flush=True)


class SkipBad:
    """Warns of each item that cannot be used, counts the items, and keeps the first error."""

    def __init__(self, progress: Progress) -> None:
        self.count = 0
        self.first: FolVprError | None = None
        self._progress = progress

    def __call__(self, position: int, error: FolVprError) -> None:
        """Warn of one item."""
        self.count += 1
        self.first = self.first or error
        self._progress.warn(f'skipped item {position}: {error}')


def table(rows: Sequence[Sequence[str]], left: Collection[int] = (0, 1)) -> str:
    """Rows of cells in aligned columns, those of `left` to the left; see `align_columns`."""
    from fol_vpr.evaluation.report import align_columns

    return '\n'.join(align_columns(rows, left=left))


def check_writable(path: str | Path) -> None:
    """Check that `path` can be written, before minutes of work.

    Raises:
        StorageError: no such folder, no permission, or `path` is a folder.
    """
    path = Path(path)
    try:
        if path.is_dir():
            raise IsADirectoryError(0, 'it is a folder')
        if is_written_in_place(path):
            if not os.access(path, os.W_OK):
                raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
            return
        with tempfile.TemporaryFile(dir=Path(os.path.realpath(path)).parent):
            pass
    except OSError as error:
        raise not_written(path, error) from error


def check_map_name(option: str, path: str | None) -> None:
    """Check the name of a map that is to be written; None is fine.

    Raises:
        InputError: it does not end in .folmap, so that the node would not load it.
    """
    if path is not None and Path(path).suffix != '.folmap':
        raise InputError(
            f'{option} is {path}, expected a name that ends in .folmap, as the node requires it: '
            f'{option} {path.rstrip("/")}.folmap'
        )
