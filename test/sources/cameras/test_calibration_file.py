"""Calibration files: what is read of them, and what is said of those that cannot be used."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from helpers.source_files import AHEAD, CALIBRATION, image_folder

from fol_vpr.config import CameraConfig
from fol_vpr.errors import InputError
from fol_vpr.sources import ImageFolder, configured_camera
from fol_vpr.sources.cameras import read_camera_file


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
        (CALIBRATION, '%YAML:1.0\n---\nM: !!opencv-matrix\n', 'is no calibration'),
        (CALIBRATION, 'a: !!python/object/apply:os.getcwd []\n', 'is no YAML'),
        (CALIBRATION, '\0', 'is no YAML'),
        ('camera_matrix', 'matrix', 'camera_matrix is missing'),
        ('image_width: 48', 'image_width: wide', "image_width is 'wide'"),
        ('40.5', 'forty', "'forty', expected a finite number"),
        ('40.5, 0.     , 23.5', '40.5, 23.5', '8 numbers, but rows 3, cols 3'),
        ('40.5', '0', 'is the camera calibrated'),
        ('40.5', '.nan', 'expected a finite number'),
        ('plumb_bob', 'kannala', "distortion model is 'kannala'"),
        ('-0.25, 0.05, ', '', '3 numbers, but rows 1, cols 5'),
        ('image_width: 48', 'image_width: 0', 'image_width is 0'),
    ],
)
def test_a_bad_calibration_file(calibration: Path, old: str, new: str, said: str) -> None:
    calibration.write_text(CALIBRATION.replace(old, new))
    with pytest.raises(InputError) as caught:
        read_camera_file(calibration)
    assert said in str(caught.value)
    assert str(calibration) in str(caught.value)


def test_no_calibration_file(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r'none\.yaml does not exist'):
        read_camera_file(tmp_path / 'none.yaml')
    with pytest.raises(InputError, match='is a folder'):
        read_camera_file(tmp_path)
    (tmp_path / 'large.yaml').write_bytes(b' ' * 1_000_000)
    with pytest.raises(InputError, match='more than 200000 bytes'):
        read_camera_file(tmp_path / 'large.yaml')


def test_the_yaml_of_the_calibrator_beside_a_file_that_is_refused_is_named(
    tmp_path: Path, calibration: Path
) -> None:
    calibration.rename(tmp_path / 'ost.yaml')
    (tmp_path / 'notes.txt').write_text('left camera')
    with pytest.raises(InputError, match=r'known format.*there is .*ost\.yaml beside it'):
        read_camera_file(tmp_path / 'notes.txt')


def test_a_fifo_and_a_pointer_of_git_lfs(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / 'fifo.yaml')
    with pytest.raises(InputError, match='is a FIFO, expected a calibration'):
        read_camera_file(tmp_path / 'fifo.yaml')
    pointer = tmp_path / 'lfs.yaml'
    pointer.write_text('version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n')
    with pytest.raises(InputError, match='`git lfs pull`'):
        read_camera_file(pointer)


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
