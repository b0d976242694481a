"""Twins: the loss where it is known which local descriptors belong together."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from fol_vpr.errors import InputError
from training.losses import LossInputs
from training.losses.descriptors import supervised_contrast_loss
from training.losses.twins import (
    corresponding,
    interpolated,
    patch_centres,
    twin_loss,
    view_loss,
)

GRID = (9, 10)
SHIFT = torch.tensor([[1.0, 0.0, 0.2], [0.0, 1.0, -0.1], [0.0, 0.0, 1.0]])
LOOK = torch.tensor([[0.8, 0.05, 0.1], [-0.04, 0.9, 0.02], [0.03, -0.02, 1.0]])


def fields(frame: Tensor, seed: int, channels: int = 64) -> Tensor:
    """Dense descriptors of an image: smooth functions of where a point is in its photograph."""
    h, w = 4 * GRID[0] - 3, 4 * GRID[1] - 3
    y, x = torch.meshgrid(torch.arange(h), torch.arange(w), indexing='ij')
    shares = torch.stack([(x / 4 + 0.5) / GRID[1], (y / 4 + 0.5) / GRID[0]], dim=-1)
    homogeneous = torch.cat([shares, torch.ones(h, w, 1)], dim=-1) @ frame.T
    there = homogeneous[..., :2] / homogeneous[..., 2:]
    generator = torch.Generator().manual_seed(seed)
    waves = 12 * torch.randn(2, channels, generator=generator)
    return torch.cos(there @ waves + 6 * torch.rand(channels, generator=generator))


def inputs(frames: list[Tensor], photographs: list[int], **changes: Tensor) -> LossInputs:
    """A batch whose dense descriptors know where they are in their photographs."""
    batch, patches = len(frames), GRID[0] * GRID[1]
    dense = torch.stack([fields(f, p) for f, p in zip(frames, photographs, strict=True)])
    numbers = torch.tensor(photographs)
    given = {
        'descriptor': torch.nn.functional.normalize(torch.randn(batch, 8), dim=1),
        'labels': numbers,
        'patches': torch.randn(batch, patches, 4),
        'extraction': torch.rand(batch, patches),
        'assignment': torch.rand(batch, 3, patches),
        'dense': dense,
        'grid': GRID,
        'photographs': numbers,
        'frames': torch.stack(frames),
    }
    return LossInputs(**(given | changes))


def test_points_are_found_where_the_frames_say():
    eye = torch.eye(3)
    moved = corresponding(torch.stack([eye, eye]), torch.stack([eye, SHIFT]), GRID)
    assert torch.allclose(moved[0], patch_centres(GRID))
    assert torch.allclose(moved[1], patch_centres(GRID) - torch.tensor([0.2, -0.1]), atol=1e-6)
    there = corresponding(LOOK[None], SHIFT[None], GRID)
    by_hand = torch.cat([patch_centres(GRID), torch.ones(90, 1)], dim=1) @ LOOK.T
    by_hand = by_hand[:, :2] / by_hand[:, 2:] - torch.tensor([0.2, -0.1])
    assert torch.allclose(there[0], by_hand, atol=1e-6)


def test_descriptors_that_know_their_place_have_little_to_learn():
    torch.manual_seed(0)
    frames = [torch.eye(3), LOOK, torch.eye(3), SHIFT]
    right = twin_loss(inputs(frames, [1, 1, 2, 2]))
    crossed = torch.stack([frames[i] for i in (1, 0, 3, 2)])
    wrong = twin_loss(replace(inputs(frames, [1, 1, 2, 2]), frames=crossed))
    nothing = twin_loss(inputs(frames, [1, 1, 2, 2], dense=torch.ones(4, 33, 37, 64)))
    assert right < 0.5
    assert wrong > right + 2
    # Where all descriptors are alike each of the candidates is as likely as the right one.
    assert math.log(90) < nothing < math.log(181)


def test_without_twins_it_is_silent():
    batch = inputs([torch.eye(3), LOOK], [1, 2])
    assert twin_loss(batch) == 0
    assert twin_loss(replace(batch, photographs=None, frames=None)) == 0


def two_views(**changes: Tensor) -> LossInputs:
    """Two views of each of two places, as if depth had told where they show the same."""
    frames = [torch.eye(3), LOOK, torch.eye(3), SHIFT]
    order = [1, 0, 3, 2]
    points = corresponding(torch.stack(frames), torch.stack([frames[i] for i in order]), GRID)
    known = {'partners': torch.tensor([1, -1, 1, -1]), 'points': points}
    found = inputs(frames, [1, 1, 2, 2], **(known | changes))
    return replace(found, photographs=torch.arange(4))


def test_views_are_learned_from_as_twins_are():
    torch.manual_seed(0)
    twins = inputs([torch.eye(3), LOOK, torch.eye(3), SHIFT], [1, 1, 2, 2])
    views = two_views()
    assert twin_loss(views) == 0 == view_loss(twins)
    assert torch.equal(view_loss(views), twin_loss(twins))


def test_views_that_agree_have_little_to_learn():
    torch.manual_seed(0)
    views = two_views()
    right = view_loss(views, temperature=0.02)
    crossed = replace(views, points=views.points[[1, 0, 3, 2]])
    assert right < 0.1
    assert view_loss(crossed, temperature=0.02) > right + 2


def test_views_learn_from_both_images_and_from_what_both_show_alone():
    torch.manual_seed(0)
    dense = two_views().dense
    hidden = torch.full_like(two_views().points, -1)
    # Only the first two share anything, and of that the two upper rows of the first.
    points = hidden.clone()
    points[0, :20] = patch_centres(GRID)[:20] * 0.9 + 0.05
    views = two_views(points=points, dense=dense.clone().requires_grad_())
    view_loss(views).backward()
    moved = views.dense.grad.flatten(1).norm(dim=1) > 0
    assert moved[:2].all()
    below = views.dense.grad[0, 8:]
    assert views.dense.grad[0, :8].norm() > 0 == below.norm()
    assert view_loss(two_views(points=hidden)) == 0
    assert view_loss(two_views(partners=torch.zeros(4, dtype=torch.int64))) == 0
    with pytest.raises(InputError, match='points has the shape'):
        two_views(points=points[:, :-1])


def test_gradcheck():
    torch.manual_seed(1)
    batch = inputs([torch.eye(3), LOOK, SHIFT], [1, 1, 2])
    whole = {
        name: value.double() if isinstance(value, Tensor) and value.is_floating_point() else value
        for name, value in vars(batch).items()
    }
    weight = torch.randn(64, 5, dtype=torch.float64)
    dense = whole['dense'] @ weight

    def loss(offset: Tensor) -> Tensor:
        return twin_loss(LossInputs(**(whole | {'dense': dense + offset})), temperature=0.5)

    offset = torch.zeros(3, 1, 37, 5, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(loss, (offset,))


@pytest.mark.parametrize('temperature', [0.1, 1.0])
def test_supervised_contrast_by_hand(temperature):
    angles = torch.tensor([0.0, 0.3, 1.5, 2.0])
    descriptor = torch.stack([angles.cos(), angles.sin()], dim=1)
    batch = inputs([torch.eye(3)] * 4, [1, 1, 2, 2], descriptor=descriptor)
    expected = 0.0
    for i, partner in enumerate((1, 0, 3, 2)):
        cosines = [math.cos(angles[i] - angles[j]) / temperature for j in range(4) if j != i]
        own = math.cos(angles[i] - angles[partner]) / temperature
        expected += math.log(sum(math.exp(c) for c in cosines)) - own
    assert supervised_contrast_loss(batch, temperature=temperature) == pytest.approx(
        expected / 4, 1e-4
    )


def test_interpolation_is_that_of_grid_sample():
    """With the gradients; some points are outside."""
    generator = torch.Generator().manual_seed(3)
    dense = torch.randn(4, 9, 5, 6, dtype=torch.float64, generator=generator, requires_grad=True)
    images = torch.tensor([2, 0, 2])
    points = torch.rand(3, 50, 2, dtype=torch.float64, generator=generator) * 1.4 - 0.2
    points[0, :4] = torch.tensor([[0.0, 0.0], [1.0, 1.0], [0.5, 0.25], [0.25, 1.0]])
    grids = dense[images].permute(0, 3, 1, 2)
    expected = F.grid_sample(grids, points.unsqueeze(1) * 2 - 1, align_corners=True)
    expected = expected[:, :, 0].transpose(1, 2)
    got = interpolated(dense, images, points)
    torch.testing.assert_close(got, expected)
    gradients = [torch.autograd.grad(each.sin().sum(), dense)[0] for each in (expected, got)]
    torch.testing.assert_close(*gradients)
