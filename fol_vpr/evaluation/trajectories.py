"""The error of an estimated trajectory against the true one."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from fol_vpr.errors import InputError


@dataclass(frozen=True, eq=False)
class Alignment:
    """A rigid motion that maps positions of one frame to another.

    Attributes:
        rotation: [3, 3].
        translation: [3], metres.
    """

    rotation: np.ndarray
    translation: np.ndarray

    def apply(self, positions: np.ndarray) -> np.ndarray:
        """Positions [N, 3] in the other frame."""
        return np.asarray(positions @ self.rotation.T + self.translation)


@dataclass(frozen=True)
class TrajectoryError:
    """Absolute trajectory error: distances in metres after the best rigid alignment.

    Attributes:
        rmse: root of the mean square distance.
        mean, median, largest: of the distances.
    """

    rmse: float
    mean: float
    median: float
    largest: float


def align(estimated: np.ndarray, truth: np.ndarray) -> Alignment:
    """The rigid motion that brings `estimated` closest to `truth`, without a change of scale.

    Least squares (Umeyama, PAMI 13(4), 1991, with the scale fixed to 1). If all positions lie on a
    line, the rotation about the line is arbitrary and has no effect on the error.

    Args:
        estimated, truth: [N, 3] in metres, at the same times.

    Raises:
        InputError: there are no positions, or different numbers, or some are not finite.
    """
    estimated, truth = _positions(estimated), _positions(truth)
    if len(estimated) != len(truth):
        raise InputError(
            f'{len(estimated)} estimated positions cannot be compared with {len(truth)} true '
            'ones: take those of the same times'
        )
    centre, true_centre = estimated.mean(axis=0), truth.mean(axis=0)
    left, _, right = np.linalg.svd((truth - true_centre).T @ (estimated - centre))
    # For a flat or noisy trajectory the best fit may be a reflection, which is no motion.
    handed = np.diag([1.0, 1.0, np.sign(np.linalg.det(left @ right))])
    rotation = left @ handed @ right
    return Alignment(rotation, true_centre - rotation @ centre)


def absolute_trajectory_error(estimated: np.ndarray, truth: np.ndarray) -> TrajectoryError:
    """The absolute trajectory error (Sturm et al., IROS 2012) after `align`.

    Args:
        estimated, truth: [N, 3] in metres, at the same times.

    Raises:
        InputError: there are no positions, or different numbers, or some are not finite.
    """
    aligned = align(estimated, truth).apply(_positions(estimated))
    misses = np.linalg.norm(aligned - truth, axis=1)
    return TrajectoryError(
        rmse=float(np.sqrt(np.mean(misses**2))),
        mean=float(misses.mean()),
        median=float(np.median(misses)),
        largest=float(misses.max()),
    )


def _positions(given: np.ndarray) -> np.ndarray:
    positions = np.asarray(given, dtype=np.float64)
    if positions.ndim != 2 or positions.shape[1] != 3 or not len(positions):
        raise InputError(f'positions [N, 3] in metres are needed, got {positions.shape}')
    if not np.isfinite(positions).all():
        raise InputError(
            'positions hold NaN or infinity: leave out positions that were not estimated'
        )
    return positions
