"""The network with a trunk: fol_small."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import nn

from fol_vpr.network import build_fol
from fol_vpr.network.cpu import trunk as cpu_trunk
from fol_vpr.network.cpu.network import CpuNetwork
from fol_vpr.network.cpu.trunk import CpuTrunk
from fol_vpr.network.model.trunk import TRUNK_CHANNELS, Trunk
from fol_vpr.network.runtime.precision import has_fast_int8
from fol_vpr.network.weights.registry import load


@pytest.fixture(scope='module')
def images():
    return torch.randn((2, 3, 112, 154), generator=torch.Generator().manual_seed(5))


@pytest.fixture
def net():
    return load('fol_small')[0]


def test_every_patch_gets_the_features_of_one_position(images):
    with torch.inference_mode():
        assert Trunk()(images).shape == (2, TRUNK_CHANNELS, 8, 11)


def test_features_are_where_the_patch_is(net, images):
    """A change in one patch changes the features around it."""
    trunk = net.backbone.model.patch_embed.trunk
    changed = images.clone()
    changed[:, :, 3 * 14 : 4 * 14, 6 * 14 : 7 * 14] += 2
    with torch.inference_mode():
        change = (trunk(changed) - trunk(images)).square().sum(dim=(0, 1))
    share = change / change.sum()
    row = (share.sum(dim=1) * torch.arange(8)).sum()
    column = (share.sum(dim=0) * torch.arange(11)).sum()
    assert float(row) == pytest.approx(3, abs=0.4)
    assert float(column) == pytest.approx(6, abs=0.4)


def test_a_trunk_that_adds_nothing_changes_nothing(images):
    tiny, small = build_fol('fol_tiny'), build_fol('fol_small')
    small.load_state_dict({**small.state_dict(), **tiny.state_dict()})
    nn.init.zeros_(small.backbone.model.patch_embed.trunk_proj.weight)
    with torch.inference_mode():
        expected, found = tiny(images), small(images)
    torch.testing.assert_close(found.global_descriptor, expected.global_descriptor)


@pytest.mark.parametrize('dtype', [torch.float32, torch.bfloat16, torch.float16])
@pytest.mark.parametrize('packs', [True, False])
def test_inference_on_a_cpu_is_the_plain_network(net, images, dtype, packs, monkeypatch):
    monkeypatch.setattr(cpu_trunk, '_HAS_CONVOLUTION', packs and cpu_trunk._HAS_CONVOLUTION)
    with torch.inference_mode():
        plain = net(images).global_descriptor
        without = copy.deepcopy(net)
        nn.init.zeros_(without.backbone.model.patch_embed.trunk_proj.weight)
        ablated = without(images).global_descriptor
        found = CpuNetwork(net, dtype, 126)(images).global_descriptor
    assert torch.cosine_similarity(ablated, plain).max() < 0.9
    smallest = 0.99999 if dtype == torch.float32 else 0.995
    assert torch.cosine_similarity(found, plain).min() > smallest


def test_half_precision_is_close(net, images):
    """As on a GPU, where the plain network computes in bfloat16."""
    with torch.inference_mode():
        plain = net(images).global_descriptor
        half = net.set_precision(torch.bfloat16)(images).global_descriptor
    assert half.dtype == torch.float32
    assert torch.cosine_similarity(half, plain).min() > 0.995


def test_inference_in_int8_is_close(net, images):
    if not has_fast_int8():
        pytest.skip('this processor does not multiply 8 bit integers faster')
    with torch.inference_mode():
        plain = net(images).global_descriptor
        found = CpuNetwork(net, torch.float32, 126, quantized=True)(images).global_descriptor
    assert torch.cosine_similarity(found, plain).min() > 0.995


def test_float16_is_left_to_ordinary_operators(net):
    trunk = CpuTrunk(net.backbone.model.patch_embed.trunk, torch.float16)
    assert type(trunk._stem) is cpu_trunk._Plain


def test_shapes_and_threads_in_any_order_give_the_same(net):
    plain = net.backbone.model.patch_embed.trunk
    threads = torch.get_num_threads()
    shapes = [(1, 9, 9), (2, 13, 13), (1, 9, 17), (3, 16, 9), (1, 5, 14), (1, 14, 5), (1, 9, 9)]
    inputs = [torch.randn(b, 3, 14 * h, 14 * w) for b, h, w in shapes]
    try:
        with torch.inference_mode():
            expected = [plain(each) for each in inputs]
            run = CpuTrunk(copy.deepcopy(plain), torch.float32)
            for count in (1, 2, 1):
                torch.set_num_threads(count)
                for each, found in zip(inputs, expected, strict=True):
                    torch.testing.assert_close(run(each), found, rtol=1e-3, atol=1e-3)
    finally:
        torch.set_num_threads(threads)
