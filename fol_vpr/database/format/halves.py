"""Numbers in float16, as maps store them."""

from __future__ import annotations

import numpy as np

# All bits of the exponent, which only infinity and NaN have set.
_INFINITE = np.uint16(0x7C00)
_SIGN_AND_NUMBER = np.int32(-0x70002000)
# The bias of the exponents of float32, 127, less that of float16, 15.
_SCALE = np.float32(2.0**112)


def finite_halves(halves: np.ndarray) -> bool:
    """Whether all numbers of an array of float16 are finite; at least one is needed.

    NumPy's isfinite takes four times as long with float16.
    """
    return bool((halves.view('<u2') & _INFINITE).max() != _INFINITE)


def widened(halves: np.ndarray) -> np.ndarray:
    """Finite numbers in float16 as float32 of the same values and shape.

    NumPy converts number by number, which takes four times as long. Here the bits are moved to
    their places in float32, and the multiplication, which is exact, adds the difference of the
    biases to the exponents; it also normalises numbers that float16 holds as subnormal ones.
    """
    bits = halves.view('<i2').astype(np.int32)
    bits <<= 13
    # The shift copies the sign into the bits above its own number: only the uppermost may stay.
    bits &= _SIGN_AND_NUMBER
    numbers = bits.view(np.float32)
    numbers *= _SCALE
    return numbers
