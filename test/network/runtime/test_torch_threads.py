"""On how many threads torch runs the network."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from fol_vpr.config import NetworkConfig
from fol_vpr.network import FeatureExtractor
from fol_vpr.network.runtime import torch_backend


@pytest.fixture(autouse=True)
def two_threads():
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


def used(monkeypatch, flags: set[str], **config) -> list[int]:
    """Threads in the forward pass of an image, and after it."""
    monkeypatch.setattr(torch_backend, 'processor_flags', lambda: frozenset(flags))
    extractor = FeatureExtractor(NetworkConfig(device='cpu', **config))
    backend = extractor._backend
    found, net = [], backend._net

    def watched(batch):
        found.append(torch.get_num_threads())
        return net(batch)

    backend._net = watched
    side = extractor.config.input_size
    extractor.extract([np.zeros((side, side, 3), np.uint8)])
    return [*found, torch.get_num_threads()]


def test_a_small_network_runs_on_one_thread_where_the_processor_has_amx(monkeypatch):
    found = used(monkeypatch, {'amx_bf16'}, weights='fol_tiny', precision='bfloat16')
    assert found == [1, 2]


@pytest.mark.parametrize(
    ('flags', 'config'),
    [
        ({'avx512_bf16'}, {'weights': 'fol_tiny', 'precision': 'bfloat16'}),
        ({'amx_bf16'}, {'weights': 'fol_tiny', 'precision': 'float32'}),
        ({'amx_bf16'}, {'weights': 'fol_tiny', 'precision': 'bfloat16', 'input_size': 322}),
        ({'amx_bf16'}, {'weights': 'untrained-vits14', 'precision': 'bfloat16'}),
        ({'amx_bf16'}, {'weights': 'fol_tiny', 'precision': 'bfloat16', 'threads': 2}),
    ],
)
def test_otherwise_torch_chooses_or_what_is_given_counts(monkeypatch, flags, config):
    assert used(monkeypatch, flags, **config) == [2, 2]


def test_what_was_set_is_set_again_after_an_error(monkeypatch):
    monkeypatch.setattr(torch_backend, 'processor_flags', lambda: frozenset({'amx_bf16'}))
    config = NetworkConfig(device='cpu', weights='fol_tiny', precision='bfloat16')
    extractor = FeatureExtractor(config)

    def fails(batch):
        assert torch.get_num_threads() == 1
        raise RuntimeError('the pass failed')

    extractor._backend._net = fails
    side = extractor.config.input_size
    with pytest.raises(RuntimeError, match='the pass failed'):
        extractor.extract([np.zeros((side, side, 3), np.uint8)])
    assert torch.get_num_threads() == 2
