"""Hand-computed cases, symmetries, borders and the sum of the losses."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import fields, replace

import pytest
import torch
from helpers.training.plain_losses import make_inputs
from torch.utils._python_dispatch import TorchDispatchMode

from fol_vpr.errors import InputError
from training.losses import LOSSES, FoLLoss, LossConfig, LossInputs, matching
from training.losses.alignment import alignment_loss
from training.losses.contrast import contrast_loss
from training.losses.correspondence import correspondence_loss
from training.losses.descriptors import distillation_loss, multi_similarity_loss
from training.losses.local import local_triplet_loss
from training.losses.masks import released_distribution, spatial_distribution

# As released, the next image of a place is its partner: that depends on the order.
ORDERLESS = LossConfig(correspondence_agreement=0.3)
RELEASED = replace(LossConfig.released(), local_threshold=0.5)


def images(inputs: LossInputs, order: torch.Tensor) -> LossInputs:
    """The images in another order, or some of them."""
    found = {}
    for spec in fields(inputs):
        value = getattr(inputs, spec.name)
        found[spec.name] = value[order] if isinstance(value, torch.Tensor) else value
    return LossInputs(**found)


def values(inputs: LossInputs, config: LossConfig) -> dict[str, float]:
    return {name: loss(inputs).item() for name, loss in FoLLoss(config).losses().items()}


def total_and_gradient(
    inputs: LossInputs, config: LossConfig, *, autocast: bool = False
) -> tuple[float, list[torch.Tensor]]:
    with torch.autocast('cpu', dtype=torch.bfloat16, enabled=autocast):
        total, _ = FoLLoss(config)(inputs)
    names = ('descriptor', 'patches', 'extraction', 'assignment', 'dense')
    leaves = [each for each in (getattr(inputs, n) for n in names) if each.requires_grad]
    found = torch.autograd.grad(total, leaves, allow_unused=True, materialize_grads=True)
    return total.item(), list(found)


def test_multi_similarity_by_hand():
    half = math.sqrt(0.5)
    descriptor = torch.tensor([[1.0, 0], [half, half], [0, 1], [0, 1]], dtype=torch.float64)
    inputs = replace(make_inputs([0, 0, 1, 1]), descriptor=descriptor)
    pull, push = math.log(1 + math.exp(-half)), math.log(1 + math.exp(50 * half)) / 50
    # Image 0 has a positive at 0.71 and negatives at 0: nothing is hard. Image 1 has two
    # negatives as near as its positive; to 2 and 3 image 1 is nearly as near as their positive
    # is: 0.71 against 1, which is not within 0.1.
    both = math.log(1 + 2 * math.exp(50 * half)) / 50
    assert push < both
    assert multi_similarity_loss(inputs).item() == pytest.approx((pull + both) / 4, rel=1e-12)


def cosine_pair(cosine: float) -> torch.Tensor:
    """Three unit vectors: the first two with this cosine, the third perpendicular to both."""
    other = math.sqrt(1 - cosine**2)
    return torch.tensor([[1.0, 0, 0], [cosine, other, 0], [0, 0, 1]], dtype=torch.float64)


def divergence(p: list[float], q: list[float]) -> float:
    return sum(a * math.log(a / b) for a, b in zip(p, q, strict=True))


def softmax(*values: float) -> list[float]:
    powers = [math.exp(value) for value in values]
    return [power / sum(powers) for power in powers]


def test_distillation_by_hand():
    """The teacher takes 0 and 1 for alike, who learns does not; 2 is like neither to both."""
    own, taught = cosine_pair(0.0), cosine_pair(0.6)
    inputs = replace(make_inputs([0, 1, 2]), descriptor=own.requires_grad_(), taught=taught)
    half = divergence(softmax(0.6, 0), softmax(0, 0))
    assert distillation_loss(inputs, temperature=1.0).item() == pytest.approx(2 / 3 * half)
    sharp = divergence(softmax(6, 0), softmax(0, 0))
    assert distillation_loss(inputs, temperature=0.1).item() == pytest.approx(2 / 3 * sharp)
    assert distillation_loss(replace(inputs, taught=own.detach())).item() == pytest.approx(0)
    assert distillation_loss(replace(inputs, taught=None)).item() == 0


def test_distillation_compares_with_earlier_images_and_not_with_copies():
    own, taught = cosine_pair(0.0), cosine_pair(0.6)
    inputs = replace(make_inputs([0, 1, 2]), descriptor=own.requires_grad_(), taught=taught)
    # Of what is left to be compared, 2 is as like to 0 and 1 as ever.
    copies = replace(inputs, photographs=torch.tensor([7, 7, 8]), frames=torch.zeros(3, 3, 3))
    assert distillation_loss(copies).item() == pytest.approx(0)
    same = replace(copies, photographs=torch.tensor([7, 7, 7]))
    value = distillation_loss(same)
    (gradient,) = torch.autograd.grad(value, same.descriptor)
    assert value.item() == pytest.approx(0) and gradient.isfinite().all()
    # One earlier image, which for the teacher is 0 itself and to who learns is 2.
    earlier = replace(copies, remembered=own[2:].detach(), remembered_taught=taught[:1])
    first = divergence(softmax(0, 1), softmax(0, 0))
    second = divergence(softmax(0, 0.6), softmax(0, 0))
    third = divergence(softmax(0, 0, 0), softmax(0, 0, 1))
    expected = (first + second + third) / 3
    assert distillation_loss(earlier, temperature=1.0).item() == pytest.approx(expected)


def test_distillation_leads_to_the_similarities_of_the_teacher():
    """Also where the descriptors of the teacher are longer."""
    random = torch.Generator().manual_seed(3)
    taught = torch.nn.functional.normalize(torch.randn(6, 12, generator=random), dim=1)
    raw = torch.randn(6, 8, generator=random, requires_grad=True)
    optimiser = torch.optim.Adam([raw], lr=0.05)
    inputs = replace(make_inputs([0, 0, 1, 1, 2, 2], dtype=torch.float32), taught=taught)
    for _ in range(300):
        optimiser.zero_grad()
        own = torch.nn.functional.normalize(raw, dim=1)
        distillation_loss(replace(inputs, descriptor=own), temperature=0.3).backward()
        optimiser.step()
    others = ~torch.eye(6, dtype=torch.bool)
    reached, wanted = (each @ each.T for each in (own.detach(), taught))
    # A softmax tells differences within a row, not where they begin.
    for row in range(6):
        apart = (reached - wanted)[row][others[row]]
        assert apart.std() < 0.02


def test_local_triplet_by_hand():
    """Two patches each; the positive matches with cosines 1 and 0.8, the negative with 0.6."""
    inputs = make_inputs([0, 0, 1], (1, 3))
    dense = torch.zeros(3, 1, 9, 4, dtype=torch.float64)
    dense[0, 0, [0, 4, 8]] = torch.eye(4, dtype=torch.float64)[:3]
    dense[1, 0, 0, 0] = 2.0
    dense[1, 0, 4, 1], dense[1, 0, 4, 3] = 0.8, 0.6
    dense[1, 0, 8, 3] = 1.0
    dense[2, 0, 0, 0], dense[2, 0, 0, 3] = 3 * 0.75, 3 * math.sqrt(1 - 0.75**2)
    dense[2, 0, 4, 3] = dense[2, 0, 8, 3] = 1.0
    inputs = replace(inputs, dense=dense)
    # Mutual over 0.7, as pairs: (0, 1): 1 and 0.8, mean 0.9. (0, 2): 0.75. Image 2 has no
    # positive, and 1's negative matches it in the last patch: 1 exactly.
    released = local_triplet_loss(inputs, variant='released', stride=4).item()
    assert released == pytest.approx(max(0, 0.75 - 0.9) + max(0, pair_of_1_and_2() - 0.9))
    soft = local_triplet_loss(inputs, softness=1e-6, margin=0.2).item()
    assert soft == pytest.approx((0.2 + 0.75 - 0.9 + max(0, 0.2 + pair_of_1_and_2() - 0.9)) / 2)


def pair_of_1_and_2() -> float:
    """Mutual between images 1 and 2 over 0.7: 2·(1, 0) with 0.75, and the equal last rows."""
    return (0.75 + 1) / 2


def test_alignment_by_hand():
    """Masks of 20 patches whose percentiles 5 and 95 cut nothing off but ties."""
    inputs = make_inputs([0], (4, 5))
    low, high = torch.full((20,), 1.0), torch.full((20,), 1.0)
    low[:10], high[10:] = 3.0, 3.0
    inputs = replace(
        inputs, extraction=low[None].double(), assignment=(high / 100).double().expand(1, 3, 20)
    )
    # Distributions of mean 1: 1.5 and 0.5, the other way round.
    assert alignment_loss(inputs).item() == pytest.approx(math.log(3), rel=1e-9)
    same = replace(inputs, extraction=7 * inputs.aggregation)
    assert alignment_loss(same).item() == pytest.approx(0, abs=1e-9)


def test_contrast_by_hand():
    """A flat mask has its foreground where its background is: log 3, however sharp."""
    inputs = make_inputs([0, 0], (2, 2))
    alike = inputs.dense.detach()[:1].expand(2, -1, -1, -1)
    flat = torch.ones_like(inputs.extraction) / 4
    level = torch.ones_like(inputs.assignment) / 8
    inputs = replace(inputs, dense=alike, extraction=flat, assignment=level)
    assert contrast_loss(inputs).item() == pytest.approx(math.log(3))
    assert contrast_loss(inputs, temperature=0.01).item() == pytest.approx(math.log(3))
    assert contrast_loss(inputs, variant='released').item() == pytest.approx(0, abs=1e-12)


def test_correspondence_by_hand():
    """Two clear correspondences of one cluster, at cosines 1 and 0 of the local descriptors."""
    inputs = make_inputs([0, 0], (1, 3))
    patches = torch.eye(6, dtype=torch.float64)[[0, 1, 2, 1, 0, 3]].view(2, 3, 6)
    assignment = torch.zeros(2, 3, 3, dtype=torch.float64)
    assignment[:, 0, :2], assignment[:, 1, 2] = 1, 1
    dense = torch.zeros(2, 1, 9, 2, dtype=torch.float64)
    dense[..., 0] = 1
    dense[1, 0, 0] = torch.tensor([0.0, 5.0])
    inputs = replace(inputs, patches=patches, assignment=assignment, dense=dense)
    # 0 and 4 (patches 0 and 1) agree by 1, at local cosine 1; 1 and 3 at local cosine 0.
    assert correspondence_loss(inputs).item() == pytest.approx(0.5)


def test_percentiles_tame_outliers():
    mask = torch.ones(1, 100)
    mask[0, 0] = 1e6
    assert spatial_distribution(mask).max() < 1.01
    assert released_distribution(mask).max() < 0.011


@pytest.mark.parametrize('seed', range(3))
def test_the_order_of_images_does_not_matter(seed: int):
    inputs = make_inputs([0, 1, 0, 2, 1, 0, 2], seed=seed)
    order = torch.randperm(7, generator=torch.Generator().manual_seed(seed))
    moved = images(inputs, order)
    assert values(moved, ORDERLESS) == pytest.approx(values(inputs, ORDERLESS), rel=1e-9)
    released = replace(RELEASED, correspondence=0)
    assert values(moved, released) == pytest.approx(values(inputs, released), rel=1e-9)


def test_the_order_of_patches_does_not_matter():
    inputs = make_inputs([0, 1, 0, 1], (3, 4))
    order = torch.randperm(12, generator=torch.Generator().manual_seed(0))
    dense = inputs.dense.detach().clone()
    dense[:, ::4, ::4] = dense[:, ::4, ::4].flatten(1, 2)[:, order].view(4, 3, 4, -1)
    moved = replace(
        inputs,
        patches=inputs.patches[:, order],
        extraction=inputs.extraction[:, order],
        assignment=inputs.assignment[:, :, order],
        dense=dense,
    )
    assert values(moved, ORDERLESS) == pytest.approx(values(inputs, ORDERLESS), rel=1e-9)


@pytest.mark.parametrize('config', [LossConfig(), RELEASED], ids=['paper', 'released'])
@pytest.mark.parametrize('labels', [[0], [0, 1, 2], [0, 0, 0], [0, 0, 1]])
def test_batches_without_positives_or_negatives(config: LossConfig, labels: list[int]):
    total, gradients = total_and_gradient(make_inputs(labels), config)
    assert math.isfinite(total)
    assert all(each.isfinite().all() for each in gradients)
    if labels in ([0], [0, 1, 2]):
        assert values(make_inputs(labels), config) == pytest.approx(
            {
                n: v if n == 'alignment' else 0
                for n, v in values(make_inputs(labels), config).items()
            }
        )


@pytest.mark.parametrize('config', [LossConfig(), RELEASED], ids=['paper', 'released'])
@pytest.mark.parametrize('dtype', [torch.float32, torch.float64])
def test_zeros_and_equal_images_have_finite_gradients(config: LossConfig, dtype: torch.dtype):
    inputs = make_inputs([0, 0, 1, 1], dtype=dtype)
    for name in ('patches', 'extraction', 'assignment', 'dense'):
        nothing = torch.zeros_like(getattr(inputs, name)).requires_grad_()
        total, gradients = total_and_gradient(replace(inputs, **{name: nothing}), config)
        assert math.isfinite(total), name
        assert all(each.isfinite().all() for each in gradients), name
    equal = images(inputs, torch.zeros(4, dtype=torch.long))
    equal = replace(equal, labels=inputs.labels)
    total, gradients = total_and_gradient(equal, config)
    assert math.isfinite(total)
    assert all(each.isfinite().all() for each in gradients)


@pytest.mark.parametrize('config', [LossConfig(), RELEASED], ids=['paper', 'released'])
def test_autocast_changes_nothing(config: LossConfig):
    inputs = make_inputs([0, 0, 1, 1, 1], (4, 4), dtype=torch.float32)
    expected = total_and_gradient(inputs, config)
    found = total_and_gradient(replace(inputs), config, autocast=True)
    assert found[0] == expected[0]
    torch.testing.assert_close(found[1], expected[1], rtol=0, atol=0)
    half = images(make_inputs([0, 0, 1, 1], dtype=torch.bfloat16), torch.arange(4))
    total, _ = FoLLoss(config)(half)
    assert total.dtype == torch.float32
    assert total.isfinite()


def test_total_is_the_weighted_sum_of_what_has_a_weight():
    inputs = make_inputs([0, 0, 1, 1])
    config = LossConfig(multi_similarity=2, local=0.5, alignment=0, contrast=0.25)
    total, parts = FoLLoss(config)(inputs)
    assert 'alignment' not in parts
    names = ['multi_similarity', 'local', 'contrast', 'correspondence']
    assert list(parts) == [each for name in names for each in (name, f'{name}_weighted')]
    assert parts['local_weighted'] == 0.5 * parts['local']
    assert total.item() == pytest.approx(sum(parts[f'{n}_weighted'].item() for n in names))
    assert not any(value.requires_grad for value in parts.values())
    nothing, parts = FoLLoss(LossConfig(**dict.fromkeys(LOSSES, 0.0)))(inputs)
    assert (nothing.item(), parts) == (0, {})


@pytest.mark.parametrize(
    ('given', 'message'),
    [
        ({'local': -1.0}, 'local is -1.0, expected'),
        ({'contrast_variant': 'journal'}, "contrast_variant is 'journal', expected one of paper"),
        ({'dense_stride': 5}, 'dense_stride is 5, expected from 1 to 4'),
        ({'contrast_temperature': 0.0}, 'contrast_temperature is 0.0'),
    ],
)
def test_settings_that_make_no_sense_are_refused(given: dict, message: str):
    with pytest.raises(InputError, match=message):
        LossConfig(**given)


class Operations(TorchDispatchMode):
    """Counts what torch computes, and the largest result."""

    def __init__(self) -> None:
        super().__init__()
        self.count: Counter[str] = Counter()
        self.largest = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        result = func(*args, **(kwargs or {}))
        self.count[str(func)] += 1
        if isinstance(result, torch.Tensor):
            self.largest = max(self.largest, result.untyped_storage().nbytes())
        return result


@pytest.mark.parametrize('config', [LossConfig(), RELEASED], ids=['paper', 'released'])
def test_no_loop_over_pairs_and_no_broadcast_over_patches(
    config: LossConfig, monkeypatch: pytest.MonkeyPatch
):
    """Twice the places take as many operations; nothing is as large as all pairs of patches.

    Similarities come in tiles, which are made large and small here.
    """
    monkeypatch.setattr(matching, 'CPU_TILE_BYTES', 1 << 40)
    counts = []
    for places in (3, 6):
        labels = [place for place in range(places) for _ in range(3)]
        inputs = make_inputs(labels, (6, 7), dtype=torch.float32)
        with Operations() as seen:
            FoLLoss(config)(inputs)[0].backward()
        counts.append(seen.count.total())
    assert counts[0] == counts[1]
    monkeypatch.setattr(matching, 'CPU_TILE_BYTES', 1)
    inputs = make_inputs(labels, (6, 7), dtype=torch.float32)
    with Operations() as seen:
        FoLLoss(config)(inputs)[0].backward()
    assert seen.largest <= 2 * inputs.dense.untyped_storage().nbytes()
