"""Robust refinement of relative motions on matched rays, many motions at once."""

from __future__ import annotations

from dataclasses import dataclass
from types import ModuleType

import numpy as np

from fol_vpr.geometry.two_view.epipolar import (
    CameraMotion,
    RayPairs,
    RowSelection,
    compiled_motions,
)

MAX_STEPS = 15
# Radians: a step whose largest entry is smaller is the last one.
CONVERGED = 1e-5
# Radians: longer steps are shortened to this largest entry.
MAX_STEP = 0.3
# Standard deviations at which Tukey's weight becomes 0: 95 % efficiency for normal errors.
TUKEY = 4.685
# Multiple of the median leverage beyond which the weight of a match is reduced.
MAX_LEVERAGE = 3.0
# Median absolute deviation of normal errors to their standard deviation.
MAD_TO_SIGMA = 1.4826
# Smallest standard deviation assumed for a tracked position, pixels of a 640 px wide image.
MIN_SIGMA = 0.25


@dataclass(frozen=True, eq=False)
class MotionFit:
    """Refined motions, one or many, with their residuals for K matches.

    Attributes:
        motion: the refined motions.
        residuals: [..., K] Sampson distances in pixels of a 640 px wide image.
        sigma: [...] robust standard deviation of the residuals, same unit.
        weights: [..., K] from 0, where a match did not count, to 1.
        jacobian: [..., 5, K] derivatives of the residuals by a step of `CameraMotion.perturbed`.
        behind: [..., K] bool, matches whose point is clearly behind a camera.
    """

    motion: CameraMotion
    residuals: np.ndarray
    sigma: np.ndarray
    weights: np.ndarray
    jacobian: np.ndarray
    behind: np.ndarray

    def __getitem__(self, rows: RowSelection) -> MotionFit:
        """The fits of these rows."""
        return MotionFit(
            self.motion[rows],
            self.residuals[rows],
            self.sigma[rows],
            self.weights[rows],
            self.jacobian[rows],
            self.behind[rows],
        )

    def cost(self, limit: float) -> np.ndarray:
        """[...] robust cost; matches behind a camera cost at least as much as at the limit."""
        worst = np.where(self.behind, np.maximum(np.abs(self.residuals), limit), self.residuals)
        return robust_cost(worst, limit)


def refine_motions(
    pairs: RayPairs,
    start: CameraMotion,
    limit: float,
    *,
    max_steps: int = MAX_STEPS,
    counted: np.ndarray | None = None,
) -> MotionFit:
    """Refine motions by Gauss-Newton over SO(3) x S² on Sampson distances.

    A wrong match with a large displacement has a large leverage on the direction of translation:
    ten times the displacement gives a hundred times the influence. Tukey's weights bound the
    influence of the residual, Mallows' weights that of the leverage (Hampel et al., Robust
    Statistics, 1986, section 6.3).

    Args:
        pairs: K matched rays.
        start: B motions, refined independently of each other.
        limit: pixels (640 px wide image) beyond which a match is an outlier in any case.
        max_steps: most Gauss-Newton steps.
        counted: [B, K] bool, the matches that each motion is refined from; None takes all.

    Returns:
        The B refined motions.
    """
    module = compiled_motions()
    if module is not None:
        return refine_compiled(module, pairs.packed, start, limit, max_steps, CONVERGED, counted)
    fit = _weighted(pairs, start, limit, counted)
    done = fit
    moving = np.arange(len(start))
    for _ in range(max_steps):
        step = _step(fit)
        longest = np.abs(step).max(axis=-1)
        step *= np.minimum(1.0, MAX_STEP / np.maximum(longest, 1e-12))[:, None]
        rows = None if counted is None else counted[moving]
        fit = _weighted(pairs, fit.motion.perturbed(step), limit, rows)
        done = _with_rows(done, moving, fit)
        far = longest >= CONVERGED
        if not far.all():
            moving, fit = moving[far], fit[far]
        if not len(moving):
            break
    return done


def refine_compiled(
    module: ModuleType,
    rays: np.ndarray,
    start: CameraMotion,
    limit: float,
    max_steps: int,
    converged: float,
    counted: np.ndarray | None = None,
) -> MotionFit:
    """As `refine_motions`, by the `module` compiled_motions.py.

    Args:
        module: as imported.
        rays: [10, K] of its `pack_rays`.
        start: as of `refine_motions`.
        limit: likewise.
        max_steps: likewise.
        converged: radians; a step whose largest entry is smaller is the last one.
        counted: likewise.
    """
    many, count = len(start), rays.shape[1]
    fit = MotionFit(
        CameraMotion(np.array(start.rotation, order='C'), np.array(start.direction, order='C')),
        np.empty((many, count)),
        np.empty(many),
        np.empty((many, count)),
        np.empty((many, 5, count)),
        np.empty((many, count), bool),
    )
    module.refine(
        rays,
        np.ones((many, count), bool) if counted is None else counted,
        limit,
        max_steps,
        converged,
        (TUKEY, MAD_TO_SIGMA, MAX_LEVERAGE, MAX_STEP),
        fit.motion.rotation,
        fit.motion.direction,
        fit.residuals,
        fit.sigma,
        fit.weights,
        fit.jacobian,
        fit.behind,
    )
    return fit


def _step(fit: MotionFit) -> np.ndarray:
    """[B, 5] Gauss-Newton steps."""
    weighted = fit.jacobian * fit.weights[:, None]
    across = np.swapaxes(fit.jacobian, 1, 2)
    normal = weighted @ across
    damping = 1e-9 * np.trace(normal, axis1=1, axis2=2) + 1e-12
    normal += damping[:, None, None] * np.eye(5)
    return np.asarray(-np.linalg.solve(normal, weighted @ fit.residuals[..., None])[..., 0])


def _with_rows(done: MotionFit, rows: np.ndarray, fit: MotionFit) -> MotionFit:
    """The fits `done`, with those of some rows replaced, in place where these are not all."""
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
    """Residuals of B motions and the weights of the matches."""
    residuals, jacobian = pairs.linearised(motion)
    distances = np.abs(residuals)
    if counted is not None:
        distances = np.where(counted, distances, np.inf)
    sigma = spread(distances, limit)
    weights = tukey_weights(distances, sigma[:, None])
    leverage = leverages(jacobian[:, :2], weights)
    usual = medians(leverage, weights > 0)[:, None]
    bound = MAX_LEVERAGE * usual
    of_q, of_r, _ = pairs.depth_fractions(motion)
    behind = ((of_q < 0) | (of_r < 0)) & (leverage > usual)
    weights *= bound / np.maximum(leverage, bound + 1e-18)
    weights *= ~behind
    return MotionFit(motion, residuals, sigma, weights, jacobian, behind)


def leverages(by_direction: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """[B, K] leverage of each match on the direction; that on the rotation hardly differs.

    Args:
        by_direction: [B, 2, K] derivatives of the residuals by a step of the direction.
        weights: [B, K].
    """
    along, across = by_direction[:, 0], by_direction[:, 1]
    weighted = along * weights
    a, b = (weighted * along).sum(axis=1), (weighted * across).sum(axis=1)
    c = (across * across * weights).sum(axis=1)
    # J N⁻¹ Jᵀ with the explicit inverse of the 2x2 matrix N.
    over = np.maximum(a * c - b * b, 1e-12 * a * c + 1e-300)[:, None]
    a, b, c = a[:, None], b[:, None], c[:, None]
    square = (c * along - 2 * b * across) * along + a * across * across
    # Where all derivatives are equal, rounding may make it negative.
    return np.asarray(np.maximum(square, 0.0) / over)


def spread(distances: np.ndarray, limit: float) -> np.ndarray:
    """[...] robust standard deviation of the distances [..., K] that are within the limit.

    It is the scaled median absolute deviation, in the unit of the distances; the limit where none
    is within it.
    """
    within = distances <= limit
    sigma = np.maximum(MAD_TO_SIGMA * medians(distances, within), 1e-6)
    return np.where(within.any(axis=-1), sigma, limit)


def medians(values: np.ndarray, of: np.ndarray) -> np.ndarray:
    """[...] medians of the values [..., K] where the mask `of` [..., K] is true; 0 without any."""
    ordered = np.sort(np.where(of, values, np.inf), axis=-1)
    count = of.sum(axis=-1, keepdims=True)
    low = np.take_along_axis(ordered, np.maximum(count - 1, 0) // 2, axis=-1)
    high = np.take_along_axis(ordered, count // 2, axis=-1)
    return np.where(count > 0, (low + high) / 2, 0.0)[..., 0]


def tukey_weights(distances: np.ndarray, sigma: np.ndarray | float) -> np.ndarray:
    """Tukey's biweight [..., K]: from 1 down to 0 at 4.685 standard deviations.

    Args:
        distances: [..., K], not negative.
        sigma: standard deviation, in the same unit; its shape broadcasts to that of `distances`.
    """
    scaled = np.minimum(distances / (TUKEY * sigma), 1.0)
    return np.asarray((1 - scaled * scaled) ** 2)


def robust_cost(residuals: np.ndarray, limit: float) -> np.ndarray:
    """[...] mean over the matches of Cauchy's loss of residuals [..., K], of scale limit / 2."""
    return np.asarray(np.log1p((residuals * (2 / limit)) ** 2).mean(axis=-1))
