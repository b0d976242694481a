"""Finds all relative motions that explain matched rays: the local minima of the robust cost.

RANSAC finds the right motion where the parallax is large compared with the errors of the
positions; where it is not, it may end in another local minimum. So the search starts from its
essential matrix, from directions spread over the sphere, and from the motions of a homography.
Each start is refined; what remains are the distinct local minima.
"""

from __future__ import annotations

import math

import cv2
import numpy as np

from fol_vpr.geometry.rigid import cross_matrix
from fol_vpr.geometry.two_view.epipolar import (
    CameraMotion,
    RayPairs,
    compiled_motions,
    decompose_essential,
    stack_motions,
)
from fol_vpr.geometry.two_view.motion_fit import MotionFit, refine_motions, robust_cost

# Directions on a half of the sphere, and how many of them are refined for each rotation.
DIRECTIONS = 160
STARTS_PER_ROTATION = 2
# Matches, evenly spaced in the list, by which the directions are compared.
SAMPLED_MATCHES = 75
# Radians: motions that differ less are the same local minimum.
MIN_SEPARATION = math.radians(10.0)
# Steps of refinement after which starts that have come so close are joined.
MEETING_STEPS = 3
# Smallest fraction of inliers in front of both cameras.
MIN_IN_FRONT = 0.75


def find_motions(
    pairs: RayPairs,
    rotation: np.ndarray,
    homography: np.ndarray | None,
    essential: np.ndarray | None,
    limit: float,
) -> list[MotionFit]:
    """Find the distinct local minima of the robust epipolar cost, by ascending cost.

    Where any motion has at least 75 % of its inliers in front of both cameras, only such motions
    are returned.

    Args:
        pairs: K matched viewing rays, all valid.
        rotation: [3, 3] the pure rotation that fits best, reference to query.
        homography: [3, 3] the homography that fits best, reference to query, or None.
        essential: [3, 3] an essential matrix that many matches agree with, or None.
        limit: pixels (640 px wide image) beyond which a match is an outlier.
    """
    sampled = pairs[:: max(1, len(pairs) // SAMPLED_MATCHES)]
    found = (
        [] if essential is None else [_most_in_front(decompose_essential(essential), pairs, limit)]
    )
    rotations = np.stack([rotation, *(motion.rotation for motion in found)])
    found += _best_directions(rotations, sampled, limit) + _motions_of_plane(homography)
    start = stack_motions(found)
    plausible = pairs.fraction_in_front(start, limit) >= 0.5
    start = start[plausible] if plausible.any() else start[:1]
    costs = _costs(pairs, start.essential, limit)
    start = start[_distinct(start, costs, MIN_SEPARATION / 2)]
    # Most starts have met others after a few steps, and need not be refined any further.
    nearly = refine_motions(pairs, start, limit, max_steps=MEETING_STEPS)
    kept = _distinct(nearly.motion, nearly.cost(limit), MIN_SEPARATION)
    fits = refine_motions(pairs, nearly.motion[kept], limit)
    in_front = pairs.fraction_in_front(fits.motion, limit) >= MIN_IN_FRONT
    fits = fits[in_front] if in_front.any() else fits
    return [fits[row] for row in _distinct(fits.motion, fits.cost(limit), MIN_SEPARATION)]


def _distinct(motions: CameraMotion, costs: np.ndarray, separation: float) -> list[int]:
    """Rows of B motions by ascending cost, without those closer than `separation` to a better one.

    Args:
        motions: B motions.
        costs: [B].
        separation: radians; see `angles_between`.
    """
    angles = angles_between(motions)
    kept: list[int] = []
    for row in np.argsort(costs):
        if all(angles[row, other] >= separation for other in kept):
            kept.append(int(row))
    return kept


def angles_between(motions: CameraMotion) -> np.ndarray:
    """[B, B] the larger of the angle between directions and that between rotations, radians."""
    directions = motions.direction @ motions.direction.T
    flat = motions.rotation.reshape(-1, 9)
    cosines = np.minimum(directions, (flat @ flat.T - 1) / 2)
    return np.asarray(np.arccos(np.clip(cosines, -1, 1)))


def _costs(pairs: RayPairs, essentials: np.ndarray, limit: float) -> np.ndarray:
    """[...] robust cost of essential matrices [..., 3, 3]."""
    module = compiled_motions()
    if module is None:
        return robust_cost(pairs.residuals(essentials), limit)
    found = module.costs(pairs.packed, essentials.reshape(-1, 3, 3), limit)
    return np.asarray(found.reshape(essentials.shape[:-2]))


def _most_in_front(motions: CameraMotion, pairs: RayPairs, limit: float) -> CameraMotion:
    """The motion with the largest fraction of inliers in front of both cameras."""
    return motions[int(np.argmax(pairs.fraction_in_front(motions, limit)))]


def _best_directions(rotations: np.ndarray, pairs: RayPairs, limit: float) -> list[CameraMotion]:
    """For each rotation [B, 3, 3], motions with the directions of smallest cost on the sphere."""
    costs = _costs(pairs, _CROSS @ rotations[:, None], limit)
    repeated, directions = [], []
    for rotation, row in zip(rotations, costs, strict=True):
        numbers: list[int] = []
        order = np.argsort(row)
        while len(order) and len(numbers) < STARTS_PER_ROTATION:
            numbers.append(int(order[0]))
            order = order[~_CLOSE[order[0], order]]
        repeated += [rotation] * len(numbers)
        directions += numbers
    both_signs = [
        CameraMotion(np.stack(repeated), sign * _SPHERE[directions]) for sign in (1.0, -1.0)
    ]
    fractions = [pairs.fraction_in_front(motions, limit) for motions in both_signs]
    positive = fractions[0] >= fractions[1]
    return [both_signs[0 if first else 1][row] for row, first in enumerate(positive)]


def _motions_of_plane(homography: np.ndarray | None) -> list[CameraMotion]:
    """The motions that a homography [3, 3] decomposes into (OpenCV).

    Two motions explain the images of a plane equally well (Longuet-Higgins 1986), and where the
    scene has little depth besides, both are local minima of the epipolar cost.
    """
    if homography is None:
        return []
    _, rotations, translations, _ = cv2.decomposeHomographyMat(homography, np.eye(3))
    found = []
    for rotation, translation in zip(rotations, translations, strict=True):
        length = float(np.linalg.norm(translation))
        if length > 1e-6:
            found.append(CameraMotion(np.asarray(rotation), translation.ravel() / length))
    return found


def _half_sphere() -> np.ndarray:
    """[DIRECTIONS, 3] unit vectors spread evenly over a half of the sphere (Fibonacci lattice)."""
    number = np.arange(DIRECTIONS) + 0.5
    height = number / DIRECTIONS
    around = np.pi * (1 + math.sqrt(5)) * number
    radius = np.sqrt(1 - height**2)
    return np.stack([radius * np.cos(around), radius * np.sin(around), height], axis=1)


_SPHERE = _half_sphere()
_CROSS = cross_matrix(_SPHERE)
# [DIRECTIONS, DIRECTIONS] bool: whether two of them, or their opposites, are too close to be
# starts both.
_CLOSE = np.abs(_SPHERE @ _SPHERE.T) >= math.cos(3 * MIN_SEPARATION)
