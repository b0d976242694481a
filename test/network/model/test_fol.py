from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from helpers.network.golden_parameters import fill, image

from fol_vpr.errors import InputError, WeightsError
from fol_vpr.network import build_fol
from fol_vpr.network.model.local_head import grid_positions, select_descriptors, upsample
from fol_vpr.network.model.vit import attend


@pytest.fixture(scope='module')
def net():
    net = build_fol('vits14')
    fill(net)
    return net


def run(net, *images):
    with torch.inference_mode():
        return net(torch.from_numpy(np.stack(images)))


def test_shapes_and_unit_lengths(net):
    out = run(net, image(1, 126, 154), image(2, 126, 154))
    assert out.global_descriptor.shape == (2, 8448)
    assert out.attention.shape == (2, 99)
    assert out.assignment.shape == (2, 64, 99)
    ones = torch.ones(2)
    torch.testing.assert_close(out.global_descriptor.norm(dim=1), ones)
    for local in out.local:
        assert local.descriptors.shape[1] == 128
        assert local.positions.shape == (len(local.descriptors), 2)
        assert local.weights.shape == (len(local.descriptors),)
        norms = local.descriptors.norm(dim=1)
        torch.testing.assert_close(norms, torch.ones_like(norms))


def test_no_patch_is_assigned_more_than_once(net):
    assignment = run(net, image(3, 224, 224)).assignment
    given = assignment.sum(dim=1)
    assert (assignment >= 0).all()
    assert (given <= 1 + 1e-5).all()
    assert given.max() > 1e-3


def test_an_image_gives_the_same_alone_and_in_a_batch(net):
    pair = image(4, 168, 140), image(5, 168, 140)
    both = run(net, *pair)
    for i in range(2):
        alone = run(net, pair[i])
        torch.testing.assert_close(
            both.global_descriptor[i], alone.global_descriptor[0], atol=1e-5, rtol=0
        )
        assert len(both.local[i].descriptors) == len(alone.local[0].descriptors)


def test_positions_are_row_major_and_inside_the_image(net):
    height, width = 238, 322
    positions = run(net, image(6, height, width)).local[0].positions.numpy()
    x, y = positions.T
    assert (x >= 0).all() and (x <= width - 1).all()
    assert (y >= 0).all() and (y <= height - 1).all()
    assert (np.diff(y * 10_000 + x) > 0).all()


def test_a_patch_affects_the_positions_around_its_centre(net):
    """A patch affects the dense descriptors around its own position."""
    grid, (row, column) = (9, 12), (4, 7)
    impulse = torch.zeros(1, 1, *grid)
    impulse[0, 0, row, column] = 1
    tent = torch.tensor([0.5, 1, 0.5])
    kernel = (tent[:, None] * tent)[None, None]
    for _ in range(2):
        impulse = F.conv_transpose2d(impulse, kernel, stride=2, padding=1)
    peak = impulse.flatten().argmax()[None]
    position = grid_positions(peak, impulse.shape[3])[0].tolist()
    assert position == [column * 14 + 6.5, row * 14 + 6.5]


def test_weights_are_those_of_the_nearest_patch(net):
    grid = (9, 9)
    mask = torch.linspace(0, 1, 81)[None]
    dense = torch.randn(1, 33, 33, 128, generator=torch.Generator().manual_seed(1))
    local = select_descriptors(dense, mask, grid)[0]
    column, row = ((local.positions - 6.5) / 14).T
    patch = (row * 4 * 9 / 33 + 1e-4).floor() * 9 + (column * 4 * 9 / 33 + 1e-4).floor()
    torch.testing.assert_close(local.weights, mask[0, patch.long()])


def test_bfloat16_is_close_to_float32(net):
    images = image(7, 224, 224), image(8, 224, 224)
    expected = run(net, *images).global_descriptor
    half = build_fol('vits14')
    fill(half)
    out = run(half.set_precision(torch.bfloat16), *images)
    assert out.global_descriptor.dtype == torch.float32
    assert ((out.global_descriptor * expected).sum(dim=1) >= 0.999).all()
    assert half.backbone.model.norm.weight.dtype == torch.float32


@pytest.mark.parametrize(
    ('shape', 'words'),
    [
        ((1, 3, 322, 320), 'multiples of 14'),
        ((3, 322, 322), 'multiples of 14'),
        ((1, 1, 322, 322), 'multiples of 14'),
        ((0, 3, 322, 322), 'multiples of 14'),
        ((1, 3, 112, 112), '64 patches'),
    ],
)
def test_other_inputs_are_refused_with_the_reason(net, shape, words):
    with pytest.raises(InputError, match=words):
        net(torch.zeros(shape))


def test_65_patches_are_enough(net):
    out = run(net, image(9, 70, 182))
    assert len(out.local[0].descriptors) == (4 * 5 - 3) * (4 * 13 - 3)


def test_unknown_architecture():
    with pytest.raises(WeightsError, match=r'vits15.*vits14'):
        build_fol('vits15')


def test_initialisation_is_the_same_everywhere_and_touches_no_global_state():
    torch.manual_seed(1)
    expected = torch.rand(3)
    torch.manual_seed(1)
    first = build_fol('vits14')
    assert torch.equal(torch.rand(3), expected)
    second = build_fol('vits14')
    for a, b in zip(first.parameters(), second.parameters(), strict=True):
        assert torch.equal(a, b)


@pytest.mark.parametrize('size', [(9, 9), (5, 12), (1, 2)])
def test_under_autocast_the_upsampling_is_the_same_as_matrix_products(size):
    """With its gradients; float64 is not cast, so that nothing but the computation differs."""
    torch.manual_seed(1)
    convolutions = [
        torch.nn.ConvTranspose2d(*channels, 3, stride=2, padding=1, dtype=torch.float64)
        for channels in ((6, 8), (8, 4))
    ]
    inputs = torch.randn(2, 6, *size, dtype=torch.float64, requires_grad=True)
    found = {}
    for cast in (False, True):
        with torch.autocast('cpu', dtype=torch.bfloat16, enabled=cast):
            dense = upsample(inputs, *convolutions)
        assert dense.shape == (2, 4 * size[0] - 3, 4 * size[1] - 3, 4)
        weights = [p for layer in convolutions for p in layer.parameters()]
        gradients = torch.autograd.grad((dense * dense.detach().cos()).sum(), [inputs, *weights])
        found[cast] = [dense, *gradients]
    for expected, got in zip(found[False], found[True], strict=True):
        torch.testing.assert_close(got, expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize('tokens', [1, 2, 83])
def test_under_autocast_attention_is_the_same_as_matrix_products(tokens, monkeypatch):
    """With its gradients, in float64, of which the softmax alone is in float32."""
    torch.manual_seed(1)
    inputs = torch.randn(3, 2, 3, tokens, 64, dtype=torch.float64, requires_grad=True)
    found = {}
    for cast in (False, True):
        with torch.autocast('cpu', dtype=torch.bfloat16, enabled=cast):
            if cast:
                monkeypatch.setattr(F, 'scaled_dot_product_attention', None)  # is not called
            mixed = attend(*inputs)
        (gradient,) = torch.autograd.grad((mixed * mixed.detach().cos()).sum(), [inputs])
        found[cast] = [mixed, gradient]
    for expected, got in zip(found[False], found[True], strict=True):
        assert got.dtype == torch.float64
        torch.testing.assert_close(got, expected, rtol=1e-5, atol=1e-5)
