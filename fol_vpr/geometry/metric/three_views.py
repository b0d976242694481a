"""A relative pose in metres, by two map views whose distance is known.

What the first view, the second and the query all see is triangulated from the views and resected
by the query; then the query's pose and the points are adjusted together, with the views fixed.
"""

from __future__ import annotations

import cv2
import numpy as np

from fol_vpr.datatypes import Camera, Pose, RelativePose
from fol_vpr.geometry.metric.bundle_adjustment import (
    MIN_SIGMA,
    BundleState,
    ThreeViewTracks,
    bundle_adjust,
    pose_covariance,
)
from fol_vpr.geometry.rigid import (
    quaternion,
    rotation_from_vector,
    rotation_matrix,
    rotation_vector,
)
from fol_vpr.geometry.two_view.epipolar import CameraMotion, RayPairs
from fol_vpr.geometry.two_view.models import CONFIDENCE
from fol_vpr.geometry.viewing_rays import Rays, project_to_pixels

MIN_POINTS = 20
# Depths, in baselines, at which a point is looked for in the second view.
DEPTHS = (2.0, 3.0, 4.5, 7.0, 12.0, 30.0)
# A baseline counts where the points' parallax is this many times the error of a position.
MIN_PARALLAX = 4.0
# Of the depth of the scene: how far away the query may be, and how uncertain its position.
FARTHEST = 1.5
MAX_UNCERTAINTY = 0.15
# Squared normalised difference from the epipolar pose: 99.9 % of five degrees of freedom.
MAX_DISAGREEMENT = 20.5


def sample_epipolar_lines(
    first: Rays, camera: Camera, size: tuple[int, int], baseline: Pose
) -> list[np.ndarray]:
    """Where points may be in a second view, for depths of so many baselines each.

    Args:
        first: [K] rays of the first view.
        camera, size: of the second view, and of its image in pixels.
        baseline: pose of its camera in that of the first.

    Returns:
        For each depth [K, 2] pixel positions, NaN behind the camera.
    """
    to_second = rotation_matrix(baseline.orientation).T
    distance = float(np.linalg.norm(baseline.position))
    guesses = []
    for baselines in DEPTHS:
        points = (first.directions * (baselines * distance) - baseline.position) @ to_second.T
        guesses.append(project_to_pixels(camera, points, size))
    return guesses


def metric_pose(
    tracks: ThreeViewTracks,
    patches: np.ndarray,
    *,
    limit: float,
    min_patches: int,
    epipolar: RelativePose | None,
) -> RelativePose | None:
    """Pose of the first view's camera in the query's, in metres, or None where it is not measured.

    Args:
        tracks: [K].
        patches: [K] number of the part of the image that each stands in; they err together.
        limit: pixels beyond which a position is wrong.
        min_patches: that the points must coverage.
        epipolar: what query and first view alone say, to agree with.
    """
    kept, points = _triangulate(tracks, limit)
    if len(points) < MIN_POINTS:
        return None
    tracks, patches = tracks[kept], patches[kept]
    state = _resect(tracks.query, points, limit)
    if state is None:
        return None
    state, linear, weights = bundle_adjust(tracks, state, limit)
    errors = np.sqrt((linear.residuals**2).sum(axis=1) / 3)
    good = (errors <= limit) & (weights > 0) & _in_front(tracks, state)
    observations = len(np.unique(patches[good]))
    if good.sum() < MIN_POINTS or observations < min_patches:
        return None
    if good.sum() < 0.5 * len(tracks):
        return None
    sigma = max(MIN_SIGMA, float(np.sqrt(np.mean(errors[good] ** 2))))
    if _parallax(tracks[good], state.points[good]) < MIN_PARALLAX * sigma:
        return None
    covariance = pose_covariance(linear, weights * good, sigma, observations, tracks.baseline)
    if covariance is None:
        return None
    found = RelativePose(state.translation, quaternion(state.rotation), covariance, metric=True)
    depth = float(np.median(state.points[good, 2]))
    return found if _plausible(found, depth, epipolar) else None


def _triangulate(tracks: ThreeViewTracks, limit: float) -> tuple[np.ndarray, np.ndarray]:
    """Rows that the two views agree about, and their points [K, 3] in the first camera."""
    distance = float(np.linalg.norm(tracks.baseline.position))
    if distance < 1e-6 or not len(tracks):
        return np.zeros(0, np.int64), np.zeros((0, 3))
    rotation = rotation_matrix(tracks.baseline.orientation)
    motion = CameraMotion(rotation, tracks.baseline.position / distance)
    pairs = RayPairs(tracks.first, tracks.second)
    of_first, of_second = pairs.depths(motion)
    agree = np.abs(pairs.residuals(motion.essential)) <= limit
    kept = np.flatnonzero(agree & (of_first > 0) & (of_second > 0))
    depths = distance * of_first[kept]
    return kept, tracks.first.directions[kept] * depths[:, None]


def _resect(query: Rays, points: np.ndarray, limit: float) -> BundleState | None:
    """The query's pose by samples of points (OpenCV)."""
    try:
        solved, rotation, translation, inliers = cv2.solvePnPRansac(
            points,
            query.scale * query.xy,
            np.diag([query.scale, query.scale, 1.0]),
            np.zeros(4),
            iterationsCount=300,
            reprojectionError=2 * limit,
            confidence=CONFIDENCE,
            flags=cv2.SOLVEPNP_SQPNP,
        )
    except cv2.error:
        return None
    if not solved or inliers is None or len(inliers) < MIN_POINTS:
        return None
    return BundleState(rotation_from_vector(rotation.ravel()), translation.ravel(), points)


def _in_front(tracks: ThreeViewTracks, state: BundleState) -> np.ndarray:
    """[K] bool, in front of all three cameras."""
    in_query = state.points @ state.rotation[2] + state.translation[2]
    forward = rotation_matrix(tracks.baseline.orientation)[:, 2]
    in_second = (state.points - tracks.baseline.position) @ forward
    return np.asarray((in_query > 0) & (state.points[:, 2] > 0) & (in_second > 0))


def _parallax(tracks: ThreeViewTracks, points: np.ndarray) -> float:
    """Pixels between the views by their distance alone, in the middle of the points."""
    to_second = rotation_matrix(tracks.baseline.orientation).T
    shifted = (points - tracks.baseline.position) @ to_second.T
    still = points @ to_second.T
    moved = shifted[:, :2] / shifted[:, 2:] - still[:, :2] / still[:, 2:]
    in_pixels = np.einsum('kij,kj->ki', tracks.second.to_pixels, moved)
    return float(np.median(np.linalg.norm(in_pixels, axis=1)))


def _plausible(found: RelativePose, depth: float, epipolar: RelativePose | None) -> bool:
    """Near enough, certain enough, and as the query and the first view alone have it."""
    largest = float(np.linalg.eigvalsh(found.covariance[:3, :3])[-1])
    length = float(np.linalg.norm(found.translation))
    if length > FARTHEST * depth or largest > (MAX_UNCERTAINTY * depth) ** 2:
        return False
    return epipolar is None or _disagreement(found, epipolar, length) <= MAX_DISAGREEMENT


def _disagreement(found: RelativePose, epipolar: RelativePose, length: float) -> float:
    """Squared difference of rotation and direction in units of both covariances."""
    if length < 1e-9:
        return 0.0
    direction = found.translation / length
    to_direction = np.eye(6)
    to_direction[:3, :3] = (np.eye(3) - np.outer(direction, direction)) / length
    turn = rotation_matrix(found.orientation) @ rotation_matrix(epipolar.orientation).T
    apart = np.concatenate([direction - epipolar.translation, rotation_vector(turn)])
    both = to_direction @ found.covariance @ to_direction.T + epipolar.covariance
    return float(apart @ np.linalg.pinv(both, rcond=1e-9) @ apart)
