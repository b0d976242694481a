"""Motion models of an image pair: fitting them, their errors, and a criterion to choose one.

Torr's geometric robust information criterion (GRIC, IJCV 50(1), 2002) adds a penalty for the
freedom of a model to its errors: a fundamental or essential matrix leaves every match free along a
line, a homography or a rotation does not. Where a homography or a rotation explains the matches
equally well, as for a planar scene or a camera that only turned, an essential matrix has no
meaning.
"""

from __future__ import annotations

from enum import Enum
from types import ModuleType

import cv2
import numpy as np

from fol_vpr import compiled
from fol_vpr.geometry.rigid import cross_matrix, rotation_from_vector
from fol_vpr.geometry.viewing_rays import Rays

# Of RANSAC: probability of a sample without outliers, and most samples.
CONFIDENCE = 0.999
MAX_ITERATIONS = 2000
# Most samples of PROSAC, which finds hardly anything better later. An essential matrix is refined
# afterwards, and its matches are sampled in a better order, see `sampling_order`.
MAX_PROSAC_ITERATIONS = 500
MAX_ESSENTIAL_ITERATIONS = 150
# Most samples where the essential matrix is one of several starts.
MAX_START_ITERATIONS = 400
# Of `sampling_order`: how many of the most similar matches support each other, and the distances
# at which that support ends, in pixels of a 640 px wide image: of displacements, of positions.
SUPPORTING_MATCHES = 400
SUPPORT_DISPLACEMENT, SUPPORT_REACH = 16.0, 400.0
# Added to the cosine of a match above the least one, so that the last ones count as well.
MIN_EXCESS = 0.02
# A homography with more inliers than this is refined by least squares.
MIN_HOMOGRAPHY_INLIERS = 8
# Iterations of the pure rotation: reweighted Kabsch, then Gauss-Newton.
ROTATION_KABSCH_STEPS = 8
ROTATION_NEWTON_STEPS = 5


class MotionModel(str, Enum):
    """The kind of relation between two images; the value is its name in results."""

    NONE = ''
    ESSENTIAL = 'essential'
    ROTATION = 'rotation'
    FUNDAMENTAL = 'fundamental'
    HOMOGRAPHY = 'homography'


# Dimension of the manifold of exact matches (in four coordinates), and number of parameters.
DIMENSIONS = {
    MotionModel.ESSENTIAL: (3, 5),
    MotionModel.FUNDAMENTAL: (3, 7),
    MotionModel.HOMOGRAPHY: (2, 8),
    MotionModel.ROTATION: (2, 3),
}


def gric(model: MotionModel, squares: np.ndarray, sigma: float, observations: float) -> float:
    """Torr's criterion (GRIC, IJCV 50(1), 2002); the smallest is the best model.

    Args:
        model: whose errors these are.
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
    """Fit a fundamental matrix F with `r' F q = 0` (OpenCV).

    Args:
        query, reference: [K, 2] matched positions, pixels.
        threshold: largest distance of an inlier, pixels.
        cosines: [K] cosine of the descriptors of each match. The most similar matches are then
            sampled first (PROSAC), which needs a quarter of the samples. None uses MAGSAC++.

    Returns:
        F [3, 3] and the inliers [K] bool; None where no matrix was found.
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
        # OpenCV raises on degenerate point sets, such as points on one line.
        return None
    # OpenCV may return None for either, which its stubs do not tell.
    fundamental, agree = np.asarray(matrix), np.asarray(mask)
    if not fundamental.ndim or not agree.ndim:
        return None
    inlier = np.zeros(len(query), bool)
    inlier[order] = agree.ravel().astype(bool)
    return fundamental[:3], inlier


def fit_essential(
    query: Rays,
    reference: Rays,
    threshold: float,
    cosines: np.ndarray | None = None,
    *,
    as_start: bool = False,
) -> np.ndarray | None:
    """Fit an essential matrix E with `q' E r = 0` (OpenCV).

    Args:
        query, reference: K matched viewing rays each, all valid.
        threshold: largest distance of an inlier, pixels of a 640 px wide image.
        cosines: as for `fit_fundamental`.
        as_start: whether what is found is one of several starts that are all refined. Plain RANSAC
            then serves as well as MAGSAC++, and takes half the time.

    Returns:
        E [3, 3]; None where no matrix was found.
    """
    # OpenCV's sampling expects coordinates of the magnitude of pixels.
    size = float(np.sqrt(query.scale * reference.scale))
    matrix = np.diag([size, size, 1.0])
    here, there = size * query.xy, size * reference.xy
    try:
        if as_start:
            params = _sampling_params(threshold, cv2.SAMPLING_UNIFORM, MAX_START_ITERATIONS)
            found, _ = cv2.findEssentialMat(there, here, matrix, matrix, None, None, params)
        elif cosines is None:
            found, _ = cv2.findEssentialMat(
                there,
                here,
                matrix,
                method=cv2.USAC_MAGSAC,
                prob=CONFIDENCE,
                threshold=threshold,
                maxIters=MAX_ITERATIONS,
            )
        else:
            order = sampling_order(here, there, cosines)
            params = _sampling_params(threshold, cv2.SAMPLING_PROSAC, MAX_ESSENTIAL_ITERATIONS)
            found, _ = cv2.findEssentialMat(
                there[order], here[order], matrix, matrix, None, None, params
            )
    except cv2.error:
        return None
    valid = found is not None and found.shape == (3, 3) and np.isfinite(found).all()
    return np.asarray(found) if valid else None


def _sampling_params(threshold: float, sampler: int, iterations: int) -> cv2.UsacParams:
    """OpenCV's RANSAC without local optimisation: what it finds is refined on all matches."""
    params = cv2.UsacParams()
    params.sampler = sampler
    params.score = cv2.SCORE_METHOD_MSAC
    params.loMethod = cv2.LOCAL_OPTIM_NULL
    params.threshold = threshold
    params.confidence = CONFIDENCE
    params.maxIterations = iterations
    # OpenCV before 4.7 has no choice there.
    if hasattr(params, 'final_polisher'):
        params.final_polisher = cv2.NONE_POLISHER
    return params


def sampling_order(query: np.ndarray, reference: np.ndarray, cosines: np.ndarray) -> np.ndarray:
    """Order in which matches are sampled: the most promising ones first.

    A right match has right ones around it that are displaced by about the same vector, as no part
    of a scene moves by itself; accidental matches have random displacements (the smoothness that
    GMS counts, Bian et al., CVPR 2017). So a match is worth its cosine above the least one, times
    the cosines of the matches that support it.

    Args:
        query, reference: [K, 2] positions, pixels of 640 px wide images.
        cosines: [K] cosine of the descriptors of each match.

    Returns:
        [K] rows. Only the first 400 by their cosines are compared; the others follow.
    """
    order = np.argsort(-cosines, kind='stable')
    first = order[:SUPPORTING_MATCHES]
    if not len(first):
        return order
    here = query[first]
    scaled = np.concatenate(
        [(here - reference[first]) / SUPPORT_DISPLACEMENT, here / SUPPORT_REACH], axis=1
    )
    # Of numbers around 0, single precision has enough digits.
    near = np.asarray(scaled - scaled.mean(axis=0), np.float32)
    excess = np.asarray(cosines[first] - cosines[first[-1]] + MIN_EXCESS, np.float32)
    promising = np.argsort(-_promises(near, excess), kind='stable')
    return np.concatenate([first[promising], order[SUPPORTING_MATCHES:]])


def _promises(near: np.ndarray, excess: np.ndarray) -> np.ndarray:
    """[K] how promising matches are, by their scaled displacements and positions [K, 4]."""
    module = compiled.ready('fol_vpr.geometry.two_view.compiled_sampling')
    if module is not None:
        return np.asarray(module.promises(np.ascontiguousarray(near.T), excess))
    squares = np.einsum('ij,ij->i', near, near)
    support = near @ (2 * near).T
    support -= squares - 1
    support -= squares[:, None]
    np.maximum(support, 0, out=support)
    # Every match supports itself by 1, which does not count.
    return np.asarray(excess * (support @ excess - excess))


def _sampling(count: int, cosines: np.ndarray | None) -> tuple[np.ndarray, int, int]:
    """Order of the matches for OpenCV, its sampling method, and the most samples."""
    if cosines is None:
        return np.arange(count), cv2.USAC_MAGSAC, MAX_ITERATIONS
    return np.argsort(-cosines, kind='stable'), cv2.USAC_PROSAC, MAX_PROSAC_ITERATIONS


def homography_of_rays(query: Rays, reference: Rays, threshold: float) -> np.ndarray | None:
    """H [3, 3] that takes directions in the reference to those in the query; None where none does.

    Args:
        query, reference: [K], all valid.
        threshold: pixels of a 640 px wide image.
    """
    found = fit_homography(query.scale * query.xy, reference.scale * reference.xy, threshold)
    if found is None:
        return None
    from_query = np.diag([1 / query.scale, 1 / query.scale, 1.0])
    to_reference = np.diag([reference.scale, reference.scale, 1.0])
    return np.asarray(from_query @ found @ to_reference)


def fit_homography(
    query: np.ndarray, reference: np.ndarray, threshold: float
) -> np.ndarray | None:
    """Fit a homography that maps reference positions to query positions (MAGSAC++, OpenCV).

    Args:
        query: [K, 2] matched positions.
        reference: [K, 2] likewise.
        threshold: largest distance of an inlier, in the unit of the positions.

    Returns:
        H [3, 3]; None where no invertible homography was found.
    """
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
        if agree.sum() > MIN_HOMOGRAPHY_INLIERS:
            # RANSAC's model comes from a minimal sample; least squares over the inliers is better.
            matrix, _ = cv2.findHomography(reference[agree], query[agree], 0)
    except cv2.error:
        return None
    if matrix is None or not np.isfinite(matrix).all() or abs(np.linalg.det(matrix)) < 1e-12:
        return None
    return np.asarray(matrix)


def squared_sampson_distances(
    matrix: np.ndarray, query: np.ndarray, reference: np.ndarray
) -> np.ndarray:
    """[K] squared Sampson distances of matches [K, 2] from a fundamental matrix, pixels²."""
    q, r = _homogeneous(query), _homogeneous(reference)
    lines_r, lines_q = q @ matrix.T, r @ matrix
    error = np.einsum('ki,ki->k', r, lines_r)
    gradient = (lines_r[:, :2] ** 2).sum(axis=1) + (lines_q[:, :2] ** 2).sum(axis=1)
    return np.asarray(error**2 / (gradient + 1e-18))


def squared_transfer_distances(
    matrix: np.ndarray, query: np.ndarray, reference: np.ndarray
) -> np.ndarray:
    """[K] a quarter of the squared symmetric transfer errors of a homography, pixels²."""
    inverse = np.linalg.inv(matrix)
    module = _compiled_rotation()
    if module is not None:
        arrays = map(np.ascontiguousarray, (matrix, inverse, query, reference))
        return np.asarray(module.squared_transfers(*arrays))
    there = _mapped(matrix, reference) - query
    back = _mapped(inverse, query) - reference
    return np.asarray(((there**2).sum(axis=1) + (back**2).sum(axis=1)) / 4)


def fit_rotation(query: Rays, reference: Rays, limit: float) -> np.ndarray:
    """Fit the pure rotation that most matches agree with.

    Kabsch's solution is iterated with weights that decrease with the error, then refined by
    Gauss-Newton with Geman-McClure weights.

    Args:
        query, reference: K matched viewing rays each, all valid.
        limit: scale of the weights, pixels of a 640 px wide image.

    Returns:
        [3, 3], reference to query.
    """
    module = _compiled_rotation()
    if module is not None:
        return _fit_rotation_compiled(module, query, reference, limit)
    q, r = (_unit(rays.directions) for rays in (query, reference))
    rotation, weight = np.eye(3), np.ones(len(q))
    for _ in range(ROTATION_KABSCH_STEPS):
        rotation = _nearest_rotation((q * weight[:, None]).T @ r)
        squares = squared_rotation_distances(rotation, query, reference)
        weight = 1 / (1 + squares / max(limit**2, float(np.median(squares)))) ** 2
    for _ in range(ROTATION_NEWTON_STEPS):
        seen = r @ rotation.T
        error = _in_pixels(seen, query)
        weight = 1 / (1 + (error**2).sum(axis=1) / 2 / limit**2) ** 2
        jacobian = np.stack(
            [_rotation_derivative(seen, axis, query) for axis in np.eye(3)], axis=2
        )
        weighted = jacobian * weight[:, None, None]
        normal = np.tensordot(weighted, jacobian, axes=((0, 1), (0, 1)))
        gradient = np.tensordot(weighted, error, axes=((0, 1), (0, 1)))
        rotation = _newton_step(normal, gradient) @ rotation
    return np.asarray(rotation)


def _compiled_rotation() -> ModuleType | None:
    """The module compiled_rotation.py where it is ready."""
    return compiled.ready('fol_vpr.geometry.two_view.compiled_rotation')


def _fit_rotation_compiled(
    module: ModuleType, query: Rays, reference: Rays, limit: float
) -> np.ndarray:
    """As `fit_rotation`, by the `module` compiled_rotation.py."""
    arrays = map(np.ascontiguousarray, (query.xy, query.to_pixels, reference.xy))
    steps = ROTATION_KABSCH_STEPS, ROTATION_NEWTON_STEPS
    return np.asarray(module.fit(*arrays, float(limit), *steps))


def _nearest_rotation(covariance: np.ndarray) -> np.ndarray:
    """[3, 3] Kabsch's rotation for the sum of products of rays [3, 3]."""
    u, _, vt = np.linalg.svd(covariance)
    return np.asarray((u * [1.0, 1.0, np.linalg.det(u @ vt)]) @ vt)


def _newton_step(normal: np.ndarray, gradient: np.ndarray) -> np.ndarray:
    """[3, 3] rotation of a Gauss-Newton step."""
    damping = 1e-9 * np.trace(normal) * np.eye(3)
    return rotation_from_vector(-np.linalg.solve(normal + damping, gradient))


def squared_rotation_distances(rotation: np.ndarray, query: Rays, reference: Rays) -> np.ndarray:
    """[K] squared distances of matches from a pure rotation in the four coordinates, pixels²."""
    module = _compiled_rotation()
    if module is not None:
        arrays = (query.xy, query.to_pixels, reference.xy, rotation)
        return np.asarray(module.squared_distances(*map(np.ascontiguousarray, arrays)))
    seen = reference.directions @ rotation.T
    return np.asarray((_in_pixels(seen, query) ** 2).sum(axis=1) / 2)


def _rotation_derivative(seen: np.ndarray, axis: np.ndarray, query: Rays) -> np.ndarray:
    """[K, 2] derivative of query positions (pixels) by a rotation about an axis [3]."""
    by = seen @ cross_matrix(axis).T
    plane = (by[:, :2] - seen[:, :2] / seen[:, 2:] * by[:, 2:]) / seen[:, 2:]
    return np.asarray((query.to_pixels @ plane[:, :, None])[:, :, 0])


def _in_pixels(seen: np.ndarray, query: Rays) -> np.ndarray:
    """[K, 2] errors in pixels of directions [K, 3] from the query's rays."""
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
