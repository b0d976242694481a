"""The network prepared for a device; tests of CUDA are skipped where there is none."""

from __future__ import annotations

import copy

import pytest
import torch
from helpers.golden_parameters import fill
from torch import nn

from fol_vpr.network import build_fol
from fol_vpr.network.model.linear import (
    PackedLinear,
    QuantizedLinear,
    apply_linear,
    pack,
    packs,
    quantize,
)
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


@pytest.mark.parametrize('dtype', [torch.float32, torch.bfloat16, torch.float16])
@pytest.mark.parametrize('activation', ['none', 'gelu'])
def test_a_packed_layer_computes_what_the_layer_does(dtype, activation):
    layer = nn.Linear(48, 96).to(dtype)
    holder = nn.Sequential(layer)
    pack(holder, rows=82)
    assert isinstance(holder[0], PackedLinear) is packs(dtype)
    with torch.inference_mode():
        for shape in [(1, 82, 48), (3, 50, 48), (1, 48)]:
            x = torch.randn(shape, generator=torch.Generator().manual_seed(1))
            found = apply_linear(holder[0], x, activation)
            expected = apply_linear(layer, x, activation)
            assert found.dtype == expected.dtype == dtype
            tolerance = 1e-5 if dtype == torch.float32 else 0.02
            torch.testing.assert_close(found, expected, rtol=tolerance, atol=tolerance)


def test_the_transformer_is_packed_on_the_cpu(tiny):
    net = build_fol(tiny)
    expected = sum(p.numel() * p.element_size() for p in net.parameters())
    run = InferenceNetwork(net, torch.device('cpu'), torch.float32, 126)
    assert run.parameter_bytes == expected
    packed = [module for module in net.modules() if isinstance(module, PackedLinear)]
    assert len(packed) == (4 * 4 if packs(torch.float32) else 0)


needs_int8 = pytest.mark.skipif(not has_fast_int8(), reason='needs a CPU that is fast at int8')


@needs_int8
@pytest.mark.parametrize('activation', ['none', 'gelu'])
@pytest.mark.parametrize('bias', [True, False])
def test_a_quantized_layer_computes_nearly_what_the_layer_does(activation, bias):
    layer = nn.Linear(256, 96, bias=bias)
    holder = nn.Sequential(copy.deepcopy(layer))
    quantize(holder)
    assert isinstance(holder[0], QuantizedLinear)
    x = torch.randn((3, 50, 256), generator=torch.Generator().manual_seed(1))
    with torch.inference_mode():
        found, expected = (
            apply_linear(holder[0], x, activation),
            apply_linear(layer, x, activation),
        )
    assert found.shape == expected.shape
    assert found.dtype == torch.float32
    cosine = torch.cosine_similarity(found.flatten(), expected.flatten(), dim=0)
    assert 0.999 < cosine < 0.9999999


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
