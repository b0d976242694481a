"""Bundle adjustment of one camera pose and of points that three cameras see.

The poses of the other two cameras are fixed. The points are eliminated from the normal equations
(Schur complement), so that each step solves for six numbers only.
"""

from __future__ import annotations

from dataclasses import dataclass
from types import ModuleType

import numpy as np

from fol_vpr import compiled
from fol_vpr.datatypes import Pose
from fol_vpr.geometry.rigid import cross_matrix, rotation_from_vector, rotation_matrix
from fol_vpr.geometry.two_view.motion_fit import (
    MAD_TO_SIGMA,
    MIN_SIGMA,
    TUKEY,
    spread,
    tukey_weights,
)
from fol_vpr.geometry.viewing_rays import Rays

MAX_STEPS = 8
# Metres and radians: a step whose largest entry is smaller is the last one.
CONVERGED = 1e-4


@dataclass(frozen=True, eq=False)
class ThreeViewTracks:
    """Tracks of K points through the query and two map images.

    Attributes:
        query, first, second: K viewing rays each, all valid.
        baseline: pose of the camera of `second` in the camera of `first`, metres.
    """

    query: Rays
    first: Rays
    second: Rays
    baseline: Pose

    def __getitem__(self, rows: np.ndarray) -> ThreeViewTracks:
        """The tracks of some points, by a mask or by indices [K]."""
        return ThreeViewTracks(
            self.query[rows], self.first[rows], self.second[rows], self.baseline
        )

    def __len__(self) -> int:
        return len(self.query)


@dataclass(frozen=True, eq=False)
class BundleState:
    """What bundle adjustment estimates.

    Attributes:
        rotation: [3, 3] orientation of the first camera in the query's camera.
        translation: [3] its position there, metres.
        points: [K, 3] in the frame of the first camera, metres.
    """

    rotation: np.ndarray
    translation: np.ndarray
    points: np.ndarray


@dataclass(frozen=True, eq=False)
class ReducedResiduals:
    """Reprojection errors with the points eliminated, and their derivatives.

    Attributes:
        residuals: [K, 6] pixels of a 640 px wide image: x and y in the query, the first and the
            second image, projected onto what no step of the point can remove.
        by_pose: [K, 6, 6] derivatives by a step of the pose (translation, then rotation vector).
        by_baseline: [K, 6, 6] derivatives by a step of the pose of the second camera.
        points: [K, 3] Gauss-Newton steps of the points where the pose stays as it is.
        points_by_pose: [K, 3, 6] derivatives of these steps by a step of the pose.
    """

    residuals: np.ndarray
    by_pose: np.ndarray
    by_baseline: np.ndarray
    points: np.ndarray
    points_by_pose: np.ndarray


def bundle_adjust(
    tracks: ThreeViewTracks, state: BundleState, limit: float
) -> tuple[BundleState, ReducedResiduals, np.ndarray]:
    """Refine pose and points by Gauss-Newton with Tukey's weights, at most 8 steps.

    Args:
        tracks: K points in three images.
        state: where to start.
        limit: pixels beyond which an observation does not count.

    Returns:
        The refined pose and points, the linearisation there, and the weights [K], from 0 to 1.
    """
    module = compiled_bundle()
    if module is not None:
        return _adjust_compiled(module, tracks, state, limit)
    linear = _linearise(tracks, state)
    weights = _weights(linear, limit)
    for _ in range(MAX_STEPS):
        normal, gradient = _normal_equations(linear, weights)
        step = -np.linalg.solve(normal + 1e-9 * np.trace(normal) * np.eye(6), gradient)
        points = state.points + linear.points + linear.points_by_pose @ step
        state = BundleState(
            rotation_from_vector(step[3:]) @ state.rotation, state.translation + step[:3], points
        )
        linear = _linearise(tracks, state)
        weights = _weights(linear, limit)
        if float(np.abs(step).max()) < CONVERGED:
            break
    return state, linear, weights


def _adjust_compiled(
    module: ModuleType, tracks: ThreeViewTracks, state: BundleState, limit: float
) -> tuple[BundleState, ReducedResiduals, np.ndarray]:
    """As `bundle_adjust`, by the `module` compiled_bundle.py."""
    count = len(state.points)
    refined = BundleState(
        np.array(state.rotation, order='C'),
        np.array(state.translation),
        np.array(state.points, order='C'),
    )
    linear = ReducedResiduals(
        np.empty((count, 6)),
        np.empty((count, 6, 6)),
        np.empty((count, 6, 6)),
        np.empty((count, 3)),
        np.empty((count, 3, 6)),
    )
    weights = np.empty(count)
    views = (tracks.query, tracks.first, tracks.second)
    module.adjust(
        np.stack([rays.xy for rays in views]),
        np.stack([rays.to_pixels for rays in views]),
        refined.rotation,
        refined.translation,
        np.ascontiguousarray(rotation_matrix(tracks.baseline.orientation).T),
        tracks.baseline.position,
        refined.points,
        linear.residuals,
        linear.by_pose,
        linear.by_baseline,
        linear.points,
        linear.points_by_pose,
        weights,
        float(limit),
        MAX_STEPS,
        CONVERGED,
        (TUKEY, MAD_TO_SIGMA, MIN_SIGMA),
    )
    return refined, linear, weights


def _normal_equations(
    linear: ReducedResiduals, weights: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """The normal matrix [6, 6] and the gradient [6] of the pose."""
    weighted = linear.by_pose * weights[:, None, None]
    normal = np.einsum('kia,kib->ab', weighted, linear.by_pose)
    return normal, np.einsum('kia,ki->a', weighted, linear.residuals)


def compiled_bundle() -> ModuleType | None:
    """The module compiled_bundle.py where it is ready."""
    return compiled.ready('fol_vpr.geometry.metric.compiled_bundle')


def _weights(linear: ReducedResiduals, limit: float) -> np.ndarray:
    errors = np.sqrt((linear.residuals**2).sum(axis=1) / 3)
    return tukey_weights(errors, max(MIN_SIGMA, float(spread(errors, limit))))


def _linearise(tracks: ThreeViewTracks, state: BundleState) -> ReducedResiduals:
    points, rotation = state.points, state.rotation
    rotated = points @ rotation.T
    to_second = rotation_matrix(tracks.baseline.orientation).T
    shifted = points - tracks.baseline.position
    views = (
        (tracks.query, rotated + state.translation, rotation),
        (tracks.first, points, np.eye(3)),
        (tracks.second, shifted @ to_second.T, to_second),
    )
    residuals, by_point, in_camera = [], [], []
    for rays, camera_points, to_camera in views:
        error, derivative = _project(rays, camera_points)
        residuals.append(error)
        in_camera.append(derivative)
        by_point.append(derivative @ to_camera)
    count = len(points)
    by_pose, by_baseline = np.zeros((2, count, 6, 6))
    by_pose[:, :2, :3] = in_camera[0]
    by_pose[:, :2, 3:] = -in_camera[0] @ cross_matrix(rotated)
    by_baseline[:, 4:, :3] = -by_point[2]
    by_baseline[:, 4:, 3:] = by_point[2] @ cross_matrix(shifted)
    return _eliminate_points(
        np.concatenate(residuals, axis=1), np.concatenate(by_point, axis=1), by_pose, by_baseline
    )


def _eliminate_points(
    residuals: np.ndarray, by_point: np.ndarray, by_pose: np.ndarray, by_baseline: np.ndarray
) -> ReducedResiduals:
    """Project the residuals and derivatives onto what the best step of each point leaves.

    Args:
        residuals: [K, 6].
        by_point: [K, 6, 3] derivatives by the point.
        by_pose, by_baseline: [K, 6, 6].
    """
    normal = np.swapaxes(by_point, 1, 2) @ by_point
    # The depth of a far point is almost undetermined; a tiny damping keeps the inverse finite.
    traces = np.trace(normal, axis1=1, axis2=2)[:, None, None]
    to_point = _inverses(normal + 1e-9 * traces * np.eye(3)) @ np.swapaxes(by_point, 1, 2)
    projection = np.eye(6) - by_point @ to_point
    return ReducedResiduals(
        residuals=np.einsum('kij,kj->ki', projection, residuals),
        by_pose=projection @ by_pose,
        by_baseline=projection @ by_baseline,
        points=-np.einsum('kij,kj->ki', to_point, residuals),
        points_by_pose=-to_point @ by_pose,
    )


def _inverses(matrices: np.ndarray) -> np.ndarray:
    """[K, 3, 3] inverses of symmetric matrices, by cofactors: LAPACK takes them one by one."""
    a, b, c = matrices[:, 0].T
    d, e, f = matrices[:, 1, 1], matrices[:, 1, 2], matrices[:, 2, 2]
    xx, xy, xz = d * f - e * e, c * e - b * f, b * e - c * d
    yy, yz, zz = a * f - c * c, b * c - a * e, a * d - b * b
    cofactors = np.stack([xx, xy, xz, xy, yy, yz, xz, yz, zz], axis=1).reshape(-1, 3, 3)
    return np.asarray(cofactors / (a * xx + b * xy + c * xz)[:, None, None])


def _project(rays: Rays, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Reprojection errors [K, 2] in pixels of points [K, 3] in a camera's frame, and derivatives
    [K, 2, 3] by the points.
    """
    depth = np.where(np.abs(points[:, 2:]) > 1e-6, points[:, 2:], 1e-6)
    plane = points[:, :2] / depth
    by_point = np.zeros((len(points), 2, 3))
    by_point[:, 0, 0] = by_point[:, 1, 1] = 1 / depth[:, 0]
    by_point[:, :, 2] = -plane / depth
    error = np.einsum('kij,kj->ki', rays.to_pixels, plane - rays.xy)
    return error, rays.to_pixels @ by_point


def pose_covariance(
    linear: ReducedResiduals, weights: np.ndarray, sigma: float, observations: int, baseline: Pose
) -> np.ndarray | None:
    """Covariance [6, 6] of the pose: translation (metres), then rotation (radians).

    It is the sandwich covariance of an M-estimator, multiplied by points per independent
    observation, plus what the covariance of the baseline contributes.

    Args:
        linear: at the estimate.
        weights: [K], 0 for points that do not count.
        sigma: standard deviation of a position, pixels of a 640 px wide image.
        observations: how many of the points are independent.
        baseline: pose of the second camera in the first, with its covariance if it has one.

    Returns:
        None where the points do not determine the pose.
    """
    weighted = linear.by_pose * weights[:, None, None]
    normal = np.einsum('kia,kib->ab', weighted, linear.by_pose)
    try:
        inverse = np.linalg.inv(normal)
    except np.linalg.LinAlgError:
        return None
    squares = (sigma**2 + (linear.residuals**2).sum(axis=1) / 3) / 2
    scattered = np.einsum('k,kia,kib->ab', weights**2 * squares, linear.by_pose, linear.by_pose)
    points_each = max(1.0, float(weights.sum()) / observations)
    covariance = points_each * inverse @ scattered @ inverse
    if baseline.covariance is not None:
        by_baseline = inverse @ np.einsum('kia,kib->ab', weighted, linear.by_baseline)
        covariance = covariance + by_baseline @ baseline.covariance @ by_baseline.T
    return np.asarray((covariance + covariance.T) / 2)
