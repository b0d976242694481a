"""All 65,536 numbers of float16, checked and widened."""

import numpy as np

from fol_vpr.database.format.halves import finite_halves, widened

ALL = np.arange(65536, dtype=np.uint16).view(np.float16)


def test_every_finite_number_keeps_its_value_and_sign():
    finite = ALL[np.isfinite(ALL)].reshape(2, -1)
    found = widened(finite)
    assert found.shape == finite.shape and found.dtype == np.float32
    np.testing.assert_array_equal(found.view(np.uint32), finite.astype(np.float32).view(np.uint32))


def test_every_number_that_is_not_finite_is_found():
    found = [finite_halves(ALL[row : row + 1]) for row in range(len(ALL))]
    np.testing.assert_array_equal(found, np.isfinite(ALL))
    row = np.zeros(8448, np.float16)
    assert finite_halves(row)
    row[8447] = -np.inf
    assert not finite_halves(row)
