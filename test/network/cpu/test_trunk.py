"""The network with a trunk, fol_small, for inference on a CPU."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import nn

from fol_vpr.network.cpu import trunk as cpu_trunk
from fol_vpr.network.cpu.network import CpuNetwork
from fol_vpr.network.cpu.trunk import CpuTrunk
from fol_vpr.network.runtime.precision import has_fast_int8


@pytest.mark.parametrize('dtype', [torch.float32, torch.bfloat16, torch.float16])
@pytest.mark.parametrize('packs', [True, False])
def test_inference_on_a_cpu_is_the_plain_network(
    fol_small, wide_images, dtype, packs, monkeypatch
):
    monkeypatch.setattr(cpu_trunk, '_HAS_CONVOLUTION', packs and cpu_trunk._HAS_CONVOLUTION)
    with torch.inference_mode():
        plain = fol_small(wide_images).global_descriptor
        without = copy.deepcopy(fol_small)
        nn.init.zeros_(without.backbone.model.patch_embed.trunk_proj.weight)
        ablated = without(wide_images).global_descriptor
        found = CpuNetwork(fol_small, dtype, 126)(wide_images).global_descriptor
    assert torch.cosine_similarity(ablated, plain).max() < 0.9
    smallest = 0.99999 if dtype == torch.float32 else 0.995
    assert torch.cosine_similarity(found, plain).min() > smallest


def test_inference_in_int8_is_close(fol_small, wide_images):
    if not has_fast_int8():
        pytest.skip('this processor does not multiply 8 bit integers faster')
    with torch.inference_mode():
        plain = fol_small(wide_images).global_descriptor
        run = CpuNetwork(fol_small, torch.float32, 126, quantized=True)
        found = run(wide_images).global_descriptor
    assert torch.cosine_similarity(found, plain).min() > 0.995


def test_float16_is_left_to_ordinary_operators(fol_small):
    trunk = CpuTrunk(fol_small.backbone.model.patch_embed.trunk, torch.float16)
    assert type(trunk._stem) is cpu_trunk._Plain


def test_shapes_and_threads_in_any_order_give_the_same(fol_small):
    plain = fol_small.backbone.model.patch_embed.trunk
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
