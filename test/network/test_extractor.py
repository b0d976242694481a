from __future__ import annotations

import functools
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest
import torch
from helpers.network.golden_parameters import image

from fol_vpr.config import NetworkConfig
from fol_vpr.errors import DeviceError, InputError, WeightsError
from fol_vpr.network import FeatureExtractor, build_fol, save_weights
from fol_vpr.network.runtime.device import choose_device, memory_guard
from fol_vpr.network.tensors import to_input

no_cuda = pytest.mark.skipif(torch.cuda.is_available(), reason='there is a CUDA device here')
needs_cuda = pytest.mark.skipif(not torch.cuda.is_available(), reason='needs a CUDA device')


def photo(seed: int, height: int, width: int) -> np.ndarray:
    return np.ascontiguousarray(
        (image(seed, height, width) * 255).astype(np.uint8).transpose(1, 2, 0)
    )


@pytest.fixture(scope='module')
def extractor():
    return FeatureExtractor(
        NetworkConfig('untrained-vits14', device='cpu', precision='float32', input_size=140)
    )


@pytest.fixture(scope='module')
def small(tiny, tmp_path_factory):
    """Settings of a small network."""
    path = tmp_path_factory.mktemp('weights') / 'small.safetensors'
    save_weights(build_fol(tiny), path, input_size=140)
    return NetworkConfig(str(path), device='cpu', precision='float32', input_size=140)


def test_attributes_of_the_extractor(extractor):
    assert extractor.model_id.startswith('vits14:')
    assert extractor.preprocessing_id == 'fixed-140-imagenet'
    assert (extractor.weights_name, extractor.trained) == ('untrained-vits14', False)
    assert (extractor.device, extractor.precision) == ('cpu', 'float32')
    assert (extractor.descriptor_dim, extractor.local_dim) == (8448, 128)
    assert extractor.parameter_bytes == 4 * 24_057_792


def test_features_are_the_networks_answer(extractor):
    picture = photo(1, 120, 160)
    features = extractor.extract([picture])[0]
    net = build_fol('vits14')
    with torch.inference_mode():
        out = net(to_input(picture, (140, 140), torch.device('cpu'))[None])
    # Products with packed weights are summed in another order.
    close = functools.partial(np.testing.assert_allclose, rtol=1e-5, atol=1e-6)
    close(features.global_descriptor, out.global_descriptor[0])
    close(features.local.descriptors, out.local[0].descriptors)
    close(features.local.weights, out.local[0].weights)
    assert features.image_size == (160, 120)
    expected = (out.local[0].positions.numpy() + 0.5) * [160 / 140, 120 / 140] - 0.5
    np.testing.assert_allclose(features.local.positions, expected, atol=1e-4)
    for array in (features.global_descriptor, *vars(features.local).values()):
        assert array.dtype == np.float32


def test_images_of_different_sizes_keep_their_order(small):
    extractor = FeatureExtractor(replace(small, resize='keep_aspect'))
    pictures = [photo(1, 120, 160), photo(2, 160, 120), photo(3, 240, 320)]
    together = extractor.extract(pictures)
    assert [f.image_size for f in together] == [(160, 120), (120, 160), (320, 240)]
    for picture, features in zip(pictures, together, strict=True):
        alone = extractor.extract([picture])[0]
        assert features.global_descriptor @ alone.global_descriptor > 0.99999
        width, height = features.image_size
        assert (features.local.positions >= -0.5).all()
        assert (features.local.positions <= [width - 0.5, height - 0.5]).all()
    assert extractor.extract([]) == []


def test_timings_are_added_up(small):
    extractor = FeatureExtractor(small)
    timings = {'forward': 100.0}
    extractor.extract([photo(1, 60, 80)], timings)
    assert timings['resize'] > 0 and 100 < timings['forward'] < 200
    assert extractor.warm_up() > 0


def test_images_prepared_in_advance_give_the_same_features(small):
    extractor = FeatureExtractor(replace(small, resize='keep_aspect'))
    pictures = [photo(1, 120, 160), photo(2, 160, 120)]
    with ThreadPoolExecutor(1) as other:
        prepared = list(other.map(extractor.prepare, pictures))
    assert [image.image_size for image in prepared] == [(160, 120), (120, 160)]
    expected = extractor.extract(pictures)
    for ahead in (prepared, [pictures[0], prepared[1]]):
        for a, b in zip(extractor.extract(ahead), expected, strict=True):
            np.testing.assert_array_equal(a.global_descriptor, b.global_descriptor)
            np.testing.assert_array_equal(a.local.positions, b.local.positions)
            assert a.image_size == b.image_size
    with pytest.raises(InputError, match='uint8'):
        extractor.prepare(np.zeros((10, 10), dtype=np.uint8))


@pytest.mark.parametrize('precision', ['bfloat16', 'float16'])
def test_half_precision_on_the_cpu(precision, extractor):
    half = FeatureExtractor(replace(extractor.config, precision=precision))
    full = extractor
    assert half.precision == precision
    assert half.parameter_bytes < 0.6 * full.parameter_bytes
    assert half.model_id == full.model_id
    picture = [photo(4, 120, 160)]
    a, b = half.extract(picture)[0], full.extract(picture)[0]
    assert a.global_descriptor @ b.global_descriptor >= 0.999
    assert np.linalg.norm(a.global_descriptor) == pytest.approx(1, abs=1e-5)


@needs_cuda
@pytest.mark.parametrize('precision', ['float32', 'bfloat16', 'float16'])
def test_half_precision_on_cuda(precision):
    on_cuda = FeatureExtractor(NetworkConfig(device='cuda', precision=precision))
    on_cpu = FeatureExtractor(NetworkConfig(device='cpu', precision='float32'))
    picture = [photo(4, 480, 640)]
    a, b = on_cuda.extract(picture)[0], on_cpu.extract(picture)[0]
    assert a.global_descriptor @ b.global_descriptor >= 0.999


def test_errors_name_the_remedy(extractor):
    with pytest.raises(InputError, match='multiple of 14'):
        FeatureExtractor(NetworkConfig(input_size=300))
    with pytest.raises(WeightsError, match='no weights'):
        FeatureExtractor(NetworkConfig(weights='nowhere.pth'))
    with pytest.raises(InputError, match='uint8'):
        extractor.extract([np.zeros((10, 10), dtype=np.uint8)])


def test_weights_trained_for_another_size_cause_a_warning(small, caplog):
    FeatureExtractor(small)
    assert caplog.text == ''
    FeatureExtractor(replace(small, input_size=126))
    assert 'trained for an input_size of 140, but it is set to 126' in caplog.text


def test_closed_extractor(small):
    extractor = FeatureExtractor(small)
    extractor.close()
    with pytest.raises(DeviceError, match='closed'):
        extractor.extract([photo(1, 20, 20)])


@no_cuda
def test_devices_without_cuda():
    assert choose_device('auto') == torch.device('cpu')
    for wanted in ('cuda', 'cuda:1'):
        with pytest.raises(DeviceError, match='finds no CUDA device'):
            choose_device(wanted)


def test_unknown_devices():
    for wanted in ('tpu', 'cuda:x', 'cpu:0', ''):
        with pytest.raises(DeviceError, match='expected auto'):
            choose_device(wanted)


def test_no_memory_left():
    cpu = torch.device('cpu')
    with (
        pytest.raises(DeviceError, match='cpu has not enough free memory for a mountain'),
        memory_guard('a mountain', cpu),
    ):
        torch.empty(1 << 55, dtype=torch.uint8)
    with pytest.raises(RuntimeError, match='size'), memory_guard('anything', cpu):
        torch.zeros(2) @ torch.zeros(3)
