"""How two images of one scene stand to each other, by their local matches."""

from fol_vpr.verification.geometry.adjust import Tracks
from fol_vpr.verification.geometry.align import (
    Texture,
    align,
    carried,
    corners,
    texture,
    texture_of_jpeg,
)
from fol_vpr.verification.geometry.cover import patches, rescale
from fol_vpr.verification.geometry.metric import MIN_POINTS, along_epipolar_lines, metric_pose
from fol_vpr.verification.geometry.models import fit_homography
from fol_vpr.verification.geometry.pair import PairGeometry, verify_pair
from fol_vpr.verification.geometry.rays import Rays, fits, rays

__all__ = [
    'MIN_POINTS',
    'PairGeometry',
    'Rays',
    'Texture',
    'Tracks',
    'align',
    'along_epipolar_lines',
    'carried',
    'corners',
    'fit_homography',
    'fits',
    'metric_pose',
    'patches',
    'rays',
    'rescale',
    'texture',
    'texture_of_jpeg',
    'verify_pair',
]
