"""Nearest neighbours, mined triplets and pairs, against plain loops and other implementations."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from helpers.training.plain_losses import make_inputs, mutual, ordered_pairs
from hypothesis import given, settings
from hypothesis import strategies as st
from pytorch_metric_learning.miners import BatchHardMiner

from fol_vpr.network.model.local_head import select_descriptors
from training.losses import matching
from training.losses.local import kept_descriptors
from training.losses.matching import mutual_nearest, weighted_mean
from training.losses.places import hardest_triplets, next_of_place, positive_pairs

some_labels = st.lists(st.integers(0, 3), min_size=1, max_size=12).map(torch.tensor)


@given(st.integers(1, 5), st.integers(1, 9), st.integers(0, 999), st.sampled_from([1, 100, 10**7]))
@settings(max_examples=60, deadline=None)
def test_mutual_nearest(images: int, size: int, seed: int, budget: int):
    random = torch.Generator().manual_seed(seed)
    rows = F.normalize(torch.randn(images, size, 4, generator=random), dim=2)
    valid = torch.rand(images, size, generator=random) > 0.3
    pairs = torch.randint(images, (7, 2), generator=random)
    kept_budget = matching.CPU_TILE_BYTES
    matching.CPU_TILE_BYTES = budget
    try:
        everything, some = mutual_nearest(rows, pairs), mutual_nearest(rows, pairs, valid)
    finally:
        matching.CPU_TILE_BYTES = kept_budget
    for found, there in ((everything, torch.ones_like(valid)), (some, valid)):
        expected = []
        for number, (i, j) in enumerate(pairs.tolist()):
            left, right = there[i].nonzero()[:, 0], there[j].nonzero()[:, 0]
            if len(left) and len(right):
                table = rows[i, left] @ rows[j, right].T
                expected += [(number, int(left[a]), int(right[b])) for a, b in mutual(table)]
        assert sorted(zip(*(each.tolist() for each in found), strict=True)) == sorted(expected)


def test_no_pairs_have_no_matches():
    found = mutual_nearest(torch.rand(2, 3, 4), torch.empty(0, 2).long())
    assert [len(each) for each in found] == [0, 0, 0]


def test_weighted_mean_by_hand():
    mean = weighted_mean(
        torch.tensor([1.0, 3.0, 5.0]), torch.tensor([1.0, 3.0, 0.0]), torch.tensor([0, 0, 2]), 4
    )
    assert mean.tolist() == [2.5, 0, 0, 0]


@given(some_labels)
def test_pairs_of_places(labels: torch.Tensor):
    expected = [(i, j) for i, j in ordered_pairs(labels) if i < j]
    assert [tuple(pair) for pair in positive_pairs(labels).tolist()] == expected
    following = dict(next_of_place(labels).tolist())
    for i, label in enumerate(labels.tolist()):
        group = [j for j, other in enumerate(labels.tolist()) if other == label]
        if len(group) == 1:
            assert i not in following
        else:
            assert following[i] == group[(group.index(i) + 1) % len(group)]


@given(some_labels, st.integers(0, 999))
@settings(deadline=None)
def test_hardest_triplets_are_those_of_pytorch_metric_learning(labels: torch.Tensor, seed: int):
    random = torch.Generator().manual_seed(seed)
    descriptor = F.normalize(torch.randn(len(labels), 8, generator=random).double(), dim=1)
    found = {tuple(each) for each in hardest_triplets(descriptor, labels).tolist()}
    theirs = torch.stack(BatchHardMiner()(descriptor, labels), dim=1)
    assert found == {tuple(each) for each in theirs.tolist()}


@pytest.mark.parametrize('grid', [(9, 10), (16, 16), (23, 23)])
def test_with_stride_1_the_local_descriptors_are_those_of_re_ranking(grid: tuple[int, int]):
    inputs = make_inputs([0, 0, 1], grid, dtype=torch.float32)
    rows, valid = kept_descriptors(inputs, 1)
    assert valid is not None
    for image, expected in enumerate(select_descriptors(inputs.dense, inputs.aggregation, grid)):
        torch.testing.assert_close(rows[image, valid[image]], expected.descriptors)


def test_with_stride_4_they_are_at_the_centres_of_the_kept_patches():
    inputs = make_inputs([0, 0], (16, 16))
    rows, valid = kept_descriptors(inputs, 4)
    assert rows.shape[:2] == (2, 225)
    assert valid is None
    patch = int(inputs.kept[1, 100])
    expected = inputs.dense[1, 4 * (patch // 16), 4 * (patch % 16)]
    torch.testing.assert_close(rows[1, 100], F.normalize(expected, dim=0))
