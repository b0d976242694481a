"""The relative pose of query and map image in metres, with a second map image of known pose.

Points that all three images show are triangulated from the two map images; the query's pose is
estimated from them (PnP); then bundle adjustment refines the pose and the points, with the poses
of the map images fixed.
"""

from __future__ import annotations

import cv2
import numpy as np

from fol_vpr.datatypes import Camera, Pose, RelativePose
from fol_vpr.geometry.metric.bundle_adjustment import (
    BundleState,
    ThreeViewTracks,
    bundle_adjust,
    compiled_bundle,
    pose_covariance,
)
from fol_vpr.geometry.rigid import (
    quaternion,
    rotation_from_vector,
    rotation_matrix,
    rotation_vector,
)
from fol_vpr.geometry.two_view.coverage import count_distinct
from fol_vpr.geometry.two_view.epipolar import CameraMotion, RayPairs
from fol_vpr.geometry.two_view.models import CONFIDENCE
from fol_vpr.geometry.two_view.motion_fit import MIN_SIGMA
from fol_vpr.geometry.viewing_rays import Rays, median, project_to_pixels

# Fewest points that a metric pose is estimated from.
MIN_POINTS = 20
# Depths, in baselines, for which the position in the second image is guessed.
DEPTHS = (2.0, 3.0, 4.5, 7.0, 12.0, 30.0)
# Smallest median parallax, in standard deviations of a position.
MIN_PARALLAX = 4.0
# Largest distance of the query from the first camera, and largest standard deviation of its
# position, both as fractions of the median depth of the points.
MAX_DISTANCE = 1.5
MAX_UNCERTAINTY = 0.15
# Largest squared Mahalanobis distance from the epipolar pose: 99.9 % quantile of chi² with five
# degrees of freedom.
MAX_DISAGREEMENT = 20.5


def sample_epipolar_lines(
    first: Rays, camera: Camera, size: tuple[int, int], baseline: Pose
) -> list[np.ndarray]:
    """Positions on the epipolar lines in a second image, one for each depth in `DEPTHS`.

    Args:
        first: K viewing rays of the first image.
        camera: of the second image.
        size: width and height of the second image in pixels.
        baseline: pose of the second camera in the first.

    Returns:
        For each depth [K, 2] pixel positions; NaN where the point is behind the second camera.
    """
    to_second = rotation_matrix(baseline.orientation).T
    distance = float(np.linalg.norm(baseline.position))
    depths = distance * np.array(DEPTHS)
    points = (depths[:, None, None] * first.directions - baseline.position) @ to_second.T
    seen = project_to_pixels(camera, points.reshape(-1, 3), size)
    return list(seen.reshape(len(DEPTHS), -1, 2))


def metric_pose(
    tracks: ThreeViewTracks,
    patches: np.ndarray,
    *,
    limit: float,
    min_patches: int,
    epipolar: RelativePose | None,
) -> RelativePose | None:
    """Estimate the pose of the first camera in the query's camera, in metres.

    Args:
        tracks: K points in three images.
        patches: [K] patch of the query that each point lies in (`patch_ids`); errors of points in
            one patch are taken as fully dependent.
        limit: pixels (of a 640 px wide image) beyond which a position is an outlier.
        min_patches: fewest patches that the inliers must cover.
        epipolar: the relative pose of query and first image alone; a metric pose that contradicts
            it is rejected. None where there is none.

    Returns:
        The pose with its covariance. None where fewer than 20 points or half of the tracks are
        inliers, where they cover too few patches, where the parallax is too small, or where the
        result is too far away, too uncertain or contradicts `epipolar`.
    """
    kept, points = _triangulate(tracks, limit)
    tracks, patches = tracks[kept], patches[kept]
    # What is left out further on covers no new patch, and its search takes most of the time.
    if len(points) < MIN_POINTS or count_distinct(patches) < min_patches:
        return None
    state = _resect(tracks.query, points, limit)
    if state is None:
        return None
    state, linear, weights = bundle_adjust(tracks, state, limit)
    errors = np.sqrt((linear.residuals**2).sum(axis=1) / 3)
    good = (errors <= limit) & (weights > 0) & _in_front(tracks, state)
    observations = count_distinct(patches[good])
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
    depth = median(state.points[good, 2])
    return found if _plausible(found, depth, epipolar) else None


def _triangulate(tracks: ThreeViewTracks, limit: float) -> tuple[np.ndarray, np.ndarray]:
    """Tracks that fit the baseline, as row numbers [M], and their points [M, 3] in the first
    camera, metres.
    """
    distance = float(np.linalg.norm(tracks.baseline.position))
    if distance < 1e-6 or not len(tracks):
        return np.zeros(0, np.int64), np.zeros((0, 3))
    rotation = rotation_matrix(tracks.baseline.orientation)
    motion = CameraMotion(rotation, tracks.baseline.position / distance)
    pairs = RayPairs(tracks.first, tracks.second)
    module = compiled_bundle()
    if module is not None:
        kept, depths = module.triangulate(pairs.packed, rotation, motion.direction, limit)
        return kept, tracks.first.directions[kept] * (distance * depths)[:, None]
    first_depths, second_depths = pairs.depths(motion)
    fits = np.abs(pairs.residuals(motion.essential)) <= limit
    kept = np.flatnonzero(fits & (first_depths > 0) & (second_depths > 0))
    depths = distance * first_depths[kept]
    return kept, tracks.first.directions[kept] * depths[:, None]


def _resect(query: Rays, points: np.ndarray, limit: float) -> BundleState | None:
    """The query's pose from points [K, 3], by RANSAC (AP3P, OpenCV); None where it fails."""
    try:
        solved, rotation, translation, inliers = cv2.solvePnPRansac(
            points,
            query.scale * query.xy,
            np.diag([query.scale, query.scale, 1.0]),
            np.zeros(4),
            iterationsCount=300,
            reprojectionError=2 * limit,
            confidence=CONFIDENCE,
            flags=cv2.SOLVEPNP_AP3P,
        )
    except cv2.error:
        return None
    if not solved or inliers is None or len(inliers) < MIN_POINTS:
        return None
    return BundleState(rotation_from_vector(rotation.ravel()), translation.ravel(), points)


def _in_front(tracks: ThreeViewTracks, state: BundleState) -> np.ndarray:
    """[K] bool: whether the point is in front of all three cameras."""
    in_query = state.points @ state.rotation[2] + state.translation[2]
    forward = rotation_matrix(tracks.baseline.orientation)[:, 2]
    in_second = (state.points - tracks.baseline.position) @ forward
    return np.asarray((in_query > 0) & (state.points[:, 2] > 0) & (in_second > 0))


def _parallax(tracks: ThreeViewTracks, points: np.ndarray) -> float:
    """Median displacement in the second image by the baseline's translation, pixels."""
    to_second = rotation_matrix(tracks.baseline.orientation).T
    shifted = (points - tracks.baseline.position) @ to_second.T
    rotated = points @ to_second.T
    moved = shifted[:, :2] / shifted[:, 2:] - rotated[:, :2] / rotated[:, 2:]
    in_pixels = np.einsum('kij,kj->ki', tracks.second.to_pixels, moved)
    return median(np.linalg.norm(in_pixels, axis=1))


def _plausible(found: RelativePose, depth: float, epipolar: RelativePose | None) -> bool:
    """Whether a pose is near and certain enough for a depth, and agrees with the epipolar pose."""
    largest = float(np.linalg.eigvalsh(found.covariance[:3, :3])[-1])
    length = float(np.linalg.norm(found.translation))
    if length > MAX_DISTANCE * depth or largest > (MAX_UNCERTAINTY * depth) ** 2:
        return False
    return epipolar is None or _disagreement(found, epipolar, length) <= MAX_DISAGREEMENT


def _disagreement(found: RelativePose, epipolar: RelativePose, length: float) -> float:
    """Squared Mahalanobis distance of rotation and direction, with the sum of both covariances."""
    if length < 1e-9:
        return 0.0
    direction = found.translation / length
    to_direction = np.eye(6)
    to_direction[:3, :3] = (np.eye(3) - np.outer(direction, direction)) / length
    turn = rotation_matrix(found.orientation) @ rotation_matrix(epipolar.orientation).T
    difference = np.concatenate([direction - epipolar.translation, rotation_vector(turn)])
    both = to_direction @ found.covariance @ to_direction.T + epipolar.covariance
    return float(difference @ np.linalg.pinv(both, rcond=1e-9) @ difference)
