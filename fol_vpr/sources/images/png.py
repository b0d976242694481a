"""Checks the checksums of PNG files.

Pillow does not check those of the pixels (chunks IDAT): of damaged data it gives other pixels,
without an error.
"""

from __future__ import annotations

import zlib

from fol_vpr.errors import InputError

SIGNATURE = b'\x89PNG\r\n\x1a\n'
_FRAME = 12
"""Bytes of a chunk beside its content: length, type and checksum."""


def check_png(data: bytes | bytearray | memoryview, what: str) -> None:
    """Check that every chunk of a PNG is whole; does nothing for other files.

    Args:
        data: the whole file.
        what: name of the image in error messages.

    Raises:
        InputError: a chunk is cut off, or its checksum does not fit.
    """
    view = memoryview(data)
    if view[: len(SIGNATURE)] != SIGNATURE:
        return
    at, kind = len(SIGNATURE), b''
    while at < len(view) and kind != b'IEND':
        length = int.from_bytes(view[at : at + 4], 'big')
        kind = bytes(view[at + 4 : at + 8])
        end = at + _FRAME + length
        if end > len(view):
            raise _damaged(what, f'is truncated at byte {len(view)}')
        if zlib.crc32(view[at + 4 : end - 4]) != int.from_bytes(view[end - 4 : end], 'big'):
            raise _damaged(what, f'is damaged between the bytes {at} and {end}')
        at = end
    if kind != b'IEND':
        raise _damaged(what, f'is truncated at byte {len(view)}')


def _damaged(what: str, how: str) -> InputError:
    return InputError(f'{what} {how}; copy it again from its original, or remove it')
