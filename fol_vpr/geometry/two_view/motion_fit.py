"""Motions refined on rays, many at once: from several beginnings, or with parts left out."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from fol_vpr.geometry.two_view.epipolar import CameraMotion, RayPairs, RowSelection

STEPS = 15
CONVERGED = 1e-5
LONGEST = 0.3
# Tukey's weight: of the spread of good matches, this many keep 95 % of what least squares knows.
TUKEY = 4.685
# Times the usual leverage, beyond which a match counts less.
LEVERAGE = 3.0
MAD_TO_SIGMA = 1.4826


@dataclass(frozen=True, eq=False)
class MotionFit:
    """Motions as refined from rays, one or many.

    Attributes:
        residuals: [..., K] Sampson distances in pixels of a 640 px wide image.
        sigma: [...] their robust standard deviation, pixels.
        weights: [..., K], 0 where a match did not count, to 1.
        jacobian: [..., 5, K] derivatives of the residuals by a step of `CameraMotion.perturbed`.
        behind: [..., K] bool, matches that would clearly lie behind a camera.
    """

    motion: CameraMotion
    residuals: np.ndarray
    sigma: np.ndarray
    weights: np.ndarray
    jacobian: np.ndarray
    behind: np.ndarray

    def __getitem__(self, rows: RowSelection) -> MotionFit:
        """Some of many."""
        return MotionFit(
            self.motion[rows],
            self.residuals[rows],
            self.sigma[rows],
            self.weights[rows],
            self.jacobian[rows],
            self.behind[rows],
        )

    def cost(self, limit: float) -> np.ndarray:
        """What the matches speak against it; one behind a camera does as an outlier."""
        worst = np.where(self.behind, np.maximum(np.abs(self.residuals), limit), self.residuals)
        return robust_cost(worst, limit)


def refine_motions(
    pairs: RayPairs,
    start: CameraMotion,
    limit: float,
    *,
    steps: int = STEPS,
    counted: np.ndarray | None = None,
) -> MotionFit:
    """Gauss-Newton over SO(3) x S² on Sampson distances, with weights that bound every influence.

    A wrong match may be displaced ten times as far as the right ones, and so say a hundred times
    as much of the direction as each of them. Tukey's weight is for its residual, Mallows' for
    that leverage (Hampel et al., Robust Statistics, 1986, 6.3).

    Args:
        start: [B] motions; each goes its own way.
        limit: pixels beyond which a match is none, whatever the spread of the others.
        steps: most that are made.
        counted: [B, K] bool, the matches that each is refined from; None takes all.
    """
    fit = _weighted(pairs, start, limit, counted)
    done = fit
    moving = np.arange(len(start))
    for _ in range(steps):
        step = _step(fit)
        longest = np.abs(step).max(axis=-1)
        step *= np.minimum(1.0, LONGEST / np.maximum(longest, 1e-12))[:, None]
        rows = None if counted is None else counted[moving]
        fit = _weighted(pairs, fit.motion.perturbed(step), limit, rows)
        done = _replaced(done, moving, fit)
        far = longest >= CONVERGED
        if not far.all():
            moving, fit = moving[far], fit[far]
        if not len(moving):
            break
    return done


def _step(fit: MotionFit) -> np.ndarray:
    """[B, 5] of Gauss and Newton."""
    weighted = fit.jacobian * fit.weights[:, None]
    across = np.swapaxes(fit.jacobian, 1, 2)
    normal = weighted @ across
    damping = 1e-9 * np.trace(normal, axis1=1, axis2=2) + 1e-12
    normal += damping[:, None, None] * np.eye(5)
    return np.asarray(-np.linalg.solve(normal, weighted @ fit.residuals[..., None])[..., 0])


def _replaced(done: MotionFit, rows: np.ndarray, fit: MotionFit) -> MotionFit:
    """The fits, those of some rows by newer ones."""
    if len(rows) == len(done.motion):
        return fit
    newer = (
        (done.motion.rotation, fit.motion.rotation),
        (done.motion.direction, fit.motion.direction),
        (done.residuals, fit.residuals),
        (done.sigma, fit.sigma),
        (done.weights, fit.weights),
        (done.jacobian, fit.jacobian),
        (done.behind, fit.behind),
    )
    for target, source in newer:
        target[rows] = source
    return done


def _weighted(
    pairs: RayPairs, motion: CameraMotion, limit: float, counted: np.ndarray | None
) -> MotionFit:
    """The residuals of motions [B], and what each match counts."""
    residuals, jacobian = pairs.linearised(motion)
    distances = np.abs(residuals)
    if counted is not None:
        distances = np.where(counted, distances, np.inf)
    sigma = spread(distances, limit)
    weights = tukey_weights(distances, sigma[:, None])
    leverage = _leverage(jacobian[:, :2], weights)
    usual = medians(leverage, weights > 0)[:, None]
    bound = LEVERAGE * usual
    of_q, of_r, _ = pairs.depth_fractions(motion)
    behind = ((of_q < 0) | (of_r < 0)) & (leverage > usual)
    weights *= bound / np.maximum(leverage, bound + 1e-18)
    weights *= ~behind
    return MotionFit(motion, residuals, sigma, weights, jacobian, behind)


def _leverage(by_direction: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """[B, K] how much each match may say of the direction: of the rotation all say about as much.

    Args:
        by_direction: [B, 2, K] derivatives of the residuals.
    """
    along, across = by_direction[:, 0], by_direction[:, 1]
    weighted = along * weights
    a, b = (weighted * along).sum(axis=1), (weighted * across).sum(axis=1)
    c = (across * across * weights).sum(axis=1)
    # The inverse of a 2x2 matrix between the derivatives.
    over = np.maximum(a * c - b * b, 1e-12 * a * c + 1e-300)[:, None]
    a, b, c = a[:, None], b[:, None], c[:, None]
    square = (c * along - 2 * b * across) * along + a * across * across
    # Rounding leaves less than nothing where all derivatives are alike.
    return np.asarray(np.maximum(square, 0.0) / over)


def spread(distances: np.ndarray, limit: float) -> np.ndarray:
    """[...] robust standard deviation of distances [..., K] within the limit, in their unit."""
    within = distances <= limit
    middle = np.maximum(MAD_TO_SIGMA * medians(distances, within), 1e-6)
    return np.where(within.any(axis=-1), middle, limit)


def medians(values: np.ndarray, of: np.ndarray) -> np.ndarray:
    """[...] medians of those values [..., K] that are asked for; 0 where none is."""
    ordered = np.sort(np.where(of, values, np.inf), axis=-1)
    count = of.sum(axis=-1, keepdims=True)
    low = np.take_along_axis(ordered, np.maximum(count - 1, 0) // 2, axis=-1)
    high = np.take_along_axis(ordered, count // 2, axis=-1)
    return np.where(count > 0, (low + high) / 2, 0.0)[..., 0]


def tukey_weights(distances: np.ndarray, sigma: np.ndarray | float) -> np.ndarray:
    """[..., K] weights, from 1 to 0 at 4.7 standard deviations (Tukey's biweight)."""
    share = np.minimum(distances / (TUKEY * sigma), 1.0)
    return np.asarray((1 - share * share) ** 2)


def robust_cost(residuals: np.ndarray, limit: float) -> np.ndarray:
    """What residuals [..., K] speak against a motion (Cauchy's loss, mean over the matches)."""
    return np.asarray(np.log1p((residuals * (2 / limit)) ** 2).mean(axis=-1))
