"""HEIF images as phones write them, encoded by libheif and x265."""

from __future__ import annotations

import io
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from helpers.images.photographs import MALAGA
from PIL import Image
from PIL.ExifTags import IFD, Base

from fol_vpr.config import CameraConfig
from fol_vpr.errors import InputError
from fol_vpr.sources import ImageFolder
from fol_vpr.sources.images import decode
from fol_vpr.sources.images.decode import decode_bytes, read_image
from fol_vpr.sources.images.heif import is_heif
from fol_vpr.sources.images.photograph import read_photograph

pillow_heif = pytest.importorskip('pillow_heif', reason='pillow-heif is not installed')

STORED = np.zeros((48, 64, 3), np.uint8)
STORED[:24, :32] = 255, 0, 0
STORED[24:] = 0, 0, 255
"""As the sensor stores it: red at the top left, blue below."""


def heic(pixels: np.ndarray = STORED, orientation: int = 1, *, located: bool = False) -> bytes:
    exif = Image.Exif()
    exif[Base.Orientation] = orientation
    if located:
        exif.get_ifd(IFD.GPSInfo).update(MALAGA)
    buffer = io.BytesIO()
    file = pillow_heif.from_pillow(Image.fromarray(pixels))
    file.save(buffer, quality=-1, chroma=444, exif=exif.tobytes())
    return buffer.getvalue()


def test_a_photograph_has_its_pixels() -> None:
    data = heic()
    assert is_heif(data)
    pixels = decode_bytes(data, 'a.heic')
    assert (pixels.dtype, pixels.flags.c_contiguous) == (np.uint8, True)
    assert np.abs(pixels.astype(int) - STORED).max() <= 4


@pytest.mark.parametrize('upright', [True, False])
def test_a_turned_photograph_is_upright_by_its_decoder(upright: bool) -> None:
    pixels = decode_bytes(heic(orientation=6), 'a.heic', upright=upright)
    assert pixels.shape == (64, 48, 3)
    np.testing.assert_allclose(pixels[2, -3], [255, 0, 0], atol=4)
    np.testing.assert_allclose(pixels[2, 2], [0, 0, 255], atol=4)


def test_grey_and_transparency() -> None:
    grey = decode_bytes(heic(np.full((48, 64), 200, np.uint8)), 'grey')
    assert grey.shape == (48, 64, 3)
    assert np.abs(grey.astype(int) - 200).max() <= 2
    clear = np.dstack([STORED, np.zeros((48, 64), np.uint8)])
    assert np.abs(decode_bytes(heic(clear), 'clear').astype(int) - STORED).max() <= 4


def test_a_folder_of_a_phone(tmp_path: Path) -> None:
    (tmp_path / 'IMG_0001.HEIC').write_bytes(heic(orientation=6, located=True))
    (tmp_path / 'IMG_0002.heif').write_bytes(heic())
    source = ImageFolder(tmp_path, 'exif')
    (_, first), (_, second) = source.frames()
    assert (first.image.shape, second.image.shape) == ((64, 48, 3), (48, 64, 3))
    assert (first.geo.latitude, first.geo.longitude) == pytest.approx((36.7193, -4.4201), abs=1e-4)
    assert second.geo is None
    assert read_photograph(tmp_path / 'IMG_0001.HEIC').image.shape == (64, 48, 3)


def test_the_size_is_checked_before_pixels_are_read(monkeypatch: pytest.MonkeyPatch) -> None:
    data = heic()
    monkeypatch.setattr('fol_vpr.sources.images.stored_image.MAX_PIXELS', 64 * 48 - 1)
    monkeypatch.setattr(decode, '_values', lambda *_: pytest.fail('read'))
    with pytest.raises(InputError, match='claims 64 x 48 pixels'):
        decode_bytes(data, 'a.heic')


@pytest.mark.parametrize('share', [0.3, 0.6, 0.95])
def test_a_file_that_is_cut_off_is_damaged(share: float) -> None:
    data = heic(np.random.default_rng(0).integers(0, 256, (96, 128, 3), np.uint8))
    with pytest.raises(InputError, match=r'a\.heic is (damaged|no image)'):
        decode_bytes(data[: int(share * len(data))], 'a.heic')


def test_no_message_is_read_as_heif() -> None:
    message = SimpleNamespace(format='heic', data=heic())
    with pytest.raises(InputError, match=r'(?s)no image that can be read'):
        read_image(message)


def test_the_remedy_where_the_decoder_is_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / '1.heic').write_bytes(heic(located=True))
    monkeypatch.setitem(sys.modules, 'pillow_heif', None)
    with pytest.raises(InputError, match=r'1\.heic is HEIF.*`pip install pillow-heif`'):
        next(ImageFolder(tmp_path).frames())
    with pytest.raises(InputError, match='`pip install pillow-heif`'):
        ImageFolder(tmp_path, 'exif')


def test_a_version_that_crashes_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    data = heic()
    monkeypatch.setattr(pillow_heif, '__version__', '1.7.9')
    with pytest.raises(InputError, match=r'pillow-heif 1\.8\.1 or newer.*1\.7\.9 is installed'):
        decode_bytes(data, 'a.heic')


def test_a_calibration_of_the_upright_size_fits(tmp_path: Path) -> None:
    (tmp_path / '1.heic').write_bytes(heic(orientation=6))
    (tmp_path / 'camera.yaml').write_text(
        'image_width: 48\nimage_height: 64\n'
        'camera_matrix: {rows: 3, cols: 3, data: [50, 0, 23.5, 0, 50, 31.5, 0, 0, 1]}\n'
        'distortion_model: plumb_bob\n'
        'distortion_coefficients: {rows: 1, cols: 5, data: [0, 0, 0, 0, 0]}\n'
    )
    config = CameraConfig(camera=str(tmp_path / 'camera.yaml'))
    frame = read_photograph(tmp_path / '1.heic', config)
    assert frame.image.shape == (64, 48, 3)
    assert frame.camera is not None
    assert frame.camera.size == (48, 64)
