"""Geometric verification of an image pair: epipolar inliers, motion model and relative pose."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import NamedTuple

import numpy as np

from fol_vpr.config import VerificationConfig
from fol_vpr.datatypes import Camera, RelativePose
from fol_vpr.geometry.side_by_side import side_by_side
from fol_vpr.geometry.two_view import coverage, models
from fol_vpr.geometry.two_view.epipolar import RayPairs
from fol_vpr.geometry.two_view.joint_fit import joint_rays
from fol_vpr.geometry.two_view.models import MotionModel
from fol_vpr.geometry.two_view.motion_fit import MIN_SIGMA, MotionFit
from fol_vpr.geometry.two_view.motion_search import find_motions
from fol_vpr.geometry.two_view.relative_pose import Noise, pose_from_fits, select_model
from fol_vpr.geometry.viewing_rays import Rays, pixels_to_rays

# Fewest matches that a model is fitted to.
MIN_MATCHES = 8
# Smallest standard deviation of the inliers along their narrowest direction, pixels of a 640 px
# wide image: points on one line fit any epipolar geometry.
MIN_SPREAD = 20.0
# Standard deviation of a position as a fraction of the inlier threshold, which keeps 95 %.
SIGMA_OF_THRESHOLD = 1 / 1.96


@dataclass(frozen=True)
class PairGeometry:
    """Result of the geometric verification of an image pair.

    Attributes:
        matches: number of matches that were tested.
        inliers: number of matches that agree with the best essential matrix where both cameras
            are known, else with the best fundamental matrix.
        regions: number of cells, 1/24 of the image's longer side wide, that the inliers cover, in
            the image where they cover fewer. Local features are denser than the network's
            patches, so many inliers may lie on one patch; this counts about the patches.
        size_ratio: how large the query's image shows the inliers, as a multiple of the
            reference's, both with 640 pixels along the longer side; NaN with fewer than 8 inliers.
        verified: whether inliers, their fraction of the matches and regions reach the configured
            minimum, and the inliers do not lie on one line.
        model: 'essential' with both cameras, 'fundamental' without; '' where none was found. With
            `estimate_relative_pose`, the simplest model that explains the inliers, which may also
            be 'rotation' or 'homography'.
        inlier: [matches] bool.
        relative: pose of the reference's camera in the query's camera, its translation a unit
            vector. None without `estimate_relative_pose`, without both cameras, and where the
            direction cannot be determined.
    """

    matches: int
    inliers: int
    regions: int
    verified: bool
    model: str = ''
    inlier: np.ndarray = field(
        default_factory=lambda: np.zeros(0, bool), compare=False, repr=False
    )
    relative: RelativePose | None = field(default=None, compare=False, repr=False)
    size_ratio: float = math.nan


@dataclass(frozen=True, eq=False)
class _Support:
    """The inliers [K] of a model, and the relative pose where one was estimated."""

    inlier: np.ndarray
    model: MotionModel
    relative: RelativePose | None = None


class _ValidMatches(NamedTuple):
    """Those matches of a pair whose positions have a direction in both images.

    Attributes:
        number: of the pair.
        valid: [K] bool, which of its matches they are.
        query, reference: their viewing rays.
        cosines: of their descriptors; None where they are not known.
    """

    number: int
    valid: np.ndarray
    query: Rays
    reference: Rays
    cosines: np.ndarray | None


@dataclass(frozen=True, eq=False)
class MatchedPair:
    """The matches of an image with a reference.

    Attributes:
        query_xy, reference_xy: [K, 2] matched positions x and y in pixels of the images.
        query_size, reference_size: width and height of the images in pixels.
        query_camera, reference_camera: calibration of the images, None where it is not known.
        cosines: [K] cosine of the descriptors of each match; matches that are similar, and
            displaced like similar ones around them, are sampled first. None where they are not
            known.
    """

    query_xy: np.ndarray
    reference_xy: np.ndarray
    query_size: tuple[int, int]
    reference_size: tuple[int, int]
    query_camera: Camera | None = None
    reference_camera: Camera | None = None
    cosines: np.ndarray | None = None

    @property
    def calibrated(self) -> bool:
        """Whether both cameras are known."""
        return self.query_camera is not None and self.reference_camera is not None

    @property
    def rescaled(self) -> tuple[np.ndarray, np.ndarray]:
        """Both positions [K, 2] in images whose longer side has 640 pixels."""
        return (
            coverage.rescale(self.query_xy, self.query_size),
            coverage.rescale(self.reference_xy, self.reference_size),
        )


def verify_pairs(pairs: Sequence[MatchedPair], config: VerificationConfig) -> list[PairGeometry]:
    """Fit the epipolar geometry of image pairs robustly and count their inliers.

    Where both cameras are known, an essential matrix is fitted and refined on the viewing rays,
    else a fundamental matrix. Samples are drawn by PROSAC where cosines are given, else by
    MAGSAC++ (OpenCV). The result of a pair does not depend on the others: they share the calls of
    the refinement, which take longer than its numbers.

    Args:
        pairs: may share images and cameras.
        config: thresholds; `inlier_threshold` is in pixels of a 640 px wide image.

    Raises:
        InputError: an image has another aspect ratio than its calibration.
    """
    limit = config.inlier_threshold
    found: dict[int, _Support | None] = {}
    calibrated = [
        i for i, p in enumerate(pairs) if p.calibrated and len(p.query_xy) >= MIN_MATCHES
    ]
    supports = _with_cameras([pairs[number] for number in calibrated], limit)
    found.update(zip(calibrated, supports, strict=True))
    for number, pair in enumerate(pairs):
        if number not in found and len(pair.query_xy) >= MIN_MATCHES:
            found[number] = _uncalibrated(*pair.rescaled, limit, pair.cosines, False)
    return [
        _judged(*pair.rescaled, found.get(number), config) for number, pair in enumerate(pairs)
    ]


def verify_pair(
    query_xy: np.ndarray,
    reference_xy: np.ndarray,
    query_size: tuple[int, int],
    reference_size: tuple[int, int],
    config: VerificationConfig,
    *,
    query_camera: Camera | None = None,
    reference_camera: Camera | None = None,
    cosines: np.ndarray | None = None,
    estimate_relative_pose: bool = False,
) -> PairGeometry:
    """Fit the epipolar geometry of one image pair; see `verify_pairs`.

    Args:
        query_xy: of the pair, see `MatchedPair`.
        reference_xy: likewise.
        query_size: likewise.
        reference_size: likewise.
        config: thresholds; `inlier_threshold` is in pixels of a 640 px wide image.
        query_camera: of the pair, see `MatchedPair`.
        reference_camera: likewise.
        cosines: likewise.
        estimate_relative_pose: also select the simplest motion model (GRIC) and, with both
            cameras, estimate the relative pose. Use it with tracked positions only: matched local
            features tend to have the same position in both images, which biases the motion.

    Raises:
        InputError: an image has another aspect ratio than its calibration.
    """
    pair = MatchedPair(
        query_xy,
        reference_xy,
        query_size,
        reference_size,
        query_camera,
        reference_camera,
        cosines,
    )
    if not estimate_relative_pose:
        return verify_pairs([pair], config)[0]
    query, reference = pair.rescaled
    if query_camera is not None and reference_camera is not None:
        return measure_pair(
            pixels_to_rays(query_camera, query_xy, query_size),
            pixels_to_rays(reference_camera, reference_xy, reference_size),
            query,
            reference,
            config,
        )
    support = None
    if len(query_xy) >= MIN_MATCHES:
        support = _uncalibrated(query, reference, config.inlier_threshold, cosines, True)
    return _judged(query, reference, support, config)


def measure_pair(
    query: Rays,
    reference: Rays,
    query_xy: np.ndarray,
    reference_xy: np.ndarray,
    config: VerificationConfig,
) -> PairGeometry:
    """As `verify_pair` with both cameras and `estimate_relative_pose`, where the rays are known.

    Args:
        query, reference: K viewing rays each of matched positions.
        query_xy, reference_xy: [K, 2] the positions, rescaled (`coverage.rescale`).
        config: as of `verify_pair`.
    """
    support = None
    if len(query_xy) >= MIN_MATCHES:
        support = _measured(query, reference, query_xy, reference_xy, config.inlier_threshold)
    return _judged(query_xy, reference_xy, support, config)


def _judged(
    query: np.ndarray,
    reference: np.ndarray,
    support: _Support | None,
    config: VerificationConfig,
) -> PairGeometry:
    """The result for rescaled positions [K, 2] and the inliers of their model, if there is one."""
    count = len(query)
    if support is None:
        return PairGeometry(count, 0, 0, False, inlier=np.zeros(count, bool))
    inlier = support.inlier
    inliers = int(inlier.sum())
    seen = (query[inlier], reference[inlier])
    regions = min(coverage.count_regions(xy) for xy in seen)
    verified = (
        not shortfalls(inliers, count, regions, config)
        and min(coverage.min_spread(xy) for xy in seen) >= MIN_SPREAD
    )
    return PairGeometry(
        matches=count,
        inliers=inliers,
        regions=regions,
        verified=verified,
        model=support.model.value,
        inlier=inlier,
        relative=support.relative if verified else None,
        size_ratio=coverage.size_ratio(*seen) if inliers >= MIN_MATCHES else math.nan,
    )


def _uncalibrated(
    query: np.ndarray,
    reference: np.ndarray,
    threshold: float,
    cosines: np.ndarray | None,
    estimate_relative_pose: bool,
) -> _Support | None:
    """Inliers of a fundamental matrix; on request called a homography where that explains them."""
    found = models.fit_fundamental(query, reference, threshold, cosines)
    if found is None:
        return None
    matrix, inlier = found
    if not estimate_relative_pose or inlier.sum() < MIN_MATCHES:
        return _Support(inlier, MotionModel.FUNDAMENTAL)
    q, r = query[inlier], reference[inlier]
    homography = models.fit_homography(q, r, threshold)
    if homography is None:
        return _Support(inlier, MotionModel.FUNDAMENTAL)
    observations = min(coverage.count_patches(xy) for xy in (q, r))
    sigma = threshold * SIGMA_OF_THRESHOLD
    squares = {
        MotionModel.FUNDAMENTAL: models.squared_sampson_distances(matrix, q, r),
        MotionModel.HOMOGRAPHY: models.squared_transfer_distances(homography, q, r),
    }
    costs = {m: models.gric(m, squares[m], sigma, observations) for m in squares}
    return _Support(inlier, min(costs, key=lambda model: costs[model]))


def _with_cameras(pairs: Sequence[MatchedPair], threshold: float) -> list[_Support | None]:
    """Inliers of a refined essential matrix for each pair; None where none was found."""
    queries = _rays((pair.query_camera, pair.query_xy, pair.query_size) for pair in pairs)
    references = _rays(
        (pair.reference_camera, pair.reference_xy, pair.reference_size) for pair in pairs
    )
    usable = []
    for number, (query, reference) in enumerate(zip(queries, references, strict=True)):
        valid = query.valid & reference.valid
        if valid.sum() >= MIN_MATCHES:
            cosines = pairs[number].cosines
            known = None if cosines is None else cosines[valid]
            usable.append(_ValidMatches(number, valid, query[valid], reference[valid], known))
    fitted, essentials = [], []
    for matches, essential in zip(usable, _essentials(usable, threshold), strict=True):
        if essential is not None:
            fitted.append(matches)
            essentials.append(essential)
    found: list[_Support | None] = [None] * len(pairs)
    if not fitted:
        return found
    joint = joint_rays([(matches.query, matches.reference) for matches in fitted])
    motions = joint.refined(joint.motions(np.stack(essentials), threshold), threshold)
    for matches, inlier in zip(fitted, joint.inliers(motions, threshold), strict=True):
        found[matches.number] = _Support(
            _among(matches.valid, inlier),
            MotionModel.ESSENTIAL if inlier.sum() >= MIN_MATCHES else MotionModel.NONE,
        )
    return found


def _essentials(usable: Sequence[_ValidMatches], threshold: float) -> list[np.ndarray | None]:
    """The essential matrix of each pair; the samples of several pairs are drawn side by side."""

    def fitted(matches: _ValidMatches) -> np.ndarray | None:
        return models.fit_essential(matches.query, matches.reference, threshold, matches.cosines)

    return side_by_side(fitted, usable)


def _rays(views: Iterable[tuple[Camera | None, np.ndarray, tuple[int, int]]]) -> list[Rays]:
    """Viewing rays of the positions [K, 2] of each view; views of one camera share a call."""
    listed = list(views)
    groups: dict[tuple[int, tuple[int, int]], list[int]] = {}
    for number, (camera, _, size) in enumerate(listed):
        groups.setdefault((id(camera), size), []).append(number)
    found: dict[int, Rays] = {}
    for numbers in groups.values():
        camera, _, size = listed[numbers[0]]
        assert camera is not None
        rays = pixels_to_rays(camera, np.concatenate([listed[n][1] for n in numbers]), size)
        first = 0
        for number in numbers:
            last = first + len(listed[number][1])
            found[number] = rays[first:last]
            first = last
    return [found[number] for number in range(len(listed))]


def _among(valid: np.ndarray, inlier: np.ndarray) -> np.ndarray:
    """The inliers among all matches, from those among the valid ones."""
    found = np.zeros(len(valid), bool)
    found[valid] = inlier
    return found


# OpenCV's searches, which take the most time of a measurement. Each of them seeds its own random
# numbers, so that none depends on the other, or on the thread that it runs in.
_SEARCHES: tuple[Callable[[Rays, Rays, float], np.ndarray | None], ...] = (
    models.homography_of_rays,
    partial(models.fit_essential, as_start=True),
)


def _measured(
    query: Rays,
    reference: Rays,
    query_xy: np.ndarray,
    reference_xy: np.ndarray,
    threshold: float,
) -> _Support | None:
    """Inliers of the best motion, the motion model, and the relative pose."""
    valid = query.valid & reference.valid
    if valid.sum() < MIN_MATCHES:
        return None
    if not valid.all():
        query, reference = query[valid], reference[valid]
    pairs = RayPairs(query, reference)
    rotation = models.fit_rotation(query, reference, threshold)
    homography, essential = side_by_side(
        lambda search: search(query, reference, threshold), _SEARCHES
    )
    fits = find_motions(pairs, rotation, homography, essential, threshold)
    if not fits:
        return None
    best = fits[0]
    agrees = np.abs(best.residuals) <= threshold
    inlier = _among(valid, agrees)
    if agrees.sum() < MIN_MATCHES:
        return _Support(inlier, MotionModel.NONE)
    q, r = query_xy[inlier], reference_xy[inlier]
    noise = Noise(
        sigma=_position_sigma(best, agrees),
        observations=min(coverage.count_patches(xy) for xy in (q, r)),
        limit=threshold,
    )
    model = select_model(best, query, reference, rotation, homography, noise)
    if model != MotionModel.ESSENTIAL:
        return _Support(inlier, model)
    return _Support(inlier, model, pose_from_fits(fits, pairs, noise))


def _position_sigma(fit: MotionFit, agrees: np.ndarray) -> float:
    """Standard deviation of matched positions, pixels of a 640 px wide image."""
    return max(float(fit.sigma), float(np.sqrt(np.mean(fit.residuals[agrees] ** 2))), MIN_SIGMA)


def shortfalls(inliers: int, matches: int, regions: int, config: VerificationConfig) -> list[str]:
    """The limits of the geometric verification that a pair misses, in words; empty for none.

    Args:
        inliers: of the pair, see `PairGeometry`.
        matches: likewise.
        regions: likewise.
        config: `min_inliers`, `min_inlier_ratio`, `min_regions`.
    """
    short = []
    if inliers < config.min_inliers:
        short.append(f'{inliers} of {config.min_inliers} inliers needed')
    if inliers < config.min_inlier_ratio * matches:
        short.append(
            f'{inliers} of {matches} matches are inliers, {config.min_inlier_ratio:g} of them '
            'needed'
        )
    if regions < config.min_regions:
        short.append(f'{regions} of {config.min_regions} image regions needed')
    return short
