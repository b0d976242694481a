"""Relative pose of two calibrated images with its covariance, where the matches determine it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from fol_vpr.datatypes import RelativePose
from fol_vpr.geometry.rigid import quaternion, rotation_vector
from fol_vpr.geometry.two_view.epipolar import CameraMotion, RayPairs
from fol_vpr.geometry.two_view.models import (
    MotionModel,
    gric,
    squared_rotation_distances,
    squared_transfer_distances,
)
from fol_vpr.geometry.two_view.motion_fit import MotionFit, refine_motions
from fol_vpr.geometry.viewing_rays import Rays, median

# Largest standard deviation of the direction in radians: beyond it, the covariance in the tangent
# plane of the sphere describes the error poorly.
MAX_DIRECTION_SIGMA = math.radians(5.0)
# Smallest fraction of inliers in front of both cameras.
MIN_IN_FRONT = 0.85
# Smallest fraction of the matches that are inliers: fewer may all lie on a single facade.
MIN_INLIER_FRACTION = 2 / 3
# Smallest difference in chi² between the best motion and another (99 % quantile for one degree of
# freedom), and the smallest in its own standard deviations (99 %, one-sided).
MIN_CHI2_DIFFERENCE = 6.6
MIN_DIFFERENCE_DEVIATIONS = 2.33
# Largest chi² of a match.
MAX_CHI2 = 9.0
# The jackknife divides the query's image into two rows of so many blocks.
BLOCKS = 5
JACKKNIFE_STEPS = 3


@dataclass(frozen=True)
class Noise:
    """Accuracy of the matches.

    Attributes:
        sigma: standard deviation of a position, pixels of a 640 px wide image.
        observations: how many of the matches are independent.
        limit: pixels beyond which a match is an outlier.
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
    """Select the motion model with the smallest GRIC.

    Args:
        fit: the best motion.
        query, reference: K matched viewing rays each that the fit is of.
        rotation: [3, 3] the pure rotation that fits best, reference to query.
        homography: [3, 3] the homography that fits best, or None.
        noise: accuracy of the matches.

    Returns:
        ESSENTIAL where the matches show a translation and depth, else ROTATION or HOMOGRAPHY.
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
    """Relative pose of the best motion with its covariance.

    The covariance is that of an M-estimator (Huber's sandwich), which treats every match as an
    independent measurement. Errors of matches on one patch depend on each other, so it is
    multiplied by matches per patch. Where a jackknife over blocks of the image finds a wider
    spread in some direction, that is taken there.

    Args:
        fits: distinct local minima of the cost, the best first.
        pairs: the matched rays that they are of.
        noise: accuracy of the matches.

    Returns:
        Rotation and direction of the translation (unit length) with covariance [6, 6] of rank 5.
        None where too few matches are inliers or in front of the cameras, where the direction is
        too uncertain, or where another motion explains the matches about as well.
    """
    best = fits[0]
    inlier = np.abs(best.residuals) <= noise.limit
    if inlier.mean() < MIN_INLIER_FRACTION:
        return None
    if float(pairs.fraction_in_front(best.motion, noise.limit)) < MIN_IN_FRONT:
        return None
    covariance = _covariance(best, noise)
    if covariance is None:
        return None
    covariance = _widened(covariance, _jackknife_covariance(best, pairs, noise.limit))
    if covariance is None:
        return None
    largest = np.linalg.eigvalsh(covariance[:2, :2])[-1]
    if not 0 <= largest <= MAX_DIRECTION_SIGMA**2:
        return None
    alternatives = (
        fit for fit in fits[1:] if pairs.fraction_in_front(fit.motion, noise.limit) >= MIN_IN_FRONT
    )
    if not all(_clearly_better(best, other, noise) for other in alternatives):
        return None
    to_pose = np.zeros((6, 5))
    to_pose[:3, :2] = best.motion.tangents
    to_pose[3:, 2:] = np.eye(3)
    return RelativePose(
        translation=best.motion.direction,
        orientation=quaternion(best.motion.rotation),
        covariance=to_pose @ covariance @ to_pose.T,
        metric=False,
    )


def _covariance(fit: MotionFit, noise: Noise) -> np.ndarray | None:
    """[5, 5] sandwich covariance of a step of `CameraMotion.perturbed`, radians²."""
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
    matches_each = max(1.0, counted / noise.observations)
    return np.asarray(matches_each * inverse @ (scattered @ scattered.T) @ inverse)


def _jackknife_covariance(fit: MotionFit, pairs: RayPairs, limit: float) -> np.ndarray:
    """[5, 5] covariance by the jackknife over blocks of the query's image.

    It includes errors that all matches of a region share, such as those on one facade, which the
    residuals do not show.
    """
    x, y = pairs.query_xy
    columns = np.searchsorted(np.quantile(x, np.arange(1, BLOCKS) / BLOCKS), x)
    blocks = 2 * columns + (y > median(y))
    counted = blocks != np.array(sorted(set(blocks.tolist())))[:, None]
    start = CameraMotion(
        np.repeat(fit.motion.rotation[None], len(counted), axis=0),
        np.repeat(fit.motion.direction[None], len(counted), axis=0),
    )
    others = refine_motions(pairs, start, limit, max_steps=JACKKNIFE_STEPS, counted=counted).motion
    shifts = others.direction @ fit.motion.tangents
    turns = [rotation_vector(turn) for turn in others.rotation @ fit.motion.rotation.T]
    steps = np.concatenate([shifts, turns], axis=1)
    centred = steps - steps.mean(axis=0)
    return np.asarray((len(steps) - 1) / len(steps) * centred.T @ centred)


def _widened(covariance: np.ndarray, other: np.ndarray) -> np.ndarray | None:
    """The covariance, widened along those directions in which the other one is wider.

    None where it is not positive definite, because the matches do not determine the motion.
    """
    try:
        root = np.linalg.cholesky(covariance)
    except np.linalg.LinAlgError:
        return None
    whitened = np.linalg.solve(root, np.linalg.solve(root, other).T)
    widths, axes = np.linalg.eigh((whitened + whitened.T) / 2)
    stretched = root @ axes
    return np.asarray((stretched * np.maximum(widths, 1.0)) @ stretched.T)


def _clearly_better(best: MotionFit, other: MotionFit, noise: Noise) -> bool:
    """Whether the matches prefer the best motion to another one significantly.

    Vuong's test (Econometrica 57(2), 1989): the difference of chi² must be large compared with its
    scatter over the matches. All matches count, not only the inliers of the best motion, because
    a wrong motion has inliers of its own.
    """
    differences = _chi2(other, noise) - _chi2(best, noise)
    difference = noise.observations * float(np.mean(differences))
    deviation = math.sqrt(noise.observations) * float(np.std(differences))
    return difference >= max(MIN_CHI2_DIFFERENCE, MIN_DIFFERENCE_DEVIATIONS * deviation)


def _chi2(fit: MotionFit, noise: Noise) -> np.ndarray:
    """[K] chi² of each match, at most 9, which it also is for a match behind a camera."""
    squares = np.minimum((fit.residuals / noise.sigma) ** 2, MAX_CHI2)
    return np.where(fit.behind, MAX_CHI2, squares)
