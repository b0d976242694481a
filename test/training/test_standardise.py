"""The beginning of training: heads whose outputs differ between images."""

from __future__ import annotations

import torch
import torch.nn.functional as F

from fol_vpr.network import build_fol
from fol_vpr.network.tensors import normalise
from training.standardise import standardise_heads


def test_images_begin_spread_out():
    generator = torch.Generator().manual_seed(0)
    images = torch.randint(0, 256, (6, 3, 9, 9), generator=generator, dtype=torch.uint8)
    images = F.interpolate(images.float(), size=(126, 126), mode='bilinear').byte()
    net = build_fol('fol_tiny').train()

    def cosine() -> float:
        with torch.no_grad():
            found = net.eval().encode(normalise(images)).aggregated.descriptor
            net.train()
        return float((found @ found.T).fill_diagonal_(0).sum() / 30)

    before = cosine()
    standardise_heads(net, images)
    after = cosine()
    assert before > 0.5 and abs(after) < 0.25
    assert net.training
    with torch.no_grad():
        encoded = net.eval().encode(normalise(images))
        scores = net.aggregator.score(encoded.tokens.feature_map())
    for output, others in ((scores, (0, 2, 3)), (encoded.dense, (0, 1, 2))):
        assert output.mean(dim=others).abs().max() < 1e-3
        assert (output.std(dim=others) - 1).abs().max() < 1e-3
