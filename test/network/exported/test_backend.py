"""Every runtime gives what torch gives."""

from __future__ import annotations

import numpy as np
import pytest
from helpers.network.golden_parameters import image

from fol_vpr.config import NetworkConfig
from fol_vpr.errors import DeviceError, InputError, WeightsError
from fol_vpr.network import FeatureExtractor, build_fol, save_weights
from fol_vpr.network.runtime.onnx_file import export_onnx
from fol_vpr.retrieval import match_pair

RUNTIMES = ('onnxruntime', 'openvino')
each_runtime = pytest.mark.parametrize('runtime', RUNTIMES)


def opened(runtime: str, **settings) -> FeatureExtractor:
    pytest.importorskip(runtime)
    usual = {'device': 'cpu', 'precision': 'float32'}
    return FeatureExtractor(NetworkConfig(runtime=runtime, **{**usual, **settings}))


def photos() -> list[np.ndarray]:
    """Two views of one scene, and another scene of another shape."""
    scene = (image(1, 240, 320).transpose(1, 2, 0) * 255).astype(np.uint8)
    other = (image(2, 200, 150).transpose(1, 2, 0) * 255).astype(np.uint8)
    return [scene, np.roll(scene, 6, axis=1), other]


@each_runtime
def test_features_and_matches_are_those_of_torch(exported, runtime):
    ours, theirs = opened(runtime), opened('torch')
    assert (ours.model_id, ours.preprocessing_id) == (theirs.model_id, theirs.preprocessing_id)
    assert (ours.weights_name, ours.trained) == ('fol_tiny', True)
    assert (ours.descriptor_dim, ours.local_dim) == (theirs.descriptor_dim, theirs.local_dim)
    assert ours.runs_on == f'{runtime} cpu' and ours.device == 'cpu'
    ours.warm_up()
    found, expected = ours.extract(photos()), theirs.extract(photos())
    for one, two in zip(found, expected, strict=True):
        assert one.global_descriptor @ two.global_descriptor >= 0.9999
        assert one.image_size == two.image_size
        for array, other in zip(
            (one.global_descriptor, one.local.descriptors, one.local.positions, one.local.weights),
            (two.global_descriptor, two.local.descriptors, two.local.positions, two.local.weights),
            strict=True,
        ):
            assert (array.dtype, array.ndim) == (other.dtype, other.ndim)
        there = {tuple(xy): row for row, xy in enumerate(two.local.positions.tolist())}
        rows = [(row, there[tuple(xy)]) for row, xy in enumerate(one.local.positions.tolist())
                if tuple(xy) in there]  # fmt: skip
        assert len(rows) >= 0.99 * max(len(one.local.positions), len(there))
        a, b = (list(side) for side in zip(*rows, strict=True))
        cosines = (one.local.descriptors[a] * two.local.descriptors[b]).sum(axis=1)
        assert cosines.min() >= 0.9999
        np.testing.assert_allclose(one.local.weights[a], two.local.weights[b], rtol=1e-3)
    counts = [
        len(match_pair(features[0].local.descriptors, features[1].local.descriptors))
        for features in (found, expected)
    ]
    assert counts[1] > 100
    assert abs(counts[0] - counts[1]) <= 0.01 * counts[1]


@each_runtime
def test_features_outlive_the_next_image(exported, runtime):
    """Runtimes write the next result into the same memory."""
    extractor = opened(runtime)
    first = extractor.extract(photos()[:1])[0]
    before = first.global_descriptor.copy(), first.local.descriptors.copy()
    extractor.extract(photos()[2:])
    np.testing.assert_array_equal(first.global_descriptor, before[0])
    np.testing.assert_array_equal(first.local.descriptors, before[1])


@each_runtime
@pytest.mark.parametrize('batch', [2, None])
def test_files_for_other_batches(tiny, runtime, batch, tmp_path):
    pytest.importorskip('onnxscript')
    save_weights(build_fol(tiny), tmp_path / 'own.safetensors', input_size=126, trained=False)
    several, _ = export_onnx(
        str(tmp_path / 'own.safetensors'), tmp_path / 'several.onnx', batch=batch
    )
    extractor = opened(runtime, weights=str(several))
    assert not extractor.trained and extractor.config.input_size == 126
    together = extractor.extract(photos())
    for alone, one in zip((extractor.extract([photo])[0] for photo in photos()), together,
                          strict=True):  # fmt: skip
        assert alone.global_descriptor @ one.global_descriptor >= 0.99999
        assert alone.image_size == one.image_size


@each_runtime
def test_what_a_runtime_cannot_do_is_said(exported, runtime, tmp_path):
    with pytest.raises(InputError, match='resize'):
        opened(runtime, resize='keep_aspect')
    with pytest.raises(InputError, match=r'182 px.*--input-size 322'):
        opened(runtime, weights=str(exported), input_size=322)
    with pytest.raises(DeviceError, match='precision is int8'):
        opened(runtime, precision='int8')
    with pytest.raises(DeviceError, match='device is'):
        opened(runtime, device='cuda:0')
    with pytest.raises(DeviceError, match='expected auto'):
        opened(runtime, device='toaster')
    damaged = tmp_path / 'damaged.onnx'
    damaged.write_bytes(exported.read_bytes()[:100_000])
    with pytest.raises(WeightsError, match=r'damaged\.onnx'):
        opened(runtime, weights=str(damaged))


@each_runtime
def test_a_network_of_somebody_else_is_refused(exported, runtime, tmp_path):
    onnx = pytest.importorskip('onnx')
    model = onnx.load(exported)
    del model.metadata_props[:]
    onnx.save(model, tmp_path / 'nameless.onnx')
    with pytest.raises(WeightsError, match=r'nameless\.onnx is no network of'):
        opened(runtime, weights=str(tmp_path / 'nameless.onnx'))


def test_torch_does_not_load_an_exported_file(exported):
    with pytest.raises(WeightsError, match=r'set network\.runtime to onnxruntime or openvino'):
        opened('torch', weights=str(exported))


def test_a_number_of_threads(exported):
    extractor = opened('onnxruntime', threads=1)
    assert len(extractor.extract(photos()[:1])) == 1
    extractor.close()
    with pytest.raises(DeviceError, match='closed'):
        extractor.extract(photos()[:1])
