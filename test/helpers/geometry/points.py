"""Points in space and their images in cameras of known pose."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from fol_vpr.datatypes import Camera, RelativePose
from fol_vpr.geometry.rigid import rotation_from_vector, rotation_matrix, rotation_vector

SIZE = (640, 480)
MATRIX = np.array([[400.0, 0, 319.5], [0, 410.0, 239.5], [0, 0, 1]])
PINHOLE = Camera(SIZE, MATRIX)


def project(points: np.ndarray) -> np.ndarray:
    """[K, 2] pixels of the pinhole for [K, 3] points in its frame."""
    return (points @ MATRIX.T)[:, :2] / points[:, 2:]


@dataclass(frozen=True, eq=False)
class TwoViews:
    """Matched positions [K, 2], and the pose of the reference's camera in the query's camera."""

    query: np.ndarray
    reference: np.ndarray
    rotation: np.ndarray
    translation: np.ndarray


def two_views(
    rng: np.random.Generator,
    translation=(1.0, 0.0, 0.2),
    turn=(0.0, 0.05, 0.0),
    *,
    noise: float = 0.0,
    depth: tuple[float, float] = (5.0, 25.0),
    wrong: float = 0.0,
    count: int = 400,
) -> TwoViews:
    """Matches spread over the reference's image; `wrong` is the fraction of random matches."""
    xy = rng.uniform([0, 0], SIZE, (count, 2))
    rays = np.concatenate([xy, np.ones((count, 1))], axis=1) @ np.linalg.inv(MATRIX).T
    points = rays * rng.uniform(*depth, count)[:, None]
    rotation, translation = rotation_from_vector(np.array(turn)), np.array(translation)
    query = project(points @ rotation.T + translation)
    query += rng.normal(0, noise, query.shape)
    mismatched = int(wrong * count)
    query[:mismatched] = rng.uniform([0, 0], SIZE, (mismatched, 2))
    return TwoViews(query, xy + rng.normal(0, noise, xy.shape), rotation, translation)


def error(found: RelativePose, rotation: np.ndarray, translation: np.ndarray) -> np.ndarray:
    """[6] error of the translation, and of the rotation as a rotation vector."""
    turn = rotation_matrix(found.orientation) @ rotation.T
    return np.concatenate([found.translation - translation, rotation_vector(turn)])


def normalised_square(found: RelativePose, away: np.ndarray) -> float:
    """Squared Mahalanobis distance of an error [6] for the stated covariance."""
    return float(away @ np.linalg.pinv(found.covariance, rcond=1e-9) @ away)
