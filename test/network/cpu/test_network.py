"""The whole forward pass on a CPU against the plain network."""

from __future__ import annotations

import copy

import pytest
import torch
from helpers.network.golden_parameters import fill

from fol_vpr.errors import InputError
from fol_vpr.network import build_fol
from fol_vpr.network.cpu.network import CpuNetwork


@pytest.fixture(scope='module')
def net(tiny):
    net = build_fol(tiny)
    fill(net)
    return net


def images(seed: int, count: int, height: int, width: int) -> torch.Tensor:
    return torch.rand(count, 3, height, width, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize(
    ('count', 'height', 'width'), [(1, 126, 126), (3, 140, 238), (2, 322, 322)]
)
def test_equals_the_plain_network(net, count, height, width):
    batch = images(1, count, height, width)
    with torch.inference_mode():
        expected = net(batch)
        found = CpuNetwork(copy.deepcopy(net), torch.float32, 126)(batch)
    for name in ('global_descriptor', 'attention', 'assignment'):
        torch.testing.assert_close(
            getattr(found, name), getattr(expected, name), rtol=0, atol=1e-5
        )
    for ours, plain in zip(found.local, expected.local, strict=True):
        assert torch.equal(ours.positions, plain.positions)
        torch.testing.assert_close(ours.weights, plain.weights, rtol=0, atol=1e-6)
        torch.testing.assert_close(ours.descriptors, plain.descriptors, rtol=0, atol=1e-4)
        assert ours.descriptors.dtype == ours.positions.dtype == ours.weights.dtype


@pytest.mark.parametrize('dtype', [torch.bfloat16, torch.float16])
def test_half_precision_gives_nearly_the_same_in_float32(net, dtype):
    batch = images(2, 2, 126, 126)
    with torch.inference_mode():
        expected = net(batch)
        found = CpuNetwork(copy.deepcopy(net), dtype, 126)(batch)
    assert found.global_descriptor.dtype == torch.float32
    cosine = (found.global_descriptor * expected.global_descriptor).sum(dim=1)
    assert (cosine >= 0.9999).all()
    for ours, plain in zip(found.local, expected.local, strict=True):
        assert torch.equal(ours.positions, plain.positions)
        assert ours.descriptors.dtype == torch.float32
        assert ((ours.descriptors * plain.descriptors).sum(dim=1) > 0.999).all()


def test_a_part_of_a_larger_image_may_be_given(net):
    whole = images(3, 1, 160, 200)
    part = whole[:, :, 10:150, 20:174]
    run = CpuNetwork(copy.deepcopy(net), torch.float32, 126)
    with torch.inference_mode():
        assert torch.equal(run(part).global_descriptor, run(part.contiguous()).global_descriptor)


def test_other_inputs_are_refused(net):
    run = CpuNetwork(copy.deepcopy(net), torch.float32, 126)
    with pytest.raises(InputError, match='multiples of 14'):
        run(images(1, 1, 120, 126))
