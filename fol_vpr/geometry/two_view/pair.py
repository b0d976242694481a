"""Does one rigid scene explain the local matches of two images, and how do they stand?"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from fol_vpr.config import VerificationConfig
from fol_vpr.datatypes import Camera, RelativePose
from fol_vpr.geometry.metric.bundle import MIN_SIGMA
from fol_vpr.geometry.two_view import cover, models
from fol_vpr.geometry.two_view.epipolar import Pairs, motions_of
from fol_vpr.geometry.two_view.models import Model
from fol_vpr.geometry.two_view.refine import Fit, refine
from fol_vpr.geometry.two_view.relative_pose import Noise, choose, relative_pose
from fol_vpr.geometry.two_view.search import find_motions
from fol_vpr.geometry.viewing_rays import Rays, rays

MIN_MATCHES = 8
# Standard deviation in pixels across the narrow direction: points on one line fit any geometry.
MIN_SPREAD = 20.0
# Of a threshold that keeps 95 % of good matches, one standard deviation.
SIGMA_OF_THRESHOLD = 1 / 1.96


@dataclass(frozen=True)
class PairGeometry:
    """What the epipolar test found.

    Attributes:
        matches: correspondences that were tested.
        inliers: those that agree with the best essential matrix where both cameras are known,
            else with the best fundamental matrix.
        regions: cells of 1/24 of the image's longer side that the inliers cover, in the image
            where they cover fewer. Local features are sampled more densely than the network's
            patches, so many inliers may stand on one patch; this counts the patches.
        verified: enough of all three, and not all on one line.
        model: 'essential' with both cameras, 'fundamental' without; '' where none. Where the
            model was to be chosen with care, the simplest one that explains the inliers: also
            'rotation', or 'homography' where one plane does.
        inlier: [matches] bool, which of them agree.
        relative: pose of the reference's camera in that of the query, its translation a
            direction; None where it was not to be measured, without cameras, and where the
            direction cannot be told.
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


@dataclass(frozen=True, eq=False)
class _Support:
    """Which matches agree with which model, and how their images would have to stand."""

    inlier: np.ndarray
    model: Model
    relative: RelativePose | None = None


def verify_pair(
    query_xy: np.ndarray,
    reference_xy: np.ndarray,
    query_size: tuple[int, int],
    reference_size: tuple[int, int],
    config: VerificationConfig,
    *,
    query_camera: Camera | None = None,
    reference_camera: Camera | None = None,
    likeness: np.ndarray | None = None,
    measure: bool = False,
) -> PairGeometry:
    """Fit a motion robustly (PROSAC or MAGSAC++, OpenCV) and count what supports it.

    With both cameras this is an essential matrix, refined on the rays; else a fundamental one.

    Args:
        query_xy, reference_xy: [K, 2] matched pixel positions, x and y.
        query_size, reference_size: width and height of the images in pixels.
        config: thresholds; `inlier_threshold` is in pixels of a 640 px wide image.
        query_camera, reference_camera: calibration of the images, where it is known.
        likeness: [K] how much alike the matched features are, where that is known: matches that
            are more alike are right more often, and sampled first.
        measure: choose the model with care, and give the relative pose. That wants positions
            which were aligned by the images: local features lean towards the same position in
            both, and say more of it than of the motion.

    Raises:
        InputError: an image has another shape than its camera.
    """
    count = len(query_xy)
    unsupported = PairGeometry(count, 0, 0, False, inlier=np.zeros(count, bool))
    if count < MIN_MATCHES:
        return unsupported
    query = cover.rescale(query_xy, query_size)
    reference = cover.rescale(reference_xy, reference_size)
    if query_camera is not None and reference_camera is not None:
        support = _calibrated(
            rays(query_camera, query_xy, query_size),
            rays(reference_camera, reference_xy, reference_size),
            query,
            reference,
            config.inlier_threshold,
            likeness,
            measure,
        )
    else:
        support = _uncalibrated(query, reference, config.inlier_threshold, likeness, measure)
    if support is None:
        return unsupported
    inlier = support.inlier
    inliers = int(inlier.sum())
    regions = min(cover.regions(query[inlier]), cover.regions(reference[inlier]))
    verified = (
        inliers >= config.min_inliers
        and inliers >= config.min_inlier_ratio * count
        and regions >= config.min_regions
        and min(cover.narrowest(query[inlier]), cover.narrowest(reference[inlier])) >= MIN_SPREAD
    )
    return PairGeometry(
        matches=count,
        inliers=inliers,
        regions=regions,
        verified=verified,
        model=support.model.value,
        inlier=inlier,
        relative=support.relative if verified else None,
    )


def _uncalibrated(
    query: np.ndarray,
    reference: np.ndarray,
    threshold: float,
    likeness: np.ndarray | None,
    measure: bool,
) -> _Support | None:
    """Epipolar support; with care named a homography where one explains it as well."""
    found = models.fit_fundamental(query, reference, threshold, likeness)
    if found is None:
        return None
    matrix, inlier = found
    if not measure or inlier.sum() < MIN_MATCHES:
        return _Support(inlier, Model.FUNDAMENTAL)
    q, r = query[inlier], reference[inlier]
    flat = models.fit_homography(q, r, threshold)
    if flat is None:
        return _Support(inlier, Model.FUNDAMENTAL)
    observations = min(len(np.unique(cover.patches(xy))) for xy in (q, r))
    sigma = threshold * SIGMA_OF_THRESHOLD
    squares = {
        Model.FUNDAMENTAL: models.sampson_squares(matrix, q, r),
        Model.HOMOGRAPHY: models.transfer_squares(flat, q, r),
    }
    costs = {m: models.gric(m, squares[m], sigma, observations) for m in squares}
    return _Support(inlier, min(costs, key=lambda model: costs[model]))


def _calibrated(
    query: Rays,
    reference: Rays,
    query_xy: np.ndarray,
    reference_xy: np.ndarray,
    threshold: float,
    likeness: np.ndarray | None,
    measure: bool,
) -> _Support | None:
    """Support of an essential matrix, refined, and the relative pose where it shows one."""
    valid = query.valid & reference.valid
    if valid.sum() < MIN_MATCHES:
        return None
    query, reference = query[valid], reference[valid]
    if not measure:
        alike = None if likeness is None else likeness[valid]
        essential = models.fit_essential(query, reference, threshold, alike)
        if essential is None:
            return None
        return _refined(essential, query, reference, valid, threshold)
    pairs = Pairs(query, reference)
    rotation = models.fit_rotation(query, reference, threshold)
    homography = models.homography_of_rays(query, reference, threshold)
    fits = find_motions(query, reference, pairs, rotation, homography, threshold)
    if not fits:
        return None
    best = fits[0]
    agrees = np.abs(best.residuals) <= threshold
    inlier = np.zeros(len(valid), bool)
    inlier[valid] = agrees
    if agrees.sum() < MIN_MATCHES:
        return _Support(inlier, Model.NONE)
    q, r = query_xy[inlier], reference_xy[inlier]
    noise = Noise(
        sigma=_position_sigma(best, agrees, MIN_SIGMA),
        observations=min(len(np.unique(cover.patches(xy))) for xy in (q, r)),
        limit=threshold,
    )
    model = choose(best, query, reference, rotation, homography, noise)
    if model != Model.ESSENTIAL:
        return _Support(inlier, model)
    return _Support(inlier, model, relative_pose(fits, pairs, noise))


def _refined(
    essential: np.ndarray, query: Rays, reference: Rays, valid: np.ndarray, threshold: float
) -> _Support:
    """Support of the essential matrix that sampling found, refined once."""
    pairs = Pairs(query, reference)
    motions = motions_of(essential)
    best = int(np.argmax(pairs.in_front(motions, threshold)))
    refined = refine(pairs, motions[best : best + 1], threshold)
    inlier = np.zeros(len(valid), bool)
    inlier[valid] = np.abs(refined.residuals[0]) <= threshold
    return _Support(inlier, Model.ESSENTIAL if inlier.sum() >= MIN_MATCHES else Model.NONE)


def _position_sigma(fit: Fit, agrees: np.ndarray, least: float) -> float:
    """Standard deviation of matched positions in pixels."""
    return max(float(fit.sigma), float(np.sqrt(np.mean(fit.residuals[agrees] ** 2))), least)
