"""The process that loads torch, weights and map: what it finds, and how it may end."""

from __future__ import annotations

import shutil
import sys
from typing import Any

import numpy as np
import pytest

from fol_vpr.cli.doctor.gathering.probe import drawn_image, probe
from fol_vpr.cli.doctor.gathering.recognition import recognition_facts

SMALL = {'network.input_size': 126, 'network.threads': 1}


def probed(image: np.ndarray | None = None, trial: bool = False, file: str = '', **values):
    """What the process finds, by part."""
    found: dict[str, dict[str, Any]] = {}
    request = {'values': {**SMALL, **values}, 'image': file, 'trial': trial}
    probe(request, image, found.__setitem__)
    return found


def test_a_map_of_other_weights(drive):
    found = probed(map=str(drive.map), **{'network.weights': 'untrained-vits14'})
    assert found['map']['mismatch'] == ''
    # Names differ, and the content is compared.
    other = {'network.weights': 'untrained-fol_tiny'}
    mismatch = probed(map=str(drive.map), **other)['map']['mismatch']
    assert 'was made with the weights untrained-vits14' in mismatch
    assert 'loaded are untrained-fol_tiny' in mismatch


def test_another_runtime_is_examined_in_place_of_torch(tmp_path, monkeypatch):
    pytest.importorskip('onnxruntime')
    monkeypatch.setenv('FOL_VPR_WEIGHTS', str(tmp_path))
    found = probed(**{'network.runtime': 'onnxruntime'})
    assert 'torch' not in found
    assert (found['runtime']['name'], found['runtime']['devices'][-1]) == ('onnxruntime', 'cpu')
    assert 'fol_vpr export onnx --weights fol_tiny' in found['weights']['error']


def test_a_map_as_it_says_of_itself_and_a_trial_with_it(drive):
    before = sorted(drive.map.parent.iterdir())
    found = probed(map=str(drive.map), trial=True, **{'retrieval.index': 'large'})
    assert (found['map']['places'], found['map']['weights_name']) == (8, 'untrained-vits14')
    assert not found['map']['calibrated']
    assert found['weights']['name'] == 'untrained-vits14'
    trial = found['trial']
    assert trial['error'] == ''
    assert trial['image'] == 'the first image of the map'
    assert trial['images'] >= 3
    assert {'resize', 'forward', 'search', 'total'} <= trial['seconds'].keys()
    # No cache of an index beside the map.
    assert sorted(drive.map.parent.iterdir()) == before


def test_a_trial_without_a_map(tmp_path):
    found = probed(drawn_image(64, 48), trial=True)
    assert 'map' not in found
    assert found['trial']['image'] == 'the last image of the camera'
    assert found['trial']['size'] == (64, 48)
    assert not found['trial']['with_map']
    assert (
        'no such file'
        in probed(trial=True, file=str(tmp_path / 'x.jpg'))['trial']['error'].lower()
        or probed(trial=True, file=str(tmp_path / 'x.jpg'))['trial']['error']
    )


def test_weights_and_maps_that_are_missing_or_damaged(drive, tmp_path):
    found = probed(**{'network.weights': 'nothing.pth'})
    assert "there are no weights 'nothing.pth'" in found['weights']['error']
    missing = probed(map=str(tmp_path / 'none.folmap'))
    assert 'does not exist' in missing['map']['error']
    assert missing['weights']['error'] == ''
    cut = tmp_path / 'cut.folmap'
    cut.write_bytes(drive.map.read_bytes()[:5000])
    assert probed(map=str(cut))['map']['error']


def test_a_device_that_is_not_there(drive):
    torch = pytest.importorskip('torch')
    if torch.cuda.is_available():
        pytest.skip('this machine has a GPU')
    found = probed(map=str(drive.map), **{'network.device': 'cuda'})
    assert 'finds no CUDA device' in found['trial']['error']
    assert found['map']['places'] == 8


@pytest.mark.parametrize(
    ('script', 'said'),
    [
        ('import os, signal; os.kill(os.getpid(), signal.SIGILL)', 'built for another processor'),
        ('import os, signal; os.kill(os.getpid(), signal.SIGKILL)', 'where memory runs out'),
        ('raise OSError("libtorch.so: not found")', 'libtorch.so: not found'),
        ('import time; time.sleep(60)', 'did not end within 1 s'),
    ],
)
def test_a_process_that_fails_is_told_with_what_it_found(script, said):
    first = """import sys; sys.stdout.write('{"part": "torch", "facts": {"version": "2"}}\\n');"""
    command = (sys.executable, '-c', f'{first} sys.stdout.flush(); {script}')
    found = recognition_facts({}, command=command, timeout=1.0 if 'sleep' in script else 60.0)
    assert said in found.failure
    assert found.torch.version == '2'
    assert found.weights is None


def test_the_process_itself():
    found = recognition_facts(SMALL, image=drawn_image(64, 48))
    assert found.failure == ''
    assert found.torch.version
    assert found.weights.name == 'fol_tiny'
    assert found.trial.size == (64, 48)
    assert found.trial.rate > 0


def test_a_copy_of_a_map_keeps_what_lies_beside_it(drive, tmp_path):
    copied = shutil.copy(drive.map, tmp_path / 'm.folmap')
    probed(map=str(copied))
    assert [path.name for path in tmp_path.iterdir()] == ['m.folmap']
