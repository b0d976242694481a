"""Weights that are broken, missing or unknown, end to end."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from fol_vpr.network import build_fol, save_weights


@pytest.fixture(scope='module')
def checkpoint() -> dict[str, torch.Tensor]:
    return dict(build_fol('vits14').state_dict())


def without_a_tensor(state: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in state.items() if name != 'backbone.model.norm.weight'}


def misshapen(state: dict[str, Any]) -> dict[str, Any]:
    return {**state, 'backbone.model.norm.weight': torch.zeros(7)}


def with_nan(state: dict[str, Any]) -> dict[str, Any]:
    bad = state['backbone.model.norm.weight'].clone()
    bad[3] = torch.nan
    return {**state, 'backbone.model.norm.weight': bad}


@pytest.mark.parametrize('spoil', [without_a_tensor, misshapen, with_nan])
def test_a_checkpoint_with_a_bad_tensor(sound, existing, tmp_path, complaint, checkpoint, spoil):
    path = tmp_path / 'bad.pth'
    named = {f'module.{name}': value for name, value in spoil(checkpoint).items()}
    torch.save({'model_state_dict': named}, path)
    build = [
        'map',
        'build',
        '--images',
        sound / 'images',
        '--weights',
        path,
        '--input-size',
        '126',
    ]
    for said in (
        complaint(*build, '--output', tmp_path / 'm.folmap'),
        complaint(*build, '--output', existing, '--overwrite'),
        complaint('weights', 'info', path),
    ):
        assert str(path) in said
        assert 'backbone.model.norm.weight' in said
    assert not list(tmp_path.glob('m.folmap*'))


def test_a_checkpoint_that_was_cut_or_is_none(sound, tmp_path, complaint):
    whole, cut, text = tmp_path / 'w.safetensors', tmp_path / 'cut.safetensors', tmp_path / 'x.pth'
    save_weights(build_fol('vits14'), whole, trained=False)
    cut.write_bytes(whole.read_bytes()[: 10**6])
    text.write_text('weights')
    for path in (cut, text, tmp_path / 'missing.pth'):
        assert str(path) in complaint('weights', 'info', path)
        said = complaint('query', sound / 'images' / 'view000.jpg', '--map', sound / 'm.folmap',
                         '--weights', path)  # fmt: skip
        assert str(path) in said


def test_weights_that_are_not_fetched_or_unknown(tmp_path, monkeypatch, complaint):
    monkeypatch.setenv('FOL_VPR_WEIGHTS', str(tmp_path))
    assert 'fol_vpr weights fetch vitl14' in complaint('weights', 'info', 'vitl14')
    assert 'vitl14' in complaint('weights', 'fetch', 'vitx14')
    # Nobody listens on port 9 of this machine: a network that is not there.
    said = complaint('weights', 'fetch', 'vitb14', '--url', 'http://127.0.0.1:9/x.pth')
    assert 'by hand' in said
    assert str(tmp_path) in said
