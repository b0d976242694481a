"""Standard output and error: without control characters of files and nodes, and --quiet."""

from __future__ import annotations

import contextlib
import logging
import sys
from collections.abc import Iterator
from typing import Any, TextIO, cast

from fol_vpr.errors import escape_controls

# Progress bars return to the start of the line, and tqdm moves up by its own sequence.
_KEPT = '\n\r\t'
# Modules that log how far the search index of a large map is built, which can take minutes.
_BUILDERS = ('mapping.index', 'retrieval.index.large')

_quiet = False


class _PrintableStream:
    """Passes everything on to a stream, and text with its control characters escaped."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        return self._stream.write(escape_controls(text, _KEPT))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


def underlying(stream: TextIO) -> TextIO:
    """The stream below, for what may drive the terminal: colours of a text that is escaped."""
    return stream._stream if isinstance(stream, _PrintableStream) else stream


@contextlib.contextmanager
def printable_output() -> Iterator[None]:
    """Within the context, names of maps, topics and frames cannot drive the terminal."""
    out = cast('TextIO', _PrintableStream(sys.stdout))
    err = cast('TextIO', _PrintableStream(sys.stderr))
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        yield


@contextlib.contextmanager
def quietly(quiet: bool) -> Iterator[None]:
    """Within the context remarks and progress are printed, or with `quiet` are not."""
    global _quiet
    before, _quiet = _quiet, quiet
    try:
        yield
    finally:
        _quiet = before


def is_quiet() -> bool:
    """Whether --quiet was given."""
    return _quiet


@contextlib.contextmanager
def index_builds_shown() -> Iterator[None]:
    """Within the context, stderr shows how far the search index of a large map is built.

    With --quiet it does not.
    """
    if _quiet:
        yield
        return
    handler = logging.StreamHandler(sys.stderr)
    loggers = [logging.getLogger(f'fol_vpr.{name}') for name in _BUILDERS]
    before = [logger.level for logger in loggers]
    for logger in loggers:
        logger.addHandler(handler)
        logger.setLevel(logging.INFO)
    try:
        yield
    finally:
        for logger, level in zip(loggers, before, strict=True):
            logger.removeHandler(handler)
            logger.setLevel(level)
