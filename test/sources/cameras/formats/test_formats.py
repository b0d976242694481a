"""The same camera in every format that people have: matrix, lens, size, and where it sits."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from fol_vpr.errors import InputError
from fol_vpr.geometry.rigid import rotation_matrix
from fol_vpr.sources import read_calibration

K = [400.5, 0, 322.25, 0, 401.75, 238.5, 0, 0, 1]
BROWN = [-0.28, 0.07, 1e-05, -0.0005]
FIVE = [*BROWN, 0.01]
EIGHT = [*BROWN, 0.01, 0.2, -0.03, 1e-05]
FISHEYE = [-0.01, 0.02, -3e-05, 0.0005]
# A camera that looks ahead, 0.2 m in front of the body and 1.3 m above it.
AHEAD = [[0, 0, 1, 0.2], [-1, 0, 0, 0], [0, -1, 0, 1.3], [0, 0, 0, 1]]
BACK = np.linalg.inv(AHEAD).round(9).tolist()

ROS = f"""image_width: 640
image_height: 480
camera_name: narrow_stereo
camera_matrix: {{rows: 3, cols: 3, data: {K}}}
distortion_model: MODEL
distortion_coefficients: {{rows: 1, cols: COUNT, data: DATA}}
"""
ECHO = f"""header:
  stamp: {{sec: 1, nanosec: 5}}
  frame_id: camera
height: 480
width: 640
distortion_model: plumb_bob
d: {FIVE}
k: {K}
r: [1.0, 0, 0, 0, 1, 0, 0, 0, 1]
p: [400, 0, 320, 0, 0, 400, 240, 0, 0, 0, 1, 0]
binning_x: 0
binning_y: 0
roi: {{x_offset: 0, y_offset: 0, height: 0, width: 0, do_rectify: false}}
---
"""
ZEROS = f"""height: 480
width: 640
distortion_model: plumb_bob
d: []
k: {[0] * 9}
---
"""
CAMCHAIN = f"""cam0:
  T_cam_imu: {BACK}
  cam_overlaps: [1]
  camera_model: pinhole
  distortion_coeffs: {BROWN}
  distortion_model: radtan
  intrinsics: [400.5, 401.75, 322.25, 238.5]
  resolution: [640, 480]
  rostopic: /cam0/image_raw
"""
SECOND = f"""cam1:
  T_cn_cnm1: [[1, 0, 0, -0.1], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]]
  camera_model: pinhole
  distortion_coeffs: {FISHEYE}
  distortion_model: equidistant
  intrinsics: [300, 301, 320, 240]
  resolution: [640, 480]
"""
EUROC = f"""# General sensor definitions.
sensor_type: camera
comment: VI-Sensor cam0
T_BS:
  cols: 4
  rows: 4
  data: {[value for row in AHEAD for value in row]}
rate_hz: 20
resolution: [640, 480]
camera_model: pinhole
intrinsics: [400.5, 401.75, 322.25, 238.5] #fu, fv, cu, cv
distortion_model: radial-tangential
distortion_coefficients: {BROWN}
"""
ORB = """%YAML:1.0

#----------
Camera.type: "KIND"
PREFIX.fx: 400.5
PREFIX.fy: 401.75
PREFIX.cx: 322.25
PREFIX.cy: 238.5
LENS
Camera.width: 640
Camera.height: 480
Camera.fps: 20
ORBextractor.nFeatures: 1000
Viewer.KeyFrameLineWidth:1
"""
VINS = """%YAML:1.0
---
model_type: KIND
camera_name: camera
image_width: 640
image_height: 480
distortion_parameters:
   k1: -0.28
   k2: 0.07
   p1: 1e-05
   p2: -0.0005
projection_parameters:
   fx: 400.5
   fy: 401.75
   cx: 322.25
   cy: 238.5
"""
INI = """# oST version 5.0 parameters


[image]

width
640

height
480

[narrow_stereo]

camera matrix
400.5 0.000000 322.25
0.000000 401.75 238.5
0.000000 0.000000 1.000000

distortion
LENS

rectification
1 0 0
0 1 0
0 0 1

projection
400 0 320 0
0 400 240 0
0 0 1 0
"""


def ros(model: str, data: list[float]) -> str:
    plain = ROS.replace('MODEL', model).replace('COUNT', str(len(data)))
    return plain.replace('DATA', str(data))


def orb(kind: str, names: str, values: list[float], prefix: str = 'Camera') -> str:
    pairs = zip(names.split(), values, strict=True)
    lens = '\n'.join(f'{prefix}.{name}: {value}' for name, value in pairs)
    return ORB.replace('KIND', kind).replace('LENS', lens).replace('PREFIX', prefix)


def opencv(path: Path, ending: str, *extra: tuple[str, object]) -> str:
    """A file as FileStorage of the installed OpenCV writes it."""
    file = cv2.FileStorage(str(path / f'opencv{ending}'), cv2.FILE_STORAGE_WRITE)
    file.write('image_width', 640)
    file.write('image_height', 480)
    file.write('camera_matrix', np.array(K).reshape(3, 3))
    file.write('distortion_coefficients', np.array(FIVE).reshape(5, 1))
    for name, value in extra:
        file.write(name, value)
    file.release()
    return (path / f'opencv{ending}').read_text()


CASES = [
    (ros('plumb_bob', FIVE), '(camera_calibration)', 'plumb_bob', FIVE),
    (ros('rational_polynomial', EIGHT), '(camera_calibration)', 'rational_polynomial', EIGHT),
    (ros('equidistant', FISHEYE), '(camera_calibration)', 'equidistant', FISHEYE),
    (ros('fisheye', [0] * 4), '(camera_calibration)', 'equidistant', [0] * 4),
    (ros('plumb_bob', [0] * 5), '(camera_calibration)', '', []),
    (ros('plumb_bob', FIVE).replace('640', "'640'"), '(camera_calibration)', 'plumb_bob', FIVE),
    (ros('plumb_bob', FIVE).replace('distortion_model: plumb_bob\n', ''),
     'which names no lens model', 'plumb_bob', FIVE),
    (ros('plumb_bob', FIVE).replace('distortion_model', 'camera_model'), '', 'plumb_bob', FIVE),
    ('\ufeff' + ros('plumb_bob', FIVE).replace('\n', '\r\n'), '', 'plumb_bob', FIVE),
    (INI.replace('LENS', ' '.join(map(str, FIVE))), 'INI', 'plumb_bob', FIVE),
    (INI.replace('LENS', ' '.join(map(str, EIGHT))), 'INI', 'rational_polynomial', EIGHT),
    (ECHO, 'printed camera_info', 'plumb_bob', FIVE),
    (ZEROS + ECHO, 'printed camera_info', 'plumb_bob', FIVE),
    (ECHO.replace('d:', 'D:').replace('k:', 'K:'), 'printed camera_info', 'plumb_bob', FIVE),
    (ECHO.replace(f'd: {FIVE}', f"d: array('d', {FIVE})"), '', 'plumb_bob', FIVE),
    (ECHO.replace(f'd: {FIVE}', '\n'.join(['d:', *(f'- {value}' for value in FIVE)])),
     'printed camera_info', 'plumb_bob', FIVE),
    (CAMCHAIN, 'camchain of Kalibr', 'plumb_bob', BROWN),
    ('%YAML:1.0 # first\n\n' + CAMCHAIN.replace('T_cam_imu', 'T_imu_cam'), '', 'plumb_bob', BROWN),
    (CAMCHAIN.replace('radtan', 'equi').replace(str(BROWN), str(FISHEYE)), '', 'equidistant',
     FISHEYE),
    (CAMCHAIN.replace('radtan', 'none').replace(str(BROWN), '[]'), 'camchain', '', []),
    (EUROC, 'sensor.yaml of EuRoC', 'plumb_bob', BROWN),
    ('%YAML:1.0\n' + EUROC.replace('\n', '\r\n'), 'EuRoC', 'plumb_bob', BROWN),
    (orb('PinHole', 'k1 k2 p1 p2', BROWN), 'ORB-SLAM', 'plumb_bob', BROWN),
    (orb('PinHole', 'k1 k2 p1 p2 k3', FIVE), 'ORB-SLAM', 'plumb_bob', FIVE),
    (orb('PinHole', 'k1 k2 p1 p2 k3', FIVE, 'Camera1'), 'ORB-SLAM', 'plumb_bob', FIVE),
    (orb('KannalaBrandt8', 'k1 k2 k3 k4', FISHEYE), 'ORB-SLAM', 'equidistant', FISHEYE),
    (orb('Rectified', '', []), 'ORB-SLAM', '', []),
    (orb('PinHole', '', []), 'ORB-SLAM', '', []),
    (VINS.replace('KIND', 'PINHOLE'), 'VINS', 'plumb_bob', BROWN),
    (VINS.replace('KIND', 'KANNALA_BRANDT').replace('fx: 400.5\n   fy: 401.75\n   cx: 322.25\n'
     '   cy: 238.5', 'k2: -0.01\n   k3: 0.02\n   k4: -3e-05\n   k5: 0.0005\n   mu: 400.5\n'
     '   mv: 401.75\n   u0: 322.25\n   v0: 238.5'), 'VINS', 'equidistant', FISHEYE),
    ('# Camera list\n1 OPENCV 640 480 400.5 401.75 322.75 239 -0.28 0.07 1e-05 -0.0005\n',
     'COLMAP', 'plumb_bob', BROWN),
    ('1 FULL_OPENCV 640 480 400.5 401.75 322.75 239 ' + ' '.join(map(str, EIGHT)), 'COLMAP',
     'rational_polynomial', EIGHT),
    ('7 OPENCV_FISHEYE 640 480 400.5 401.75 322.75 239 ' + ' '.join(map(str, FISHEYE)), 'COLMAP',
     'equidistant', FISHEYE),
]  # fmt: skip


@pytest.mark.parametrize(('text', 'told', 'model', 'lens'), CASES)
def test_one_camera_in_every_format(tmp_path: Path, text, told, model, lens) -> None:
    (tmp_path / 'file').write_text(text, newline='')
    found = read_calibration(tmp_path / 'file')
    assert told in found.told
    assert (found.camera.size, found.camera.model) == ((640, 480), model)
    np.testing.assert_allclose(found.camera.matrix.ravel(), K)
    np.testing.assert_allclose(found.camera.distortion, lens)


@pytest.mark.parametrize('ending', ['.yaml', '.xml', '.json'])
def test_file_storage_of_opencv(tmp_path: Path, ending: str) -> None:
    text = opencv(tmp_path, ending)
    found = read_calibration(tmp_path / f'opencv{ending}')
    assert 'OpenCV' in found.told and found.camera.size == (640, 480)
    np.testing.assert_allclose(found.camera.matrix.ravel(), K)
    np.testing.assert_allclose(found.camera.distortion, FIVE)
    other = text.replace('camera_matrix', 'cameraMatrix').replace(
        'distortion_coefficients', 'distCoeffs'
    )
    (tmp_path / 'other').write_text(other)
    np.testing.assert_allclose(read_calibration(tmp_path / 'other').camera.distortion, FIVE)
    opencv(tmp_path, ending, ('fisheye_model', 1))
    with pytest.raises(InputError, match=r'5 coefficients, expected 4'):
        read_calibration(tmp_path / f'opencv{ending}')


def test_four_coefficients_without_a_model_are_asked_for(tmp_path: Path) -> None:
    """cv2.calibrateCamera and cv2.fisheye.calibrate both write four."""
    text = f'image_width: 640\nimage_height: 480\ncameraMatrix: {K}\ndistCoeffs: {FISHEYE}\n'
    (tmp_path / 'file').write_text(text)
    with pytest.raises(InputError, match='names no distortion model for its 4 coefficients'):
        read_calibration(tmp_path / 'file')
    (tmp_path / 'file').write_text(text + 'fisheye_model: 1\n')
    assert read_calibration(tmp_path / 'file').camera.model == 'equidistant'
    (tmp_path / 'file').write_text(text + 'distortion_model: plumb_bob\n')
    assert read_calibration(tmp_path / 'file').camera.model == 'plumb_bob'


def test_which_of_several_cameras_is_asked(tmp_path: Path) -> None:
    path = tmp_path / 'camchain.yaml'
    path.write_text(CAMCHAIN + SECOND)
    with pytest.raises(InputError, match='2 cameras: give --camera-name, one of cam0, cam1'):
        read_calibration(path)
    with pytest.raises(InputError, match=r"no camera 'cam7'; --camera-name is one of cam0, cam1"):
        read_calibration(path, 'cam7')
    first, second = (read_calibration(path, name) for name in ('cam0', 'cam1'))
    assert (first.camera.model, second.camera.model) == ('plumb_bob', 'equidistant')
    assert second.told == 'a camchain of Kalibr, camera cam1'
    # cam1 is 0.1 m to the right of cam0, which looks ahead: -0.1 along y of the body.
    assert first.pose is not None and second.pose is not None
    np.testing.assert_allclose(second.pose.position, [0.2, -0.1, 1.3], atol=1e-9)
    path.write_text(ECHO)
    with pytest.raises(InputError, match='one camera without a name'):
        read_calibration(path, 'cam0')


@pytest.mark.parametrize(
    'text', [CAMCHAIN, CAMCHAIN.replace('T_cam_imu', 'T_imu_cam').replace(str(BACK), str(AHEAD)),
             EUROC, orb('PinHole', 'k1 k2 p1 p2', BROWN) + 'IMU.T_b_c1: !!opencv-matrix\n'
             f'  rows: 4\n  cols: 4\n  dt: f\n  data: {[v for row in AHEAD for v in row]}\n']
)  # fmt: skip
def test_where_the_camera_sits(tmp_path: Path, text: str) -> None:
    path = tmp_path / 'file'
    path.write_text(text)
    found = read_calibration(path)
    assert found.pose is not None
    np.testing.assert_allclose(found.pose.position, [0.2, 0, 1.3], atol=1e-9)
    forward = rotation_matrix(found.pose.orientation) @ [0, 0, 1]
    np.testing.assert_allclose(forward, [1, 0, 0], atol=1e-9)
    said = found.notice(str(path), mounted=False)
    assert 'read as' in said and '--camera-mount 0.2 0 1.3 -0.5 0.5 -0.5 0.5' in said
    assert '--camera-mount' not in found.notice(str(path), mounted=True)


def test_raw_and_rectified_cameras_of_stereo_settings_are_told_apart(tmp_path: Path) -> None:
    raw = f'LEFT.width: 640\nLEFT.height: 480\nLEFT.D: {FIVE}\nLEFT.K: {K}\n'
    path = tmp_path / 'file'
    path.write_text(orb('PinHole', 'k1 k2 p1 p2', [0] * 4).replace('400.5', '435.2') + raw)
    with pytest.raises(InputError, match='one of Camera, LEFT'):
        read_calibration(path)
    left = read_calibration(path, 'LEFT').camera
    assert (left.matrix[0, 0], left.model) == (400.5, 'plumb_bob')


def test_binning_and_region_of_interest_of_a_printed_message(tmp_path: Path) -> None:
    text = ECHO.replace('binning_x: 0', 'binning_x: 2').replace('binning_y: 0', 'binning_y: 2')
    text = text.replace('height: 0, width: 0', 'height: 400, width: 600')
    (tmp_path / 'file').write_text(text.replace('x_offset: 0', 'x_offset: 40'))
    camera = read_calibration(tmp_path / 'file').camera
    assert camera.size == (300, 200)
    np.testing.assert_allclose(camera.matrix[0], [200.25, 0, 141.125])


PINHOLES = {
    'SIMPLE_PINHOLE': ('400 322.75 239', '', []),
    'SIMPLE_RADIAL': ('400 322.75 239 -0.1', 'plumb_bob', [-0.1, 0, 0, 0]),
    'RADIAL': ('400 322.75 239 -0.1 0.02', 'plumb_bob', [-0.1, 0.02, 0, 0]),
    'RADIAL_FISHEYE': ('400 322.75 239 -0.1 0.02', 'equidistant', [-0.1, 0.02, 0, 0]),
    'SIMPLE_RADIAL_FISHEYE': ('400 322.75 239 0', 'equidistant', [0, 0, 0, 0]),
}


@pytest.mark.parametrize('kind', PINHOLES)
def test_models_of_colmap_with_one_focal_length(tmp_path: Path, kind: str) -> None:
    numbers, model, lens = PINHOLES[kind]
    (tmp_path / 'cameras.txt').write_text(f'3 {kind} 640 480 {numbers}\n')
    camera = read_calibration(tmp_path / 'cameras.txt').camera
    np.testing.assert_array_equal(camera.matrix, [[400, 0, 322.25], [0, 400, 238.5], [0, 0, 1]])
    assert (camera.model, camera.distortion.tolist()) == (model, lens)


@pytest.mark.parametrize(('kind', 'read'), [('1', 'equidistant'), ('0', 'plumb_bob')])
def test_the_flag_of_the_calibration_sample_of_opencv(tmp_path: Path, kind, read) -> None:
    text = f'camera_matrix: {K}\nimage_width: 640\nimage_height: 480\nfisheye_model: {kind}\n'
    (tmp_path / 'file').write_text(f'{text}distortion_coefficients: {FISHEYE}\n')
    assert read_calibration(tmp_path / 'file').camera.model == read


def test_two_cameras_of_stereo_calib(tmp_path: Path) -> None:
    """The sample of OpenCV writes no size of the images."""
    text = f'M1: {K}\nD1: {FIVE}\nM2: {K}\nD2: {EIGHT}\n'
    (tmp_path / 'file').write_text('%YAML:1.0\n' + text)
    with pytest.raises(InputError, match='2 cameras: give --camera-name, one of 1, 2'):
        read_calibration(tmp_path / 'file')
    with pytest.raises(InputError, match='add `image_width` and `image_height`'):
        read_calibration(tmp_path / 'file', '2')
    (tmp_path / 'file').write_text(f'{text}image_width: 640\nimage_height: 480\n')
    assert read_calibration(tmp_path / 'file', '2').camera.model == 'rational_polynomial'


PLAIN = ros('plumb_bob', FIVE)


@pytest.mark.parametrize(
    ('text', 'said'),
    [
        (VINS.replace('KIND', 'MEI'), 'unified omnidirectional model .*calibrate again'),
        (VINS.replace('KIND', 'SCARAMUZZA'), 'Scaramuzza'),
        ('%YAML:1.0\ncam0_calib: "left.yaml"\n', r"give 'left.yaml', which cam0_calib names"),
        ('relative_config_imucam: "chain.yaml"\n', "give 'chain.yaml'"),
        (CAMCHAIN.replace('pinhole', 'omni').replace('[400.5', '[0.8, 400.5'), 'omnidirectional'),
        (CAMCHAIN.replace('pinhole', 'ds').replace('[400.5', '[0.1, 0.5, 400.5'), 'double sphere'),
        (CAMCHAIN.replace('pinhole', 'eucm'), 'extended unified'),
        (CAMCHAIN.replace('radtan', 'fov'), 'arctangent'),
        (CAMCHAIN.replace('radtan', 'none'), 'none, but there are coefficients'),
        (CAMCHAIN.replace('  resolution: [640, 480]\n', ''), 'add `image_width`'),
        (CAMCHAIN.replace('400.5, 401.75, 322.25, 238.5', '400.5, 322'), 'expected fu fv cu cv'),
        (orb('PinHole', 'k1 k2', BROWN[:2]), 'has the coefficients k1, k2, expected k1, k2, p1'),
        (orb('KannalaBrandt8', 'k1 k2', BROWN[:2]), 'expected k1, k2, k3, k4'),
        (orb('equirectangular', '', []), "'equirectangular'"),
        (orb('PinHole', '', []).replace('Camera.width: 640\n', ''), 'add `image_width`'),
        (EUROC.replace('camera\n', 'imu\n').replace('intrinsics', 'noise'), "of the type 'imu'"),
        ('1 FOV 640 480 400 401 320 240 0.9', 'arctangent'),
        ('1 PINHOLE 640 480 400 401 320 240\n' * 100, '100 cameras: .* 1, 1 and 92 more'),
        ('1 OPENCV 640 480 400 401 320', 'has 3 parameters, expected fx fy cx cy k1'),
        (ECHO.replace(f'd: {FIVE}', "d: [-0.28, 0.07, '...']"), '--full-length'),
        (ZEROS, 'K is zero, which means that it is not calibrated'),
        (PLAIN.replace('400.5', '801/2'), "'801/2', expected a finite number"),
        (PLAIN.replace('400.5', '${fx}'), "'\\$\\{fx\\}', expected|is no YAML"),
        (PLAIN.replace('400.5', '.inf'), 'inf, expected a finite number'),
        (PLAIN.replace('400.5', '9' * 500), 'a number has 500 digits|expected a finite'),
        (PLAIN.replace('image_width: 640', 'image_width: 640.5'), 'expected a whole number'),
        (PLAIN + 'image_width: 64\n', 'image_width stands there twice'),
        (PLAIN.replace('camera_matrix', 'matrix').replace('distortion_model: plumb_bob', 'a: b')
         .replace('camera_name: narrow_stereo\n', ''), 'of a known format'),
        ('{"value0": {"intrinsics": [{"camera_type": "ds", "intrinsics": {"fx": 1, "fy": 1, '
         '"cx": 1, "cy": 1, "xi": 0, "alpha": 0.5}}], "resolution": [[640, 480]]}}',
         'double sphere'),
    ],
)  # fmt: skip
def test_what_cannot_be_used_is_named(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / 'file').write_text(text)
    with pytest.raises(InputError, match=said) as caught:
        read_calibration(tmp_path / 'file')
    assert str(tmp_path / 'file') in str(caught.value)
    assert len(str(caught.value)) < 900
