"""What augmentation does to an image, and that it is drawn anew and again alike."""

from __future__ import annotations

from dataclasses import fields, replace

import numpy as np
import pytest
import torch
from helpers.scenes import view
from helpers.training.datasets import grouped
from torch.utils.data import DataLoader

from fol_vpr.network.tensors import normalise, to_input
from training.data.batches import Batches, prepare_worker
from training.data.config import AugmentationConfig, FoldersSource
from training.data.folders import GroupedFolders
from training.data.images.augmentation import Augmentation
from training.data.places import Places
from training.data.sampling import PlaceSampler

OFF = AugmentationConfig(strength=0)
PROBABILITIES = ('grey', 'shade', 'blur', 'noise', 'jpeg', 'occluder')


def test_without_strength_the_network_sees_what_it_sees_in_use():
    image = view(3)
    learned, _ = Augmentation(OFF, 126)(image, np.random.default_rng(0))
    seen = normalise(torch.from_numpy(learned).permute(2, 0, 1))
    used = to_input(image, (126, 126), torch.device('cpu'))
    # Half a grey level of rounding, and what OpenCV's fixed-point interpolation adds to it.
    assert (seen - used).abs().max() < 3 / 255 / 0.224
    assert (seen - used).abs().mean() < 0.5 / 255 / 0.224


def test_mirroring_is_exact():
    plain, mirrored = (
        Augmentation(OFF, 126)(view(3), np.random.default_rng(0), m)[0] for m in (0, 1)
    )
    difference = plain[:, ::-1].astype(int) - mirrored
    assert np.abs(difference).mean() < 0.5
    assert np.abs(plain.astype(int) - mirrored).mean() > 10


@pytest.mark.parametrize(
    'name', [f.name for f in fields(AugmentationConfig) if f.name not in ('strength', 'mirror')]
)
def test_each_change_does_something_by_itself(name):
    off = {f.name: 0.0 for f in fields(AugmentationConfig) if f.name != 'strength'}
    amount = 1.0 if name in PROBABILITIES else 0.3
    only = AugmentationConfig(**{**off, name: amount})
    image = view(3)
    plain, _ = Augmentation(OFF, 126)(image, np.random.default_rng(0))
    changes = [
        np.abs(
            Augmentation(only, 126)(image, np.random.default_rng(s))[0].astype(int) - plain
        ).mean()
        for s in range(5)
    ]
    assert max(changes) > 0.5 and np.median(changes) < 90
    nothing, _ = Augmentation(replace(only, **{name: 0.0}), 126)(image, np.random.default_rng(1))
    assert np.array_equal(nothing, plain)


def test_the_same_seed_gives_the_same_image_and_another_gives_another():
    augmentation, image = Augmentation(AugmentationConfig(), 126), view(4)
    original = image.copy()
    one, again, other = (augmentation(image, np.random.default_rng(s))[0] for s in (1, 1, 2))
    assert np.array_equal(one, again) and not np.array_equal(one, other)
    assert np.array_equal(image, original)
    assert one.shape == (126, 126, 3) and one.dtype == np.uint8


def test_batches_are_the_same_for_any_number_of_workers_and_differ_between_epochs(tmp_path):
    places = Places([GroupedFolders(FoldersSource(str(grouped(tmp_path, 6))))])
    sampler = PlaceSampler(places, 3, 2, batches=3, mirror=0.5)
    batches = Batches(places, Augmentation(AugmentationConfig(), 126))

    def epoch(number, workers):
        sampler.set_epoch(number)
        loader = DataLoader(
            batches, batch_size=None, sampler=sampler, num_workers=workers,
            worker_init_fn=prepare_worker if workers else None,
        )  # fmt: skip
        return list(loader)

    alone, shared = epoch(0, 0), epoch(0, 2)
    for a, b in zip(alone, shared, strict=True):
        assert torch.equal(a.images, b.images) and torch.equal(a.labels, b.labels)
    assert alone[0].images.shape == (6, 3, 126, 126) and alone[0].images.dtype == torch.uint8
    assert not any(
        torch.equal(a.images, b.images) for a, b in zip(alone, epoch(1, 0), strict=True)
    )
    assert not torch.equal(alone[0].images, alone[1].images)


@pytest.mark.parametrize('mirrored', [False, True])
def test_it_tells_where_each_point_was_in_the_original(mirrored):
    # A smooth image whose colour says where one is.
    y, x = np.mgrid[0:200, 0:300]
    image = np.stack([x * 255 / 300, y * 255 / 200, 0 * x], axis=2).round().astype(np.uint8)
    colours = dict.fromkeys(PROBABILITIES, 0.0)
    still = {'gamma': 0.0, 'contrast': 0.0, 'brightness': 0.0, 'tint': 0.0, 'saturation': 0.0}
    augmentation = Augmentation(AugmentationConfig(**colours, **still), 126)
    view_, frame = augmentation(image, np.random.default_rng(5), mirrored)
    shares = (np.mgrid[0:126, 0:126][::-1].transpose(1, 2, 0) + 0.5) / 126
    there = np.concatenate([shares, np.ones((126, 126, 1))], axis=2) @ frame.T
    there = there[..., :2] / there[..., 2:]
    inside = ((there > 0.02) & (there < 0.98)).all(axis=2)
    assert inside.mean() > 0.5
    assert np.abs(view_[..., :2] / 255 - there)[inside].max() < 0.02
