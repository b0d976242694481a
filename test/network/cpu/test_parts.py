"""Each part of the forward pass on a CPU against the plain module."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from helpers.network.golden_parameters import fill
from torch import nn

from fol_vpr.network.cpu.aggregation import CpuAggregator, assign_rows
from fol_vpr.network.cpu.embedding import FlatEmbedding, OverlappingEmbedding
from fol_vpr.network.cpu.local_head import CpuLocalHead
from fol_vpr.network.cpu.transformer import CpuTransformer
from fol_vpr.network.model.aggregation import Aggregator, assign
from fol_vpr.network.model.local_head import select_descriptors, upsample
from fol_vpr.network.model.vit import (
    Architecture,
    ConvolutionalEmbedding,
    PatchEmbedding,
    Tokens,
    VisionTransformer,
)

FLOAT = torch.float32


def random(*shape: int, seed: int = 1) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


@pytest.fixture(autouse=True)
def _inference():
    with torch.inference_mode():
        yield


@pytest.mark.parametrize(
    ('plain', 'prepared'),
    [(PatchEmbedding, FlatEmbedding), (ConvolutionalEmbedding, OverlappingEmbedding)],
)
@pytest.mark.parametrize('dtype', [torch.float32, torch.bfloat16])
def test_embeddings(plain, prepared, dtype):
    net = plain(64)
    fill(net, prefix='backbone.model.patch_embed.')
    images = random(2, 3, 126, 168)
    expected = net(images).flatten(0, 1)
    found = prepared(net, dtype, 108)(images).float()
    tolerance = 1e-4 if dtype == FLOAT else 0.05
    torch.testing.assert_close(found, expected, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize(
    'architecture',
    [
        Architecture(width=64, depth=3, heads=1),
        Architecture(width=128, depth=2, heads=2, swiglu=True),
        Architecture(width=64, depth=2, heads=1, convolutions=True, positions=16),
    ],
)
def test_transformers(architecture):
    net = VisionTransformer(architecture)
    fill(net, prefix='backbone.model.')
    cases = [random(2, 3, 140, 182), random(1, 3, 126, 126), random(2, 3, 140, 182, seed=2)]
    expected = [net(images) for images in cases]
    prepared = CpuTransformer(net, FLOAT, 131)
    for images, plain in zip(cases, expected, strict=True):
        found = prepared(images)
        assert found.grid == plain.grid
        for name in ('cls', 'patches', 'cls_attention'):
            torch.testing.assert_close(
                getattr(found, name), getattr(plain, name), rtol=1e-4, atol=1e-4
            )


def test_layer_scale_is_folded_and_not_left_out():
    net = VisionTransformer(Architecture(width=64, depth=2, heads=1))
    fill(net, prefix='backbone.model.')
    images = random(1, 3, 126, 126)
    for block in net.blocks:
        block.ls1.gamma.mul_(3)
        block.ls2.gamma.mul_(-2)
    expected = net(images)
    found = CpuTransformer(net, FLOAT, 82)(images)
    torch.testing.assert_close(found.patches, expected.patches, rtol=1e-4, atol=1e-4)


def test_aggregations():
    net = Aggregator(64)
    fill(net, prefix='aggregator.')
    net.eval()
    attention = random(2, 90).softmax(1)
    tokens = Tokens(random(2, 64), random(2, 90, 64, seed=2), attention, (9, 10))
    expected = net(tokens)
    found = CpuAggregator(net, FLOAT, 90)(tokens)
    torch.testing.assert_close(found.attention, expected.attention)
    torch.testing.assert_close(found.assignment, expected.assignment, rtol=1e-4, atol=1e-6)
    torch.testing.assert_close(found.descriptor, expected.descriptor, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize('scale', [0.1, 1.0, 4.0, 4.5, 30.0, 300.0])
@pytest.mark.parametrize('patches', [65, 81, 529])
def test_assignments_of_logits_of_any_range(scale, patches):
    """Logits of a normal distribution: those of scale 4.5 and more span about 40 and more."""
    scores = scale * random(2, patches, 64)
    dustbin = random(2, patches, seed=2).abs()
    expected = assign(scores.transpose(1, 2), dustbin).transpose(1, 2)
    found = assign_rows(scores, dustbin)
    assert torch.isfinite(found).all()
    torch.testing.assert_close(found, expected, rtol=2e-4, atol=1e-6)


def test_logits_that_are_not_finite_give_what_the_plain_network_gives():
    scores = random(1, 81, 64)
    scores[0, 3, 5] = torch.nan
    dustbin = random(1, 81, seed=2)
    expected = assign(scores.transpose(1, 2), dustbin).transpose(1, 2)
    assert torch.isnan(expected).any()
    torch.testing.assert_close(assign_rows(scores, dustbin), expected, equal_nan=True)


@pytest.mark.parametrize('grid', [(13, 13), (23, 23), (9, 40), (40, 17)])
def test_local_heads(grid):
    """With fewer than 225 patches all positions are selected, otherwise a part of them."""
    first = nn.ConvTranspose2d(48, 32, 3, stride=2, padding=1)
    second = nn.ConvTranspose2d(32, 128, 3, stride=2, padding=1)
    patches = random(2, grid[0] * grid[1], 48)
    # Smooth, so that the selected patches are regions, as those of images are.
    mask = F.avg_pool2d(random(2, 1, *grid), 3, stride=1, padding=1).flatten(1)
    maps = patches.unflatten(1, grid).permute(0, 3, 1, 2)
    expected = select_descriptors(upsample(maps, first, second), mask, grid)
    found = CpuLocalHead(first, second, FLOAT, grid[0] * grid[1])(patches, mask, grid)
    for ours, plain in zip(found, expected, strict=True):
        assert torch.equal(ours.positions, plain.positions)
        assert torch.equal(ours.weights, plain.weights)
        torch.testing.assert_close(ours.descriptors, plain.descriptors, rtol=1e-4, atol=1e-5)
    assert (len(found[0].weights) == (4 * grid[0] - 3) * (4 * grid[1] - 3)) == (grid == (13, 13))
