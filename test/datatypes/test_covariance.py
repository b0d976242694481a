"""Numbers that are a covariance, that are none, and that say it is unknown."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fol_vpr.datatypes import checked_covariance, covariance_of_message
from fol_vpr.errors import InputError

ONES = np.ones((6, 6))


def of_factors(seed: int) -> np.ndarray:
    """A covariance of full or lower rank, of metres and radians of very different accuracy."""
    rng = np.random.default_rng(seed)
    factors = rng.normal(size=(6, rng.integers(1, 9)))
    scale = 10.0 ** rng.uniform(-3, 2, 6)
    factors *= scale[:, None]
    return np.asarray(factors @ factors.T)


@pytest.mark.parametrize(
    ('numbers', 'why'),
    [
        (np.triu(ONES), 'not symmetric'),
        (5 * ONES - 4 * np.eye(6), 'an eigenvalue'),
        (np.diag([1.0, 1, 1, 1, 1, -0.5]), 'a variance is negative'),
        (np.diag([0.0, 1, 1, 1, 1, 1]) + np.eye(6, k=1) + np.eye(6, k=-1), 'an eigenvalue'),
        (ONES - np.eye(6), 'an eigenvalue'),
        (np.diag([1e308] * 6) + 1e307 * ONES, 'over 1e'),
        (np.full((6, 6), np.nan), 'finite numbers'),
        (np.diag([np.inf] * 6), 'finite numbers'),
    ],
)
def test_numbers_that_are_no_covariance_are_refused(numbers, why):
    with pytest.raises(InputError, match=why):
        checked_covariance(numbers)


@given(st.integers(0, 10**6), st.sampled_from(['as it is', 'float32', 'three digits']))
def test_covariances_are_taken_whatever_rounded_them(seed, how):
    true = of_factors(seed)
    numbers = {
        'as it is': true,
        'float32': true.astype(np.float32).astype(np.float64),
        'three digits': np.array([float(f'{value:.3g}') for value in true.reshape(36)]),
    }[how]
    taken = checked_covariance(numbers)
    deviations = np.sqrt(true.diagonal())
    assert (np.abs(taken - true) <= 0.03 * np.outer(deviations, deviations)).all()
    np.testing.assert_array_equal(taken, taken.T)
    assert np.linalg.eigvalsh(taken / np.outer(deviations, deviations))[0] >= -1e-6
    np.testing.assert_allclose(checked_covariance(taken), taken, rtol=1e-9)


def test_variances_of_a_diagonal_are_taken_as_they_are():
    variances = np.diag([0.0, 1e-12, 1e6, 0, 3.3, 99999.0])
    np.testing.assert_array_equal(checked_covariance(variances), variances)


@pytest.mark.parametrize(
    'numbers',
    [
        np.zeros(36),
        np.diag([-1.0, 0, 0, 0, 0, 0]),
        np.diag([1.0, 1, 1, 1, 1, -1]),
        np.diag([np.inf, 1, 1, 1, 1, 1]),
        np.full((6, 6), 1e300),
    ],
)
def test_a_message_says_that_its_covariance_is_unknown(numbers):
    assert covariance_of_message(numbers) is None


@pytest.mark.parametrize('numbers', [np.full(36, np.nan), np.triu(ONES), -2 * np.eye(6)])
def test_a_message_with_numbers_that_are_no_covariance_is_refused(numbers):
    with pytest.raises(InputError, match='covariance'):
        covariance_of_message(numbers)
