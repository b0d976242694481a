"""Unpacks files of bags that were recorded with `--compression-mode file`, once for a program."""

from __future__ import annotations

import atexit
import errno
import os
import shutil
import tempfile
import threading
from pathlib import Path
from typing import BinaryIO

import zstandard

from fol_vpr.errors import InputError, StorageError
from fol_vpr.files import open_file, printable
from fol_vpr.sources.bags.storage.compression import unpacked_pieces
from fol_vpr.sources.bags.storage.stored import DamagedError

ZSTD_SUFFIX = '.zstd'

_HEADER_BYTES = 18
_unpacked: dict[tuple[str, int, int], Path] = {}
_lock = threading.Lock()


def unpacked_file(path: Path) -> Path:
    """The content of a Zstandard file, unpacked into a temporary folder.

    The same file is unpacked once, however often it is asked for. The folder, in TMPDIR or /tmp,
    is removed when the program ends.

    Args:
        path: such as drive_0.db3.zstd.

    Raises:
        InputError: the file is cut off, or not packed with Zstandard.
        StorageError: there is not enough space.
    """
    with _lock, open_file(path, 'a bag') as packed:
        status = os.fstat(packed.fileno())
        key = (str(path.resolve()), status.st_size, status.st_mtime_ns)
        if key not in _unpacked:
            _unpacked[key] = _unpack(path, packed)
        return _unpacked[key]


def _unpack(path: Path, packed: BinaryIO) -> Path:
    folder: Path | None = None
    try:
        size = zstandard.frame_content_size(packed.read(_HEADER_BYTES))
        packed.seek(0)
        folder = Path(tempfile.mkdtemp(prefix='fol_vpr_bag_'))
        free = shutil.disk_usage(folder).free
        if size > free:
            raise StorageError(_no_space(path, f'{size / 1e9:.1f} GB', free))
        # The name stays: it tells the format, and stands in messages.
        target = folder / path.name.removesuffix(ZSTD_SUFFIX)
        _copy(packed, target)
    except BaseException as error:
        if folder is not None:
            shutil.rmtree(folder, ignore_errors=True)
        if isinstance(error, (zstandard.ZstdError, DamagedError)):
            raise InputError(
                f'{printable(str(path))} cannot be unpacked as Zstandard: {error}; copy or '
                'download it again'
            ) from error
        if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise StorageError(_no_space(path, 'more', 0)) from error
        if isinstance(error, OSError):
            raise StorageError(
                f'{printable(str(path))} cannot be unpacked: {error.strerror or error}; set '
                'TMPDIR to a folder with write permission'
            ) from error
        raise
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return target


def _copy(packed: BinaryIO, target: Path) -> None:
    with target.open('wb') as file:
        for piece in unpacked_pieces(packed):
            file.write(piece)


def _no_space(path: Path, needed: str, free: int) -> str:
    return (
        f'{printable(str(path))} is packed as a whole, and unpacking it needs {needed} in '
        f'{tempfile.gettempdir()}, where {free / 1e9:.1f} GB are free; set TMPDIR to a folder '
        'with more space, or unpack it yourself with `zstd -d` and give the unpacked file'
    )
