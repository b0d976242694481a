"""ONNX Runtime computes from an exported file what torch computes."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from helpers.network.golden_parameters import fill, image

from fol_vpr.errors import InputError, StorageError, WeightsError
from fol_vpr.network import build_fol, open_weights, resolve_weights, save_weights
from fol_vpr.network.exported.file import INPUT
from fol_vpr.network.model.local_head import gather_descriptors
from fol_vpr.network.preprocessing import DEVIATION, MEAN
from fol_vpr.network.runtime.onnx_file import OPSET, OUTPUTS, export_onnx

onnx = pytest.importorskip('onnx')
onnxruntime = pytest.importorskip('onnxruntime')
pytest.importorskip('onnxscript')


def session(path):
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    return onnxruntime.InferenceSession(str(path), options, providers=['CPUExecutionProvider'])


def photos(count: int, side: int) -> np.ndarray:
    """Normalised images [count, 3, side, side]."""
    pictures = np.stack([image(seed, side, side) for seed in range(count)])
    mean, deviation = (np.float32(values).reshape(3, 1, 1) for values in (MEAN, DEVIATION))
    return (pictures - mean) / deviation


def assert_same(net, run, batch: np.ndarray) -> None:
    found = dict(zip(OUTPUTS, run.run(list(OUTPUTS), {INPUT: batch}), strict=True))
    with torch.inference_mode():
        expected = net(torch.from_numpy(batch))
    cosine = (found['global_descriptor'] * expected.global_descriptor.numpy()).sum(axis=1)
    assert (cosine >= 0.9999).all()
    np.testing.assert_allclose(found['attention'], expected.attention, atol=1e-4)
    tensors = (torch.from_numpy(found[name]) for name in OUTPUTS[1:4])
    for ours, theirs in zip(expected.local, gather_descriptors(*tensors), strict=True):
        # Patches with almost equal aggregation masks may be selected differently.
        there = {tuple(xy): row for row, xy in enumerate(theirs.positions.tolist())}
        rows = [(i, there[xy]) for i, xy in enumerate(map(tuple, ours.positions.tolist()))
                if xy in there]  # fmt: skip
        assert len(rows) >= 0.99 * max(len(ours.positions), len(theirs.positions))
        a, b = (list(side) for side in zip(*rows, strict=True))
        assert ((ours.descriptors[a] * theirs.descriptors[b]).sum(dim=1) >= 0.9999).all()
        torch.testing.assert_close(ours.weights[a], theirs.weights[b], rtol=1e-3, atol=1e-5)


@pytest.fixture(scope='module', params=['fol_tiny', 'fol_small'])
def shipped(request, tmp_path_factory):
    """Weights that come with the package, for batches of any size."""
    path = tmp_path_factory.mktemp('onnx') / 'shipped.onnx'
    return export_onnx(request.param, path, batch=None)


def test_batches_of_any_size_give_the_same_as_torch(shipped):
    path, metadata = shipped
    net, _ = open_weights(resolve_weights(metadata['weights']))
    run, side = session(path), int(metadata['input_size'])
    for count in (1, 3):
        assert_same(net, run, photos(count, side))


def test_the_file_says_what_it_is(shipped):
    path, metadata = shipped
    model = onnx.load(path)
    onnx.checker.check_model(model)
    written = {entry.key: entry.value for entry in model.metadata_props}
    assert metadata.items() <= written.items()
    _, info = open_weights(resolve_weights(metadata['weights']))
    assert metadata['model_id'] == info.model_id
    assert metadata['preprocessing_id'] == f'fixed-{info.input_size}-imagenet'
    assert [entry.version for entry in model.opset_import if not entry.domain] == [OPSET]
    # Operators of other domains exist in ONNX Runtime only.
    assert {node.domain for node in model.graph.node} <= {''}
    assert [entry.name for entry in model.graph.input] == [INPUT]
    assert [entry.name for entry in model.graph.output] == list(OUTPUTS)
    assert [entry.name for entry in path.parent.iterdir()] == [path.name]


def test_vit_gives_the_same_as_torch(tmp_path):
    """At another size than that of the position embedding, which is resampled."""
    net = build_fol('vits14')
    fill(net)
    save_weights(net, tmp_path / 'vits14.safetensors')
    export_onnx(str(tmp_path / 'vits14.safetensors'), tmp_path / 'vits14.onnx', input_size=126)
    assert_same(net, session(tmp_path / 'vits14.onnx'), photos(1, 126))


def test_a_failed_export_leaves_no_file(tmp_path):
    with pytest.raises(InputError, match='multiples of 14'):
        export_onnx('fol_tiny', tmp_path / 'f.onnx', input_size=300)
    with pytest.raises(WeightsError, match='no weights'):
        export_onnx('nowhere.pth', tmp_path / 'f.onnx')
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_cannot_be_written_is_named(tiny, tmp_path):
    weights = tmp_path / 'small.safetensors'
    save_weights(build_fol(tiny), weights, input_size=126)
    (tmp_path / 'taken.onnx').mkdir()
    (tmp_path / 'taken.onnx' / 'file').touch()
    with pytest.raises(StorageError, match=r'taken\.onnx'):
        export_onnx(str(weights), tmp_path / 'taken.onnx')
    assert {path.name for path in tmp_path.iterdir()} == {'small.safetensors', 'taken.onnx'}
