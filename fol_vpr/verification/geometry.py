"""Does one rigid scene explain the local matches of two images?"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from fol_vpr.config import VerificationConfig

MIN_MATCHES = 8
CONFIDENCE = 0.999
MAX_ITERATIONS = 2000
REFERENCE_WIDTH = 640.0
REGIONS_ACROSS = 24
# Standard deviation in pixels across the narrow direction: points on one line fit any geometry.
LEAST_SPREAD = 20.0


@dataclass(frozen=True)
class PairGeometry:
    """What the epipolar test found.

    Attributes:
        matches: correspondences that were tested.
        inliers: those that agree with the best fundamental matrix.
        regions: cells of 1/24 of the image's longer side that the inliers cover, in the image
            where they cover fewer. Local features are sampled more densely than the network's
            patches, so many inliers may stand on one patch; this counts the patches.
        verified: enough of all three, and not all on one line.
    """

    matches: int
    inliers: int
    regions: int
    verified: bool


def verify_pair(
    query_xy: np.ndarray,
    reference_xy: np.ndarray,
    query_size: tuple[int, int],
    reference_size: tuple[int, int],
    config: VerificationConfig,
) -> PairGeometry:
    """Fit a fundamental matrix robustly (MAGSAC++, OpenCV) and count what supports it.

    Args:
        query_xy, reference_xy: [K, 2] matched pixel positions, x and y.
        query_size, reference_size: width and height of the images in pixels.
        config: thresholds; `inlier_threshold` is in pixels of a 640 px wide image.
    """
    count = len(query_xy)
    if count < MIN_MATCHES:
        return PairGeometry(count, 0, 0, False)
    query = _rescale(query_xy, query_size)
    reference = _rescale(reference_xy, reference_size)
    try:
        _, mask = cv2.findFundamentalMat(
            query,
            reference,
            cv2.USAC_MAGSAC,
            ransacReprojThreshold=config.inlier_threshold,
            confidence=CONFIDENCE,
            maxIters=MAX_ITERATIONS,
        )
    except cv2.error:
        # OpenCV raises on degenerate point sets (all on one line, say): nothing was verified.
        mask = None
    if mask is None:
        return PairGeometry(count, 0, 0, False)
    inlier = mask.ravel().astype(bool)
    inliers = int(inlier.sum())
    regions = min(_regions(query[inlier]), _regions(reference[inlier]))
    verified = (
        inliers >= config.min_inliers
        and inliers >= config.min_inlier_ratio * count
        and regions >= config.min_regions
        and min(_spread(query[inlier]), _spread(reference[inlier])) >= LEAST_SPREAD
    )
    return PairGeometry(count, inliers, regions, verified)


def _rescale(xy: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Pixel positions as they would be with a longer side of 640 pixels."""
    return np.asarray(xy, dtype=np.float64) * (REFERENCE_WIDTH / max(size))


def _regions(xy: np.ndarray) -> int:
    cells = np.floor(xy * (REGIONS_ACROSS / REFERENCE_WIDTH)).astype(np.int64)
    return len(np.unique(cells, axis=0))


def _spread(xy: np.ndarray) -> float:
    """Standard deviation of positions across their narrowest direction, pixels."""
    variances = np.linalg.eigvalsh(np.cov(xy, rowvar=False))
    return float(np.sqrt(max(variances[0], 0.0)))
