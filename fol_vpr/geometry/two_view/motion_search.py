"""The motions that explain matched rays, from wherever a search may have to begin.

Sampling five matches at a time, MAGSAC++ comes near the right motion where the parallax is large
against the error of the positions, and else stops in one of the valleys that the cost has besides.
So the search begins from its essential matrix, from directions all over the sphere, and from what
a homography may stand for; each is refined, and what is left are the valleys.
"""

from __future__ import annotations

import math

import cv2
import numpy as np

from fol_vpr.geometry.rigid import cross_matrix
from fol_vpr.geometry.two_view import models
from fol_vpr.geometry.two_view.epipolar import (
    CameraMotion,
    RayPairs,
    decompose_essential,
    stack_motions,
)
from fol_vpr.geometry.two_view.motion_fit import MotionFit, refine_motions, robust_cost
from fol_vpr.geometry.viewing_rays import Rays

DIRECTIONS = 160
BEGINNINGS = 3
# Matches, evenly taken of all, that tell which directions are worth a refinement.
LOOKED_AT = 150
APART = math.radians(10.0)
MIN_IN_FRONT = 0.75


def find_motions(
    query: Rays,
    reference: Rays,
    pairs: RayPairs,
    rotation: np.ndarray,
    homography: np.ndarray | None,
    limit: float,
) -> list[MotionFit]:
    """Refined motions that differ from each other, the likeliest first; empty where none fits.

    Where there are any that put the matches in front of the cameras, those alone.

    Args:
        query, reference: [K], all valid.
        pairs: of these.
        rotation: the pure rotation that most of them agree with.
        homography: that most of them agree with, reference to query, or None.
        limit: pixels beyond which a match is none.
    """
    essential = models.fit_essential(query, reference, limit)
    some = pairs[:: max(1, len(pairs) // LOOKED_AT)]
    found = (
        [] if essential is None else [_nearest_ahead(decompose_essential(essential), pairs, limit)]
    )
    rotations = np.stack([rotation, *(motion.rotation for motion in found)])
    found += _directions_for(rotations, some, limit) + _motions_of_plane(homography)
    start = stack_motions(found)
    likely = pairs.fraction_in_front(start, limit) >= 0.5
    start = start[likely] if likely.any() else start[:1]
    costs = robust_cost(pairs.residuals(start.essential), limit)
    fits = refine_motions(pairs, start[_distinct(start, costs, APART / 2)], limit)
    seen = pairs.fraction_in_front(fits.motion, limit) >= MIN_IN_FRONT
    fits = fits[seen] if seen.any() else fits
    return [fits[row] for row in _distinct(fits.motion, fits.cost(limit), APART)]


def _distinct(motions: CameraMotion, costs: np.ndarray, apart: float) -> list[int]:
    """Rows of motions [B] by ascending cost, without those that are near a better one."""
    angles = angles_between(motions)
    kept: list[int] = []
    for row in np.argsort(costs):
        if all(angles[row, other] >= apart for other in kept):
            kept.append(int(row))
    return kept


def angles_between(motions: CameraMotion) -> np.ndarray:
    """[B, B] the larger of the angles between directions and between rotations, radians."""
    directions = motions.direction @ motions.direction.T
    flat = motions.rotation.reshape(-1, 9)
    cosines = np.minimum(directions, (flat @ flat.T - 1) / 2)
    return np.asarray(np.arccos(np.clip(cosines, -1, 1)))


def _nearest_ahead(motions: CameraMotion, pairs: RayPairs, limit: float) -> CameraMotion:
    """That of several motions which has the most matches in front of the cameras."""
    return motions[int(np.argmax(pairs.fraction_in_front(motions, limit)))]


def _directions_for(rotations: np.ndarray, pairs: RayPairs, limit: float) -> list[CameraMotion]:
    """The best of directions all over the sphere, for each of some rotations [B, 3, 3]."""
    costs = robust_cost(pairs.residuals(_CROSS @ rotations[:, None]), limit)
    turns, directions = [], []
    for rotation, row in zip(rotations, costs, strict=True):
        numbers: list[int] = []
        for number in np.argsort(row):
            if (np.abs(_SPHERE[numbers] @ _SPHERE[number]) < math.cos(3 * APART)).all():
                numbers.append(int(number))
            if len(numbers) == BEGINNINGS:
                break
        turns += [rotation] * len(numbers)
        directions += numbers
    ways = [CameraMotion(np.stack(turns), sign * _SPHERE[directions]) for sign in (1.0, -1.0)]
    ahead = pairs.fraction_in_front(ways[0], limit) >= pairs.fraction_in_front(ways[1], limit)
    return [ways[0 if first else 1][row] for row, first in enumerate(ahead)]


def _motions_of_plane(homography: np.ndarray | None) -> list[CameraMotion]:
    """Motions that the homography of most matches may stand for.

    A plane is seen alike from two motions (Longuet-Higgins 1986), and with little depth about it
    both are valleys of the epipolar cost.
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
    """[DIRECTIONS, 3] unit vectors evenly over a half of the sphere (Fibonacci's lattice)."""
    number = np.arange(DIRECTIONS) + 0.5
    height = number / DIRECTIONS
    around = np.pi * (1 + math.sqrt(5)) * number
    radius = np.sqrt(1 - height**2)
    return np.stack([radius * np.cos(around), radius * np.sin(around), height], axis=1)


_SPHERE = _half_sphere()
_CROSS = cross_matrix(_SPHERE)
