"""Calibrations from camera_info."""

from __future__ import annotations

import numpy as np
import pytest
from helpers.source_files import camera_info, types

from fol_vpr.datatypes import Camera
from fol_vpr.errors import InputError
from fol_vpr.geometry.viewing_rays import pixels_to_rays
from fol_vpr.sources import camera_from_info, is_rectified
from fol_vpr.sources.cameras import camera_info_topics, wrong_size


def from_info(size: tuple[int, int] = (48, 32), rectified: bool = False, **changes) -> Camera:
    camera = camera_from_info(camera_info(**changes).message, size, rectified=rectified)
    assert camera is not None
    return camera


def test_a_camera_info() -> None:
    camera = from_info()
    assert (camera.size, camera.model) == ((48, 32), 'plumb_bob')
    np.testing.assert_array_equal(camera.matrix, [[40, 0, 23.5], [0, 41, 15.5], [0, 0, 1]])
    assert camera.distortion.tolist() == [-0.2, 0.05, 0.001, -0.001, 0]


def test_rectified_images_have_the_matrix_of_p_and_no_distortion() -> None:
    camera = from_info(rectified=True)
    assert (camera.model, len(camera.distortion)) == ('', 0)
    np.testing.assert_array_equal(camera.matrix, [[38, 0, 23], [0, 39, 15], [0, 0, 1]])


def test_a_camera_info_of_zeros_is_none() -> None:
    info = camera_info(k=np.zeros(9), d=np.zeros(0), p=np.zeros(12)).message
    assert camera_from_info(info, (48, 32)) is None
    assert camera_from_info(info, (48, 32), rectified=True) is None


def test_rectified_images_without_a_matrix_of_p_are_told_from_uncalibrated_ones() -> None:
    info = camera_info(p=np.zeros(12)).message
    assert camera_from_info(info, (48, 32)) is not None
    assert from_info(rectified=True, k=np.zeros(9)).matrix[0, 0] == 38
    with pytest.raises(InputError, match=r'P is zero.*rectified by the name of their topic'):
        camera_from_info(info, (48, 32), rectified=True)


def test_a_camera_info_without_size_is_for_the_images() -> None:
    assert from_info((640, 480), width=0, height=0).size == (640, 480)


def test_binning_and_region_of_interest() -> None:
    region = types('sensor_msgs/msg/RegionOfInterest')(4, 8, 24, 32, False)
    camera = from_info(binning_x=2, binning_y=4, roi=region)
    assert camera.size == (16, 6)
    # A point that K puts at (23.5, 15.5) lies at ((23.5 - 4) / 2, (15.5 - 8) / 4).
    np.testing.assert_array_equal(camera.matrix, [[20, 0, 9.75], [0, 10.25, 1.875], [0, 0, 1]])


@pytest.mark.parametrize(
    ('changes', 'said'),
    [
        ({'distortion_model': 'other'}, "distortion model is 'other'"),
        ({'d': np.array([1.0])}, '1 coefficients'),
        ({'d': np.array([np.inf, 0, 0, 0, 0])}, 'finite'),
        ({'k': np.full(9, np.nan)}, 'is the camera calibrated'),
    ],
)
def test_a_camera_info_that_makes_no_sense(changes, said: str) -> None:
    with pytest.raises(InputError, match=said):
        from_info(**changes)


@pytest.mark.parametrize(
    ('topic', 'rectified', 'infos'),
    [
        ('/camera/image_raw', False, ['/camera/camera_info']),
        ('/camera/image_rect', True, ['/camera/camera_info']),
        ('/camera/image_rect_color/compressed', True,
         ['/camera/camera_info', '/camera/image_rect_color/camera_info']),
        ('/direct/image/compressed', False, ['/direct/camera_info', '/direct/image/camera_info']),
        ('/image', False, ['/camera_info']),
        ('/zed/left/color/rect/image', True, ['/zed/left/color/rect/camera_info']),
        ('/rect/camera/image_raw', False, ['/rect/camera/camera_info']),
        ('/rect/image_raw', False, ['/rect/camera_info']),
        ('/camera/infra1/image_rect_raw', True, ['/camera/infra1/camera_info']),
        ('/camera/image_rect/ffmpeg', True,
         ['/camera/camera_info', '/camera/image_rect/camera_info']),
        ('/camera/image_rectified', True, ['/camera/camera_info']),
    ],
)  # fmt: skip
def test_what_the_name_of_a_topic_tells(topic: str, rectified: bool, infos: list[str]) -> None:
    assert is_rectified(topic) is rectified
    assert camera_info_topics(topic) == infos


@pytest.mark.parametrize('model', ['equidistant', 'fisheye', 'kannala_brandt4', 'Kannala-Brandt'])
def test_zeros_are_an_f_theta_lens_for_a_fisheye(model: str) -> None:
    camera = from_info(distortion_model=model, d=np.zeros(4))
    assert (camera.model, camera.distortion.tolist()) == ('equidistant', [0, 0, 0, 0])


@pytest.mark.parametrize('model', ['plumb_bob', 'rational_polynomial', '', 'none'])
@pytest.mark.parametrize('count', [0, 4, 5, 8, 12, 14])
def test_zeros_are_no_distortion_for_the_others(model: str, count: int) -> None:
    camera = from_info(distortion_model=model, d=np.zeros(count))
    assert (camera.model, len(camera.distortion)) == ('', 0)


@pytest.mark.parametrize('count', [0, 1, 4, 5, 8, 12, 14])
@pytest.mark.parametrize(
    ('model', 'counts'),
    [
        ('plumb_bob', (4, 5)),
        ('rational_polynomial', (8, 12, 14)),
        ('equidistant', (4,)),
        ('', ()),
    ],
)
def test_each_model_has_its_numbers_of_coefficients(model, counts, count) -> None:
    given = {'distortion_model': model, 'd': np.full(count, 0.01)}
    if count in counts:
        assert from_info(**given).model == model
    elif count or model == 'equidistant':
        with pytest.raises(InputError, match='coefficients'):
            from_info(**given)


@pytest.mark.parametrize('model', ['inverse_brown_conrady', 'Modified Brown Conrady'])
def test_the_models_of_a_realsense_are_plumb_bob(model: str) -> None:
    """Against how librealsense 2.59 projects a point with both."""
    focal, (k1, k2, p1, p2, k3) = 910, (0.16, -0.5, 0.0005, -0.0003, 0.45)
    given = np.array([k1, k2, p1, p2, k3])
    matrix = np.array([focal, 0, 640, 0, focal, 360, 0, 0, 1.0])
    camera = from_info(
        (1280, 720), height=720, width=1280, k=matrix, distortion_model=model, d=given
    )
    x, y = np.meshgrid(np.linspace(-0.65, 0.65, 9), np.linspace(-0.37, 0.37, 7))
    square = x**2 + y**2
    radial = 1 + k1 * square + k2 * square**2 + k3 * square**3
    a, b = x * radial, y * radial
    across = a + 2 * p1 * a * b + p2 * (square + 2 * a * a)
    down = b + 2 * p2 * a * b + p1 * (square + 2 * b * b)
    pixels = np.stack([across, down], -1) * focal + (640, 360)
    rays = pixels_to_rays(camera, pixels.reshape(-1, 2), camera.size)
    assert np.abs(rays.xy - np.stack([x, y], -1).reshape(-1, 2)).max() * focal < 0.02


def test_a_fifth_zero_of_a_t265_is_left_out() -> None:
    given = {'distortion_model': 'equidistant', 'd': np.array([0.02, -0.006, 0.002, -0.0005, 0])}
    assert from_info(**given).distortion.tolist() == given['d'][:4].tolist()


def test_the_skew_is_kept() -> None:
    skewed = np.array([40, 0.5, 23.5, 0, 41, 15.5, 0, 0, 1])
    for model, count in (('equidistant', 4), ('plumb_bob', 5)):
        camera = from_info(k=skewed, distortion_model=model, d=np.full(count, 0.01))
        assert camera.matrix[0, 1] == 0.5


@pytest.mark.parametrize(
    ('model', 'named'),
    [
        ('omni', 'unified omnidirectional'), ('MEI', 'unified omnidirectional'),
        ('double sphere', 'double sphere'), ('ds', 'double sphere'), ('EUCM', 'extended unified'),
        ('FOV', 'arctangent'), ('ATAN', 'arctangent'), ('division', 'division'),
        ('thin_prism', 'thin prism'), ('thin-prism-fisheye', 'thin prism'),
        ('ftheta', 'f-theta'), ('something', 'not known'),
    ],
)  # fmt: skip
@pytest.mark.parametrize('value', [0.0, 0.1])
def test_models_that_are_not_supported_are_refused_by_name(model, named, value) -> None:
    with pytest.raises(InputError, match=rf'{named}.*calibrate again'):
        from_info(distortion_model=model, d=np.full(4, value))


@pytest.mark.parametrize(
    ('size', 'said'),
    [
        ((320, 240), r'scaled by 0\.5 and not cut out'),
        ((1920, 1440), 'scaled by 3'),
        ((480, 640), 'turned by a quarter'),
        ((640, 360), 'calibrate the camera at this size'),
    ],
)
def test_a_wrong_size_has_its_remedy(size, said) -> None:
    assert wrong_size((640, 480), (640, 480)) == ''
    with pytest.raises(InputError, match=said):
        raise InputError(wrong_size((640, 480), size))
