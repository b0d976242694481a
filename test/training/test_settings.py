"""Configurations: what is read is what was written, and what is wrong is named."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from fol_vpr.errors import InputError
from training.config import TrainingConfig
from training.data.config import FoldersSource, VideosSource
from training.settings import from_plain_values, read_config, to_plain_values, write_config

CONFIGS = sorted((Path(__file__).parents[2] / 'training' / 'configs').glob('*.yaml'))

SMALL = """
model: {architecture: fol_tiny, input_size: 126}
data:
  train:
    - {kind: folders, path: '${PLACES}/a', exclude: [x]}
    - {kind: videos, path: /videos, window: 3}
optimiser:
  learning_rate: 6e-5
  betas: [0.9, 0.98]
"""


@pytest.fixture
def small(tmp_path, monkeypatch):
    monkeypatch.setenv('PLACES', '/places')
    path = tmp_path / 'small.yaml'
    path.write_text(SMALL)
    return path


def test_a_file_becomes_settings_and_settings_a_file(small, tmp_path):
    config = read_config(small)
    assert config.data.train == (
        FoldersSource('/places/a', exclude=('x',)), VideosSource('/videos', window=3),
    )  # fmt: skip
    assert config.optimiser.learning_rate == 6e-5 and config.optimiser.betas == (0.9, 0.98)
    assert config.run == TrainingConfig().run
    write_config(config, tmp_path / 'written.yaml')
    assert read_config(tmp_path / 'written.yaml') == config
    assert from_plain_values(TrainingConfig, to_plain_values(config), '') == config


def test_changes_reach_into_sections_and_lists(small):
    config = read_config(
        small,
        [
            'run.epochs=3',
            'data.train.1.path=/other',
            'losses.local=0',
            'validation.select=global',
            'model.weights=',
        ],
    )
    assert config.run.epochs == 3 and config.losses.local == 0
    assert config.data.train[1] == VideosSource('/other', window=3)


@pytest.mark.parametrize(
    ('change', 'message'),
    [
        (
            'optimiser.learning_rat=1',
            r'no setting optimiser\.learning_rat; did you mean learning_rate',
        ),
        ('optimizer.learning_rate=1', r'no setting optimizer; did you mean optimiser'),
        ('data.train.0.kind=folder', r'data\.train\.0\.kind is .folder., .* did you mean folders'),
        ('data.train.7.path=x', r"'7' is none of the 2 entries"),
        ('data.train.0.windw=2', r'no setting data\.train\.0\.windw'),
        ('data.places=many', r"data\.places is 'many', expected a whole number"),
        ('data.places=1', r'data\.places is 1, expected at least 2'),
        ('run.epochs=true', r'run\.epochs is True, expected a whole number'),
        ('model.input_size.x=1', r'input_size is 126 and has no settings'),
        ('data.train=/places', r'data\.train is ./places., expected a list'),
        ('validation.select=local', r'expected one of global, reranked'),
        ('run.output=${NOT_THERE}/x', r'environment variable NOT_THERE is not set'),
        ('losses.local_variant=fast', r'expected one of paper, released'),
        ('optimiser.betas=[0.9]', r'optimiser\.betas is \[0\.9\], expected two numbers'),
        ('optimiser.betas=[0.9, 1.0]', r'expected two numbers from 0 to less than 1'),
        (
            'losses.distillation=1',
            r'distillation is 1 and distillation\.teachers \[\], e',
        ),
        (
            'distillation.teachers=[fol_small]',
            r'distillation is 0 and .*\[.fol_small.\], e',
        ),
        ('run.epochs', r'expected section\.setting=value'),
    ],
)
def test_a_wrong_change_is_named(small, change, message):
    with pytest.raises(InputError, match=message):
        read_config(small, [change])


@pytest.mark.parametrize('text', ['- a', 'model: 3', 'a: [', ''])
def test_what_is_no_configuration_is_refused(tmp_path, text):
    path = tmp_path / 'wrong.yaml'
    path.write_text(text)
    with pytest.raises(InputError, match=r'wrong\.yaml'):
        read_config(path)
    with pytest.raises(InputError, match='cannot be read'):
        read_config(tmp_path / 'none.yaml')


@pytest.mark.parametrize('path', CONFIGS, ids=lambda path: path.name)
def test_the_configurations_of_the_repository_can_be_read(path, monkeypatch):
    names = ('FOL_VPR_SHARED', 'GSV_CITIES', 'VALIDATION', 'DINOV2', 'BAGS', 'TOWN', 'START')
    for name in (*names, 'REAL'):
        monkeypatch.setenv(name, '/somewhere')
    config = read_config(path)
    if path.stem == 'measure':
        assert config.validation.sets and not config.data.train
        return
    assert config.data.train
    assert config.validation.sets or path.stem == 'ablation'
    measured = ('gardens_point', 'corridor', 'tum_fr1_desk')
    assert not any(name in yaml.safe_dump(to_plain_values(config)) for name in measured)
