"""Opens files that a user or a stranger gives: regular files only, of a limited size. Writes some.

A FIFO or a device in place of a file would block the program for good, or never end; a pointer
file of Git LFS looks like a damaged file. Both are named here, once for all parts.
"""

from __future__ import annotations

import errno
import os
import re
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, TextIO

from fol_vpr.errors import FolVprError, InputError, StorageError

TEXT_LIMIT = 256 * 2**20
"""Most bytes of a text file: a table of four million lines."""

_KINDS = (
    (stat.S_ISDIR, 'a folder'),
    (stat.S_ISFIFO, 'a FIFO'),
    (stat.S_ISSOCK, 'a socket'),
    (stat.S_ISCHR, 'a character device'),
    (stat.S_ISBLK, 'a block device'),
)
_LFS_MARK = b'version https://git-lfs'
_LFS_MAX_BYTES = 1024
_MAX_SHOWN = 200
_DIGITS = re.compile('([0-9]+)')
_SECONDS_DIGITS = 9
"""Digits of seconds since 1970, from 1973 on: what follows them and a dot is a fraction."""


def open_file(
    path: str | Path, what: str = 'a file', error: type[FolVprError] = InputError
) -> BinaryIO:
    """Open a regular file for reading.

    Args:
        path: of the file; links are followed.
        what: expected content for messages, with its article, such as 'a calibration'.
        error: class of the exception to raise.

    Returns:
        The file at its beginning; the caller closes it.

    Raises:
        FolVprError: of class `error`: the path cannot be opened, is no regular file, or is a
            pointer of Git LFS.
    """
    try:
        # Without O_NONBLOCK, opening a FIFO waits for a writer.
        handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except (OSError, ValueError) as problem:
        raise error(_not_opened(path, what, problem)) from problem
    try:
        status = os.fstat(handle)
        if not stat.S_ISREG(status.st_mode):
            kind = next((name for test, name in _KINDS if test(status.st_mode)), 'no regular file')
            raise error(f'{printable(str(path))} is {kind}, expected {what} in a regular file')
        if status.st_size <= _LFS_MAX_BYTES and is_lfs_pointer(os.pread(handle, 64, 0)):
            raise error(lfs_message(path))
        return os.fdopen(handle, 'rb')
    except BaseException:
        os.close(handle)
        raise


def check_regular_file(
    path: str | Path, what: str = 'a file', error: type[FolVprError] = InputError
) -> None:
    """Check that a library can be given a path: a regular file that can be read.

    Args:
        path: of the file.
        what: as for `open_file`.
        error: as for `open_file`.

    Raises:
        FolVprError: as `open_file`.
    """
    open_file(path, what, error).close()


def read_bytes(
    path: str | Path,
    what: str = 'a file',
    limit: int = TEXT_LIMIT,
    error: type[FolVprError] = InputError,
) -> bytes:
    """The content of a regular file.

    Args:
        path: of the file.
        what: as for `open_file`.
        limit: most bytes.
        error: as for `open_file`.

    Raises:
        FolVprError: as `open_file`, or the file is larger than `limit`, or cannot be read.
    """
    with open_file(path, what, error) as file:
        try:
            content = file.read(limit + 1)
        except OSError as problem:
            raise error(_not_opened(path, what, problem)) from problem
    if len(content) > limit:
        raise error(
            f'{printable(str(path))} has more than {limit} bytes, expected {what} of at most that'
        )
    return content


def read_text(
    path: str | Path,
    what: str = 'a text file',
    limit: int = TEXT_LIMIT,
    error: type[FolVprError] = InputError,
) -> str:
    """The content of a regular file in UTF-8, with or without a byte order mark.

    Args:
        path: of the file.
        what: as for `open_file`.
        limit: most bytes.
        error: as for `open_file`.

    Raises:
        FolVprError: as `read_bytes`, or the content is not UTF-8.
    """
    content = read_bytes(path, what, limit, error)
    try:
        return content.decode('utf-8-sig')
    except UnicodeDecodeError as problem:
        raise error(
            f'{printable(str(path))} is no UTF-8 text at byte {problem.start}, expected {what}; '
            'convert it, or check that it is the right file'
        ) from problem


def is_lfs_pointer(start: bytes) -> bool:
    """Whether a file that begins with these bytes stands for one that Git LFS has not fetched."""
    return start.startswith(_LFS_MARK)


def lfs_message(path: str | Path) -> str:
    """What is wrong with a pointer file of Git LFS at `path`, and the remedy."""
    return (
        f'{printable(str(path))} is a pointer of Git LFS, not the file itself; '
        '`git lfs pull` in its repository fetches the file'
    )


def printable(text: str, limit: int = _MAX_SHOWN) -> str:
    r"""A text from a file or a peer as it can be shown on a terminal, in one line.

    Args:
        text: any text.
        limit: most characters; the middle of a longer text is left out.

    Returns:
        The text with its control characters, line ends and directional marks escaped, such as
        `\x1b`.
    """
    if len(text) > limit:
        text = f'{text[: limit // 2]}...{text[len(text) - limit // 2 :]}'
    if text.isprintable():
        return text
    return ''.join(
        each if each.isprintable() else each.encode('unicode_escape', 'surrogatepass').decode()
        for each in text
    )


def _not_opened(path: str | Path, what: str, problem: OSError | ValueError) -> str:
    shown = printable(str(path))
    if not isinstance(problem, OSError):
        return f'{shown!r} is no path: {problem}; expected {what}'
    if problem.errno in (errno.ENOENT, errno.ENOTDIR):
        return f'{shown} does not exist, expected {what}'
    if problem.errno == errno.ENXIO:
        return f'{shown} is a socket or a device without its hardware, expected {what}'
    reason = problem.strerror or str(problem)
    return f'{shown} cannot be opened: {reason}; expected {what}; check the path and permissions'


def natural_key(path: str) -> tuple[tuple[object, ...], str]:
    """Key that sorts paths as people number them: 1, 2, 10.

    Runs of ASCII digits compare as whole numbers, except the decimals of seconds since 1970 in
    names such as 1305031452.8.png, which compare as a fraction. Equal numbers, as 1 and 01, are in
    the order of their characters.
    """
    pieces: list[object] = list(_DIGITS.split(path))
    before = ''
    for position in range(1, len(pieces), 2):
        digits = str(pieces[position])
        if len(before) >= _SECONDS_DIGITS and pieces[position - 1] == '.':
            pieces[position], before = digits.rstrip('0'), ''
        else:
            before = digits.lstrip('0')
            pieces[position] = (len(before), before)
    return tuple(pieces), path


@contextmanager
def atomic_text(path: str | Path) -> Iterator[TextIO]:
    """Write a text file that appears at `path` as a whole or not at all.

    Where `path` is a link, the file that it leads to is replaced and the link stays. A device, a
    pipe and what names one in /dev are written to as they are: nothing takes their place.

    Raises:
        StorageError: no such folder, no permission, or no space; an existing file stays.
    """
    with _atomic(Path(path), 'w', encoding='utf-8', newline='') as file:
        yield file


@contextmanager
def atomic_bytes(path: str | Path) -> Iterator[BinaryIO]:
    """Write a file of bytes as `atomic_text` writes one of text.

    Raises:
        StorageError: as `atomic_text`.
    """
    with _atomic(Path(path), 'wb') as file:
        yield file


@contextmanager
def _atomic(path: Path, mode: str, **options: Any) -> Iterator[Any]:
    partial: str | None = None
    try:
        if is_written_in_place(path):
            # Behind a name of /dev there may be the file that the shell has opened.
            with open(path, mode.replace('w', 'a'), **options) as file:
                yield file
            return
        target = Path(os.path.realpath(path))
        handle, partial = tempfile.mkstemp(dir=target.parent, prefix=f'.{target.name}.')
        with open(handle, mode, **options) as file:
            os.fchmod(handle, 0o666 & ~umask())
            yield file
            file.flush()
            os.fsync(handle)
        os.replace(partial, target)
        partial = None
    except OSError as error:
        raise not_written(path, error) from error
    finally:
        if partial is not None:
            os.unlink(partial)


def is_written_in_place(path: Path) -> bool:
    """Whether a device, a pipe or a folder is there, or `path` is a name of /dev or /proc for one.

    Files in /dev/shm, which is a file system in memory, are files.
    """
    parts = path.absolute().parts
    if parts[:2] in (('/', 'dev'), ('/', 'proc')) and parts[:3] != ('/', 'dev', 'shm'):
        return True
    try:
        return not stat.S_ISREG(path.stat().st_mode)
    except FileNotFoundError:
        return False


def not_written(path: Path, error: OSError) -> StorageError:
    """The error that says why a file cannot be written, with the remedy."""
    try:
        missing = not path.parent.exists()
    except OSError:
        missing = False
    if missing:
        return StorageError(
            f'{path} cannot be written: there is no folder {path.parent}; create it'
        )
    return StorageError(
        f'{path} cannot be written: {error.strerror or error}; choose another folder or free space'
    )


def umask() -> int:
    """The permissions that new files of this process do not get."""
    mask = os.umask(0o077)
    os.umask(mask)
    return mask
