"""Calibrations of Kalibr and OpenVINS (camchain), EuRoC (`sensor.yaml`) and Basalt (JSON)."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import numpy as np

from fol_vpr.datatypes import Pose
from fol_vpr.errors import InputError
from fol_vpr.geometry.rigid import compose
from fol_vpr.sources.cameras.formats.ros import size_in
from fol_vpr.sources.cameras.values import (
    DescribedCamera,
    number,
    numbers,
    pinhole,
    pose_of,
    shown,
)

_CAMERA = re.compile(r'cam(era)?_?\d+')


def camchain_cameras(document: dict[str, Any]) -> list[DescribedCamera] | None:
    """Cameras of a camchain; None if the mapping is none.

    Kalibr gives `T_cam_imu`, which moves points of the IMU into the camera; OpenVINS gives its
    inverse `T_imu_cam`, and `T_cn_cnm1` moves points of the camera before into this one.

    Raises:
        InputError: a value is missing or has another type.
    """
    named = {
        str(key): value
        for key, value in document.items()
        if _CAMERA.fullmatch(str(key)) and isinstance(value, dict) and 'intrinsics' in value
    }
    if not named:
        return None
    found: list[DescribedCamera] = []
    before: tuple[Pose | None, str] = None, ''
    for index, (name, values) in enumerate(named.items()):
        pose, body = _chained(values, before, name if index == 0 else next(iter(named)))
        before = pose, body
        camera = _camera(name, values, 'distortion_coeffs')
        found.append(replace(camera, pose=pose, body=body))
    return found


def sensor_camera(document: dict[str, Any]) -> list[DescribedCamera] | None:
    """The camera of a `sensor.yaml` of EuRoC; None if the mapping is none.

    Raises:
        InputError: it is of another sensor, or a value is missing or has another type.
    """
    kind = document.get('sensor_type')
    if kind not in (None, 'camera') and 'intrinsics' not in document:
        raise InputError(
            f'it describes a sensor of the type {shown(kind)}, expected a camera: the cameras of '
            'EuRoC are in cam0/sensor.yaml and cam1/sensor.yaml'
        )
    if 'intrinsics' not in document or 'distortion_model' not in document:
        return None
    camera = _camera('', document, 'distortion_coefficients')
    pose = None
    if 'T_BS' in document:
        pose = _pose_or_none(document['T_BS'], 'T_BS')
    return [replace(camera, pose=pose, body='the body frame (T_BS)')]


def basalt_cameras(document: dict[str, Any]) -> list[DescribedCamera] | None:
    """Cameras of a calibration of Basalt; None if the mapping is none.

    Raises:
        InputError: a value is missing or has another type.
    """
    inner = document.get('value0')
    if not isinstance(inner, dict) or not isinstance(inner.get('intrinsics'), list):
        return None
    sizes = inner.get('resolution')
    found = []
    for index, each in enumerate(inner['intrinsics']):
        values = each.get('intrinsics') if isinstance(each, dict) else None
        if not isinstance(values, dict):
            raise InputError(f'intrinsics of camera {index} are {shown(values)}')
        kind = str(each.get('camera_type'))
        names = ('k1', 'k2', 'k3', 'k4') if kind == 'kb4' else ()
        size = sizes[index] if isinstance(sizes, list) and index < len(sizes) else None
        found.append(
            DescribedCamera(
                name=f'cam{index}',
                size=size_in({'resolution': size}),
                matrix=pinhole(*(number(values.get(n), n) for n in ('fx', 'fy', 'cx', 'cy'))),
                model=kind,
                coefficients=np.array([number(values.get(n), n) for n in names]),
            )
        )
    return found


def _camera(name: str, values: dict[str, Any], coefficients: str) -> DescribedCamera:
    projection = str(values.get('camera_model', 'pinhole'))
    intrinsics = numbers(values['intrinsics'], 'intrinsics')
    size = size_in({'resolution': values.get('resolution')}) or size_in(values)
    named = values.get('distortion_model')
    if named is None:
        raise InputError(f'distortion_model of {name or "the camera"} is missing')
    given = values.get(coefficients, values.get('distortion_coeffs', []))
    lens = numbers(given, coefficients)
    if projection.lower() not in ('pinhole', 'perspective'):
        # Its intrinsics begin with parameters of the projection.
        return DescribedCamera(name, size, np.eye(3), projection, lens)
    if len(intrinsics) != 4:
        raise InputError(
            f'intrinsics of {name or "the camera"} are {len(intrinsics)} numbers, expected fu fv '
            'cu cv'
        )
    model = str(named)
    if model.lower() == 'none' and lens.any():
        raise InputError('distortion_model is none, but there are coefficients that are not zero')
    return DescribedCamera(name, size, pinhole(*intrinsics), model, lens)


def _chained(
    values: dict[str, Any], before: tuple[Pose | None, str], first: str
) -> tuple[Pose | None, str]:
    """Pose of a camera, and what it is given in: the IMU, or the first camera of the chain."""
    for key, inverted in (('T_cam_imu', True), ('T_imu_cam', False)):
        if key in values:
            return _pose_or_none(values[key], key, inverted=inverted), f'the IMU ({key})'
    if 'T_cn_cnm1' not in values:
        return None, ''
    step = _pose_or_none(values['T_cn_cnm1'], 'T_cn_cnm1', inverted=True)
    if step is None or before[0] is None:
        return step, f'{first} (T_cn_cnm1)'
    return compose(before[0], step), before[1]


def _pose_or_none(value: Any, name: str, *, inverted: bool = False) -> Pose | None:
    """The pose of a matrix; None for one that is no motion, as where it was left at zero."""
    try:
        return pose_of(value, name, inverted=inverted)
    except InputError:
        return None
