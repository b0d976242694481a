"""Unpacks Zstandard and LZ4, never to more than a given size."""

from __future__ import annotations

from collections.abc import Iterator
from io import BytesIO
from typing import BinaryIO

import zstandard
from lz4.frame import LZ4FrameDecompressor  # type: ignore[import-untyped]

from fol_vpr.sources.bags.storage.stored import DamagedError

ZSTD_MAGIC = b'\x28\xb5\x2f\xfd'

_MAX_MESSAGE_BYTES = 2**30
_PIECE_BYTES = 8192


def unpack_chunk(data: bytes | memoryview, compression: str, size: int) -> bytes | memoryview:
    """The content of a chunk of an MCAP file.

    Args:
        data: as stored.
        compression: `zstd`, `lz4`, or empty.
        size: of the content in bytes, as the chunk states it.

    Raises:
        DamagedError: the content has another size.
    """
    if compression == 'zstd':
        # A chunk may consist of several frames, of which `decompress` would give the first.
        reader = zstandard.ZstdDecompressor().stream_reader(data, read_across_frames=True)
        unpacked: bytes | memoryview = reader.read(size) if size else b''
    elif compression == 'lz4':
        unpacked = LZ4FrameDecompressor().decompress(data, max_length=size)
    else:
        unpacked = data
    if len(unpacked) != size:
        raise DamagedError(f'a chunk has {len(unpacked)} bytes instead of {size}')
    return unpacked


def unpack_message(data: bytes) -> bytes:
    """A message of a bag that was recorded with `--compression-mode message`.

    Args:
        data: the message; any that does not begin as a Zstandard frame, which no CDR message
            does, is given back as it is.

    Raises:
        DamagedError: the frame is incomplete or has more than 1 GiB.
    """
    if not data.startswith(ZSTD_MAGIC):
        return data
    size = zstandard.frame_content_size(data)
    if size > _MAX_MESSAGE_BYTES:
        raise DamagedError(f'a compressed message claims {size} bytes')
    if size >= 0:
        return bytes(unpack_chunk(data, 'zstd', size))
    unpacked = bytearray()
    for piece in unpacked_pieces(BytesIO(data)):
        unpacked += piece
        if len(unpacked) > _MAX_MESSAGE_BYTES:
            raise DamagedError(f'a compressed message has more than {_MAX_MESSAGE_BYTES} bytes')
    return bytes(unpacked)


def unpacked_pieces(packed: BinaryIO) -> Iterator[bytes]:
    """The content of Zstandard frames, in pieces of a limited size.

    `stream_reader` of zstandard would end without an error where a frame is cut off.

    Args:
        packed: file with one or several frames.

    Raises:
        DamagedError: the last frame is cut off; zstandard raises other exceptions.
    """
    unpacker, rest = zstandard.ZstdDecompressor().decompressobj(), b''
    while piece := rest or packed.read(_PIECE_BYTES):
        if unpacker.eof:
            unpacker = zstandard.ZstdDecompressor().decompressobj()
        yield unpacker.decompress(piece)
        rest = unpacker.unused_data
    if not unpacker.eof:
        raise DamagedError('it is cut off')
