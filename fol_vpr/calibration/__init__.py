"""Calibration: fits, from drives whose places are known, how probable the answers of a map are."""

from fol_vpr.calibration.drives import (
    CalibrationDrive,
    CalibrationExample,
    check_other_drive,
    check_promising,
    collect,
    differing_drives,
)
from fol_vpr.calibration.fit import FittedCalibration, fit_calibration
from fol_vpr.calibration.report import summary_lines
from fol_vpr.calibration.storage import store_calibration

__all__ = [
    'CalibrationDrive',
    'CalibrationExample',
    'FittedCalibration',
    'check_other_drive',
    'check_promising',
    'collect',
    'differing_drives',
    'fit_calibration',
    'store_calibration',
    'summary_lines',
]
