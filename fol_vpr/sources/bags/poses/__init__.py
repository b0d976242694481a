"""The poses or positions of a topic of a bag."""

from fol_vpr.sources.bags.poses.reading import (
    NAV_SAT_FIX,
    ODOMETRY,
    POSE,
    POSE_TYPES,
    POSE_WITH_COVARIANCE,
    read_pose_track,
)
from fol_vpr.sources.bags.poses.track import PoseTrack, interpolate_geo, slerp

__all__ = [
    'NAV_SAT_FIX',
    'ODOMETRY',
    'POSE',
    'POSE_TYPES',
    'POSE_WITH_COVARIANCE',
    'PoseTrack',
    'interpolate_geo',
    'read_pose_track',
    'slerp',
]
