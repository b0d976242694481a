"""The network prepared for a device; tests of CUDA are skipped where there is none."""

from __future__ import annotations

import copy

import pytest
import torch
from helpers.network.golden_parameters import fill
from torch import nn

from fol_vpr.network import build_fol
from fol_vpr.network.runtime.inference import InferenceNetwork
from fol_vpr.network.runtime.precision import has_fast_int8

DEVICES = [
    'cpu',
    pytest.param(
        'cuda',
        marks=pytest.mark.skipif(not torch.cuda.is_available(), reason='needs a CUDA device'),
    ),
]


def images(seed: int, count: int = 1, side: int = 126) -> torch.Tensor:
    return torch.rand(count, 3, side, side, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize('device', DEVICES)
def test_repeated_shapes_give_the_output_of_the_network(tiny, device):
    net = build_fol(tiny)
    fill(net)
    run = InferenceNetwork(copy.deepcopy(net), torch.device(device), torch.float32, 126)
    net.to(device)
    shapes = [(1, 126), (2, 126), (1, 140), (1, 154), (1, 168), (3, 126)]
    with torch.inference_mode():
        for seed, (count, side) in enumerate(shapes * 3):
            batch = images(seed, count, side).to(device)
            found, expected = run(batch), net(batch)
            for name in ('global_descriptor', 'attention', 'assignment'):
                torch.testing.assert_close(
                    getattr(found, name), getattr(expected, name), rtol=0, atol=1e-5
                )
            for ours, plain in zip(found.local, expected.local, strict=True):
                assert torch.equal(ours.positions, plain.positions)
                torch.testing.assert_close(ours.weights, plain.weights, rtol=0, atol=1e-5)
                torch.testing.assert_close(ours.descriptors, plain.descriptors, rtol=0, atol=1e-4)


@pytest.mark.skipif(not torch.cuda.is_available(), reason='needs a CUDA device')
def test_on_cuda_a_shape_is_recorded_at_its_second_occurrence(tiny):
    run = InferenceNetwork(build_fol(tiny), torch.device('cuda', 0), torch.bfloat16, 126)
    with torch.inference_mode():
        first = run(images(1).cuda())
        again = run(images(1).cuda())
        third = run(images(2).cuda())
    pointers = [out.global_descriptor.data_ptr() for out in (first, again, third)]
    assert pointers[0] != pointers[1] == pointers[2]


def test_parameter_bytes_are_those_of_the_weights_in_their_number_format(tiny):
    net = build_fol(tiny)
    total = sum(p.numel() for p in net.parameters())
    layers = (nn.Linear, nn.Conv2d, nn.ConvTranspose2d)
    halved = sum(p.numel() for m in net.modules() if isinstance(m, layers) for p in m.parameters())
    run = InferenceNetwork(copy.deepcopy(net), torch.device('cpu'), torch.float32, 126)
    assert run.parameter_bytes == 4 * total
    run = InferenceNetwork(net, torch.device('cpu'), torch.bfloat16, 126)
    assert run.parameter_bytes == 4 * total - 2 * halved


needs_int8 = pytest.mark.skipif(not has_fast_int8(), reason='needs a CPU that is fast at int8')


@needs_int8
def test_the_network_in_eight_bits_gives_nearly_the_same():
    from fol_vpr.config import NetworkConfig
    from fol_vpr.network import FeatureExtractor

    picture = (images(3, side=200)[0].permute(1, 2, 0).numpy() * 255).astype('uint8')
    descriptors = []
    for precision in ('float32', 'int8'):
        extractor = FeatureExtractor(NetworkConfig(precision=precision, device='cpu'))
        assert extractor.precision == precision
        descriptors.append(extractor.extract([picture])[0].global_descriptor)
        extractor.close()
    assert 0.999 < descriptors[0] @ descriptors[1] < 0.9999999
