"""Which motion model explains matched positions best.

Torr's geometric robust information criterion (GRIC, IJCV 50(1), 2002) weighs the errors against
what a model can bend to: a fundamental or essential matrix leaves every match free along a line,
a homography or a rotation does not. Where the latter explain the matches as well, as in front of
one wall or on the spot, the former are made up.
"""

from __future__ import annotations

from enum import Enum

import cv2
import numpy as np

from fol_vpr.geometry.rigid import cross_matrix, rotation_from_vector
from fol_vpr.geometry.viewing_rays import Rays

CONFIDENCE = 0.999
MAX_ITERATIONS = 2000
# Where the likeliest matches are sampled first, more of them find hardly anything better.
MAX_ORDERED_ITERATIONS = 500
MIN_OF_HOMOGRAPHY = 8
ROTATION_STARTS = 8
ROTATION_STEPS = 5


class MotionModel(str, Enum):
    """What relates two images; the value is how it is called in words."""

    NONE = ''
    ESSENTIAL = 'essential'
    ROTATION = 'rotation'
    FUNDAMENTAL = 'fundamental'
    HOMOGRAPHY = 'homography'


# Dimension of what a match is left free on, and parameters.
DIMENSIONS = {
    MotionModel.ESSENTIAL: (3, 5),
    MotionModel.FUNDAMENTAL: (3, 7),
    MotionModel.HOMOGRAPHY: (2, 8),
    MotionModel.ROTATION: (2, 3),
}


def gric(model: MotionModel, squares: np.ndarray, sigma: float, observations: float) -> float:
    """Torr's criterion, the less the better.

    Args:
        squares: [K] squared distances in the four coordinates of a match, pixels².
        sigma: standard deviation of one coordinate, pixels.
        observations: how many of the matches are independent.
    """
    dimension, parameters = DIMENSIONS[model]
    capped = np.minimum(squares / sigma**2, 2.0 * (4 - dimension))
    structure = dimension * np.log(4.0) * observations
    return float(
        observations * np.mean(capped) + structure + parameters * np.log(4.0 * observations)
    )


def fit_fundamental(
    query: np.ndarray,
    reference: np.ndarray,
    threshold: float,
    cosines: np.ndarray | None = None,
) -> tuple[np.ndarray, np.ndarray] | None:
    """F [3, 3] of `r' F q = 0`, and which [K] agree (OpenCV); None where none does.

    Args:
        query, reference: [K, 2] pixels.
        threshold: pixels.
        cosines: [K] how much alike matches are. Those that are more so are sampled first
            (PROSAC), which takes a quarter of the samples; without it this is MAGSAC++.
    """
    order, method, iterations = _sampling(len(query), cosines)
    try:
        matrix, mask = cv2.findFundamentalMat(
            query[order],
            reference[order],
            method,
            ransacReprojThreshold=threshold,
            confidence=CONFIDENCE,
            maxIters=iterations,
        )
    except cv2.error:
        # OpenCV raises on degenerate point sets (all on one line, say): nothing was verified.
        return None
    # OpenCV's stubs do not know that there may be neither, or one without the other.
    fundamental, agree = np.asarray(matrix), np.asarray(mask)
    if not fundamental.ndim or not agree.ndim:
        return None
    inlier = np.zeros(len(query), bool)
    inlier[order] = agree.ravel().astype(bool)
    return fundamental[:3], inlier


def fit_essential(
    query: Rays, reference: Rays, threshold: float, cosines: np.ndarray | None = None
) -> np.ndarray | None:
    """E [3, 3] of `q' E r = 0` (OpenCV); None where no five matches agree.

    Args:
        query, reference: [K], all valid.
        threshold: pixels of a 640 px wide image.
        cosines: as of `fit_fundamental`.
    """
    # OpenCV's sampling is made for numbers of the size of pixels.
    size = float(np.sqrt(query.scale * reference.scale))
    order, method, iterations = _sampling(len(query), cosines)
    try:
        matrix, _ = cv2.findEssentialMat(
            size * reference.xy[order],
            size * query.xy[order],
            np.diag([size, size, 1.0]),
            method=method,
            prob=CONFIDENCE,
            threshold=threshold,
            maxIters=iterations,
        )
    except cv2.error:
        return None
    sound = matrix is not None and matrix.shape == (3, 3) and np.isfinite(matrix).all()
    return np.asarray(matrix) if sound else None


def _sampling(count: int, cosines: np.ndarray | None) -> tuple[np.ndarray, int, int]:
    """In which order matches are given to OpenCV, how it samples them, and how often at most."""
    if cosines is None:
        return np.arange(count), cv2.USAC_MAGSAC, MAX_ITERATIONS
    return np.argsort(-cosines, kind='stable'), cv2.USAC_PROSAC, MAX_ORDERED_ITERATIONS


def homography_of_rays(query: Rays, reference: Rays, threshold: float) -> np.ndarray | None:
    """H [3, 3] that takes directions in the reference to those in the query; None where none does.

    Args:
        query, reference: [K], all valid.
        threshold: pixels of a 640 px wide image.
    """
    found = fit_homography(query.scale * query.xy, reference.scale * reference.xy, threshold)
    if found is None:
        return None
    to_query = np.diag([query.scale, query.scale, 1.0])
    to_reference = np.diag([reference.scale, reference.scale, 1.0])
    return np.asarray(np.linalg.inv(to_query) @ found @ to_reference)


def fit_homography(
    query: np.ndarray, reference: np.ndarray, threshold: float
) -> np.ndarray | None:
    """H [3, 3] that takes reference positions [K, 2] to query positions; None where none does."""
    try:
        matrix, mask = cv2.findHomography(
            reference,
            query,
            cv2.USAC_MAGSAC,
            ransacReprojThreshold=threshold,
            maxIters=MAX_ITERATIONS,
            confidence=CONFIDENCE,
        )
        agree = np.zeros(len(query), bool) if mask is None else mask.ravel().astype(bool)
        if agree.sum() > MIN_OF_HOMOGRAPHY:
            # What sampling found is not yet the least of the squares.
            matrix, _ = cv2.findHomography(reference[agree], query[agree], 0)
    except cv2.error:
        return None
    if matrix is None or not np.isfinite(matrix).all() or abs(np.linalg.det(matrix)) < 1e-12:
        return None
    return np.asarray(matrix)


def squared_sampson_distances(
    matrix: np.ndarray, query: np.ndarray, reference: np.ndarray
) -> np.ndarray:
    """[K] squared distances from a fundamental matrix, pixels² (Sampson's approximation)."""
    q, r = _homogeneous(query), _homogeneous(reference)
    lines_r, lines_q = q @ matrix.T, r @ matrix
    error = np.einsum('ki,ki->k', r, lines_r)
    gradient = (lines_r[:, :2] ** 2).sum(axis=1) + (lines_q[:, :2] ** 2).sum(axis=1)
    return np.asarray(error**2 / (gradient + 1e-18))


def squared_transfer_distances(
    matrix: np.ndarray, query: np.ndarray, reference: np.ndarray
) -> np.ndarray:
    """[K] squared distances from a homography, pixels²: a quarter of both transfers' errors."""
    there = _mapped(matrix, reference) - query
    back = _mapped(np.linalg.inv(matrix), query) - reference
    return np.asarray(((there**2).sum(axis=1) + (back**2).sum(axis=1)) / 4)


def fit_rotation(query: Rays, reference: Rays, limit: float) -> np.ndarray:
    """The pure rotation [3, 3] that most matches agree with, reference to query.

    Args:
        query, reference: [K], all valid.
        limit: pixels beyond which a match counts less and less.
    """
    q, r = (_unit(rays.directions) for rays in (query, reference))
    turn, rate = np.eye(3), np.ones(len(q))
    for _ in range(ROTATION_STARTS):
        # Kabsch's rotation, closer to the majority every time.
        u, _, vt = np.linalg.svd((q * rate[:, None]).T @ r)
        turn = u @ np.diag([1.0, 1.0, np.linalg.det(u @ vt)]) @ vt
        squares = squared_rotation_distances(turn, query, reference)
        rate = 1 / (1 + squares / max(limit**2, float(np.median(squares)))) ** 2
    for _ in range(ROTATION_STEPS):
        seen = r @ turn.T
        error = _in_pixels(seen, query)
        rate = 1 / (1 + (error**2).sum(axis=1) / 2 / limit**2) ** 2
        jacobian = np.stack([_turn_by(seen, axis, query) for axis in np.eye(3)], axis=2)
        weighted = jacobian * rate[:, None, None]
        normal = np.tensordot(weighted, jacobian, axes=((0, 1), (0, 1)))
        pull = np.tensordot(weighted, error, axes=((0, 1), (0, 1)))
        damping = 1e-9 * np.trace(normal) * np.eye(3)
        turn = rotation_from_vector(-np.linalg.solve(normal + damping, pull)) @ turn
    return np.asarray(turn)


def squared_rotation_distances(rotation: np.ndarray, query: Rays, reference: Rays) -> np.ndarray:
    """[K] squared distances in pixels² from a pure rotation, in the four coordinates."""
    seen = reference.directions @ rotation.T
    return np.asarray((_in_pixels(seen, query) ** 2).sum(axis=1) / 2)


def _turn_by(seen: np.ndarray, axis: np.ndarray, query: Rays) -> np.ndarray:
    """[K, 2] derivative of positions in pixels by a turn about an axis."""
    by = seen @ cross_matrix(axis).T
    plane = (by[:, :2] - seen[:, :2] / seen[:, 2:] * by[:, 2:]) / seen[:, 2:]
    return np.asarray((query.to_pixels @ plane[:, :, None])[:, :, 0])


def _in_pixels(seen: np.ndarray, query: Rays) -> np.ndarray:
    """[K, 2] where directions [K, 3] are seen, from where they should be."""
    depth = np.where(seen[:, 2:] > 1e-3, seen[:, 2:], 1e-3)
    plane = seen[:, :2] / depth - query.xy
    return np.asarray((query.to_pixels @ plane[:, :, None])[:, :, 0])


def _unit(vectors: np.ndarray) -> np.ndarray:
    return np.asarray(vectors / np.linalg.norm(vectors, axis=1, keepdims=True))


def _homogeneous(xy: np.ndarray) -> np.ndarray:
    return np.concatenate([xy, np.ones((len(xy), 1))], axis=1)


def _mapped(matrix: np.ndarray, xy: np.ndarray) -> np.ndarray:
    mapped = _homogeneous(xy) @ matrix.T
    with np.errstate(all='ignore'):
        plane = mapped[:, :2] / mapped[:, 2:]
    return np.asarray(np.nan_to_num(plane, nan=1e6, posinf=1e6, neginf=-1e6))
