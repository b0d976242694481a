"""A calibration that is written beside images is read again as the same camera."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from helpers.source_files import AHEAD, CALIBRATION, image_folder
from PIL import Image

from fol_vpr.config import CameraConfig
from fol_vpr.errors import InputError
from fol_vpr.sources import Bag, BagImages, read_calibration, write_bag_from_images

LENSES = {
    'plumb_bob': '[-0.25, 0.05, 0.001, -0.002, 0.]',
    'rational_polynomial': '[-0.25, 0.05, 0.001, -0.002, 0., 0.1, 0.02, 0.003]',
    'equidistant': '[0.01, -0.02, 0.003, -0.0004]',
    'f-theta': '[0., 0., 0., 0.]',
    'none': '[0., 0., 0., 0., 0.]',
}


def write(tmp_path: Path, text: str, **given) -> Path:
    (tmp_path / 'camera.yaml').write_text(text)
    mount = given.pop('mount', ())
    config = CameraConfig(camera=str(tmp_path / 'camera.yaml'), camera_mount=mount)
    images = image_folder(tmp_path / 'images', 3)
    return write_bag_from_images(
        images, tmp_path / 'drive', rate=2, camera=config, frame_id='/front', **given
    ).path


def calibration(model: str) -> str:
    text = CALIBRATION.replace('40.5, 0. ', '40.5, 0.75 ')
    text = text.replace('  rows: 1\n  cols: 5\n', '')
    text = text.replace('[-0.25, 0.05, 0.001, -0.002, 0.]', LENSES[model])
    kind = {'f-theta': 'fisheye', 'none': 'plumb_bob'}.get(model, model)
    return text.replace('plumb_bob', kind)


@pytest.mark.parametrize('model', LENSES)
@pytest.mark.parametrize('compressed', [True, False])
def test_every_model_comes_back(tmp_path: Path, model: str, compressed: bool) -> None:
    path = write(tmp_path, calibration(model), compressed=compressed, mount=AHEAD)
    written = read_calibration(tmp_path / 'camera.yaml').camera
    assert written.matrix[0, 1] == 0.75
    source = BagImages(path)
    cameras = [frame.camera for _, frame in source.frames()]
    assert len(cameras) == 3 and source.warnings == []
    for camera in cameras:
        assert (camera.size, camera.model) == (written.size, written.model)
        np.testing.assert_array_equal(camera.matrix, written.matrix)
        np.testing.assert_array_equal(camera.distortion, written.distortion)
        np.testing.assert_allclose(camera.mount.position, AHEAD[:3])
    topics = Bag(path).topics
    assert topics['/camera/camera_info'].count == 3
    assert topics['/tf_static'].count == 1


@pytest.mark.parametrize('compressed', [True, False])
def test_photographs_stay_as_they_are_stored(tmp_path: Path, compressed: bool) -> None:
    """Their calibration is of those pixels; without one they are turned by their EXIF tag."""
    images = image_folder(tmp_path / 'images', 1)
    exif = Image.Exif()
    exif[0x0112] = 6
    with Image.open(images / '000.jpg') as image:
        image.save(images / '000.jpg', exif=exif)
    (tmp_path / 'camera.yaml').write_text(CALIBRATION)
    config = CameraConfig(camera=str(tmp_path / 'camera.yaml'))
    for camera, shape in ((config, (32, 48, 3)), (None, (48, 32, 3))):
        path = write_bag_from_images(
            images,
            tmp_path / 'drive',
            rate=2,
            camera=camera,
            compressed=compressed,
            overwrite=True,
        ).path
        frame = next(BagImages(path).frames())[1]
        assert frame.image.shape == shape
        assert (frame.camera is not None) == (camera is not None)


def test_without_a_mount_there_is_no_tf(tmp_path: Path) -> None:
    topics = Bag(write(tmp_path, CALIBRATION)).topics
    assert '/tf_static' not in topics and topics['/camera/camera_info'].count == 3


@pytest.mark.parametrize(
    ('text', 'given', 'said'),
    [
        (CALIBRATION.replace('48', '96'), {}, r'000\.jpg: the calibration is for 96x32'),
        (CALIBRATION, {'topic': '/camera/image_rect'}, 'is a name of rectified images'),
        (CALIBRATION, {'mount': AHEAD, 'base_frame': 'front'}, 'both have the frame front'),
        (CALIBRATION.replace('plumb_bob', 'omni'), {}, 'unified omnidirectional'),
    ],
)
def test_what_does_not_fit_leaves_no_bag(tmp_path: Path, text, given, said) -> None:
    with pytest.raises(InputError, match=said):
        write(tmp_path, text, **given)
    assert not (tmp_path / 'drive').exists()


def test_a_mount_needs_a_calibration(tmp_path: Path) -> None:
    with pytest.raises(InputError, match='add --camera'):
        write_bag_from_images(
            image_folder(tmp_path / 'images'),
            tmp_path / 'drive',
            rate=2,
            camera=CameraConfig(camera_mount=AHEAD),
        )


def test_how_the_file_was_read_is_told(tmp_path: Path) -> None:
    (tmp_path / 'camera.txt').write_text('1 PINHOLE 48 32 40 41 24 16\n')
    summary = write_bag_from_images(
        image_folder(tmp_path / 'images'),
        tmp_path / 'drive',
        rate=2,
        camera=CameraConfig(camera=str(tmp_path / 'camera.txt')),
    )
    assert 'is read as cameras.txt of COLMAP' in summary.notice
