"""Damaged pixels of a PNG are no other pixels."""

from __future__ import annotations

import numpy as np
import pytest
from helpers.source_files import encode, picture

from fol_vpr.errors import InputError
from fol_vpr.sources import decode_bytes
from fol_vpr.sources.images.png import check_png

WHOLE = encode(picture(4, 64, 48), 'PNG')


@pytest.mark.parametrize('share', np.linspace(0.02, 0.99, 12))
def test_a_changed_byte_is_an_error(share: float) -> None:
    damaged = bytearray(WHOLE)
    damaged[int(share * len(damaged))] ^= 0x55
    with pytest.raises(InputError, match=r'x is (damaged|truncated|no image)'):
        decode_bytes(bytes(damaged), 'x')


def test_what_follows_the_end_is_not_looked_at() -> None:
    check_png(WHOLE + b'trailing', 'x')
    np.testing.assert_array_equal(decode_bytes(WHOLE + b'1', 'x'), picture(4, 64, 48))


def test_a_length_beyond_the_file_is_an_error_before_memory_is_taken() -> None:
    damaged = bytearray(WHOLE)
    at = damaged.index(b'IDAT') - 4
    damaged[at : at + 4] = b'\x7f\xff\xff\xff'
    with pytest.raises(InputError, match='is truncated'):
        decode_bytes(bytes(damaged), 'x')


def test_other_files_are_not_checked() -> None:
    check_png(encode(picture(), 'JPEG'), 'x')
    check_png(b'', 'x')
