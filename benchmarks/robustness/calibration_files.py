"""Random calibrations, and the texts of files that hold them, in every format."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

Matrix = np.ndarray


@dataclass(frozen=True, eq=False)
class Lens:
    """A camera as the formulas of its model have it.

    Attributes:
        size: width and height in pixels.
        matrix: [3, 3] K in pixels.
        model: plumb_bob, rational_polynomial or equidistant.
        coefficients: [n] in the order of OpenCV.
    """

    size: tuple[int, int]
    matrix: Matrix
    model: str
    coefficients: Matrix

    def pixels(self, directions: Matrix) -> Matrix:
        """[K, 2] pixels of directions x / z and y / z [K, 2], by the published formulas.

        Brown (1966) with the rational terms of OpenCV, and Kannala and Brandt (2006).
        """
        x, y = directions.T
        r = np.hypot(x, y)
        if self.model == 'equidistant':
            k1, k2, k3, k4 = self.coefficients
            angle = np.arctan(r)
            bent = angle * (1 + k1 * angle**2 + k2 * angle**4 + k3 * angle**6 + k4 * angle**8)
            scale = np.where(r > 1e-9, bent / np.maximum(r, 1e-9), 1.0)
            u, v = x * scale, y * scale
        else:
            k1, k2, p1, p2, k3, k4, k5, k6 = np.resize(
                np.append(self.coefficients, np.zeros(8)), 8
            )
            radial = (1 + k1 * r**2 + k2 * r**4 + k3 * r**6) / (
                1 + k4 * r**2 + k5 * r**4 + k6 * r**6
            )
            u = x * radial + 2 * p1 * x * y + p2 * (r**2 + 2 * x**2)
            v = y * radial + p1 * (r**2 + 2 * y**2) + 2 * p2 * x * y
        homogeneous = np.stack([u, v, np.ones_like(u)], axis=1)
        return np.asarray((homogeneous @ self.matrix.T)[:, :2])


def random_lens(random: np.random.Generator, model: str, count: int, *, skewed: bool) -> Lens:
    """A camera with a monotonous lens of `count` coefficients; some are zero throughout."""
    width, height = int(random.integers(160, 2000)), int(random.integers(120, 1500))
    focal = random.uniform(0.5, 1.2) * width
    matrix = np.diag([focal, focal * random.uniform(0.97, 1.03), 1.0])
    matrix[:2, 2] = np.array([width, height]) / 2 + random.normal(0, 5, 2)
    matrix[0, 1] = random.normal(0, 3) if skewed else 0.0
    spread = np.array([0.05, 0.01, 5e-4, 5e-4, 0.002, 0.02, 0.005, 1e-5])[:count]
    if model == 'equidistant':
        spread = np.array([0.02, 0.005, 1e-3, 1e-5])
    # Numbers as people round them, 1e-05 among them.
    lens = np.array([float(f'{value:.3g}') for value in random.normal(0, spread)])
    if random.random() < 0.2:
        lens[:] = 0
    return Lens((width, height), matrix.round(6), model, lens)


def _list(values: Matrix) -> str:
    return '[' + ', '.join(f'{float(value)!r}' for value in np.ravel(values)) + ']'


def ros_yaml(lens: Lens) -> str:
    """As camera_calibration writes it."""
    return (
        f'image_width: {lens.size[0]}\nimage_height: {lens.size[1]}\ncamera_name: narrow_stereo\n'
        f'camera_matrix:\n  rows: 3\n  cols: 3\n  data: {_list(lens.matrix)}\n'
        f'distortion_model: {lens.model}\ndistortion_coefficients:\n  rows: 1\n'
        f'  cols: {len(lens.coefficients)}\n  data: {_list(lens.coefficients)}\n'
    )


def printed_info(lens: Lens) -> str:
    """As `ros2 topic echo` prints it."""
    return (
        f'header:\n  frame_id: camera\nheight: {lens.size[1]}\nwidth: {lens.size[0]}\n'
        f'distortion_model: {lens.model}\nd:\n'
        + ''.join(f'- {float(value)!r}\n' for value in lens.coefficients)
        + 'k:\n'
        + ''.join(f'- {float(value)!r}\n' for value in lens.matrix.ravel())
        + 'binning_x: 0\nbinning_y: 0\n---\n'
    )


def camchain(lens: Lens) -> str:
    """As Kalibr writes it."""
    kind = 'equidistant' if lens.model == 'equidistant' else 'radtan'
    return (
        f'cam0:\n  camera_model: pinhole\n  distortion_coeffs: {_list(lens.coefficients)}\n'
        f'  distortion_model: {kind}\n  intrinsics: {_list(_four(lens))}\n'
        f'  resolution: {list(lens.size)}\n  rostopic: /cam0/image_raw\n'
    )


def sensor_yaml(lens: Lens) -> str:
    """As EuRoC has it."""
    kind = 'equidistant' if lens.model == 'equidistant' else 'radial-tangential'
    return (
        f'# General\nsensor_type: camera\ncomment: cam0\nT_BS:\n  cols: 4\n  rows: 4\n'
        f'  data: {_list(np.eye(4))}\nresolution: {list(lens.size)}\ncamera_model: pinhole\n'
        f'intrinsics: {_list(_four(lens))} #fu, fv, cu, cv\ndistortion_model: {kind}\n'
        f'distortion_coefficients: {_list(lens.coefficients)}\n'
    )


def orb_slam(lens: Lens) -> str:
    """Settings of ORB-SLAM3."""
    fisheye = lens.model == 'equidistant'
    names = ('k1', 'k2', 'k3', 'k4') if fisheye else ('k1', 'k2', 'p1', 'p2', 'k3')
    values = dict(zip(('fx', 'fy', 'cx', 'cy'), _four(lens), strict=True))
    # There may be fewer coefficients than names.
    values |= dict(zip(names, lens.coefficients, strict=False))
    return (
        f'%YAML:1.0\n\nCamera.type: "{"KannalaBrandt8" if fisheye else "PinHole"}"\n'
        + ''.join(f'Camera1.{name}: {float(value)!r}\n' for name, value in values.items())
        + f'Camera.width: {lens.size[0]}\nCamera.height: {lens.size[1]}\nViewer.PointSize:2\n'
    )


def vins(lens: Lens) -> str:
    """As VINS-Fusion and camodocal have it."""
    head = f'image_width: {lens.size[0]}\nimage_height: {lens.size[1]}\n'
    if lens.model == 'equidistant':
        names, kind = ('mu', 'mv', 'u0', 'v0'), 'KANNALA_BRANDT'
        inner = ''.join(
            f'   k{index + 2}: {float(value)!r}\n' for index, value in enumerate(lens.coefficients)
        )
        outer = ''
    else:
        names, kind, inner = ('fx', 'fy', 'cx', 'cy'), 'PINHOLE', ''
        # A coefficient beyond these has no name there.
        pairs = zip(('k1', 'k2', 'p1', 'p2'), lens.coefficients, strict=False)
        outer = 'distortion_parameters:\n' + ''.join(
            f'   {name}: {float(value)!r}\n' for name, value in pairs
        )
    inner += ''.join(
        f'   {name}: {float(value)!r}\n' for name, value in zip(names, _four(lens), strict=True)
    )
    return f'%YAML:1.0\n---\nmodel_type: {kind}\n{head}{outer}projection_parameters:\n{inner}'


def opencv_yaml(lens: Lens) -> str:
    """As cv::FileStorage writes it."""
    model = 'fisheye_model: 1\n' if lens.model == 'equidistant' else f'lens: "{lens.model}"\n'
    if len(lens.coefficients) == 4 and lens.model != 'equidistant':
        model = 'distortion_model: plumb_bob\n'
    return (
        f'%YAML:1.0\n---\nimage_width: {lens.size[0]}\nimage_height: {lens.size[1]}\n{model}'
        f'cameraMatrix: !!opencv-matrix\n   rows: 3\n   cols: 3\n   dt: d\n'
        f'   data: {_list(lens.matrix)}\ndistCoeffs: !!opencv-matrix\n'
        f'   rows: {len(lens.coefficients)}\n   cols: 1\n   dt: d\n'
        f'   data: {_list(lens.coefficients)}\n'
    )


def opencv_xml(lens: Lens) -> str:
    """The same as XML."""
    model = '<fisheye_model>1</fisheye_model>' if lens.model == 'equidistant' else (
        f'<distortion_model>{lens.model}</distortion_model>'
    )  # fmt: skip

    def matrix(name: str, values: Matrix, rows: int, columns: int) -> str:
        data = ' '.join(f'{float(value)!r}' for value in np.ravel(values))
        return (
            f'<{name} type_id="opencv-matrix"><rows>{rows}</rows><cols>{columns}</cols>'
            f'<dt>d</dt><data>{data}</data></{name}>'
        )

    return (
        f'<?xml version="1.0"?>\n<opencv_storage>\n<image_width>{lens.size[0]}</image_width>'
        f'<image_height>{lens.size[1]}</image_height>{model}'
        + matrix('camera_matrix', lens.matrix, 3, 3)
        + matrix('distortion_coefficients', lens.coefficients, len(lens.coefficients), 1)
        + '\n</opencv_storage>\n'
    )


def opencv_json(lens: Lens) -> str:
    """The same as JSON."""

    def matrix(values: Matrix, rows: int, columns: int) -> dict[str, object]:
        data = [float(value) for value in np.ravel(values)]
        return {'type_id': 'opencv-matrix', 'rows': rows, 'cols': columns, 'dt': 'd', 'data': data}

    return json.dumps(
        {
            'image_width': lens.size[0],
            'image_height': lens.size[1],
            'distortion_model': lens.model,
            'camera_matrix': matrix(lens.matrix, 3, 3),
            'distortion_coefficients': matrix(lens.coefficients, 1, len(lens.coefficients)),
        },
        indent=4,
    )


def ini(lens: Lens) -> str:
    """As `ost.ini` of ROS."""
    rows = '\n'.join(' '.join(f'{float(value)!r}' for value in row) for row in lens.matrix)
    numbers = ' '.join(f'{float(value)!r}' for value in lens.coefficients)
    return (
        f'# oST version 5.0 parameters\n\n[image]\n\nwidth\n{lens.size[0]}\n\nheight\n'
        f'{lens.size[1]}\n\n[narrow_stereo]\n\ncamera matrix\n{rows}\n\ndistortion\n{numbers}\n\n'
        'rectification\n1 0 0\n0 1 0\n0 0 1\n\nprojection\n1 0 0 0\n0 1 0 0\n0 0 1 0\n'
    )


def colmap(lens: Lens) -> str:
    """`cameras.txt` of COLMAP, whose pixel centres are at 0.5."""
    kind = {'equidistant': 'OPENCV_FISHEYE', 'rational_polynomial': 'FULL_OPENCV'}
    focal, centre = np.split(_four(lens), 2)
    values = [*focal, *(centre + 0.5), *lens.coefficients]
    words = ' '.join(f'{float(value)!r}' for value in values)
    name = kind.get(lens.model, 'OPENCV')
    width, height = lens.size
    return f'# Camera list with one line of data per camera:\n1 {name} {width} {height} {words}\n'


def _four(lens: Lens) -> Matrix:
    return np.asarray(lens.matrix[[0, 1, 0, 1], [0, 1, 2, 2]])


_ALL = (('plumb_bob', 5), ('rational_polynomial', 8), ('equidistant', 4))
_FOUR = (('plumb_bob', 4), ('equidistant', 4))
FORMATS: dict[str, tuple[Callable[[Lens], str], tuple[tuple[str, int], ...], bool]] = {
    'YAML of ROS': (ros_yaml, (*_ALL, ('plumb_bob', 4)), True),
    'printed camera_info': (printed_info, (*_ALL, ('plumb_bob', 4)), True),
    'camchain': (camchain, _FOUR, False),
    'sensor.yaml': (sensor_yaml, _FOUR, False),
    'ORB-SLAM': (orb_slam, (*_FOUR, ('plumb_bob', 5)), False),
    'VINS': (vins, _FOUR, False),
    'FileStorage YAML': (opencv_yaml, (*_ALL, ('plumb_bob', 4)), True),
    'FileStorage XML': (opencv_xml, _ALL, True),
    'FileStorage JSON': (opencv_json, _ALL, True),
    'INI of ROS': (ini, _ALL[:2], True),
    'COLMAP': (colmap, (('plumb_bob', 4), ('rational_polynomial', 8), ('equidistant', 4)), False),
}
"""By name: the text of a lens, its models with numbers of coefficients, whether it has skew."""
