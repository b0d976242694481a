"""Images as programs give them: what is taken, and what a wrong one is told."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from PIL import Image

from fol_vpr.datatypes import Frame
from fol_vpr.errors import InputError
from fol_vpr.sources import frame_of, images_of

RGB = np.random.default_rng(1).integers(0, 256, (40, 60, 3), np.uint8)


def silent(_said: str) -> None:
    """A warning nobody reads."""


def test_path_array_and_frame_are_the_same_image(tmp_path):
    path = tmp_path / 'photo.png'
    cv2.imwrite(str(path), RGB[:, :, ::-1])
    frame = Frame(RGB, stamp_ns=5)
    assert frame_of(frame, silent) is frame
    for given in (path, str(path), RGB, RGB[:, :, ::-1].copy()[:, :, ::-1]):
        taken = frame_of(given, silent)
        np.testing.assert_array_equal(taken.image, RGB)
        assert taken.image.flags.c_contiguous


@pytest.mark.parametrize(
    ('given', 'said'),
    [
        (None, 'cv2.imread'),
        (3.5, 'got a float'),
        (b'\xff\xd8', 'path of the file'),
        ([RGB], 'one by one'),
        (Image.fromarray(RGB), "np.asarray(image.convert('RGB'))"),
        (RGB[:, :, 0], 'np.stack([image] * 3, axis=2)'),
        (RGB[:, :, :1], 'np.repeat(image, 3, axis=2)'),
        (np.concatenate([RGB, RGB[:, :, :1]], 2), 'image[:, :, :3]'),
        (RGB.transpose(2, 0, 1), 'image.transpose(1, 2, 0)'),
        (RGB[None], 'images[0]'),
        (RGB[:0], 'no pixels'),
        (RGB / 255, '(image * 255).round().astype(np.uint8)'),
        (RGB.astype(np.float32), 'image.round().astype(np.uint8)'),
        ((RGB / 255 - 0.45) / 0.22, 'undo the normalisation'),
        (RGB * np.nan, 'NaN'),
        (RGB.astype(np.int64), 'image.astype(np.uint8)'),
        (RGB.astype(np.uint16) * 200, 'scale them to 0 to 255'),
        (RGB.view(np.int8), 'image.view(np.uint8)'),
        (RGB > 4, 'mask'),
        (RGB.astype(object), 'numbers'),
    ],
)
def test_a_wrong_image_is_told_its_remedy(given, said):
    with pytest.raises(InputError) as caught:
        frame_of(given, silent)
    message = str(caught.value)
    assert said in message and message.startswith('expected ') and 'got ' in message
    assert '\n' not in message


def test_a_tensor_is_told_its_remedy():
    torch = pytest.importorskip('torch')
    with pytest.raises(InputError, match='permute') as caught:
        frame_of(torch.zeros(3, 4, 4), silent)
    assert 'got a torch.Tensor' in str(caught.value)


def test_one_image_is_no_series_of_images():
    for one in (RGB, Frame(RGB), 5, None):
        with pytest.raises(InputError, match='several images'):
            images_of(one)


def test_the_oddities_of_a_file_are_said(tmp_path):
    path = tmp_path / 'dark.png'
    cv2.imwrite(str(path), np.tile(np.arange(60, dtype=np.uint16) * 3, (40, 1)))
    said: list[str] = []
    frame_of(path, said.append)
    assert any('image-range' in each for each in said)
