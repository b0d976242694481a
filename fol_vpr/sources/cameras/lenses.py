"""Names of lens models, as ROS and tools of calibration write them, and their meaning."""

from __future__ import annotations

import numpy as np

from fol_vpr.datatypes import DISTORTION_MODELS
from fol_vpr.errors import InputError
from fol_vpr.files import printable

_NONE = ('', 'none', 'no', 'null', 'pinhole', 'no_distortion', 'rectified', 'perspective')
_NAMES = {
    **dict.fromkeys(_NONE, ''),
    **dict.fromkeys(
        (
            'plumb_bob', 'radtan', 'radial_tangential', 'brown_conrady', 'pinhole_radtan',
            # librealsense projects all three forward; in the last two the tangential terms take
            # the point after the radial ones, which is hundredths of a pixel.
            'inverse_brown_conrady', 'modified_brown_conrady',
        ),
        'plumb_bob',
    ),
    **dict.fromkeys(('rational_polynomial', 'rational'), 'rational_polynomial'),
    **dict.fromkeys(
        (
            'equidistant', 'equi', 'pinhole_equi', 'fisheye', 'opencv_fisheye', 'kb', 'kb4', 'kb8',
            'kannala_brandt', 'kannala_brandt4', 'kannala_brandt8', 'kannalabrandt',
            'kannalabrandt4', 'kannalabrandt8',
        ),
        'equidistant',
    ),
}  # fmt: skip
_RECALIBRATE = (
    'calibrate again with a model that is: camera_calibration of ROS, or Kalibr with '
    'pinhole-radtan, or for wide lenses pinhole-equi; or rectify the images with the tool of that '
    'model, and give the pinhole calibration of the rectified images'
)
_UNKNOWN = {
    **dict.fromkeys(('omni', 'mei', 'omnidirectional', 'omni_radtan', 'ucm', 'unified'),
                    'the unified omnidirectional model (xi, of Mei)'),
    **dict.fromkeys(('ds', 'double_sphere', 'doublesphere', 'ds_none'), 'the double sphere model'),
    **dict.fromkeys(('eucm', 'eucm_none', 'extended_unified'), 'the extended unified model'),
    **dict.fromkeys(('fov', 'atan', 'pinhole_fov'), 'the FOV model (arctangent)'),
    **dict.fromkeys(('thin_prism', 'thin_prism_fisheye', 'rad_tan_thin_prism_fisheye'),
                    'the thin prism model'),
    **dict.fromkeys(('division', 'division_model'), 'the division model'),
    **dict.fromkeys(('scaramuzza', 'ocam', 'ocamcalib'), 'the polynomial model of Scaramuzza'),
    **dict.fromkeys(('ftheta', 'f_theta'), 'a polynomial f-theta model'),
}  # fmt: skip


def lens_model(name: object, coefficients: np.ndarray) -> tuple[str, np.ndarray]:
    """The model of `Camera` for a name and its coefficients.

    Coefficients that are all zero mean "no distortion" for plumb_bob and rational_polynomial. For
    equidistant they mean an ideal f-theta lens, r = f theta, which is no pinhole camera. Zeros
    after its four are left out: older versions of realsense-ros write five for a T265.

    Args:
        name: of the model, in any of the spellings that tools use.
        coefficients: [n], in the order of that model.

    Returns:
        The model as sensor_msgs/CameraInfo names it, '' for none, and the coefficients [n].

    Raises:
        InputError: the model is not supported or not known, or has another number of coefficients;
            the message names the remedy.
    """
    shown = printable(str(name), 60)
    key = '_'.join(str(name).strip().lower().replace('-', ' ').replace('_', ' ').split())
    model = _NAMES.get(key)
    if model is None:
        what = _UNKNOWN.get(key, 'not known here')
        raise InputError(
            f'the distortion model is {shown!r} ({what}), which is not supported; expected '
            f'plumb_bob, rational_polynomial, equidistant, or none: {_RECALIBRATE}'
        )
    if model != 'equidistant' and not coefficients.any():
        return '', np.zeros(0)
    if model == 'equidistant' and not coefficients[4:].any():
        coefficients = coefficients[:4]
    if len(coefficients) not in DISTORTION_MODELS[model]:
        raise InputError(_wrong_count(shown, model, len(coefficients)))
    return model, coefficients


def _wrong_count(shown: str, model: str, count: int) -> str:
    if not model:
        return (
            f'the distortion model is {shown!r}, but there are {count} coefficients that are not '
            'zero: name the model that they are of, plumb_bob, rational_polynomial or equidistant'
        )
    expected = ' or '.join(map(str, DISTORTION_MODELS[model]))
    said = f'the distortion model {shown!r} has {count} coefficients, expected {expected}'
    others = [name for name, counts in DISTORTION_MODELS.items() if name and count in counts]
    if others:
        return f'{said}; {count} are those of {" or ".join(others)}: name it so if it is that one'
    if model == 'equidistant' and not count:
        return f'{said}; four zeros are an ideal f-theta lens'
    return said
