"""`python -m training`, from the command to weights that the product loads."""

from __future__ import annotations

import csv
import importlib.util
import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from helpers.scenes import view
from helpers.training.datasets import grouped, video, with_depth

from fol_vpr.cli.common import console
from fol_vpr.config import NetworkConfig
from fol_vpr.network import FeatureExtractor, open_weights
from training.__main__ import main
from training.settings import read_config

pytestmark = pytest.mark.usefixtures('one_thread')

ROOT = Path(__file__).resolve().parents[2]

SMALL = """
model: {{architecture: fol_tiny, input_size: 126, average: 0.9}}
data:
  train: [{{kind: folders, path: {places}}}]
  places: 4
  images: 2
  batches: 2
  confusing: 2
  workers: 0
augmentation: {{strength: 0.5}}
optimiser: {{learning_rate: 1e-4, clip: 1.0, decay_steps: 4}}
validation:
  sets: [{{kind: folders, path: {places}, include: [place000, place001, place002]}}]
  rerank: 3
run: {{output: {folder}/run, epochs: 2, threads: 1, log_every: 1, pictures: 2, accelerator: cpu}}
"""


@pytest.fixture(scope='module')
def small(tmp_path_factory):
    """A configuration, and the folder of a run of two epochs that ended."""
    folder = tmp_path_factory.mktemp('fit')
    config = folder / 'small.yaml'
    places = with_depth(grouped(folder / 'places', 6))
    config.write_text(SMALL.format(places=places, folder=folder))
    assert main(['fit', '--config', str(config)]) == 0
    return config, folder / 'run'


def test_a_run_says_how_far_it_is(small, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(console, 'QUIET_INTERVAL', 0.0)
    there = ['--set', f'run.output={tmp_path / "run"}', 'run.max_steps=3']
    assert main(['fit', '--config', str(small[0]), *there, '--json']) == 0
    out, err = capsys.readouterr()
    assert json.loads(out)['weights'].endswith('best.safetensors')
    # Two steps are an epoch, and each step has eight images.
    assert '2 epochs of 2 steps, each of 8 images' in err
    assert re.search(r'fit: 2 of 3, .* s left \([\d.]+ images/s, loss [\d.]+\)', err)
    assert re.search(r'epoch 1: loss/total [\d.]+', err)
    quietly = tmp_path / 'quietly'
    there = ['--set', f'run.output={quietly}', 'run.max_steps=1']
    assert main(['fit', '--quiet', '--config', str(small[0]), *there]) == 0
    assert capsys.readouterr() == (
        f'done: {quietly}/best.safetensors, {quietly}/curves.png\n',
        '',
    )


def values(run, name):
    with open(run / 'metrics.csv', newline='') as file:
        return {
            int(r['step']): float(r['value']) for r in csv.DictReader(file) if r['name'] == name
        }


def test_a_run_leaves_what_a_person_can_look_at(small):
    config, run = small
    assert read_config(run / 'config.yaml') == read_config(config)
    assert {p.name for p in (run / 'masks').iterdir()} == {f'epoch_{n:03d}.png' for n in range(3)}
    assert (run / 'curves.png').stat().st_size > 10_000
    assert list((run / 'tensorboard').glob('events.*'))
    assert len(values(run, 'loss/total')) == 4
    assert len(values(run, 'recall/reranked@1')) == 3
    assert all(0 <= value <= 1 for value in values(run, 'recall/global@5').values())


def test_the_best_weights_run_in_the_product(small):
    _, run = small
    config = NetworkConfig(weights=str(run / 'best.safetensors'), input_size=126, threads=1)
    extractor = FeatureExtractor(config)
    assert extractor.trained and extractor.weights.input_size == 126
    features = extractor.extract([view(1)])[0]
    assert np.linalg.norm(features.global_descriptor) == pytest.approx(1, abs=1e-5)


def test_the_average_in_equal_shares_is_validated_and_competes(small, tmp_path):
    config, _ = small
    changes = ['model.equal_average_from=1', 'run.pictures=0', 'run.epochs=1', 'data.confusing=1']
    there = ['--set', f'run.output={tmp_path}', *changes]
    assert main(['fit', '--config', str(config), *there]) == 0
    # Nothing is averaged before the first step.
    assert len(values(tmp_path, 'equal/recall/reranked@1')) == 1
    assert len(values(tmp_path, 'recall/reranked@1')) == 2
    state = torch.load(tmp_path / 'checkpoints' / 'last.ckpt', weights_only=True)['state_dict']
    assert state['equally_averaged.n_averaged'] >= 1
    net, _ = open_weights(tmp_path / 'last_equal.safetensors')
    assert torch.equal(net.upconv.bias, state['equally_averaged.module.upconv.bias'])


def test_a_checkpoint_is_exported_with_its_averaged_weights(small, tmp_path, capsys):
    _, run = small
    output = tmp_path / 'w.safetensors'
    checkpoint = run / 'checkpoints' / 'last.ckpt'
    assert main(['export', '--checkpoint', str(checkpoint), '--output', str(output)]) == 0
    assert 'fol_tiny' in capsys.readouterr().out
    net, info = open_weights(output)
    assert info.model_id == open_weights(run / 'last.safetensors')[1].model_id
    state = torch.load(checkpoint, weights_only=True)['state_dict']
    assert torch.equal(net.upconv.bias, state['averaged.module.upconv.bias'])
    assert not torch.equal(net.upconv.bias, state['net.upconv.bias'])


def test_a_run_that_was_cut_off_goes_on_to_its_end(small, tmp_path, capsys):
    config, run = small
    there = [f'run.output={tmp_path}/run']
    assert main(['fit', '--config', str(config), '--set', *there, 'run.max_steps=2']) == 0
    assert main(['fit', '--config', str(config), '--set', *there]) == 2
    assert '--resume goes on with it' in capsys.readouterr().err
    assert main(['fit', '--config', str(config), '--resume', '--set', *there]) == 0
    again = torch.load(tmp_path / 'run' / 'checkpoints' / 'last.ckpt', weights_only=True)
    whole = torch.load(run / 'checkpoints' / 'last.ckpt', weights_only=True)
    assert again['global_step'] == whole['global_step'] == 4
    weights = (again['state_dict'], whole['state_dict'])
    assert all(torch.equal(*(state[name] for state in weights)) for name in weights[0])
    steps = values(tmp_path / 'run', 'loss/total')
    assert sorted(steps) == sorted(values(run, 'loss/total'))
    confused = [c['PlacesData']['confusion']['known'] for c in (again, whole)]
    assert all(each.abs().sum() > 0 for each in confused)


@pytest.mark.parametrize(
    ('every', 'cut', 'others'),
    [
        (2, 3, ['data.workers=0']),
        (3, 3, ['data.workers=0']),
        (3, 3, ['data.workers=2', 'data.places=2', 'model.equal_average_from=1']),
        (3, 3, ['data.workers=2', 'data.places=2', 'losses.views=1']),
        (3, 3, ['losses.distillation=1', 'distillation={teachers: [fol_tiny], remembered: 12}']),
    ],
    ids=[
        'after an epoch',
        'within one',
        'within one, with workers',
        'within one, with depth',
        'within one, with a teacher',
    ],
)
def test_a_run_goes_on_from_any_step(small, tmp_path, every, cut, others):
    config, _ = small
    settings = ['data.confusing=2', 'validation.sets=[]', 'run.pictures=0', *others]

    def fit(name, *changes, resume=()):
        there = [f'run.output={tmp_path}/{name}', *settings, *changes]
        assert main(['fit', '--config', str(config), *resume, '--set', *there]) == 0
        return torch.load(tmp_path / name / 'checkpoints' / 'last.ckpt', weights_only=True)

    whole = fit('whole')['state_dict']
    (tmp_path / 'cut').mkdir()
    (tmp_path / 'cut' / 'metrics.csv').write_text('step,name,value\n1,loss/total,9\n')
    stopped = [f'run.checkpoint_every={every}', f'run.max_steps={cut}', 'validation.every=9']
    fit('cut', *stopped)
    assert len(values(tmp_path / 'cut', 'loss/total')) == cut
    again = fit('cut', resume=['--resume'])
    assert again['global_step'] == 4
    assert all(torch.equal(again['state_dict'][name], whole[name]) for name in whole)
    with open(tmp_path / 'cut' / 'metrics.csv', newline='') as file:
        rows = [row for row in csv.DictReader(file) if row['name'] == 'loss/total']
    assert [row['step'] for row in rows] == ['0', '1', '2', '3']
    for name in ('loss/total', 'batch', 'loss/views', 'loss/distillation'):
        assert values(tmp_path / 'cut', name) == values(tmp_path / 'whole', name)
    # Of 81 patch centres and some of another place, all are alike at the beginning.
    shared = values(tmp_path / 'whole', 'loss/views').values()
    assert all(value > 1 for value in shared) and bool(shared) == ('losses.views=1' in others)
    assert len(set(values(tmp_path / 'cut', 'batch').values())) == 4


def test_a_run_that_is_killed_goes_on_as_if_it_had_not_been(small, tmp_path):
    """SIGKILL in the middle of an epoch, with workers that have fetched batches ahead."""
    config, _ = small
    settings = [
        'data.confusing=2', 'data.workers=2', 'data.places=2', 'data.batches=6',
        'validation.sets=[]', 'run.pictures=0', 'run.checkpoint_every=2',
    ]  # fmt: skip

    def command(name):
        words = [sys.executable, '-m', 'training', 'fit', '--config', str(config), '--resume']
        return [*words, '--set', f'run.output={tmp_path}/{name}', *settings]

    def fit(name):
        subprocess.run(command(name), check=True, cwd=ROOT, timeout=250)
        return torch.load(tmp_path / name / 'checkpoints' / 'last.ckpt', weights_only=True)

    whole = fit('whole')
    checkpoint = tmp_path / 'cut' / 'checkpoints' / 'last.ckpt'
    process = subprocess.Popen(command('cut'), cwd=ROOT, start_new_session=True)
    while process.poll() is None and len(values_so_far(tmp_path / 'cut')) < 4:
        time.sleep(0.01)
    os.killpg(process.pid, signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    assert torch.load(checkpoint, weights_only=True)['global_step'] in (2, 4, 6, 8)
    again = fit('cut')
    assert again['global_step'] == whole['global_step'] == 12
    for name, expected in whole['state_dict'].items():
        torch.testing.assert_close(again['state_dict'][name], expected, rtol=1e-5, atol=1e-6)
    for name in ('batch', 'loss/total'):
        cut, never = values(tmp_path / 'cut', name), values(tmp_path / 'whole', name)
        assert cut == (never if name == 'batch' else pytest.approx(never, rel=1e-5))
    assert not list(checkpoint.parent.glob('.*'))


def values_so_far(run):
    return values(run, 'batch') if (run / 'metrics.csv').exists() else {}


def test_without_validation_nothing_is_called_the_best(small, tmp_path, capsys):
    config, _ = small
    changes = ['validation.sets=[]', 'run.pictures=0', 'run.max_steps=1', 'validation.every=9']
    there = ['--set', f'run.output={tmp_path}', *changes]
    assert main(['fit', '--config', str(config), *there]) == 0
    assert 'last.safetensors' in capsys.readouterr().out
    assert not (tmp_path / 'best.safetensors').exists()
    # Ending by steps is an end, too: the weights are those of the checkpoint.
    state = torch.load(tmp_path / 'checkpoints' / 'last.ckpt', weights_only=True)['state_dict']
    net, _ = open_weights(tmp_path / 'last.safetensors')
    assert torch.equal(net.upconv.bias, state['averaged.module.upconv.bias'])


@pytest.mark.parametrize(
    ('changes', 'message'),
    [
        (['data.workers=1'], r'place001/1\.jpg'),
        (['data.workers=1', 'losses.views=1'], r'place000/\.depth/\d\.png is no depth image'),
        (['data.places=7'], 'a batch of 7 places needs as many'),
        (['run.accelerator=abacus'], 'run: '),
        (
            [
                'data.places=2',
                'data.train=[{kind: videos, path: PATH, window: 2, stride: 2, margin: 99}]',
            ],
            'only 1 of 2 places are far enough apart',
        ),
    ],
)
def test_what_goes_wrong_in_a_run_is_said_in_a_line(small, tmp_path, capsys, changes, message):
    config, _ = small
    root = with_depth(grouped(tmp_path / 'places', 4, images=2))
    if 'losses.views=1' in changes:
        for path in (root / 'place000' / '.depth').glob('*.png'):
            path.write_bytes(b'no image')
    else:
        (root / 'place001' / '1.jpg').write_bytes(b'no image')
    video(tmp_path / 'video', 'a', 4)
    changes = [change.replace('PATH', str(tmp_path / 'video')) for change in changes]
    settings = [f'data.train.0.path={root}', 'validation.sets=[]', f'run.output={tmp_path}/run']
    assert main(['fit', '--config', str(config), '--set', *settings, *changes]) == 2
    said = capsys.readouterr().err.splitlines()
    assert said[-1].startswith('training: error: ') and re.search(message, said[-1])
    assert not any('Traceback' in line for line in said)


def test_validate_agrees_with_what_the_run_measured(small, tmp_path, capsys):
    config, run = small
    output = tmp_path / 'figures.json'
    arguments = ['--weights', str(run / 'last.safetensors'), '--config', str(config)]
    assert main(['validate', *arguments, '--json', str(output)]) == 0
    printed = capsys.readouterr().out
    assert 'Recall@1' in printed and 're-ranked 3' in printed
    measured = values(run, 'recall/reranked@1')
    assert f'"1": {measured[max(measured)]:.6}'[:9] in output.read_text()


@pytest.mark.parametrize(
    ('arguments', 'message'),
    [
        (['validate', '--weights', 'x', '--reference', 'a'], 'give --config, or --reference'),
        (['validate', '--weights', 'x', '--config', 'none.yaml'], 'none.yaml cannot be read'),
        (
            ['export', '--checkpoint', 'none.ckpt', '--output', 'w.safetensors'],
            'none.ckpt does not exist',
        ),
        (['fit', '--config', 'none.yaml'], 'none.yaml cannot be read'),
    ],
)
def test_what_cannot_be_done_is_said_in_a_line(arguments, message, capsys):
    assert main(arguments) == 2
    said = capsys.readouterr().err
    assert said.startswith('training: error: ') and message in said


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.skipif(importlib.util.find_spec('panda3d') is None, reason='panda3d is not installed')
def test_recall_rises_within_minutes(tmp_path, monkeypatch):
    for name, seed, places, views in (('train', '1', '60', '6'), ('val', '9001', '40', '3')):
        arguments = ['--output', str(tmp_path / name), '--seed', seed, '--places', places]
        arguments += ['--views', views, '--conditions', 'day', 'overcast', '--strength', '0.3']
        assert main(['town', 'places', *arguments]) == 0
    monkeypatch.setenv('TOWN', str(tmp_path))
    config = str(ROOT / 'training' / 'configs' / 'smoke.yaml')
    assert main(['fit', '--config', config, '--set', f'run.output={tmp_path}/run']) == 0
    recall = values(tmp_path / 'run', 'recall/global@1')
    assert recall[max(recall)] > recall[0] + 0.1
