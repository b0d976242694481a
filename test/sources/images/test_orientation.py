"""All eight EXIF orientations, in each format that has them."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from helpers.source_files import CALIBRATION, picture
from PIL import Image

from fol_vpr.config import CameraConfig
from fol_vpr.sources import ImageFolder, decode_bytes, open_source, write_bag_from_images

UPRIGHT = picture(5, 48, 32)
STORED = {
    1: UPRIGHT,
    2: UPRIGHT[:, ::-1],
    3: UPRIGHT[::-1, ::-1],
    4: UPRIGHT[::-1],
    5: UPRIGHT.swapaxes(0, 1),
    6: np.rot90(UPRIGHT),
    7: np.rot90(UPRIGHT, 2).swapaxes(0, 1),
    8: np.rot90(UPRIGHT, -1),
}


def photograph(orientation: int, kind: str = 'JPEG') -> bytes:
    """A camera that was held so that its sensor saw the picture turned."""
    exif = Image.Exif()
    exif[0x0112] = orientation
    options = {
        'JPEG': {'quality': 100, 'subsampling': 0, 'exif': exif.tobytes()},
        'WEBP': {'lossless': True, 'exif': exif.tobytes()},
        'PNG': {'exif': exif.tobytes()},
        'TIFF': {'tiffinfo': {0x0112: orientation}},
    }
    buffer = io.BytesIO()
    stored = Image.fromarray(np.ascontiguousarray(STORED[orientation]))
    stored.save(buffer, kind, **options[kind])  # type: ignore[arg-type]
    return buffer.getvalue()


def close(ours: np.ndarray, expected: np.ndarray) -> bool:
    return ours.shape == expected.shape and bool(
        np.abs(ours.astype(int) - expected.astype(int)).max() <= 4
    )


@pytest.mark.parametrize('kind', ['JPEG', 'PNG', 'TIFF', 'WEBP'])
@pytest.mark.parametrize('orientation', STORED)
def test_upright_or_as_stored(orientation: int, kind: str) -> None:
    data = photograph(orientation, kind)
    assert close(decode_bytes(data, 'x', upright=True), UPRIGHT)
    assert close(decode_bytes(data, 'x'), STORED[orientation])


@pytest.mark.parametrize('value', [0, 9, 65_535])
def test_an_orientation_that_is_none_turns_nothing(value: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = value
    buffer = io.BytesIO()
    Image.fromarray(UPRIGHT).save(buffer, 'PNG', exif=exif.tobytes())
    assert close(decode_bytes(buffer.getvalue(), 'x', upright=True), UPRIGHT)


def test_a_folder_turns_photographs_unless_a_calibration_is_given(tmp_path: Path) -> None:
    folder = tmp_path / 'images'
    folder.mkdir()
    for orientation in STORED:
        (folder / f'{orientation}.jpg').write_bytes(photograph(orientation))
    source = ImageFolder(folder)
    assert all(close(frame.image, UPRIGHT) for _, frame in source.frames())
    assert source.warnings == []

    (tmp_path / 'camera.yaml').write_text(CALIBRATION)
    calibrated = ImageFolder(folder, camera=CameraConfig(camera=str(tmp_path / 'camera.yaml')))
    for (_, frame), orientation in zip(calibrated.frames(), STORED, strict=True):
        assert close(frame.image, STORED[orientation])
    assert sum('EXIF orientation, which is not applied' in s for s in calibrated.warnings) == 1


@pytest.mark.parametrize('as_files', [True, False])
def test_a_bag_of_photographs_shows_what_the_folder_shows(tmp_path: Path, as_files: bool) -> None:
    folder = tmp_path / 'images'
    folder.mkdir()
    for orientation in (1, 6):
        (folder / f'{orientation}.jpg').write_bytes(photograph(orientation))
    drive = write_bag_from_images(folder, tmp_path / 'drive', rate=1, compressed=as_files).path
    assert all(close(frame.image, UPRIGHT) for _, frame in open_source(drive).frames())


@pytest.mark.parametrize('as_files', [True, False])
def test_a_bag_with_a_calibration_has_the_pixels_as_stored(tmp_path: Path, as_files: bool) -> None:
    folder = tmp_path / 'images'
    folder.mkdir()
    for orientation in (3, 1):
        (folder / f'{orientation}.jpg').write_bytes(photograph(orientation))
    (tmp_path / 'camera.yaml').write_text(CALIBRATION)
    camera = CameraConfig(camera=str(tmp_path / 'camera.yaml'))
    drive = write_bag_from_images(
        folder, tmp_path / 'drive', rate=1, compressed=as_files, camera=camera
    ).path
    frames = [frame for _, frame in open_source(drive).frames()]
    assert [close(f.image, STORED[o]) for f, o in zip(frames, (1, 3), strict=True)] == [True, True]
    assert all(frame.camera is not None for frame in frames)
