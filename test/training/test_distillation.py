"""Teachers, and the images of earlier batches."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from helpers.scenes import view
from helpers.training.plain_losses import make_inputs

from fol_vpr.config import NetworkConfig
from fol_vpr.errors import WeightsError
from fol_vpr.network import FeatureExtractor, build_fol, save_weights
from fol_vpr.network.model.aggregation import DESCRIPTOR_DIM
from training.config import DistillationConfig, ModelConfig, TrainingConfig
from training.distillation import EarlierImages, Teachers
from training.losses import LossConfig, LossInputs
from training.module import FoLTraining

pytestmark = pytest.mark.usefixtures('one_thread')


def images(count: int) -> np.ndarray:
    return np.stack([view(seed)[:126, :126] for seed in range(count)])


def batch(count: int) -> torch.Tensor:
    return torch.from_numpy(images(count)).permute(0, 3, 1, 2)


def test_a_teacher_describes_images_as_the_product_does():
    """At the size of its weights, 182 px, from images of 126 px."""
    taught = Teachers(('fol_small',)).describe(batch(2))
    extractor = FeatureExtractor(
        NetworkConfig(weights='fol_small', precision='float32', input_size=182, threads=1)
    )
    expected = np.stack([each.global_descriptor for each in extractor.extract(list(images(2)))])
    assert taught.dtype == torch.float32
    assert (taught.numpy() * expected).sum(axis=1).min() > 0.9999


def test_of_several_teachers_the_cosines_are_averaged(tmp_path):
    save_weights(build_fol('fol_tiny'), tmp_path / 'other.safetensors')
    names = ('fol_tiny', str(tmp_path / 'other.safetensors'))
    first, second = (Teachers((name,)).describe(batch(3)) for name in names)
    both = Teachers(names).describe(batch(3))
    assert both.shape == (3, 2 * DESCRIPTOR_DIM)
    torch.testing.assert_close(both @ both.T, (first @ first.T + second @ second.T) / 2)
    torch.testing.assert_close(both.norm(dim=1), torch.ones(3))
    assert not torch.allclose(first @ first.T, second @ second.T, atol=0.01)


def test_teachers_neither_train_nor_go_into_checkpoints():
    module = FoLTraining(
        TrainingConfig(
            ModelConfig('fol_tiny', input_size=126),
            losses=LossConfig(distillation=1.0),
            distillation=DistillationConfig(teachers=('fol_tiny',), remembered=8),
        )
    )
    names = set(module.state_dict())
    assert {name.partition('.')[0] for name in names} == {'net', 'earlier'}
    assert not module.teachers.describe(batch(1)).requires_grad
    own = sum(p.numel() for p in module.net.parameters())
    assert sum(p.numel() for p in module.parameters()) == own


def test_random_teachers_are_refused():
    with pytest.raises(WeightsError, match='untrained-fol_tiny are random, expected teachers'):
        Teachers(('untrained-fol_tiny',))
    with pytest.raises(WeightsError, match=r'nowhere\.safetensors'):
        Teachers(('nowhere.safetensors',))


def numbered(*values: float) -> LossInputs:
    """Images whose descriptors, own and taught, are all their number."""
    column = torch.tensor(values, dtype=torch.float32).unsqueeze(1)
    inputs = make_inputs([0] * len(values), dtype=torch.float32)
    return replace(
        inputs,
        descriptor=column.expand(-1, DESCRIPTOR_DIM).clone().requires_grad_(),
        taught=-column.expand(-1, DESCRIPTOR_DIM),
    )


def remembered(earlier: EarlierImages) -> list[float]:
    found = earlier.add_to(numbered(0))
    if found.remembered is None:
        return []
    assert torch.equal(found.remembered_taught, -found.remembered)
    assert not found.remembered.requires_grad
    return found.remembered[:, -1].tolist()


def test_the_oldest_images_make_room():
    earlier = EarlierImages(5, 1)
    assert remembered(earlier) == []
    for values, expected in (
        ([1, 2], {1, 2}),
        ([3, 4], {1, 2, 3, 4}),
        ([5, 6], {2, 3, 4, 5, 6}),
        ([7, 8, 9, 10, 11, 12], {8, 9, 10, 11, 12}),
    ):
        earlier.keep(numbered(*values))
        assert set(remembered(earlier)) == expected
    again = EarlierImages(5, 1)
    again.load_state_dict(earlier.state_dict())
    assert remembered(again) == remembered(earlier)
    again.keep(numbered(13))
    assert set(remembered(again)) == {9, 10, 11, 12, 13}


def test_nothing_is_remembered_where_nothing_is_to_be():
    earlier = EarlierImages(0, 1)
    earlier.keep(numbered(1, 2))
    assert remembered(earlier) == []
