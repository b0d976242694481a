"""The size of a WebP image by its header."""

from __future__ import annotations


def webp_size(start: bytes) -> tuple[int, int] | None:
    """Width and height in pixels; None if the data are no WebP, or cut off.

    Args:
        start: the first 30 bytes of the file, or more.

    The layout is that of the WebP Container Specification (RFC 9649).
    """
    if len(start) < 30 or start[:4] != b'RIFF' or start[8:12] != b'WEBP':
        return None
    chunk, content = start[12:16], start[20:]
    if chunk == b'VP8X':
        return (
            1 + int.from_bytes(content[4:7], 'little'),
            1 + int.from_bytes(content[7:10], 'little'),
        )
    if chunk == b'VP8L':
        bits = int.from_bytes(content[1:5], 'little')
        return 1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF)
    if chunk == b'VP8 ':
        return (
            int.from_bytes(content[6:8], 'little') & 0x3FFF,
            int.from_bytes(content[8:10], 'little') & 0x3FFF,
        )
    return None
