"""From scores to a statement: evidence, calibration, Bayes filter over time, image quality."""

from fol_vpr.decision.calibration import MIN_SHARE, Calibration, PlattScaling, log_odds
from fol_vpr.decision.calibration_quality import CalibrationQuality
from fol_vpr.decision.calibration_rows import calibration_from_rows, calibration_to_rows
from fol_vpr.decision.decision import Decision, LocalizationResult
from fol_vpr.decision.evidence import (
    FEATURES,
    MORE_IS_BETTER,
    Observation,
    PlaceEvidence,
    collect_evidence,
)
from fol_vpr.decision.image_quality import ImageQuality, assess_image
from fol_vpr.decision.places import NEIGHBOUR_FACTOR, Locations, geo_metres, same_place
from fol_vpr.decision.verdict import NO_CANDIDATES, NO_MAP, UNTRAINED

__all__ = [
    'FEATURES',
    'MIN_SHARE',
    'MORE_IS_BETTER',
    'NEIGHBOUR_FACTOR',
    'NO_CANDIDATES',
    'NO_MAP',
    'UNTRAINED',
    'Calibration',
    'CalibrationQuality',
    'Decision',
    'ImageQuality',
    'LocalizationResult',
    'Locations',
    'Observation',
    'PlaceEvidence',
    'PlattScaling',
    'assess_image',
    'calibration_from_rows',
    'calibration_to_rows',
    'collect_evidence',
    'geo_metres',
    'log_odds',
    'same_place',
]
