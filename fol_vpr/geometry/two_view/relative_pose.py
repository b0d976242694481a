"""The relative pose that two calibrated images measure, or that they measure none."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from fol_vpr.datatypes import RelativePose
from fol_vpr.geometry.rigid import quaternion, rotation_vector
from fol_vpr.geometry.two_view.epipolar import RayPairs, stack_motions
from fol_vpr.geometry.two_view.models import (
    MotionModel,
    gric,
    squared_rotation_distances,
    squared_transfer_distances,
)
from fol_vpr.geometry.two_view.motion_fit import MotionFit, refine_motions
from fol_vpr.geometry.viewing_rays import Rays

# A direction that may be off by more, one standard deviation, is none: the sphere is not flat.
MAX_DIRECTION_SIGMA = math.radians(5.0)
MIN_IN_FRONT = 0.85
# Where fewer of the aligned matches agree, what they agree on may be a single facade.
MIN_SHARE = 2 / 3
# Two motions of a lesser difference in chi² are not told apart (99 % of one degree of freedom),
# nor where it is less than this many of its own standard deviations (99 %, one-sided).
TOLD_APART = 6.6
TOLD_APART_DEVIATIONS = 2.33
# What a match speaks at most against a motion, as chi².
OUTLIER = 9.0
# The jackknife leaves out one of two rows of this many blocks each.
BLOCKS = 5
JACKKNIFE_STEPS = 5


@dataclass(frozen=True)
class Noise:
    """How far matches are to be trusted.

    Attributes:
        sigma: standard deviation of a position, pixels of a 640 px wide image.
        observations: how many of the matches are independent.
        limit: pixels beyond which a match is none.
    """

    sigma: float
    observations: int
    limit: float


def select_model(
    fit: MotionFit,
    query: Rays,
    reference: Rays,
    rotation: np.ndarray,
    homography: np.ndarray | None,
    noise: Noise,
) -> MotionModel:
    """ESSENTIAL where the matches show a translation and depth, else ROTATION or HOMOGRAPHY.

    Args:
        query, reference: [K] rays that the fit is of.
        rotation: the pure rotation that most of them agree with.
        homography: the same, or None.
        noise: of the matches.
    """
    inlier = np.abs(fit.residuals) <= noise.limit
    q, r = query[inlier], reference[inlier]
    squares = {
        MotionModel.ESSENTIAL: fit.residuals[inlier] ** 2,
        MotionModel.ROTATION: squared_rotation_distances(rotation, q, r),
    }
    if homography is not None:
        squares[MotionModel.HOMOGRAPHY] = (
            squared_transfer_distances(homography, q.xy, r.xy) * q.scale * r.scale
        )
    costs = {m: gric(m, squares[m], noise.sigma, noise.observations) for m in squares}
    return min(costs, key=lambda model: costs[model])


def pose_from_fits(
    fits: Sequence[MotionFit], pairs: RayPairs, noise: Noise
) -> RelativePose | None:
    """Rotation and direction with their covariance, or None where the direction is not known.

    The covariance is that of an M-estimator (Huber's sandwich), which takes every match for a
    measurement of its own. Neighbours err together:
    local features are sampled more densely than the network's patches, so it is
    scaled to that of as many measurements as patches are covered.

    Args:
        fits: the likeliest first.
        pairs: that they are of.
        noise: of the matches.
    """
    best = fits[0]
    inlier = np.abs(best.residuals) <= noise.limit
    if inlier.mean() < MIN_SHARE:
        return None
    if float(pairs.fraction_in_front(best.motion, noise.limit)) < MIN_IN_FRONT:
        return None
    covariance = _covariance(best, noise)
    if covariance is None:
        return None
    covariance = _no_less_than(covariance, _scatter_without_blocks(best, pairs, noise.limit))
    if covariance is None:
        return None
    largest = np.linalg.eigvalsh(covariance[:2, :2])[-1]
    if not 0 <= largest <= MAX_DIRECTION_SIGMA**2:
        return None
    rivals = (
        fit for fit in fits[1:] if pairs.fraction_in_front(fit.motion, noise.limit) >= MIN_IN_FRONT
    )
    if not all(_told_apart(best, rival, noise) for rival in rivals):
        return None
    spanned = np.zeros((6, 5))
    spanned[:3, :2] = best.motion.tangents
    spanned[3:, 2:] = np.eye(3)
    return RelativePose(
        translation=best.motion.direction,
        orientation=quaternion(best.motion.rotation),
        covariance=spanned @ covariance @ spanned.T,
        metric=False,
    )


def _covariance(fit: MotionFit, noise: Noise) -> np.ndarray | None:
    """[5, 5] of a step of the motion: two of direction, three of rotation."""
    jacobian, weights = fit.jacobian, fit.weights
    counted = float(weights.sum())
    if counted < 5:
        return None
    normal = (jacobian * weights) @ jacobian.T
    try:
        inverse = np.linalg.inv(normal)
    except np.linalg.LinAlgError:
        return None
    scattered = jacobian * (weights * np.sqrt((noise.sigma**2 + fit.residuals**2) / 2))
    together = max(1.0, counted / noise.observations)
    return np.asarray(together * inverse @ (scattered @ scattered.T) @ inverse)


def _scatter_without_blocks(fit: MotionFit, pairs: RayPairs, limit: float) -> np.ndarray:
    """[5, 5] covariance by the jackknife over blocks of the query's image.

    It sees what errors that hold for a whole facade or for a wrong valley do to the motion, which
    the residuals do not show.
    """
    x, y = pairs.query_xy
    columns = np.searchsorted(np.quantile(x, np.arange(1, BLOCKS) / BLOCKS), x)
    blocks = 2 * columns + (y > np.median(y))
    counted = blocks != np.unique(blocks)[:, None]
    start = stack_motions([fit.motion] * len(counted))
    others = refine_motions(pairs, start, limit, steps=JACKKNIFE_STEPS, counted=counted).motion
    away = others.direction @ fit.motion.tangents
    turns = [rotation_vector(rotation @ fit.motion.rotation.T) for rotation in others.rotation]
    steps = np.concatenate([away, turns], axis=1)
    apart = steps - steps.mean(axis=0)
    return np.asarray((len(steps) - 1) / len(steps) * apart.T @ apart)


def _no_less_than(covariance: np.ndarray, other: np.ndarray) -> np.ndarray | None:
    """The covariance, widened along those directions in which the other one is wider.

    None where it is none: rounding is all that is left of it where the matches, say all on a few
    points, do not determine the motion.
    """
    try:
        root = np.linalg.cholesky(covariance)
    except np.linalg.LinAlgError:
        return None
    whitened = np.linalg.solve(root, np.linalg.solve(root, other).T)
    widths, axes = np.linalg.eigh((whitened + whitened.T) / 2)
    stretched = root @ axes
    return np.asarray((stretched * np.maximum(widths, 1.0)) @ stretched.T)


def _told_apart(best: MotionFit, rival: MotionFit, noise: Noise) -> bool:
    """Whether the matches are for the one motion more clearly than chance may have it.

    Where each motion has matches for it that the other has against it, their difference is no
    more certain than it is even over the matches (Vuong, Econometrica 57(2), 1989). It counts all
    of them, not only those that agree with the best: a wrong motion chooses its own witnesses.
    """
    apart = _against(rival, noise) - _against(best, noise)
    difference = noise.observations * float(np.mean(apart))
    deviation = math.sqrt(noise.observations) * float(np.std(apart))
    return difference >= max(TOLD_APART, TOLD_APART_DEVIATIONS * deviation)


def _against(fit: MotionFit, noise: Noise) -> np.ndarray:
    """[K] what each match speaks against a motion, in chi²; behind a camera, as an outlier."""
    squares = np.minimum((fit.residuals / noise.sigma) ** 2, OUTLIER)
    return np.where(fit.behind, OUTLIER, squares)
