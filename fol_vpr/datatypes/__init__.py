"""Values that are passed between the packages: frozen, with no behaviour but their checks.

Arrays are NumPy arrays and are not changed after they were passed on. Times are integer
nanoseconds since the epoch of the source's clock. Pixel positions are (x, y), the centre of the
top left pixel being (0, 0).
"""

from fol_vpr.datatypes.answers import (
    Cause,
    Explanation,
    LocalizationState,
    LoopClosure,
    PlaceHypothesis,
    PoseSource,
    Recognition,
    Verification,
)
from fol_vpr.datatypes.covariance import (
    checked_covariance,
    covariance_of_message,
    horizontal_stddev,
)
from fol_vpr.datatypes.frames import bare_frame
from fol_vpr.datatypes.geometry import (
    DISTORTION_MODELS,
    EARTH_RADIUS,
    MAX_ALTITUDE,
    MAX_COORDINATE,
    NORM_TOLERANCE,
    UNKNOWN_ANGLE_VARIANCE,
    Camera,
    GeoPosition,
    Pose,
    RelativePose,
)
from fol_vpr.datatypes.images import Features, Frame, LocalFeatures
from fol_vpr.datatypes.maps import MAX_ID, PRIOR_SIGMAS, Candidate, MapInfo, Place, Prior
from fol_vpr.datatypes.masks import Masks

__all__ = [
    'DISTORTION_MODELS',
    'EARTH_RADIUS',
    'MAX_ALTITUDE',
    'MAX_COORDINATE',
    'MAX_ID',
    'NORM_TOLERANCE',
    'PRIOR_SIGMAS',
    'UNKNOWN_ANGLE_VARIANCE',
    'Camera',
    'Candidate',
    'Cause',
    'Explanation',
    'Features',
    'Frame',
    'GeoPosition',
    'LocalFeatures',
    'LocalizationState',
    'LoopClosure',
    'MapInfo',
    'Masks',
    'Place',
    'PlaceHypothesis',
    'Pose',
    'PoseSource',
    'Prior',
    'Recognition',
    'RelativePose',
    'Verification',
    'bare_frame',
    'checked_covariance',
    'covariance_of_message',
    'horizontal_stddev',
]
