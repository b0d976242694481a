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

ZSTD_SUFFIX = '.zstd'

_PIECE_BYTES = 2**22
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
    size = zstandard.frame_content_size(packed.read(zstandard.BLOCKSIZE_MAX))
    packed.seek(0)
    folder: Path | None = None
    try:
        folder = Path(tempfile.mkdtemp(prefix='fol_vpr_bag_'))
        free = shutil.disk_usage(folder).free
        if size > free:
            raise StorageError(_no_space(path, f'{size / 1e9:.1f} GB', free))
        # The name stays: it tells the format, and stands in messages.
        target = folder / path.name.removesuffix(ZSTD_SUFFIX)
        written = _copy(packed, target)
        if 0 <= size != written:
            raise InputError(
                f'{printable(str(path))} is cut off: {written} of {size} bytes could be '
                'unpacked; copy or download it again'
            )
    except BaseException as error:
        if folder is not None:
            shutil.rmtree(folder, ignore_errors=True)
        if isinstance(error, zstandard.ZstdError):
            raise InputError(
                f'{printable(str(path))} cannot be unpacked as Zstandard ({error}); copy or '
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


def _copy(packed: BinaryIO, target: Path) -> int:
    reader = zstandard.ZstdDecompressor().stream_reader(packed, read_across_frames=True)
    with target.open('wb') as file:
        while piece := reader.read(_PIECE_BYTES):
            file.write(piece)
        return file.tell()


def _no_space(path: Path, needed: str, free: int) -> str:
    return (
        f'{printable(str(path))} is packed as a whole, and unpacking it needs {needed} in '
        f'{tempfile.gettempdir()}, where {free / 1e9:.1f} GB are free; set TMPDIR to a folder '
        'with more space, or unpack it yourself with `zstd -d` and give the unpacked file'
    )
