"""Which places and images come into a batch."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from fol_vpr.errors import InputError
from training.data.config import DataConfig
from training.data.mining import HardPlaceMiner
from training.data.places import Places
from training.data.sampling import PlaceSampler


class Numbered:
    """Places without pixels: place p has 2 + p % 4 images, `reach` neighbours on each side."""

    description = 'numbers'

    def __init__(self, count: int, reach: int = 0) -> None:
        self.count, self.reach = count, reach

    def __len__(self):
        return self.count

    def images(self, place):
        return [f'{place}/{k}' for k in range(2 + place % 4)]

    def load(self, place, number):
        return np.full((20, 20, 3), 10 * place + number, np.uint8)

    def neighbours(self, place):
        around = range(max(0, place - self.reach), min(self.count, place + self.reach + 1))
        return [other for other in around if other != place]


def batches(sampler, epoch=0):
    sampler.set_epoch(epoch)
    return list(sampler)


def test_every_place_comes_once_in_an_epoch_and_images_change():
    sampler = PlaceSampler(Places([Numbered(24)]), 6, 3)
    first, second = batches(sampler), batches(sampler, 1)
    assert len(sampler) == len(first) == 4
    for epoch in (first, second):
        assert Counter(d.place for b in epoch for d in b) == dict.fromkeys(range(24), 3)
    assert first != second
    assert batches(sampler) == first
    images = [{(d.place, d.number) for b in epoch for d in b} for epoch in (first, second)]
    assert images[0] != images[1]


def test_no_image_comes_twice_where_there_are_enough():
    drawn = batches(PlaceSampler(Places([Numbered(24)]), 6, 3))
    assert len(drawn) == 4
    for batch in drawn:
        assert len(batch) == 6 * 3
        for place in {d.place for d in batch}:
            numbers = [d.number for d in batch if d.place == place]
            assert len(numbers) == 3
            assert len(set(numbers)) == min(3, 2 + place % 4)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2), st.integers(2, 5), st.integers(0, 50), st.integers(1, 12))
def test_neighbours_never_meet(reach, places, seed, count):
    data = Places([Numbered(30, reach)], [2])
    sampler = PlaceSampler(data, places, 2, batches=count, seed=seed)
    drawn = batches(sampler)
    assert len(drawn) == count
    for batch in drawn:
        chosen = sorted({d.place for d in batch})
        assert len(chosen) == places
        assert all(b - a > reach for a, b in pairwise(chosen))


def test_too_few_places_are_refused():
    with pytest.raises(InputError, match='needs as many, there are 4'):
        PlaceSampler(Places([Numbered(4)]), 5, 2)
    with pytest.raises(InputError, match='far enough apart'):
        batches(PlaceSampler(Places([Numbered(6, 5)]), 3, 2))
    with pytest.raises(InputError, match='shared evenly by 2'):
        PlaceSampler(Places([Numbered(9)]), 3, 2, world=2)


def test_processes_share_the_batches_of_one():
    data = Places([Numbered(24)])
    whole = batches(PlaceSampler(data, 6, 2, mirror=0.5))
    shares = [batches(PlaceSampler(data, 6, 2, mirror=0.5, rank=r, world=3)) for r in range(3)]
    assert whole == [a + b + c for a, b, c in zip(*shares, strict=True)]
    assert all(len(share) == 4 for share in shares[0])


def test_a_place_is_mirrored_as_a_whole():
    drawn = [
        b
        for e in range(5)
        for b in batches(PlaceSampler(Places([Numbered(24)]), 6, 2, mirror=0.5), e)
    ]
    by_place = [
        {d.mirrored for d in b if d.place == p} for b in drawn for p in {d.place for d in b}
    ]
    assert all(len(each) == 1 for each in by_place)
    assert 0.3 < np.mean([each == {True} for each in by_place]) < 0.7


def test_places_that_are_confused_come_into_one_batch():
    generator = torch.Generator().manual_seed(0)
    looks = torch.randn(8, 64, generator=generator)
    # Places 0, 8, 16 ... look alike, and so do 1, 9, 17 ...
    seen = looks.repeat(8, 1) + 0.1 * torch.randn(64, 64, generator=generator)
    miner = HardPlaceMiner(64, 4, seed=0)
    data = Places([Numbered(64)])
    chance = PlaceSampler(data, 8, 2, miner=miner)
    by_chance = batches(chance)
    miner.remember(torch.arange(64), seen)
    together = batches(chance)

    def alike(drawn):
        counts = [Counter(p % 8 for p in {d.place for d in b}) for b in drawn]
        return np.mean([max(count.values()) for count in counts])

    assert alike(by_chance) < 3.5 < 4 <= alike(together)
    assert sorted(d.place for b in together for d in b) == sorted([*range(64)] * 2)


def test_what_is_remembered_does_not_depend_on_the_precision_of_the_step():
    """A step in bfloat16 remembers in the middle of what is computed in it."""
    seen = torch.randn(16, 64, generator=torch.Generator().manual_seed(1))
    plain, cast = (HardPlaceMiner(8, 2, seed=0) for _ in range(2))
    plain.remember(torch.arange(8).repeat(2), seen)
    with torch.autocast('cpu', dtype=torch.bfloat16):
        cast.remember(torch.arange(8).repeat(2), seen)
    assert cast.descriptors.any()
    torch.testing.assert_close(cast.descriptors, plain.descriptors, rtol=0, atol=0)


def test_neighbours_do_not_take_the_place_of_what_is_confused():
    """Places along a way look like those next to them; what counts is the other one like them."""
    generator = torch.Generator().manual_seed(0)
    points = torch.randn(207, 512, generator=generator)
    along = torch.stack([points[p : p + 8].sum(dim=0) for p in range(200)]) / 8**0.5
    alike = 0.7 * torch.randn(100, 512, generator=generator).repeat(2, 1)
    miner = HardPlaceMiner(200, 2, seed=0)
    miner.remember(torch.arange(200), along + alike)
    data = Places([Numbered(200, 5)], [2])
    pairs = [
        sum(p + 100 in places for p in places)
        for batch in batches(PlaceSampler(data, 8, 2, miner=miner))
        for places in [{d.place for d in batch}]
    ]
    assert np.mean(pairs) > 2


def test_a_resumed_run_goes_on_with_the_next_batch():
    def sampler(done):
        return PlaceSampler(Places([Numbered(24)]), 6, 2, mirror=0.5, done=done)

    whole = sampler(0)
    epochs = [batches(whole, epoch) for epoch in range(3)]
    resumed = sampler(6)
    # Whatever epoch it is told at first.
    assert batches(resumed, 0) == epochs[1][2:]
    assert batches(resumed, 2) == epochs[2]
    assert batches(sampler(8), 1) == epochs[2]


class DayAndNight(Numbered):
    """Places of which the even ones have images taken at night: their odd ones."""

    def images(self, place):
        def name(k):
            return f'{place}/{k}_{"dark" if place % 2 == 0 and k % 2 else "light"}.jpg'

        return [name(k) for k in range(4)]


@pytest.mark.parametrize('images', [2, 3, 6])
def test_each_place_is_shown_by_day_and_by_night(images):
    sampler = PlaceSampler(
        Places([DayAndNight(24)]), 6, images, twins=images > 2, day_and_night=1.0,
        dark=['*_dark.*'],
    )  # fmt: skip
    for batch in batches(sampler) + batches(sampler, 1):
        for place in {d.place for d in batch}:
            drawn = [d for d in batch if d.place == place]
            assert len(drawn) == images
            assert images < 3 or drawn[0].number == drawn[1].number
            if place % 2:
                assert [d.night for d in drawn] == [None] * (images - 1) + [True]
            else:
                assert all(d.night is (False if d.number % 2 else None) for d in drawn)
                assert {d.night for d in drawn} == {None, False}


def test_a_share_of_the_places_is_shown_by_day_and_by_night():
    sampler = PlaceSampler(Places([Numbered(200)]), 50, 3, twins=True, day_and_night=0.3)
    drawn = [d for e in range(8) for b in batches(sampler, e) for d in b]
    assert 0.25 < np.mean([d.night is True for d in drawn[2::3]]) < 0.35


def test_otherwise_it_is_left_to_chance():
    sampler = PlaceSampler(Places([DayAndNight(24)]), 6, 2, dark=['*_dark.*'])
    drawn = [d for e in range(3) for b in batches(sampler, e) for d in b]
    assert not any(d.night for d in drawn)
    assert all((d.night is False) == (d.place % 2 == 0 and d.number % 2 == 1) for d in drawn)


def test_twins_and_a_night_need_three_images():
    with pytest.raises(InputError, match='images is 2, expected 3 or more'):
        DataConfig(images=2, twins=True, day_and_night=0.1)


def test_a_resumed_run_groups_by_what_was_known_when_its_epoch_began():
    """Whatever has been learned since, be it by batches that a worker drew ahead of."""
    generator = torch.Generator().manual_seed(0)

    def miner():
        made = HardPlaceMiner(64, 4, seed=0)
        made.remember(torch.arange(64), torch.randn(64, 64, generator=generator.manual_seed(1)))
        return made

    data, known = Places([Numbered(64)]), miner()
    sampler = PlaceSampler(data, 8, 2, miner=known)
    whole = []
    for batch in sampler:
        whole.append(batch)
        known.remember(torch.arange(64), torch.randn(64, 64, generator=generator))
        if len(whole) == 3:
            saved = {name: each.clone() for name, each in known.state_dict().items()}
    other = HardPlaceMiner(64, 4, seed=0)
    other.load_state_dict(saved)
    assert list(PlaceSampler(data, 8, 2, miner=other, done=3)) == whole[3:]
