"""Adjustment of a pose and of points that three images see, the poses of two of them fixed."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from fol_vpr.datatypes import Pose
from fol_vpr.geometry.rigid import cross_matrix, rotation_from_vector, rotation_matrix
from fol_vpr.geometry.two_view.motion_fit import spread, tukey_weights
from fol_vpr.geometry.viewing_rays import Rays

STEPS = 8
CONVERGED = 1e-6
# Pixels that an aligned position is off at least, one standard deviation.
MIN_SIGMA = 0.25


@dataclass(frozen=True, eq=False)
class ThreeViewTracks:
    """What three images see of the same points.

    Attributes:
        query, first, second: [K] rays, all valid.
        baseline: pose of the camera of `second` in that of `first`, metres.
    """

    query: Rays
    first: Rays
    second: Rays
    baseline: Pose

    def __getitem__(self, rows: np.ndarray) -> ThreeViewTracks:
        """Some of them."""
        return ThreeViewTracks(
            self.query[rows], self.first[rows], self.second[rows], self.baseline
        )

    def __len__(self) -> int:
        return len(self.query)


@dataclass(frozen=True, eq=False)
class BundleState:
    """Points [K, 3] in the first camera, which is at `rotation`, `translation` in the query's."""

    rotation: np.ndarray
    translation: np.ndarray
    points: np.ndarray


@dataclass(frozen=True, eq=False)
class ReducedResiduals:
    """Residuals [K, 6] in pixels with the points eliminated, and their derivatives.

    Attributes:
        by_pose, by_baseline: [K, 6, 6] by the query's pose and by that of the second view.
        points: [K, 3] steps of the points alone; `points_by_pose` [K, 3, 6] what a step of the
            pose adds to them.
    """

    residuals: np.ndarray
    by_pose: np.ndarray
    by_baseline: np.ndarray
    points: np.ndarray
    points_by_pose: np.ndarray


def bundle_adjust(
    tracks: ThreeViewTracks, state: BundleState, limit: float
) -> tuple[BundleState, ReducedResiduals, np.ndarray]:
    """Gauss-Newton over the pose, with the points eliminated, and Tukey's weights."""
    linear = _linearise(tracks, state)
    weights = _weights(linear, limit)
    for _ in range(STEPS):
        weighted = linear.by_pose * weights[:, None, None]
        normal = np.einsum('kia,kib->ab', weighted, linear.by_pose)
        pull = np.einsum('kia,ki->a', weighted, linear.residuals)
        step = -np.linalg.solve(normal + 1e-9 * np.trace(normal) * np.eye(6), pull)
        points = state.points + linear.points + linear.points_by_pose @ step
        state = BundleState(
            rotation_from_vector(step[3:]) @ state.rotation, state.translation + step[:3], points
        )
        linear = _linearise(tracks, state)
        weights = _weights(linear, limit)
        if float(np.abs(step).max()) < CONVERGED:
            break
    return state, linear, weights


def _weights(linear: ReducedResiduals, limit: float) -> np.ndarray:
    errors = np.sqrt((linear.residuals**2).sum(axis=1) / 3)
    return tukey_weights(errors, max(MIN_SIGMA, float(spread(errors, limit))))


def _linearise(tracks: ThreeViewTracks, state: BundleState) -> ReducedResiduals:
    points, rotation = state.points, state.rotation
    turned = points @ rotation.T
    to_second = rotation_matrix(tracks.baseline.orientation).T
    shifted = points - tracks.baseline.position
    views = (
        (tracks.query, turned + state.translation, rotation),
        (tracks.first, points, np.eye(3)),
        (tracks.second, shifted @ to_second.T, to_second),
    )
    residuals, by_point, by_seen = [], [], []
    for rays, seen, turn in views:
        error, derivative = _project(rays, seen)
        residuals.append(error)
        by_seen.append(derivative)
        by_point.append(derivative @ turn)
    count = len(points)
    by_pose, by_baseline = np.zeros((2, count, 6, 6))
    by_pose[:, :2, :3] = by_seen[0]
    by_pose[:, :2, 3:] = -by_seen[0] @ cross_matrix(turned)
    by_baseline[:, 4:, :3] = -by_point[2]
    by_baseline[:, 4:, 3:] = by_point[2] @ cross_matrix(shifted)
    return _eliminated(
        np.concatenate(residuals, axis=1), np.concatenate(by_point, axis=1), by_pose, by_baseline
    )


def _eliminated(
    residuals: np.ndarray, by_point: np.ndarray, by_pose: np.ndarray, by_baseline: np.ndarray
) -> ReducedResiduals:
    """What is left once each point stands where it fits best."""
    normal = np.swapaxes(by_point, 1, 2) @ by_point
    # Far points are hardly held along their ray; a tiny damping keeps the inverse finite.
    traces = np.trace(normal, axis1=1, axis2=2)[:, None, None]
    to_point = np.linalg.solve(normal + 1e-9 * traces * np.eye(3), np.swapaxes(by_point, 1, 2))
    away = np.eye(6) - by_point @ to_point
    return ReducedResiduals(
        residuals=np.einsum('kij,kj->ki', away, residuals),
        by_pose=away @ by_pose,
        by_baseline=away @ by_baseline,
        points=-np.einsum('kij,kj->ki', to_point, residuals),
        points_by_pose=-to_point @ by_pose,
    )


def _project(rays: Rays, seen: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Errors [K, 2] in pixels of points [K, 3] in a camera, and derivatives [K, 2, 3] by them."""
    depth = np.where(np.abs(seen[:, 2:]) > 1e-6, seen[:, 2:], 1e-6)
    plane = seen[:, :2] / depth
    by_seen = np.zeros((len(seen), 2, 3))
    by_seen[:, 0, 0] = by_seen[:, 1, 1] = 1 / depth[:, 0]
    by_seen[:, :, 2] = -plane / depth
    error = np.einsum('kij,kj->ki', rays.to_pixels, plane - rays.xy)
    return error, rays.to_pixels @ by_seen


def pose_covariance(
    linear: ReducedResiduals, weights: np.ndarray, sigma: float, observations: int, baseline: Pose
) -> np.ndarray | None:
    """[6, 6] of the query's pose, from the positions and from what the views' poses say."""
    weighted = linear.by_pose * weights[:, None, None]
    normal = np.einsum('kia,kib->ab', weighted, linear.by_pose)
    try:
        inverse = np.linalg.inv(normal)
    except np.linalg.LinAlgError:
        return None
    squares = (sigma**2 + (linear.residuals**2).sum(axis=1) / 3) / 2
    scattered = np.einsum('k,kia,kib->ab', weights**2 * squares, linear.by_pose, linear.by_pose)
    together = max(1.0, float(weights.sum()) / observations)
    covariance = together * inverse @ scattered @ inverse
    if baseline.covariance is not None:
        by_baseline = inverse @ np.einsum('kia,kib->ab', weighted, linear.by_baseline)
        covariance = covariance + by_baseline @ baseline.covariance @ by_baseline.T
    return np.asarray((covariance + covariance.T) / 2)
