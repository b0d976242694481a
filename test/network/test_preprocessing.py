from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from fol_vpr.config import NetworkConfig
from fol_vpr.errors import InputError
from fol_vpr.network import tensors
from fol_vpr.network.preprocessing import (
    check_image,
    input_size,
    preprocessing_id,
    to_input,
    to_original,
    with_preprocessing,
)

MEAN, DEVIATION = np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225])


def taps(length: int, wanted: int) -> np.ndarray:
    """Bilinear weights [wanted, length] without antialiasing, pixel centres at halves."""
    source = np.maximum((np.arange(wanted) + 0.5) * length / wanted - 0.5, 0)
    low = np.minimum(source.astype(int), length - 1)
    high = np.minimum(low + 1, length - 1)
    weights = np.zeros((wanted, length))
    np.add.at(weights, (np.arange(wanted), low), 1 - (source - low))
    np.add.at(weights, (np.arange(wanted), high), source - low)
    return weights


@pytest.mark.parametrize('shape', [(480, 640), (90, 1500), (322, 322), (1, 5)])
def test_normalised_then_resized_bilinearly_without_antialiasing(shape):
    image = np.random.default_rng(1).integers(0, 256, (*shape, 3), dtype=np.uint8)
    normalised = (image / 255 - MEAN) / DEVIATION
    rows, columns = taps(shape[0], 322), taps(shape[1], 322)
    expected = np.einsum('rh,hwc,kw->crk', rows, normalised, columns, optimize=True)
    found = to_input(image, (322, 322))
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, expected, rtol=0, atol=2e-6)


@pytest.mark.parametrize('shape', [(720, 1280), (1080, 1920), (481, 643), (37, 53), (1, 5)])
@pytest.mark.parametrize('size', [(182, 182), (322, 322), (210, 280)])
def test_the_same_as_torch_resizes(shape, size):
    """Noise, in which a pixel that is read at the wrong place shows the most."""
    image = np.random.default_rng(3).integers(0, 256, (*shape, 3), dtype=np.uint8)
    expected = tensors.to_input(image, size, torch.device('cpu')).numpy()
    np.testing.assert_allclose(to_input(image, size), expected, rtol=0, atol=5e-4)


def test_images_of_any_memory_layout_are_accepted():
    image = np.random.default_rng(2).integers(0, 256, (60, 80, 3), dtype=np.uint8)
    expected = to_input(image, (126, 126))
    frozen = image.copy()
    frozen.flags.writeable = False
    bgr = np.ascontiguousarray(image[..., ::-1])
    for same in (frozen, bgr[..., ::-1], np.asfortranarray(image)):
        np.testing.assert_array_equal(to_input(same, (126, 126)), expected)


@given(st.integers(1, 4000), st.integers(1, 4000), st.integers(9, 40))
def test_kept_aspect_is_about_as_many_pixels(height, width, patches):
    config = NetworkConfig(resize='keep_aspect', input_size=patches * 14)
    rows, columns = input_size(height, width, config)
    assert rows % 14 == 0 and columns % 14 == 0 and rows > 0 and columns > 0
    if 1 / 4 <= height / width <= 4:
        assert 0.85 <= rows * columns / (patches * 14) ** 2 <= 1.15
        assert 0.75 <= (rows / columns) / (height / width) <= 1.35


@given(st.integers(1, 100_000), st.integers(1, 100_000), st.integers(9, 200))
def test_kept_aspect_is_bounded_for_any_strip(height, width, patches):
    config = NetworkConfig(resize='keep_aspect', input_size=patches * 14)
    rows, columns = (side // 14 for side in input_size(height, width, config))
    assert min(rows, columns) >= 4
    assert rows * columns >= 65
    assert 0.85 <= rows * columns / patches**2 <= 1.15


def test_kept_aspect_of_common_cameras():
    config = NetworkConfig(resize='keep_aspect', input_size=322)
    assert input_size(480, 640, config) == (280, 364)
    assert input_size(1080, 1920, config) == (238, 434)
    assert input_size(500, 500, config) == (322, 322)


def test_fixed_size():
    assert input_size(480, 640, NetworkConfig(input_size=504)) == (504, 504)
    with pytest.raises(InputError, match=r'input_size is 320, expected a multiple of 14.*322'):
        input_size(480, 640, NetworkConfig(input_size=320))


def test_positions_go_to_the_original_and_back():
    corners = np.array([[0, 0], [321, 321], [160.5, 160.5]], dtype=np.float32)
    found = to_original(corners, (322, 322), (640, 480))
    centre = [319.5, 239.5]
    np.testing.assert_allclose(found[2], centre, atol=1e-4)
    np.testing.assert_allclose(found[0] + found[1], [639, 479], atol=1e-4)
    np.testing.assert_allclose(to_original(found, (480, 640), (322, 322)), corners, atol=1e-4)


def test_ids_can_be_converted_back_to_settings():
    assert preprocessing_id(NetworkConfig(input_size=322)) == 'fixed-322-imagenet'
    wanted = NetworkConfig(resize='keep_aspect', input_size=504)
    assert preprocessing_id(wanted) == 'keep_aspect-504-imagenet'
    assert with_preprocessing(NetworkConfig(), preprocessing_id(wanted)) == wanted
    for unknown in ('fixed-322-clip', 'imagenet', '', 'fixed--imagenet', 'odd-322-imagenet'):
        with pytest.raises(InputError):
            with_preprocessing(NetworkConfig(), unknown)


@pytest.mark.parametrize(
    'image',
    [
        np.zeros((5, 5), np.uint8),
        np.zeros((5, 5, 4), np.uint8),
        np.zeros((5, 5, 3), np.float32),
        np.zeros((0, 5, 3), np.uint8),
        None,
    ],
)
def test_other_arrays_are_refused(image):
    with pytest.raises(InputError, match='of uint8'):
        check_image(image)
