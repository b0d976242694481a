"""Multi-view geometry: rigid motions, verified image pairs, measured relative poses."""

from fol_vpr.geometry.metric.alignment import (
    Texture,
    align,
    carried,
    corners,
    texture,
    texture_of_jpeg,
)
from fol_vpr.geometry.metric.bundle import Tracks
from fol_vpr.geometry.metric.refinement import refine_pose
from fol_vpr.geometry.metric.three_views import MIN_POINTS, along_epipolar_lines, metric_pose
from fol_vpr.geometry.rigid import compose, inverse, quaternion, rotation_matrix
from fol_vpr.geometry.two_view.cover import patches, rescale
from fol_vpr.geometry.two_view.models import fit_homography
from fol_vpr.geometry.two_view.pair import PairGeometry, verify_pair
from fol_vpr.geometry.viewing_rays import Rays, fits, matching_camera, rays

__all__ = [
    'MIN_POINTS',
    'PairGeometry',
    'Rays',
    'Texture',
    'Tracks',
    'align',
    'along_epipolar_lines',
    'carried',
    'compose',
    'corners',
    'fit_homography',
    'fits',
    'inverse',
    'matching_camera',
    'metric_pose',
    'patches',
    'quaternion',
    'rays',
    'refine_pose',
    'rescale',
    'rotation_matrix',
    'texture',
    'texture_of_jpeg',
    'verify_pair',
]
