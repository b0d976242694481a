"""The size of a WebP before it is opened."""

from __future__ import annotations

import struct

import pytest
from helpers.source_files import encode, picture

from fol_vpr.errors import InputError
from fol_vpr.sources import decode_bytes
from fol_vpr.sources.images.webp import webp_size


@pytest.mark.parametrize(
    'options', [{}, {'lossless': True}, {'exif': b'Exif\0\0II*\0\x08\0\0\0\0\0\0\0\0\0'}]
)
def test_size_in_each_kind_of_webp(options: dict[str, object]) -> None:
    data = encode(picture(0, 300, 70), 'WEBP', **options)
    assert webp_size(data[:64]) == (300, 70)
    assert webp_size(data[:20]) is None


def test_other_formats_have_none() -> None:
    assert webp_size(encode(picture(), 'PNG')[:64]) is None


def test_a_size_that_is_too_large_is_refused_before_the_file_is_opened() -> None:
    canvas = struct.pack('<I', 16_383)[:3]
    header = b'WEBPVP8X' + struct.pack('<I', 10) + b'\0\0\0\0' + canvas + canvas
    huge = b'RIFF' + struct.pack('<I', len(header) + 8) + header + b'\0' * 8
    with pytest.raises(InputError, match='claims 16384 x 16384 pixels'):
        decode_bytes(huge, 'huge')
