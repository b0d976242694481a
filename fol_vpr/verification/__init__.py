"""From scores to decisions: geometry of a pair, quality of an image, evidence over time."""

from fol_vpr.verification.calibration import MIN_SHARE, Calibration, Scaling, log_odds
from fol_vpr.verification.closures import ClosureGate, LoopCandidate, Threshold
from fol_vpr.verification.decision import Decision, LocalizationResult
from fol_vpr.verification.evidence import (
    FEATURES,
    MORE_IS_BETTER,
    Observation,
    PlaceEvidence,
    gather,
)
from fol_vpr.verification.geometry import (
    MIN_POINTS,
    PairGeometry,
    Texture,
    Tracks,
    align,
    along_epipolar_lines,
    carried,
    corners,
    fit_homography,
    fits,
    metric_pose,
    patches,
    rays,
    rescale,
    texture,
    texture_of_jpeg,
    verify_pair,
)
from fol_vpr.verification.image_quality import ImageQuality, assess_image
from fol_vpr.verification.places import NEIGHBOUR_FACTOR, Locations, same_place

__all__ = [
    'NEIGHBOUR_FACTOR',
    'FEATURES',
    'MIN_POINTS',
    'MIN_SHARE',
    'MORE_IS_BETTER',
    'Calibration',
    'ClosureGate',
    'Decision',
    'ImageQuality',
    'LocalizationResult',
    'Locations',
    'Observation',
    'PairGeometry',
    'PlaceEvidence',
    'Scaling',
    'LoopCandidate',
    'Texture',
    'Threshold',
    'Tracks',
    'align',
    'along_epipolar_lines',
    'assess_image',
    'carried',
    'corners',
    'fit_homography',
    'fits',
    'gather',
    'log_odds',
    'metric_pose',
    'patches',
    'rays',
    'rescale',
    'same_place',
    'texture',
    'texture_of_jpeg',
    'verify_pair',
]
