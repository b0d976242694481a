"""Calibrations of cameras, from CameraInfo and from files."""

from fol_vpr.sources.cameras.calibration_file import (
    FileCalibration,
    camera_fingerprint,
    configured_calibration,
    configured_camera,
    read_calibration,
    read_camera_file,
)
from fol_vpr.sources.cameras.camera_info import (
    CAMERA_INFO,
    WITHOUT_CAMERA,
    binning_hint,
    camera_from_info,
    camera_info_topics,
    camera_of_images,
    image_size,
    is_calibrated,
    is_rectified,
    size_mismatch,
    wrong_size,
)

__all__ = [
    'CAMERA_INFO',
    'WITHOUT_CAMERA',
    'FileCalibration',
    'binning_hint',
    'camera_fingerprint',
    'camera_from_info',
    'camera_info_topics',
    'camera_of_images',
    'configured_calibration',
    'configured_camera',
    'image_size',
    'is_calibrated',
    'is_rectified',
    'read_calibration',
    'read_camera_file',
    'size_mismatch',
    'wrong_size',
]
