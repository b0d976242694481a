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

from fol_vpr.verification.geometry import models
from fol_vpr.verification.geometry.epipolar import (
    Fit,
    Motion,
    Pairs,
    motions_of,
    refine,
    robust_cost,
)
from fol_vpr.verification.geometry.rays import Rays

DIRECTIONS = 160
BEGINNINGS = 3
REFINED = 5
APART = math.radians(10.0)
LEAST_IN_FRONT = 0.75


def find_motions(
    query: Rays,
    reference: Rays,
    pairs: Pairs,
    rotation: np.ndarray,
    homography: np.ndarray | None,
    limit: float,
) -> list[Fit]:
    """Refined motions that differ from each other, the likeliest first; empty where none fits.

    Where there are any that put the matches in front of the cameras, those alone.

    Args:
        query, reference: [K], all valid.
        pairs: of these.
        rotation: the pure rotation that most of them agree with.
        homography: that most of them agree with, reference to query, or None.
        limit: pixels beyond which a match is none.
    """
    beginnings = []
    essential = models.fit_essential(query, reference, limit)
    rotations = [rotation]
    if essential is not None:
        best = max(motions_of(essential), key=lambda motion: pairs.in_front(motion, limit))
        beginnings.append(best)
        rotations.append(best.rotation)
    for turn in rotations:
        beginnings += _directions_for(turn, pairs, limit)
    beginnings += _motions_of_plane(homography)
    fits: list[Fit] = []
    beginnings = [m for m in beginnings if pairs.in_front(m, limit) >= 0.5] or beginnings[:1]
    costs = [float(robust_cost(pairs.residuals(m.essential), limit)) for m in beginnings]
    for number in np.argsort(costs):
        start = beginnings[number]
        if all(angle_between(start, fit.motion) >= APART / 2 for fit in fits):
            fits.append(refine(pairs, start, limit))
        if len(fits) == REFINED:
            break
    seen = [fit for fit in fits if pairs.in_front(fit.motion, limit) >= LEAST_IN_FRONT]
    fits = sorted(seen or fits, key=lambda fit: fit.cost(limit))
    distinct: list[Fit] = []
    for fit in fits:
        if all(angle_between(fit.motion, other.motion) >= APART for other in distinct):
            distinct.append(fit)
    return distinct


def angle_between(first: Motion, second: Motion) -> float:
    """The larger of the angles between directions and between rotations, radians."""
    directions = math.acos(float(np.clip(first.direction @ second.direction, -1, 1)))
    trace = float(np.sum(first.rotation * second.rotation))
    return max(directions, math.acos(float(np.clip((trace - 1) / 2, -1, 1))))


def _directions_for(rotation: np.ndarray, pairs: Pairs, limit: float) -> list[Motion]:
    """The best of directions all over the sphere for a given rotation."""
    costs = robust_cost(pairs.residuals(_CROSS @ rotation), limit)
    found: list[Motion] = []
    for number in np.argsort(costs):
        direction = _SPHERE[number]
        if all(abs(float(direction @ other.direction)) < math.cos(3 * APART) for other in found):
            ways = [Motion(rotation, sign * direction) for sign in (1.0, -1.0)]
            found.append(max(ways, key=lambda motion: pairs.in_front(motion, limit)))
        if len(found) == BEGINNINGS:
            break
    return found


def _motions_of_plane(homography: np.ndarray | None) -> list[Motion]:
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
            found.append(Motion(np.asarray(rotation), translation.ravel() / length))
    return found


def _half_sphere() -> np.ndarray:
    """[DIRECTIONS, 3] unit vectors evenly over a half of the sphere (Fibonacci's lattice)."""
    number = np.arange(DIRECTIONS) + 0.5
    height = number / DIRECTIONS
    around = np.pi * (1 + math.sqrt(5)) * number
    radius = np.sqrt(1 - height**2)
    return np.stack([radius * np.cos(around), radius * np.sin(around), height], axis=1)


_SPHERE = _half_sphere()
_CROSS = np.cross(np.eye(3)[None], _SPHERE[:, None, :]).transpose(0, 2, 1) * -1.0
