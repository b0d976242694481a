"""Calibrations from files and messages."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from helpers.source_files import AHEAD, CALIBRATION, camera_info, image_folder, types

from fol_vpr.config import CameraConfig
from fol_vpr.datatypes import Camera
from fol_vpr.errors import InputError
from fol_vpr.sources import ImageFolder, camera_from_info, configured_camera, is_rectified
from fol_vpr.sources.cameras import camera_info_topics, read_camera_file


@pytest.fixture
def calibration(tmp_path: Path) -> Path:
    path = tmp_path / 'camera.yaml'
    path.write_text(CALIBRATION)
    return path


def test_a_calibration_file(calibration: Path) -> None:
    camera = read_camera_file(calibration)
    assert (camera.size, camera.model, camera.mount) == ((48, 32), 'plumb_bob', None)
    np.testing.assert_array_equal(camera.matrix, [[40.5, 0, 23.5], [0, 41.25, 15.5], [0, 0, 1]])
    np.testing.assert_array_equal(camera.distortion, [-0.25, 0.05, 0.001, -0.002, 0])


def test_a_lens_without_distortion_has_no_model(calibration: Path) -> None:
    calibration.write_text(CALIBRATION.replace('-0.25, 0.05, 0.001, -0.002, 0.', '0,0,0,0,0'))
    assert read_camera_file(calibration).model == ''


@pytest.mark.parametrize(
    ('old', 'new', 'said'),
    [
        (CALIBRATION, '', 'is no calibration'),
        (CALIBRATION, '- 1\n- 2\n', 'is no calibration'),
        (CALIBRATION, '{', 'is no YAML'),
        (CALIBRATION, '%YAML:1.0\n---\nM: !!opencv-matrix\n', 'is no YAML'),
        (CALIBRATION, '\0', 'is no YAML'),
        ('camera_matrix', 'matrix', "'camera_matrix' is missing"),
        ('image_width: 48', 'image_width: wide', "image_width is 'wide'"),
        ('40.5', 'forty', 'expected numbers'),
        ('40.5, 0.     , 23.5', '40.5, 23.5', '8 numbers, expected 9'),
        ('40.5', '0', 'is the camera calibrated'),
        ('40.5', '.nan', 'is the camera calibrated'),
        ('plumb_bob', 'kannala', "distortion model is 'kannala'"),
        ('-0.25, 0.05, ', '', '3 coefficients, expected 4 or 5'),
        ('image_width: 48', 'image_width: 0', 'size of its images'),
    ],
)
def test_a_bad_calibration_file(calibration: Path, old: str, new: str, said: str) -> None:
    calibration.write_text(CALIBRATION.replace(old, new))
    with pytest.raises(InputError) as caught:
        read_camera_file(calibration)
    assert said in str(caught.value)
    assert str(calibration) in str(caught.value)


def test_no_calibration_file(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r'none\.yaml cannot be read.*camera_calibration'):
        read_camera_file(tmp_path / 'none.yaml')
    with pytest.raises(InputError, match='cannot be read'):
        read_camera_file(tmp_path)
    (tmp_path / 'large.yaml').write_bytes(b' ' * 1_000_000)
    with pytest.raises(InputError, match='too large'):
        read_camera_file(tmp_path / 'large.yaml')


def test_a_mount_that_was_given(calibration: Path) -> None:
    camera = configured_camera(CameraConfig(camera=str(calibration), camera_mount=AHEAD))
    assert camera is not None and camera.mount is not None
    np.testing.assert_array_equal(camera.mount.position, AHEAD[:3])
    np.testing.assert_array_equal(camera.mount.orientation, AHEAD[3:])
    assert configured_camera(CameraConfig(camera_mount=AHEAD)) is None


@pytest.mark.parametrize(
    'numbers', [(1.0, 2.0, 3.0), (0.0,) * 7, (0, 0, 0, 0, 0, 0, 1.1), (np.nan, 0, 0, 0, 0, 0, 1)]
)
def test_a_mount_that_is_no_pose(numbers: tuple[float, ...]) -> None:
    with pytest.raises(InputError, match=r'camera_mount is .*unit quaternion qx qy qz qw'):
        CameraConfig(camera_mount=numbers)


# ---- messages


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
    ],
)  # fmt: skip
def test_what_the_name_of_a_topic_tells(topic: str, rectified: bool, infos: list[str]) -> None:
    assert is_rectified(topic) is rectified
    assert camera_info_topics(topic) == infos


# ---- folders


def test_the_camera_of_a_folder(tmp_path: Path, calibration: Path) -> None:
    folder = image_folder(tmp_path / 'images', 2)
    plain = ImageFolder(folder)
    source = ImageFolder(folder, camera=CameraConfig(camera=str(calibration)))
    assert [frame.camera is None for _, frame in plain.frames()] == [True, True]
    assert [frame.camera.size for _, frame in source.frames()] == [(48, 32)] * 2
    assert source.warnings == []
    assert source.fingerprint != plain.fingerprint
    calibration.write_text(CALIBRATION.replace('40.5', '41.5'))
    again = ImageFolder(folder, camera=CameraConfig(camera=str(calibration)))
    assert again.fingerprint != source.fingerprint


def test_images_of_another_size_have_no_camera(tmp_path: Path, calibration: Path) -> None:
    calibration.write_text(CALIBRATION.replace('image_width: 48', 'image_width: 96'))
    source = ImageFolder(
        image_folder(tmp_path / 'images', 2), camera=CameraConfig(camera=str(calibration))
    )
    assert [frame.camera for _, frame in source.frames()] == [None, None]
    assert len(source.warnings) == 1
    assert 'for 96x32 pixels, but the images have 48x32' in source.warnings[0]
