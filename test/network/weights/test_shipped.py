"""The weights that come with the package."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from fol_vpr.config import NetworkConfig
from fol_vpr.network import FeatureExtractor, find_weights, list_weights
from fol_vpr.network.weights.registry import SHIPPED, load


@pytest.mark.parametrize('name', SHIPPED)
def test_shipped_weights_are_small_documented_and_found_by_name(name):
    net, info = load(name)
    assert (info.name, info.architecture, info.trained) == (name, name, True)
    assert next(net.parameters()).dtype == torch.float32
    assert SHIPPED[name].stat().st_size <= 12_000_000
    card = SHIPPED[name].with_suffix('.md').read_text()
    assert info.sha256 in card and f'{info.input_size} px' in card
    assert name in {each.name for each in list_weights() if each.status == 'shipped'}
    assert find_weights(name, Path('nowhere')) == name


def test_shipped_weights_are_the_default_at_their_input_size():
    extractor = FeatureExtractor(NetworkConfig(device='cpu'))
    _, info = load(NetworkConfig().weights)
    assert (extractor.weights_name, extractor.trained) == ('fol_tiny', True)
    assert extractor.model_id == info.model_id
    assert extractor.config.input_size == info.input_size
    assert extractor.preprocessing_id == f'fixed-{info.input_size}-imagenet'
