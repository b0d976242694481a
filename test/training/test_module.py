"""What trains, how fast, and that several processes learn what one does."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import pytorch_lightning as pl
import torch
from helpers.training import one_step
from helpers.training.datasets import grouped, with_depth

from fol_vpr.errors import FolVprError, InputError, WeightsError
from fol_vpr.network import build_fol, save_weights
from fol_vpr.network.runtime.precision import choose_precision
from training.commands.fit import lightning_precision
from training.config import ModelConfig, OptimiserConfig, RunConfig, TrainingConfig
from training.data import Batch, PlacesData
from training.data.config import AugmentationConfig, DataConfig, FoldersSource
from training.losses import LossConfig, LossInputs
from training.losses.descriptors import multi_similarity_loss
from training.module import (
    FoLTraining,
    choose_trainable,
    initial_network,
    learning_rate,
    parameter_groups,
)

pytestmark = pytest.mark.usefixtures('one_thread')

ROOT = Path(__file__).resolve().parents[2]
TINY = ModelConfig(architecture='fol_tiny', input_size=126)


def test_the_last_blocks_train_and_what_comes_after_them():
    net = build_fol('fol_tiny')
    depth = len(net.backbone.model.blocks)
    choose_trainable(net, 2)
    training = {name for name, p in net.named_parameters() if p.requires_grad}
    blocks = {int(name.split('.')[3]) for name in training if name.startswith('backbone.model.b')}
    assert blocks == {depth - 2, depth - 1}
    others = {name for name in training if '.blocks.' not in name}
    assert {name.split('.')[0] for name in others} == {
        'backbone',
        'aggregator',
        'upconv',
        'upconv2',
    }
    assert {n for n in others if n.startswith('backbone')} == {
        'backbone.model.norm.weight', 'backbone.model.norm.bias',
    }  # fmt: skip
    choose_trainable(net, 0)
    assert not any(p.requires_grad for p in net.backbone.model.blocks.parameters())
    with pytest.raises(InputError, match=f'fol_tiny has {depth}'):
        choose_trainable(net, depth + 1)


def test_only_matrices_decay():
    net = initial_network(TINY)
    names = {id(p): name for name, p in net.named_parameters()}
    decaying, others = parameter_groups(net, 0.1)
    assert decaying['weight_decay'] == 0.1 and others['weight_decay'] == 0
    assert all(p.ndim > 1 for p in decaying['params'])
    kept = {names[id(p)] for p in others['params']}
    assert {'backbone.model.cls_token', 'backbone.model.pos_embed', 'upconv.bias'} <= kept
    everything = [*decaying['params'], *others['params']]
    assert len(everything) == sum(p.requires_grad for p in net.parameters())


@pytest.mark.parametrize(
    ('schedule', 'expected'),
    [('linear', [0.25, 0.5, 0.75, 1, 0.55, 0.1]), ('cosine', [0.25, 0.5, 0.75, 1, 0.55, 0.1]),
     ('constant', [0.25, 0.5, 0.75, 1, 1, 1])],
)  # fmt: skip
def test_the_learning_rate_rises_and_falls(schedule, expected):
    config = OptimiserConfig(warmup_steps=3, schedule=schedule, final_factor=0.1)
    factor = learning_rate(config, 23)
    assert [factor(step) for step in (0, 1, 2, 3, 13, 23)] == pytest.approx(expected)
    assert factor(1000) == factor(23)


def test_the_learning_rate_begins_anew():
    config = OptimiserConfig(
        warmup_steps=2, schedule='restarts', cycle_steps=10, cycle_growth=2, final_factor=0.1
    )
    factor = learning_rate(config, 1000)
    steps = (2, 7, 12, 22, 31, 32, 52)
    assert [factor(step) for step in steps] == pytest.approx(
        [1, 0.55, 1, 0.55, 0.1055, 1, 0.55], abs=1e-3
    )


def test_training_goes_on_from_weights(tmp_path):
    net = build_fol('fol_tiny')
    with torch.no_grad():
        net.upconv.bias += 1
    save_weights(net, tmp_path / 'w.safetensors')
    begun = initial_network(replace(TINY, weights=str(tmp_path / 'w.safetensors')))
    assert torch.equal(begun.upconv.bias, net.upconv.bias) and begun.training
    torch.save(net.backbone.model.state_dict(), tmp_path / 'backbone.pth')
    begun = initial_network(replace(TINY, backbone=str(tmp_path / 'backbone.pth')))
    assert not torch.equal(begun.upconv.bias, net.upconv.bias)
    with pytest.raises(WeightsError, match='no DINOv2 backbone of vits14'):
        initial_network(ModelConfig('vits14', backbone=str(tmp_path / 'backbone.pth')))
    with pytest.raises(WeightsError):
        initial_network(replace(TINY, weights='untrained-fol_tiny'))


def test_the_average_follows_the_weights():
    module = FoLTraining(TrainingConfig(model=replace(TINY, average=0.99)))
    before = module.exported_net.upconv.bias.clone()
    with torch.no_grad():
        module.net.upconv.bias += 1
    module.update_average()
    module.update_average()
    moved = module.exported_net.upconv.bias - before
    assert ((moved > 0.5) & (moved <= 1)).all()
    assert not any(p.requires_grad for p in module.averaged.parameters())


def test_two_processes_learn_what_one_does(tmp_path):
    folder = with_depth(grouped(tmp_path / 'places', 4))
    one_step.main([str(folder), str(tmp_path / 'alone'), '1'])
    # As a user starts it: Lightning starts the second process, which talks to the first over gloo.
    done = subprocess.run(
        [sys.executable, one_step.__file__, folder, tmp_path / 'both', '2'],
        capture_output=True, text=True, timeout=250, check=False, cwd=ROOT,
        env={**os.environ, 'PYTHONPATH': str(ROOT)},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    alone = torch.load(tmp_path / 'alone0.pt', weights_only=True)
    for rank in range(2):
        shared = torch.load(tmp_path / f'both{rank}.pt', weights_only=True)
        assert shared.keys() == alone.keys() and len(alone) > 50
        for name, expected in alone.items():
            assert (shared[name] - expected).norm() <= 1e-4 * expected.norm() + 1e-7, name


def test_bfloat16_learns_what_float32_does(tmp_path):
    """Within its precision: the loss, and the direction and length of the whole gradient.

    The gradient is clipped, with an optimiser that is fused, as it is on a CPU.
    """
    folder = str(with_depth(grouped(tmp_path / 'places', 4)))
    found = {}
    for precision in ('32-true', 'bf16-mixed'):
        one_step.main([folder, str(tmp_path / precision), '1', precision])
        found[precision] = torch.load(tmp_path / f'{precision}0.pt', weights_only=True)
    full, half = found.values()
    assert full.keys() == half.keys()
    assert all(each.dtype == torch.float32 for each in half.values())
    assert half.pop('loss') == pytest.approx(float(full.pop('loss')), rel=0.02)
    first, second = (torch.cat([g.flatten() for g in each.values()]) for each in (full, half))
    assert not torch.equal(first, second)
    assert torch.cosine_similarity(first, second, dim=0) > 0.98
    assert float(second.norm()) == pytest.approx(float(first.norm()), rel=0.05)


@pytest.mark.parametrize('precision', ['32-true', 'bf16-mixed'])
def test_a_loss_that_is_no_number_ends_the_run(tmp_path, precision):
    module = FoLTraining(TrainingConfig(model=TINY))
    with torch.no_grad():
        module.net.upconv2.bias[0] = torch.nan
    places = (FoldersSource(str(grouped(tmp_path, 4))),)
    data = DataConfig(train=places, places=4, images=2, batches=1, workers=0)
    trainer = pl.Trainer(
        accelerator='cpu', precision=precision, max_steps=1, logger=False,
        enable_checkpointing=False, enable_progress_bar=False, enable_model_summary=False,
        use_distributed_sampler=False,
    )  # fmt: skip
    with pytest.raises(FolVprError, match=r'the loss is nan in step 0: lower'):
        trainer.fit(module, datamodule=PlacesData(data, AugmentationConfig(), 126, 0))


def learn_once(module, tmp_path, precision='32-true'):
    """Let a module learn from one batch of four places."""
    places = (FoldersSource(str(grouped(tmp_path / 'places', 4))),)
    data = DataConfig(train=places, places=4, images=2, batches=1, workers=0)
    trainer = pl.Trainer(
        accelerator='cpu', precision=precision, max_steps=1, logger=False,
        enable_checkpointing=False, enable_progress_bar=False, enable_model_summary=False,
        use_distributed_sampler=False,
    )  # fmt: skip
    trainer.fit(module, datamodule=PlacesData(data, AugmentationConfig(), 126, 0))


ONLY_MINED = LossConfig(local=0, alignment=0, contrast=0, correspondence=0)


class OneBadRow(torch.nn.Module):
    """An aggregator whose descriptor of the third image is no number."""

    def __init__(self, inner):
        super().__init__()
        self.inner = inner

    def forward(self, *args, **options):
        out = self.inner(*args, **options)
        bad = torch.zeros_like(out.descriptor)
        bad[2] = torch.nan
        return out._replace(descriptor=out.descriptor + bad)


def test_a_miner_hides_a_row_that_is_no_number_from_the_loss_and_not_from_the_gradients():
    """What the check of the rows is for."""
    weights = torch.randn(16, 8, generator=torch.Generator().manual_seed(0), requires_grad=True)
    images = torch.randn(8, 16, generator=torch.Generator().manual_seed(1))
    images[3] = torch.nan
    descriptors = torch.nn.functional.normalize(images @ weights, dim=1)
    nothing = torch.zeros(8, 1, 1)
    inputs = LossInputs(
        descriptors, torch.arange(8) // 2, nothing, nothing[..., 0], nothing,
        torch.zeros(8, 1, 1, 1), (1, 1),
    )  # fmt: skip
    loss = multi_similarity_loss(inputs)
    assert loss.isfinite()
    loss.backward()
    assert weights.grad.isnan().all()


def test_a_descriptor_that_is_no_number_ends_the_run_before_it_learns(tmp_path):
    module = FoLTraining(TrainingConfig(model=TINY, losses=ONLY_MINED))
    module.net.aggregator = OneBadRow(module.net.aggregator)
    before = module.net.upconv.weight.clone()
    message = r'descriptors of 1 of 8 images are no numbers in step 0, of place\d+/\d\.jpg'
    with pytest.raises(FolVprError, match=message):
        learn_once(module, tmp_path)
    assert torch.equal(module.net.upconv.weight, before)


@pytest.mark.parametrize('precision', ['32-true', 'bf16-mixed'])
def test_a_gradient_that_is_no_number_ends_the_run_before_it_learns(tmp_path, precision):
    module = FoLTraining(TrainingConfig(model=TINY))
    module.net.upconv.weight.register_hook(lambda gradient: gradient * torch.nan)
    before = {name: p.clone() for name, p in module.net.named_parameters()}
    message = r'gradients of 1 of \d+ parameters are no numbers in step 0, the first upconv.weight'
    with pytest.raises(FolVprError, match=message):
        learn_once(module, tmp_path, precision)
    assert all(torch.equal(p, before[name]) for name, p in module.net.named_parameters())


def test_auto_is_bfloat16_where_the_processor_multiplies_it_faster():
    chosen = choose_precision('auto', torch.device('cpu')).name
    expected = {'float32': '32-true', 'bfloat16': 'bf16-mixed'}[chosen]
    assert lightning_precision(RunConfig(accelerator='cpu')) == expected
    assert lightning_precision(RunConfig(accelerator='gpu')) == 'bf16-mixed'
    assert lightning_precision(RunConfig(accelerator='cpu', precision='16-mixed')) == '16-mixed'


def test_batches_travel_as_bytes(tmp_path):
    config = DataConfig(
        train=(FoldersSource(str(grouped(tmp_path, 3))),), places=3, images=2, workers=0
    )
    data = PlacesData(config, AugmentationConfig(), 126, 0)
    data.setup('fit')
    batch = next(iter(data.train_dataloader()))
    assert isinstance(batch, Batch) and batch.images.dtype == torch.uint8
    assert batch.labels.tolist() == sorted(batch.labels.tolist(), key=batch.labels.tolist().index)
