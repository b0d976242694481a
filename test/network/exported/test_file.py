"""Which exported file belongs to which weights."""

from __future__ import annotations

import pytest

from fol_vpr.errors import InputError, WeightsError
from fol_vpr.network import build_fol, open_weights, resolve_weights, save_weights
from fol_vpr.network.exported.file import (
    check_not_outdated,
    exported_path,
    find_exported,
    read_metadata,
)

SHA = 'ab' * 32


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """An empty weights folder."""
    monkeypatch.setenv('FOL_VPR_WEIGHTS', str(tmp_path / 'weights'))
    (tmp_path / 'weights').mkdir()
    return tmp_path / 'weights'


def metadata(**changed: str) -> dict[str, str]:
    usual = {
        'model_id': f'fol_tiny:{SHA}', 'weights': 'fol_tiny', 'input_size': '182',
        'preprocessing_id': 'fixed-182-imagenet', 'parameters': '5', 'trained': 'true',
    }  # fmt: skip
    return {**usual, **changed}


def test_it_is_found_by_the_name_of_the_weights(folder, tmp_path):
    (folder / 'fol_tiny-182.onnx').touch()
    (folder / 'own-322.onnx').touch()
    assert (
        find_exported('fol_tiny')
        == find_exported('fol_tiny', 182)
        == exported_path('fol_tiny', 182)
    )
    assert find_exported('/elsewhere/own.safetensors', 322) == folder / 'own-322.onnx'
    assert find_exported('own-322.onnx') == folder / 'own-322.onnx'
    assert find_exported(str(folder / 'own-322.onnx'), 322) == folder / 'own-322.onnx'


def test_it_may_lie_beside_the_checkpoint_or_the_map(folder, tmp_path):
    (tmp_path / 'own.pth').touch()
    (tmp_path / 'own-126.onnx').touch()
    assert find_exported(str(tmp_path / 'own.pth')) == tmp_path / 'own-126.onnx'
    assert find_exported('/of/another/robot/own.pth', 126, tmp_path) == tmp_path / 'own-126.onnx'
    # A path in a map is no path of this machine.
    with pytest.raises(WeightsError):
        find_exported(str(tmp_path / 'own.pth'), 126, folder)


def test_a_missing_one_is_made_by_the_command_that_is_named(folder):
    with pytest.raises(
        WeightsError,
        match=r'fol_vpr export onnx --weights vitl14 --input-size 322.*vitl14-322\.onnx',
    ):
        find_exported('vitl14', 322)
    with pytest.raises(WeightsError, match='is no file name'):
        find_exported('..', 322)


def test_of_several_sizes_one_has_to_be_set(folder):
    (folder / 'fol_tiny-182.onnx').touch()
    (folder / 'fol_tiny-322.onnx').touch()
    (folder / 'fol_tiny-large-518.onnx').touch()
    with pytest.raises(InputError, match=r'182\.onnx, fol_tiny-322\.onnx.*network\.input_size'):
        find_exported('fol_tiny')
    assert find_exported('fol_tiny', 322).name == 'fol_tiny-322.onnx'


def test_metadata(tmp_path):
    found = read_metadata(tmp_path / 'f.onnx', metadata())
    assert (found.info.model_id, found.input_size) == (f'fol_tiny:{SHA}', 182)
    assert (found.info.name, found.info.parameters, found.info.trained) == ('fol_tiny', 5, True)
    assert not read_metadata(tmp_path, metadata(trained='false')).info.trained
    # Files of earlier versions do not say whether their weights are trained.
    old = {k: v for k, v in metadata(weights='untrained-vits14').items() if k != 'trained'}
    assert not read_metadata(tmp_path, old).info.trained


@pytest.mark.parametrize(
    'changed',
    [
        {'model_id': 'fol_tiny'},
        {'model_id': f'fol_tiny:{SHA}0'},
        {'input_size': '99999'},
        {'input_size': '322'},
        {'preprocessing_id': 'fixed-182-clip'},
    ],
)
def test_other_metadata_is_refused(tmp_path, changed):
    with pytest.raises(WeightsError, match=r'f\.onnx is no network of `fol_vpr export onnx`'):
        read_metadata(tmp_path / 'f.onnx', metadata(**changed))


def test_a_file_of_weights_that_changed_since_is_refused(folder, tmp_path, tiny):
    weights = tmp_path / 'own.safetensors'
    info = save_weights(build_fol(tiny), weights, input_size=126)
    size = {'input_size': '126', 'preprocessing_id': 'fixed-126-imagenet'}
    exported = read_metadata(tmp_path / 'own-126.onnx', metadata(model_id=info.model_id, **size))
    check_not_outdated(str(weights), exported)
    net = build_fol(tiny)
    net.upconv.bias.data += 1
    save_weights(net, weights, input_size=126)
    with pytest.raises(WeightsError, match=r'from other weights.*export onnx --weights'):
        check_not_outdated(str(weights), exported)


def test_the_shipped_weights_record_what_a_load_computes(folder):
    _, info = open_weights(resolve_weights('fol_tiny'))
    check_not_outdated('fol_tiny', read_metadata(folder, metadata(model_id=info.model_id)))
    with pytest.raises(WeightsError, match='from other weights'):
        check_not_outdated('fol_tiny', read_metadata(folder, metadata()))
