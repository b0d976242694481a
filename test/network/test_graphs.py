"""The network as the extractor runs it; what only CUDA can show is skipped elsewhere."""

from __future__ import annotations

import pytest
import torch

from fol_vpr.network import build_fol
from fol_vpr.network.graphs import GraphedNetwork

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
def test_it_says_what_the_network_says_however_often_a_shape_comes(tiny, device):
    net = build_fol(tiny).to(device)
    run = GraphedNetwork(net, torch.device(device))
    shapes = [(1, 126), (2, 126), (1, 140), (1, 154), (1, 168), (3, 126)]
    with torch.inference_mode():
        for seed, (count, side) in enumerate(shapes * 3):
            batch = images(seed, count, side).to(device)
            found, expected = run(batch), net.describe(batch)
            for name in ('global_descriptor', 'attention', 'dense', 'weights'):
                torch.testing.assert_close(
                    getattr(found, name), getattr(expected, name), rtol=0, atol=1e-5
                )
            assert torch.equal(found.kept, expected.kept)


@pytest.mark.skipif(not torch.cuda.is_available(), reason='needs a CUDA device')
def test_on_cuda_a_shape_is_recorded_when_it_comes_again(tiny):
    run = GraphedNetwork(build_fol(tiny).cuda(), torch.device('cuda', 0))
    with torch.inference_mode():
        first = run(images(1).cuda())
        again = run(images(1).cuda())
        third = run(images(2).cuda())
    assert first.dense.data_ptr() != again.dense.data_ptr() == third.dense.data_ptr()
