"""The network with a trunk: fol_small."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from fol_vpr.network import build_fol
from fol_vpr.network.model.trunk import TRUNK_CHANNELS, Trunk


def test_every_patch_gets_the_features_of_one_position(wide_images):
    with torch.inference_mode():
        assert Trunk()(wide_images).shape == (2, TRUNK_CHANNELS, 8, 11)


def test_features_are_where_the_patch_is(fol_small, wide_images):
    """A change in one patch changes the features around it."""
    trunk = fol_small.backbone.model.patch_embed.trunk
    changed = wide_images.clone()
    changed[:, :, 3 * 14 : 4 * 14, 6 * 14 : 7 * 14] += 2
    with torch.inference_mode():
        change = (trunk(changed) - trunk(wide_images)).square().sum(dim=(0, 1))
    share = change / change.sum()
    row = (share.sum(dim=1) * torch.arange(8)).sum()
    column = (share.sum(dim=0) * torch.arange(11)).sum()
    assert float(row) == pytest.approx(3, abs=0.4)
    assert float(column) == pytest.approx(6, abs=0.4)


def test_a_trunk_that_adds_nothing_changes_nothing(wide_images):
    tiny, small = build_fol('fol_tiny'), build_fol('fol_small')
    small.load_state_dict({**small.state_dict(), **tiny.state_dict()})
    nn.init.zeros_(small.backbone.model.patch_embed.trunk_proj.weight)
    with torch.inference_mode():
        expected, found = tiny(wide_images), small(wide_images)
    torch.testing.assert_close(found.global_descriptor, expected.global_descriptor)


def test_half_precision_is_close(fol_small, wide_images):
    """As on a GPU, where the plain network computes in bfloat16."""
    with torch.inference_mode():
        plain = fol_small(wide_images).global_descriptor
        half = fol_small.set_precision(torch.bfloat16)(wide_images).global_descriptor
    assert half.dtype == torch.float32
    assert torch.cosine_similarity(half, plain).min() > 0.995
