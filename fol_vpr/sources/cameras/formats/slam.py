"""Calibrations in the settings of ORB-SLAM2 and 3, stella_vslam, and VINS-Mono and Fusion."""

from __future__ import annotations

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

_BROWN = ('k1', 'k2', 'p1', 'p2', 'k3')
_FISHEYE = ('k1', 'k2', 'k3', 'k4')
_ORB_TYPES = {
    'pinhole': _BROWN, 'perspective': _BROWN, 'rectified': (),
    'kannalabrandt8': _FISHEYE, 'fisheye': _FISHEYE,
}  # fmt: skip
_LINKS = {
    'cam0_calib': 'the settings of VINS-Fusion, which name the file of each camera',
    'relative_config_imucam': 'the settings of OpenVINS, which name the file of the cameras',
}


def orb_slam_cameras(document: dict[str, Any]) -> list[DescribedCamera] | None:
    """Cameras of settings of ORB-SLAM2, ORB-SLAM3 or stella_vslam; None if there are none.

    In the stereo settings of ORB-SLAM2, `Camera.fx` is for the images after their rectification,
    and `LEFT.K` for those of the sensor; both are given, under their own names.

    Raises:
        InputError: a value is missing or has another type.
    """
    values = dict(document)
    if isinstance(document.get('Camera'), dict):
        values |= {f'Camera.{key}': value for key, value in document['Camera'].items()}
    prefixes = [each for each in ('Camera', 'Camera1', 'Camera2') if f'{each}.fx' in values]
    sides = [each for each in ('LEFT', 'RIGHT') if f'{each}.K' in values]
    found = [_orb_camera(values, prefix) for prefix in prefixes]
    return found + [_raw_camera(values, side) for side in sides] or None


def vins_cameras(document: dict[str, Any]) -> list[DescribedCamera] | None:
    """The camera of a file of VINS-Mono, VINS-Fusion or camodocal; None if the mapping is none.

    Raises:
        InputError: a value is missing or has another type, or the file names those of the cameras.
    """
    if 'model_type' not in document or 'projection_parameters' not in document:
        for key, what in _LINKS.items():
            if key in document:
                raise InputError(f'it is {what}: give {shown(document[key])}, which {key} names')
        return None
    kind = str(document['model_type']).upper()
    # camodocal: r = theta + k2 theta^3 + k3 theta^5 + k4 theta^7 + k5 theta^9.
    projection, lens, model = {
        'PINHOLE': (('fx', 'fy', 'cx', 'cy'), ('k1', 'k2', 'p1', 'p2'), 'plumb_bob'),
        'PINHOLE_FULL': (
            ('fx', 'fy', 'cx', 'cy'),
            ('k1', 'k2', 'p1', 'p2', 'k3', 'k4', 'k5', 'k6'),
            'rational_polynomial',
        ),
        'KANNALA_BRANDT': (('mu', 'mv', 'u0', 'v0'), ('k2', 'k3', 'k4', 'k5'), 'equidistant'),
    }.get(kind, ((), (), kind))
    own = _mapping(document, 'projection_parameters')
    if kind != 'KANNALA_BRANDT' and lens:
        coefficients = _mapping(document, 'distortion_parameters')
    else:
        coefficients = own
    return [
        DescribedCamera(
            name='',
            size=size_in(document),
            matrix=pinhole(*(_of(own, name) for name in projection)) if projection else np.eye(3),
            model=model,
            coefficients=np.array([_of(coefficients, name) for name in lens]),
            pose=_vins_pose(document),
            body='the IMU (extrinsicRotation, extrinsicTranslation)',
        )
    ]


def _orb_camera(values: dict[str, Any], prefix: str) -> DescribedCamera:
    kind = str(values.get('Camera.type', values.get('Camera.model', 'PinHole')))
    names = _ORB_TYPES.get(kind.lower(), ())
    own = {key.removeprefix(f'{prefix}.'): value for key, value in values.items()
           if isinstance(key, str) and key.startswith(f'{prefix}.')}  # fmt: skip
    width, height = (
        own.get(one, values.get(f'Camera.{one}', own.get(other, values.get(f'Camera.{other}'))))
        for one, other in (('width', 'cols'), ('height', 'rows'))
    )
    given = [name for name in names if name in own]
    # ORB-SLAM leaves out k3, and all coefficients of a lens without distortion.
    complete = given == list(names) or (names == _BROWN and given in ([], list(_BROWN[:4])))
    if not complete:
        raise InputError(
            f'{prefix} has the coefficients {", ".join(given) or "none"}, expected '
            f'{", ".join(names)}'
        )
    model = 'rectified' if names == _BROWN and not given else kind
    return DescribedCamera(
        name=prefix,
        size=None if width is None or height is None
        else size_in({'width': width, 'height': height}),
        matrix=pinhole(*(_of(own, name) for name in ('fx', 'fy', 'cx', 'cy'))),
        model='plumb_bob' if names == _BROWN and given else model,
        coefficients=np.array([_of(own, name) for name in given]),
        pose=_orb_pose(values, prefix),
        body='the IMU (T_b_c1)',
    )  # fmt: skip


def _raw_camera(values: dict[str, Any], side: str) -> DescribedCamera:
    return DescribedCamera(
        name=side,
        size=size_in({key: values.get(f'{side}.{key}') for key in ('width', 'height')}),
        matrix=numbers(values[f'{side}.K'], f'{side}.K', (9,)).reshape(3, 3),
        model='plumb_bob',
        coefficients=numbers(values.get(f'{side}.D'), f'{side}.D', (4, 5)),
    )


def _orb_pose(values: dict[str, Any], prefix: str) -> Pose | None:
    for key in ('IMU.T_b_c1', 'Tbc'):
        if key in values:
            try:
                pose = pose_of(values[key], key)
                if prefix != 'Camera2':
                    return pose
                return compose(pose, pose_of(values['Stereo.T_c1_c2'], 'Stereo.T_c1_c2'))
            except (InputError, KeyError):
                return None
    return None


def _vins_pose(document: dict[str, Any]) -> Pose | None:
    """Pose of the camera in the IMU, where the settings do not leave it to be estimated."""
    if str(document.get('estimate_extrinsic')) not in ('0', '1'):
        return None
    try:
        turn = numbers(document['extrinsicRotation'], 'extrinsicRotation', (9,)).reshape(3, 3)
        place = numbers(document['extrinsicTranslation'], 'extrinsicTranslation', (3,))
        return pose_of(np.column_stack([turn, place]).tolist(), 'extrinsicRotation')
    except (InputError, KeyError):
        return None


def _mapping(document: dict[str, Any], name: str) -> dict[str, Any]:
    value = document.get(name)
    if not isinstance(value, dict):
        raise InputError(f'{name} is {"missing" if value is None else shown(value)}')
    return value


def _of(values: dict[str, Any], name: str) -> float:
    if name not in values:
        raise InputError(f'{name} is missing')
    return number(values[name], name)
