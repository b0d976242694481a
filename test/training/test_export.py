"""The mean of the weights of several runs."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from fol_vpr.network import build_fol, open_weights, save_weights
from training.__main__ import main


def weights(path: Path, seed: int, trained: bool = True, architecture: str = 'fol_tiny') -> Path:
    torch.manual_seed(seed)
    save_weights(build_fol(architecture), path, input_size=126, trained=trained)
    return path


def export(tmp_path: Path, *files: Path) -> Path:
    output = tmp_path / 'mean.safetensors'
    words = ['export', '--checkpoint', *map(str, files), '--output', str(output)]
    assert main([*words, '--precision', 'float16', '--json', str(tmp_path / 'info.json')]) == 0
    return output


def test_the_mean_of_three(tmp_path):
    files = [weights(tmp_path / f'{seed}.safetensors', seed) for seed in range(3)]
    states = [open_weights(file)[0].state_dict() for file in files]
    net, info = open_weights(export(tmp_path, *files))
    assert info.trained and info.input_size == 126
    for name, found in net.state_dict().items():
        mean = sum(state[name] for state in states) / 3
        torch.testing.assert_close(found, mean.half().float(), rtol=0, atol=1e-3)
    assert json.loads((tmp_path / 'info.json').read_text())['input_size'] == 126


def test_each_has_its_share_in_the_mean(tmp_path):
    one, other = (weights(tmp_path / f'{seed}.safetensors', seed) for seed in (1, 2))
    output = tmp_path / 'mean.safetensors'
    given = ['export', '--checkpoint', str(one), str(other), '--output', str(output), '--shares']
    assert main([*given, '0.3', '0.7']) == 0
    first, second, mean = (open_weights(each)[0].state_dict() for each in (one, other, output))
    for name, found in mean.items():
        expected = 0.3 * first[name] + 0.7 * second[name]
        torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    ('shares', 'words'),
    [
        (['1'], '1, expected one for each of 2 checkpoints'),
        (['0.5', '0.6'], '0.5 0.6, expected positive numbers whose sum is 1'),
        (['0', '1'], '0 1, expected positive numbers'),
        (['nan', '1'], 'nan 1, expected positive numbers'),
    ],
)
def test_shares_that_make_no_mean_are_refused(shares, words, tmp_path, capsys):
    files = [str(tmp_path / name) for name in ('one.safetensors', 'other.safetensors')]
    output = tmp_path / 'mean.safetensors'
    given = ['export', '--checkpoint', *files, '--output', str(output), '--shares', *shares]
    assert main(given) == 2
    assert words in capsys.readouterr().err
    assert not output.exists()


def test_with_one_that_is_not_trained_the_mean_is_not_either(tmp_path):
    one, other = (
        weights(tmp_path / 'a.safetensors', 1),
        weights(tmp_path / 'b.safetensors', 2, False),
    )
    assert not open_weights(export(tmp_path, one, other))[1].trained


def test_other_networks_are_refused(tmp_path, capsys):
    one = weights(tmp_path / 'a.safetensors', 1)
    other = weights(tmp_path / 'b.safetensors', 1, architecture='vits14')
    output = ['--output', str(tmp_path / 'mean.safetensors')]
    assert main(['export', '--checkpoint', str(one), str(other), *output]) == 2
    said = capsys.readouterr().err
    assert f'{other} is of another network than {one}' in said
    assert 'one architecture' in said
    assert not (tmp_path / 'mean.safetensors').exists()
