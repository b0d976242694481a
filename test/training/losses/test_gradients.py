"""Gradients: right in float64, and there from the first step on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import torch
from helpers.scenes import view
from helpers.training.plain_losses import make_inputs

from fol_vpr.network.model.architectures import ARCHITECTURES, Architecture
from fol_vpr.network.model.fol import FoL
from fol_vpr.network.model.initialisation import initialise
from training.losses import LOSSES, FoLLoss, LossConfig, LossInputs
from training.losses.alignment import alignment_loss
from training.losses.contrast import contrast_loss
from training.losses.correspondence import correspondence_loss
from training.losses.descriptors import distillation_loss, multi_similarity_loss
from training.losses.local import local_triplet_loss
from training.losses.masks import released_distribution

SIDE = 126
# Soft thresholds are constants to the gradient: gradcheck sees them as steps.
STEP = 1e-6
# Those of the paper; there are others of our own, which are off unless asked for.
FOL = ('multi_similarity', 'local', 'alignment', 'contrast', 'correspondence')


@pytest.mark.parametrize(
    ('loss', 'arguments', 'wanted'),
    [
        (multi_similarity_loss, {}, ['descriptor']),
        (local_triplet_loss, {'softness': STEP, 'threshold': 0.5}, ['dense']),
        (local_triplet_loss, {'softness': STEP, 'threshold': 0.5, 'stride': 2}, ['dense']),
        (local_triplet_loss, {'variant': 'released', 'threshold': 0.5, 'stride': 1}, ['dense']),
        (alignment_loss, {}, ['assignment', 'extraction']),
        (contrast_loss, {}, ['assignment', 'extraction']),
        (contrast_loss, {'train_features': True}, ['assignment', 'extraction', 'dense']),
        (contrast_loss, {'variant': 'released'}, ['assignment', 'extraction']),
        (correspondence_loss, {'agreement': 0.5}, ['dense']),
        (correspondence_loss, {'variant': 'released'}, ['dense']),
    ],
)
def test_gradcheck(loss: Callable[..., torch.Tensor], arguments: dict, wanted: list[str]):
    inputs = make_inputs([0, 0, 1, 1], (2, 3), seed=13)
    assert loss(inputs, **arguments).item() > 0

    def of_wanted(*tensors: torch.Tensor) -> torch.Tensor:
        return loss(replace(inputs, **dict(zip(wanted, tensors, strict=True))), **arguments)

    leaves = [getattr(inputs, name) for name in wanted]
    assert torch.autograd.gradcheck(of_wanted, leaves, eps=1e-7, atol=1e-5)


def test_gradcheck_of_distillation():
    inputs = make_inputs([0, 0, 1, 1], seed=13)
    others = make_inputs([0, 1, 2, 2, 0, 1], seed=14).descriptor.detach()
    known = replace(inputs, taught=others[:4], remembered=others[4:], remembered_taught=others[:2])

    def of_descriptor(descriptor: torch.Tensor) -> torch.Tensor:
        return distillation_loss(replace(known, descriptor=descriptor))

    assert torch.autograd.gradcheck(of_descriptor, inputs.descriptor, eps=1e-7, atol=1e-5)


@pytest.mark.parametrize('mask', ['assignment', 'extraction'])
def test_gradcheck_of_released_alignment_with_a_constant_target(mask: str):
    """Of KL(constant || mask), which is the part of it that a gradient comes from."""
    inputs = make_inputs([0, 1], (3, 3))
    leaf = getattr(inputs, mask)
    other = 'extraction' if mask == 'assignment' else 'assignment'
    known = replace(inputs, **{other: getattr(inputs, other).detach()})
    (got,) = torch.autograd.grad(alignment_loss(known, variant='released'), leaf)

    step, numeric = 1e-6, torch.zeros_like(leaf)
    target = distributions(known)[other]
    for index in np.ndindex(*leaf.shape):
        sides = []
        for sign in (1, -1):
            moved = leaf.detach().clone()
            moved[index] += sign * step
            changed = distributions(replace(known, **{mask: moved}))[mask]
            sides.append((target * (target / changed).log()).sum(dim=1).mean())
        numeric[index] = (sides[0] - sides[1]) / (2 * step)
    torch.testing.assert_close(got, numeric, atol=1e-8, rtol=1e-5)


def distributions(inputs: LossInputs) -> dict[str, torch.Tensor]:
    return {
        'assignment': released_distribution(inputs.aggregation),
        'extraction': released_distribution(inputs.extraction),
    }


@pytest.fixture(scope='module')
def net() -> FoL:
    """A network with random weights, small enough to train for some steps in a second."""
    ARCHITECTURES['losses14'] = Architecture(width=96, depth=3, heads=3)
    try:
        made = FoL('losses14')
        initialise(made)
    finally:
        del ARCHITECTURES['losses14']
    return made.eval()


def images(places: int, views: int) -> tuple[torch.Tensor, torch.Tensor]:
    found = [view(p, 4 * v)[:SIDE, 60 : 60 + SIDE] for p in range(places) for v in range(views)]
    pixels = torch.from_numpy(np.stack(found)).permute(0, 3, 1, 2).float()
    random = torch.Generator().manual_seed(0)
    light = 0.5 + torch.rand(len(pixels), 3, 1, 1, generator=random)
    noise = 40 * torch.randn(pixels.shape, generator=random)
    return (light * pixels + noise - 118) / 58, torch.arange(places).repeat_interleave(views)


def norms(net: FoL, loss: torch.Tensor) -> float:
    parameters = [p for p in net.parameters() if p.requires_grad]
    found = torch.autograd.grad(loss, parameters, retain_graph=True, allow_unused=True)
    return float(torch.stack([g.norm() for g in found if g is not None]).norm())


def test_every_loss_is_alive_from_the_first_step(net: FoL):
    net.load_state_dict(initial := {k: v.clone() for k, v in net.state_dict().items()})
    pixels, labels = images(6, 3)
    optimiser = torch.optim.AdamW(net.parameters(), 1e-3)
    total_loss = FoLLoss(LossConfig())
    history: dict[str, list[float]] = {name: [] for name in FOL}
    for _ in range(4):
        inputs = LossInputs.of(net.encode(pixels), labels)
        assert set(total_loss.losses()) == set(FOL)
        for name, loss in total_loss.losses().items():
            norm = norms(net, loss(inputs))
            assert 1e-3 < norm < 100, f'{name}: gradient of norm {norm}'
        total, parts = total_loss(inputs)
        for name in FOL:
            history[name].append(float(parts[name]))
        optimiser.zero_grad()
        total.backward()
        optimiser.step()
    net.load_state_dict(initial)
    assert all(value > 1e-4 for values in history.values() for value in values), history
    assert history['multi_similarity'][-1] < history['multi_similarity'][0]


@pytest.mark.parametrize('name', FOL)
def test_each_loss_falls_by_its_own_gradient(net: FoL, name: str):
    initial = {k: v.clone() for k, v in net.state_dict().items()}
    pixels, labels = images(4, 3)
    off = {each: 0.0 for each in LOSSES if each != name}
    loss = FoLLoss(LossConfig(**off, **{name: 1.0}, local_margin=1.0))
    optimiser = torch.optim.AdamW(net.parameters(), 3e-4)
    values = []
    for _ in range(8):
        total, _ = loss(LossInputs.of(net.encode(pixels), labels))
        values.append(float(total))
        optimiser.zero_grad()
        total.backward()
        optimiser.step()
    net.load_state_dict(initial)
    assert values[-1] < 0.98 * values[0], values


def test_the_released_alignment_is_as_good_as_off(net: FoL):
    pixels, labels = images(4, 2)
    inputs = LossInputs.of(net.encode(pixels), labels)
    released = 5e-3 * alignment_loss(inputs, variant='released')
    assert float(released) < 1e-5
    assert norms(net, alignment_loss(inputs)) > 1e3 * norms(net, released)
    # The released contrast does not push foreground from background, and its slope is tiny.
    assert norms(net, contrast_loss(inputs)) > 20 * norms(
        net, contrast_loss(inputs, variant='released')
    )


def test_an_untrained_network_matches_nothing_and_learns_all_the_same(net: FoL):
    """Over a threshold that nothing reaches the hard variant is silent, the soft one is not."""
    pixels, labels = images(4, 2)
    encoded = net.encode(pixels)
    noise = torch.randn_like(encoded.dense).requires_grad_()
    inputs = LossInputs.of(encoded._replace(dense=noise), labels)
    hard = local_triplet_loss(inputs, variant='released', stride=4)
    soft = local_triplet_loss(inputs)
    assert float(hard) == 0
    assert torch.autograd.grad(hard, noise, retain_graph=True)[0].abs().sum() == 0
    assert torch.autograd.grad(soft, noise)[0].abs().sum() > 0.01


def test_a_gradient_reaches_every_parameter(net: FoL):
    """DDP waits for each of them, also in an ablation that leaves losses out."""
    pixels, labels = images(4, 2)
    for config in (LossConfig(), LossConfig(local=0, correspondence=0, contrast=0)):
        net.zero_grad(set_to_none=True)
        FoLLoss(config)(LossInputs.of(net.encode(pixels), labels))[0].backward()
        missing = [name for name, p in net.named_parameters() if p.grad is None]
        assert [name for name in missing if 'mask_token' not in name] == []
    net.zero_grad(set_to_none=True)
