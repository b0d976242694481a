"""FoL's losses once more, in plain loops over pairs and patches, and inputs to compare with.

Slow and literal: what `training.losses` computes at once is spelt out here pair by pair.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from fol_vpr.network.model.local_head import select_patches
from training.losses import LossInputs


def make_inputs(
    labels: Sequence[int],
    grid: tuple[int, int] = (3, 4),
    seed: int = 0,
    *,
    alike: float = 1.0,
    dtype: torch.dtype = torch.float64,
) -> LossInputs:
    """Random inputs in which images of a place share `alike` of everything, against noise of 1."""
    random = torch.Generator().manual_seed(seed)
    places = {label: number for number, label in enumerate(sorted(set(labels)))}
    h, w = grid
    of = torch.tensor([places[label] for label in labels])

    def shared(*shape: int) -> Tensor:
        base = torch.randn(len(places), *shape, generator=random, dtype=torch.float64)
        own = torch.randn(len(labels), *shape, generator=random, dtype=torch.float64)
        return alike * base[of] + own

    descriptor = torch.nn.functional.normalize(shared(10), dim=1)
    scores = torch.cat([2 * shared(3, h * w), torch.zeros(len(labels), 1, h * w)], dim=1)
    return LossInputs(
        descriptor=descriptor.to(dtype).requires_grad_(),
        labels=torch.tensor(labels),
        patches=shared(h * w, 6).to(dtype).requires_grad_(),
        extraction=(3 * shared(h * w).softmax(dim=1)).to(dtype).requires_grad_(),
        assignment=scores.softmax(dim=1)[:, :-1].to(dtype).requires_grad_(),
        dense=shared(4 * h - 3, 4 * w - 3, 5).to(dtype).requires_grad_(),
        grid=grid,
    )


def ordered_pairs(labels: Tensor) -> list[tuple[int, int]]:
    count = len(labels)
    return [
        (i, j) for i in range(count) for j in range(count) if i != j and labels[i] == labels[j]
    ]


def cosine(a: Tensor, b: Tensor) -> Tensor:
    return (a * b).sum() / (a.norm() * b.norm())


def multi_similarity(inputs: LossInputs) -> Tensor:
    x, labels = inputs.descriptor, inputs.labels.tolist()
    total, pulls, pushes = torch.zeros((), dtype=x.dtype), 0, 0
    for i in range(len(labels)):
        others = [j for j in range(len(labels)) if j != i]
        positive = [x[i] @ x[j] for j in others if labels[j] == labels[i]]
        negative = [x[i] @ x[j] for j in others if labels[j] != labels[i]]
        if not positive or not negative:
            continue
        top, bottom = max(negative), min(positive)
        pulled = [torch.exp(-s) for s in positive if s - 0.1 < top]
        pushed = [torch.exp(50 * s) for s in negative if s + 0.1 > bottom]
        pulls, pushes = pulls + len(pulled), pushes + len(pushed)
        total = total + torch.log(1 + sum(pulled, total.new_zeros(())))
        total = total + torch.log(1 + sum(pushed, total.new_zeros(()))) / 50
    # The library gives up where a whole batch has but one pair of either kind.
    return total / len(labels) if max(pulls, pushes) > 1 else total.new_zeros(())


def local_rows(inputs: LossInputs, image: int, stride: int) -> list[Tensor]:
    """Unit rows of the kept patches of one image, by which patch is nearest to each position."""
    h, w = inputs.grid
    kept = set(select_patches(inputs.assignment.mean(dim=1))[image].tolist())
    rows, columns = inputs.dense.shape[1:3]
    return [
        inputs.dense[image, y, x] / inputs.dense[image, y, x].norm()
        for y in range(0, rows, stride)
        for x in range(0, columns, stride)
        if (y * h // rows) * w + x * w // columns in kept
    ]


def mutual(similarity: Tensor) -> list[tuple[int, int]]:
    found = []
    for i in range(similarity.shape[0]):
        j = int(similarity[i].argmax())
        if int(similarity[:, j].argmax()) == i:
            found.append((i, j))
    return found


def pair_similarity(
    left: Sequence[Tensor], right: Sequence[Tensor], threshold: float, softness: float | None
) -> Tensor:
    with torch.no_grad():
        table = torch.stack([torch.stack([a @ b for b in right]) for a in left])
    top, bottom = torch.zeros((), dtype=table.dtype), 0.0
    for i, j in mutual(table):
        known = float(table[i, j])
        if softness is None:
            weight = float(known > threshold)
        else:
            weight = 1 / (1 + math.exp((threshold - known) / softness))
        top = top + weight * (left[i] @ right[j])
        bottom += weight
    return top / bottom if bottom else top


def local_triplet(
    inputs: LossInputs,
    *,
    variant: str = 'paper',
    stride: int = 4,
    margin: float = 0.1,
    threshold: float = 0.7,
    softness: float = 0.1,
) -> Tensor:
    hard = variant == 'released'
    labels, x = inputs.labels.tolist(), inputs.descriptor.detach()
    rows = [local_rows(inputs, i, stride) for i in range(len(labels))]
    losses = []
    for i in range(len(labels)):
        positive = [j for j in range(len(labels)) if j != i and labels[j] == labels[i]]
        negative = [j for j in range(len(labels)) if labels[j] != labels[i]]
        if not positive or not negative:
            continue
        p = min(positive, key=lambda j: float(x[i] @ x[j]))
        n = max(negative, key=lambda j: float(x[i] @ x[j]))
        width = None if hard else softness
        toward = pair_similarity(rows[i], rows[p], threshold, width)
        away = pair_similarity(rows[i], rows[n], threshold, width)
        losses.append(torch.relu((0 if hard else margin) + away - toward))
    if not losses:
        return torch.zeros(())
    return torch.stack(losses).sum() if hard else torch.stack(losses).mean()


def quantile(values: Sequence[Tensor], share: float) -> Tensor:
    ranked = sorted(values)
    position = share * (len(ranked) - 1)
    below = int(position)
    above = min(below + 1, len(ranked) - 1)
    return ranked[below] + (position - below) * (ranked[above] - ranked[below])


def spatial_distribution(mask: Tensor) -> list[Tensor]:
    values = list(mask)
    low, high = quantile(values, 0.05), quantile(values, 0.95)
    clipped = [min(max(value, low), high) for value in values]
    mean = sum(clipped) / len(clipped)
    return [value / mean for value in clipped]


def released_distribution(mask: Tensor) -> Tensor:
    values = list(mask)
    ranked = sorted(range(len(values)), key=lambda i: -values[i].item())
    ceiling = values[ranked[int(0.05 * len(values))]]
    for i in ranked[:3]:
        values[i] = ceiling
    exponentials = [torch.exp(value) for value in values]
    return torch.stack([value / sum(exponentials) for value in exponentials])


def masks(inputs: LossInputs, image: int) -> tuple[Tensor, Tensor]:
    return inputs.assignment[image].sum(dim=0) / inputs.assignment.shape[1], inputs.extraction[
        image
    ]


def alignment(
    inputs: LossInputs,
    *,
    variant: str = 'paper',
    constants: Sequence[tuple[Tensor, Tensor]] | None = None,
) -> Tensor:
    """SAL; `constants` are the released distributions of both masks that do not change."""
    total = torch.zeros((), dtype=inputs.dense.dtype)
    for image in range(len(inputs.labels)):
        a, e = masks(inputs, image)
        if variant == 'released':
            kept, seen = released_distribution(a), released_distribution(e)
            fixed_kept, fixed_seen = constants[image] if constants else (kept, seen)
            for i in range(len(kept)):
                total = total + fixed_seen[i] * torch.log(fixed_seen[i] / kept[i])
                total = total + fixed_kept[i] * torch.log(fixed_kept[i] / seen[i])
        else:
            for p, q in zip(spatial_distribution(a), spatial_distribution(e), strict=True):
                total = total + (p * torch.log(p / q) + q * torch.log(q / p)) / len(a)
    return total / len(inputs.labels)


def prototypes(inputs: LossInputs, image: int) -> tuple[Tensor, Tensor]:
    """Foreground and background of one image, as the paper means them."""
    h, w = inputs.grid
    a, e = masks(inputs, image)
    both = zip(spatial_distribution(a), spatial_distribution(e), strict=True)
    mask = [(p + q) / 2 for p, q in both]
    median = quantile(mask, 0.5)
    foreground = background = torch.zeros((), dtype=inputs.dense.dtype)
    for patch in range(h * w):
        weight = mask[patch] / (mask[patch] + median)
        local = inputs.dense[image, 4 * (patch // w), 4 * (patch % w)]
        foreground = foreground + weight * local / local.norm()
        background = background + (1 - weight) * local / local.norm()
    return foreground, background


def released_prototypes(inputs: LossInputs, image: int) -> tuple[Tensor, Tensor]:
    a, e = masks(inputs, image)
    mask = released_distribution(a) + released_distribution(e)
    dense = inputs.dense[image].detach()
    grid = mask.view(1, 1, *inputs.grid)
    mask = torch.nn.functional.interpolate(
        grid, size=dense.shape[:2], mode='bilinear', align_corners=True
    )[0, 0]
    foreground = background = torch.zeros((), dtype=dense.dtype)
    for y in range(dense.shape[0]):
        for x in range(dense.shape[1]):
            local = dense[y, x] / dense[y, x].norm()
            foreground = foreground + mask[y, x] * local
            background = background + (1 - mask[y, x]) * local
    return foreground, background


def contrast(
    inputs: LossInputs, *, variant: str = 'paper', temperature: float = 0.1, **_: object
) -> Tensor:
    of_image = prototypes if variant == 'paper' else released_prototypes
    found = [of_image(inputs, image) for image in range(len(inputs.labels))]
    of_images: dict[int, list[Tensor]] = {}
    for i, j in ordered_pairs(inputs.labels):
        (fi, bi), (fj, bj) = found[i], found[j]
        if variant == 'paper':
            pull = torch.exp(cosine(fi, fj) / temperature)
            push = torch.exp(cosine(fi, bi) / temperature) + torch.exp(
                cosine(fi, bj) / temperature
            )
            loss = -torch.log(pull / (pull + push))
        else:
            loss = 0.7 * (1 - cosine(fi, fj)) + 0.3 * (1 - cosine(bi, bj))
        of_images.setdefault(i, []).append(loss)
    means = [torch.stack(losses).mean() for losses in of_images.values()]
    return torch.stack(means).mean() if means else torch.zeros(())


def correspondence(
    inputs: LossInputs, *, variant: str = 'paper', agreement: float = 0.8, ratio: float = 0.9
) -> Tensor:
    if variant == 'released':
        return released_correspondence(inputs)
    kept = select_patches(inputs.assignment.mean(dim=1)).sort(dim=1).values.tolist()
    cluster = inputs.assignment.argmax(dim=1)
    _, w = inputs.grid
    losses = []
    for i, j in ordered_pairs(inputs.labels):
        if i > j:
            continue
        table = torch.full((len(kept[i]), len(kept[j])), -1.0, dtype=inputs.dense.dtype)
        for a, p in enumerate(kept[i]):
            for b, q in enumerate(kept[j]):
                if cluster[i, p] == cluster[j, q]:
                    table[a, b] = cosine(inputs.patches[i, p], inputs.patches[j, q]).detach()
        top = bottom = torch.zeros((), dtype=inputs.dense.dtype)
        for a, b in mutual(table):
            best = float(table[a, b])
            rest = [float(table[a, c]) for c in range(len(kept[j])) if c != b]
            rest += [float(table[c, b]) for c in range(len(kept[i])) if c != a]
            if best < agreement or 1 - best > ratio * (1 - max(rest)):
                continue
            p, q = kept[i][a], kept[j][b]
            left = inputs.dense[i, 4 * (p // w), 4 * (p % w)]
            right = inputs.dense[j, 4 * (q // w), 4 * (q % w)]
            top = top + best * (1 - cosine(left, right))
            bottom = bottom + best
        losses.append(top / bottom if bottom > 0 else top)
    return torch.stack(losses).mean() if losses else torch.zeros(())


def released_correspondence(inputs: LossInputs) -> Tensor:
    labels, patches = inputs.labels.tolist(), inputs.patches.shape[1]
    losses = []
    for i, label in enumerate(labels):
        group = [j for j, other in enumerate(labels) if other == label]
        j = group[(group.index(i) + 1) % len(group)]
        seen = [p for p in range(patches) if inputs.extraction[i, p] > 0.1]
        count = 0
        for p in seen[1:] if j != i else ():
            cluster = int(inputs.assignment[i, :, p].argmax())
            scored = [
                (float(cosine(inputs.patches[i, p], inputs.patches[j, q])), q)
                if inputs.assignment[j, cluster, q] > 0.1
                else (-10.0, q)
                for q in range(patches)
            ]
            (best, q), (second, _) = sorted(scored, reverse=True)[:2]
            if best > 0.8 and best / second > 2 and count < 5:
                count += 1
                gap = 1 - cosine(released_local(inputs, i, p), released_local(inputs, j, q))
                losses.append(best * gap)
    return torch.stack(losses).mean() if losses else torch.zeros(())


def released_local(inputs: LossInputs, image: int, patch: int) -> Tensor:
    h, w = inputs.grid
    rows, columns = inputs.dense.shape[1:3]
    y = min(max(round((14 * (patch // w) + 7) / (14 * h / rows)), 1), rows - 2)
    x = min(max(round((14 * (patch % w) + 7) / (14 * w / columns)), 1), columns - 2)
    around = inputs.dense[image, y - 1 : y + 2, x - 1 : x + 2].reshape(9, -1)
    return sum(row / row.norm() for row in around)
