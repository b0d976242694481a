"""Which numbers are a covariance, and which say that it is unknown."""

from __future__ import annotations

import math

import numpy as np

from fol_vpr.errors import InputError

MAX_VARIANCE = 1e30
"""Larger variances, in m² or rad², say that the covariance is unknown, as 1e300 or infinity do."""
_TOLERANCE = 0.01
"""How far a correlation may be from what a covariance allows.

Covariances pass through float32, through text of three digits, and through filters whose updates
keep neither the symmetry nor the positive eigenvalues to the last digits.
"""
_ROUNDING = 1e-9
"""Eigenvalues of correlations over the negative of this are left as they are."""


def checked_covariance(numbers: np.ndarray) -> np.ndarray:
    """A covariance, made symmetric, and without eigenvalues that rounding made negative.

    It is checked as correlations, so that metres and radians of very different accuracy are
    treated alike.

    Args:
        numbers: [6, 6] or [36], row-major.

    Returns:
        [6, 6] float64.

    Raises:
        InputError: it is not finite, not symmetric, or has a negative eigenvalue, beyond rounding.
    """
    given = np.asarray(numbers, dtype=np.float64)
    if given.size != 36 or not np.isfinite(given).all():
        raise InputError(
            'a pose needs a covariance of 6 x 6 finite numbers, or none where it is unknown, got '
            f'{numbers}'
        )
    given = given.reshape(6, 6)
    variances = given.diagonal()
    if not np.count_nonzero(given - np.diag(variances)):
        if (variances >= 0).all():
            return given
        raise InputError(_no_covariance('a variance is negative', given))
    if (np.abs(given) > MAX_VARIANCE).any():
        raise InputError(_no_covariance(f'it holds numbers over {MAX_VARIANCE:g}', given))
    # One part in 1e12 of the largest variance of its kind: rounding beside variances of zero.
    floor = np.repeat([variances[:3].max(), variances[3:].max()], 3) * 1e-12
    scale = np.sqrt(np.maximum(np.maximum(variances, floor), 1e-300))
    correlations = given / np.outer(scale, scale)
    if not (np.abs(correlations - correlations.T) <= _TOLERANCE).all():
        raise InputError(_no_covariance('it is not symmetric', given))
    correlations = (correlations + correlations.T) / 2
    if not np.isfinite(correlations).all() or variances.min() < 0:
        raise InputError(_no_covariance('a variance is zero or negative', given))
    values, axes = np.linalg.eigh(correlations)
    if values[0] < -_TOLERANCE:
        raise InputError(
            _no_covariance(f'an eigenvalue of its correlations is {values[0]:.3g}', given)
        )
    if values[0] < -_ROUNDING:
        given = (axes * np.maximum(values, 0)) @ axes.T * np.outer(scale, scale)
    return np.asarray((given + given.T) / 2)


def covariance_of_message(numbers: np.ndarray) -> np.ndarray | None:
    """The covariance of a ROS message, or None where the message says that it is unknown.

    Unknown are all zeros, a variance of -1 (as sensor_msgs/Imu has it), and variances that are
    infinite or over `MAX_VARIANCE`.

    Args:
        numbers: [36], row-major.

    Returns:
        [6, 6] float64.

    Raises:
        InputError: the numbers hold NaN, or are no covariance; see `checked_covariance`.
    """
    given = np.asarray(numbers, dtype=np.float64).reshape(-1)
    variances = given[::7]
    if np.isnan(given).any():
        raise InputError('the covariance of the pose holds NaN; zeros say that it is unknown')
    if not given.any() or (variances == -1).any() or (variances > MAX_VARIANCE).any():
        return None
    return checked_covariance(given)


def horizontal_stddev(numbers: np.ndarray) -> float:
    """Largest standard deviation along any direction of x and y in metres, 0 where unknown.

    The other rows do not matter: planar localisation fills them in as it likes.

    Args:
        numbers: [36], row-major, of a ROS message.

    Raises:
        InputError: the numbers of x and y hold NaN, or are no covariance.
    """
    planar = np.asarray(numbers, dtype=np.float64).reshape(6, 6)[:2, :2]
    filled = np.zeros((6, 6))
    filled[:2, :2] = planar
    known = covariance_of_message(filled)
    if known is None:
        return 0.0
    # The longer axis of the ellipse.
    return math.sqrt(max(0.0, float(np.linalg.eigvalsh(known[:2, :2])[-1])))


def _no_covariance(why: str, given: np.ndarray) -> str:
    deviations = ', '.join(
        f'{math.sqrt(value):.3g}' if value >= 0 else f'√{value:.3g}' for value in given.diagonal()
    )
    return (
        f'the 6 x 6 numbers given as covariance are none: {why} (standard deviations of x, y, z '
        f'in metres and about X, Y, Z in radians: {deviations}); where it is unknown, give zeros'
    )
