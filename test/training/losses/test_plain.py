"""What is computed at once is what plain loops compute, gradients included."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from helpers.training import plain_losses
from helpers.training.plain_losses import make_inputs
from hypothesis import given, settings
from hypothesis import strategies as st

from training.losses import LossInputs
from training.losses.alignment import alignment_loss
from training.losses.contrast import contrast_loss
from training.losses.correspondence import correspondence_loss
from training.losses.descriptors import multi_similarity_loss
from training.losses.local import local_triplet_loss

TENSORS = ('descriptor', 'patches', 'extraction', 'assignment', 'dense')
CASES = {
    'multi-similarity': (multi_similarity_loss, plain_losses.multi_similarity, {}),
    'local': (local_triplet_loss, plain_losses.local_triplet, {}),
    'local, every second': (local_triplet_loss, plain_losses.local_triplet, {'stride': 2}),
    'local, released': (
        local_triplet_loss,
        plain_losses.local_triplet,
        {'variant': 'released', 'stride': 1, 'threshold': 0.5},
    ),
    'alignment': (alignment_loss, plain_losses.alignment, {}),
    'contrast': (contrast_loss, plain_losses.contrast, {'train_features': True}),
    'contrast, released': (contrast_loss, plain_losses.contrast, {'variant': 'released'}),
    'correspondence': (correspondence_loss, plain_losses.correspondence, {'agreement': 0.5}),
    'correspondence, no ratio': (
        correspondence_loss,
        plain_losses.correspondence,
        {'ratio': 1.0},
    ),
    'correspondence, released': (
        correspondence_loss,
        plain_losses.correspondence,
        {'variant': 'released'},
    ),
}
labels_of_batches = st.lists(st.integers(0, 3), min_size=1, max_size=7)


def gradients(inputs: LossInputs, loss: torch.Tensor) -> list[torch.Tensor]:
    wanted = [getattr(inputs, name) for name in TENSORS]
    if not loss.requires_grad:
        return [torch.zeros_like(each) for each in wanted]
    found = torch.autograd.grad(loss, wanted, allow_unused=True, materialize_grads=True)
    return list(found)


@pytest.mark.parametrize('case', CASES)
@given(labels_of_batches, st.sampled_from([(2, 3), (3, 3), (4, 2)]), st.integers(0, 999))
@settings(max_examples=12, deadline=None)
def test_equals_plain_loops(case: str, labels: list[int], grid: tuple[int, int], seed: int):
    ours, plain, arguments = CASES[case]
    inputs = make_inputs(labels, grid, seed)
    value, expected = ours(inputs, **arguments), plain(inputs, **arguments)
    torch.testing.assert_close(value, expected.to(value.dtype), rtol=1e-9, atol=1e-10)
    for mine, theirs in zip(gradients(inputs, value), gradients(inputs, expected), strict=True):
        torch.testing.assert_close(mine, theirs, rtol=1e-7, atol=1e-9)


@pytest.mark.parametrize('case', CASES)
def test_plain_loops_have_something_to_say(case: str):
    ours, _, arguments = CASES[case]
    values = [float(ours(make_inputs([0, 0, 1, 1, 1], seed=s), **arguments)) for s in range(8)]
    assert any(value > 1e-9 for value in values)


def test_released_alignment_equals_plain_loops_with_constant_targets():
    inputs = make_inputs([0, 0, 1], (3, 3))
    constants = []
    for image in range(3):
        masks = plain_losses.masks(inputs, image)
        constants.append(tuple(plain_losses.released_distribution(m).detach() for m in masks))
    value = alignment_loss(inputs, variant='released')
    expected = plain_losses.alignment(inputs, variant='released', constants=constants)
    torch.testing.assert_close(value, expected)
    for mine, theirs in zip(gradients(inputs, value), gradients(inputs, expected), strict=True):
        torch.testing.assert_close(mine, theirs)


# Only 225 patches are kept of 16 x 16, and each image keeps others.
@pytest.mark.parametrize('case', ['local', 'correspondence'])
def test_equals_plain_loops_where_patches_are_left_out(case: str):
    ours, plain, arguments = CASES[case]
    inputs = make_inputs([0, 0, 1], (16, 16), alike=3.0)
    assert inputs.kept.shape == (3, 225)
    assert (inputs.kept[0] != inputs.kept[1]).any()
    value = ours(inputs, **arguments)
    assert float(value) > 0
    torch.testing.assert_close(value, plain(inputs, **arguments), rtol=1e-9, atol=1e-10)


def test_wrong_shapes_are_named():
    inputs = make_inputs([0, 0])
    with pytest.raises(Exception, match=r'extraction has the shape \[2, 11\], expected \[2, 12\]'):
        replace(inputs, extraction=inputs.extraction[:, :-1])
    with pytest.raises(Exception, match='dense has the shape'):
        replace(inputs, grid=(4, 3))
