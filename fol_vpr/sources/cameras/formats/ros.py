"""Calibrations of ROS: camera_calibration's YAML, printed CameraInfo, and OpenCV's FileStorage.

The YAML of ROS and that of OpenCV's samples share their keys; the first names the lens model.
"""

from __future__ import annotations

import re
from types import SimpleNamespace
from typing import Any

import numpy as np

from fol_vpr.errors import InputError
from fol_vpr.sources.cameras.camera_info import image_matrix, image_size
from fol_vpr.sources.cameras.values import DescribedCamera, numbers, shown, whole

# Keys in lower case without anything but letters and digits, and endings of two cameras.
_MATRIX = (
    'cameramatrix', 'intrinsicmatrix', 'cameraintrinsics', 'cameraintrinsic', 'intrinsics',
    'intrinsic', 'mtx', 'kmat', 'k', 'm',
)  # fmt: skip
_COEFFICIENTS = (
    'distortioncoefficients', 'distortioncoeffs', 'distcoeffs', 'distcoeff', 'distcoefs',
    'distortioncoeff', 'distortion', 'dist', 'd',
)  # fmt: skip
_SIZE = ('imagesize', 'resolution', 'imgsize', 'imageresolution', 'size')
_WIDTH = ('imagewidth', 'imgwidth', 'width', 'cols', 'w')
_HEIGHT = ('imageheight', 'imgheight', 'height', 'rows', 'h')
_PAIRS = ('1', '2', 'left', 'right')
_CALIBRATOR = ('projection_matrix', 'rectification_matrix', 'distortion_model', 'camera_name')


def is_camera_info(document: dict[str, Any]) -> bool:
    """Whether a mapping is a printed sensor_msgs/CameraInfo, of ROS 2 or ROS 1."""
    return ('k' in document or 'K' in document) and 'distortion_model' in document


def camera_of_info(document: dict[str, Any]) -> DescribedCamera:
    """The camera of a printed CameraInfo.

    Raises:
        InputError: a value is missing or has another type.
    """
    low = {key.lower(): value for key, value in document.items() if isinstance(key, str)}
    info = _message(low, _needed(low, 'k'), low.get('d', []), low)
    return DescribedCamera(
        name='',
        size=image_size(info) if all(image_size(info)) else None,
        matrix=image_matrix(info),
        model=str(low['distortion_model']),
        coefficients=info.d,
        problem='' if np.any(info.k) else 'K is zero, which means that it is not calibrated',
    )


def matrix_cameras(document: dict[str, Any]) -> tuple[str, list[DescribedCamera]] | None:
    """Cameras of a YAML of camera_calibration, or of a FileStorage of OpenCV.

    Returns:
        The format in words and the cameras, None if the mapping is neither.

    Raises:
        InputError: a value is missing or has another type.
    """
    keys = {_plain(key): value for key, value in document.items()}
    known = any(key in document for key in ('camera_matrix', 'projection_matrix'))
    if known and any(key in document for key in _CALIBRATOR):
        return 'a calibration of ROS (camera_calibration)', [_by_calibrator(document, keys)]
    endings = ['', *_PAIRS]
    found = [each for ending in endings if (each := _by_opencv(keys, ending)) is not None]
    return ('a calibration of OpenCV (FileStorage)', found) if found else None


def size_in(document: dict[str, Any]) -> tuple[int, int] | None:
    """Width and height in pixels by any of their usual keys; None where there is none.

    Raises:
        InputError: a value is no whole number.
    """
    keys = {_plain(key): value for key, value in document.items()}
    for name in _SIZE:
        value = keys.get(name)
        if isinstance(value, list) and len(value) == 2:
            return whole(value[0], f'the width in {name}'), whole(
                value[1], f'the height in {name}'
            )
    width = next((keys[name] for name in _WIDTH if name in keys), None)
    height = next((keys[name] for name in _HEIGHT if name in keys), None)
    if width is None or height is None:
        return None
    return whole(width, 'image_width'), whole(height, 'image_height')


def _by_calibrator(document: dict[str, Any], keys: dict[str, Any]) -> DescribedCamera:
    sides = {
        'width': whole(_needed(document, 'image_width'), 'image_width'),
        'height': whole(_needed(document, 'image_height'), 'image_height'),
    }
    coefficients = _needed(document, 'distortion_coefficients')
    info = _message(keys, _needed(document, 'camera_matrix'), coefficients, {**document, **sides})
    model = document.get('distortion_model', document.get('camera_model'))
    return DescribedCamera(
        name='',
        size=image_size(info),
        matrix=image_matrix(info),
        model=None if model in (None, 'pinhole') else str(model),
        coefficients=info.d,
        problem='' if np.any(info.k) else 'K is zero, which means that it is not calibrated',
    )


def _by_opencv(keys: dict[str, Any], ending: str) -> DescribedCamera | None:
    matrix = _first(keys, _MATRIX, ending)
    if matrix is None:
        return None
    try:
        numbers(matrix, 'the camera matrix', (9,))
    except InputError:
        # Other files have keys like these: EuRoC's `intrinsics` are four numbers.
        if ending or not any(key in keys for key in _MATRIX[:2]):
            return None
        raise
    coefficients = _first(keys, _COEFFICIENTS, ending)
    if coefficients is None:
        raise InputError(
            'there is a camera matrix, but no distortion_coefficients: add them; '
            '`distortion_model: plumb_bob` and `distortion_coefficients: [0, 0, 0, 0, 0]` are none'
        )
    model = keys.get('distortionmodel', keys.get('cameramodel'))
    fisheye = str(keys.get('fisheyemodel', keys.get('fisheye', ''))).lower()
    lens = numbers(coefficients, 'distortion_coefficients')
    if fisheye in ('1', '1.0', 'true'):
        model = 'equidistant'
    elif fisheye in ('0', '0.0', 'false') and model is None and len(lens) == 4:
        model = 'plumb_bob'
    return DescribedCamera(
        name=ending,
        size=size_in(keys),
        matrix=numbers(matrix, 'the camera matrix', (9,)).reshape(3, 3),
        model=None if model in (None, 'pinhole') else str(model),
        coefficients=lens,
    )


def _first(keys: dict[str, Any], names: tuple[str, ...], ending: str) -> Any:
    # `k1` is a coefficient, and no matrix.
    pairs = [f'{name}{ending}' for name in names if not (ending and name in ('k', 'w'))]
    if ending in ('left', 'right'):
        pairs += [f'{ending}{name}' for name in names]
    return next((keys[name] for name in pairs if name in keys), None)


def _message(keys: dict[str, Any], k: Any, d: Any, sides: dict[str, Any]) -> SimpleNamespace:
    """The fields of a CameraInfo that the size and the matrix of its images depend on."""
    region = keys.get('roi', {})
    if not isinstance(region, dict):
        raise InputError(f'roi is {shown(region)}, expected a mapping')
    offsets = ('x_offset', 'y_offset', 'width', 'height')
    width, height = (sides.get(name, 0) for name in ('width', 'height'))
    return SimpleNamespace(
        k=numbers(k, 'the camera matrix K', (9,)),
        d=numbers(d, 'the distortion coefficients'),
        width=_count(width, 'width'),
        height=_count(height, 'height'),
        binning_x=_count(keys.get('binning_x', keys.get('binningx', 0)), 'binning_x'),
        binning_y=_count(keys.get('binning_y', keys.get('binningy', 0)), 'binning_y'),
        roi=SimpleNamespace(
            **{name: _count(region.get(name, 0), f'{name} of roi') for name in offsets}
        ),
    )


def _count(value: Any, name: str) -> int:
    return 0 if value in (0, '0', '') else whole(value, name)


def _needed(document: dict[str, Any], name: str) -> Any:
    if name not in document:
        raise InputError(f'{name} is missing')
    return document[name]


def _plain(key: object) -> str:
    return re.sub(r'[^a-z0-9]', '', str(key).lower())
