"""Multi-view geometry: rigid motions, verification of image pairs, relative poses."""

from fol_vpr.geometry.metric.alignment import (
    AlignmentImage,
    alignment_image,
    alignment_image_from_jpeg,
    move_with_nearest,
    track_points,
)
from fol_vpr.geometry.metric.bundle_adjustment import ThreeViewTracks
from fol_vpr.geometry.metric.refinement import refine_pose
from fol_vpr.geometry.metric.three_views import MIN_POINTS, metric_pose, sample_epipolar_lines
from fol_vpr.geometry.rigid import compose, inverse, quaternion, rotation_matrix
from fol_vpr.geometry.two_view.coverage import patch_ids, rescale
from fol_vpr.geometry.two_view.models import fit_homography
from fol_vpr.geometry.two_view.pair import (
    MatchedPair,
    PairGeometry,
    shortfalls,
    verify_pair,
    verify_pairs,
)
from fol_vpr.geometry.viewing_rays import Rays, camera_fits, matching_camera, pixels_to_rays

__all__ = [
    'MIN_POINTS',
    'AlignmentImage',
    'MatchedPair',
    'PairGeometry',
    'Rays',
    'ThreeViewTracks',
    'alignment_image',
    'alignment_image_from_jpeg',
    'camera_fits',
    'compose',
    'fit_homography',
    'inverse',
    'matching_camera',
    'metric_pose',
    'move_with_nearest',
    'patch_ids',
    'pixels_to_rays',
    'quaternion',
    'refine_pose',
    'rescale',
    'rotation_matrix',
    'sample_epipolar_lines',
    'shortfalls',
    'track_points',
    'verify_pair',
    'verify_pairs',
]
