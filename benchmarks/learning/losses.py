"""What the losses cost in a training step, and whether their gradients live.

    python -m benchmarks losses [--places 60] [--images 4] [--size 322] [--threads 2]

Forward and backward of all five losses, from what the network returns to its gradient; the network
itself is not part of it. Each way runs in a process of its own: the released code's approach, with
loops and broadcasts; the released losses as `training.losses` computes them, which is the same
work; and the paper's, which is what is trained with. Seconds of processor time are given beside
those of the clock, because they say more on a machine that is busy with something else.
"""

from __future__ import annotations

import argparse
import json
import math
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import torch
import torch.nn.functional as F

from benchmarks.learning import loss_gradients, released_losses
from benchmarks.options import benchmark_parser, write_figures
from training.losses import FoLLoss, LossConfig, LossInputs

WIDTH, HEADS, CLUSTERS, DESCRIPTOR, LOCAL = 768, 12, 64, 8448, 128
WAYS = {
    'loops': 'released, loops and broadcasts',
    'released': 'released, training.losses',
    'paper': 'paper, training.losses',
}
GOAL_TIME, GOAL_MEMORY = 3.0, 2.0


@dataclass(frozen=True)
class Cost:
    """Of the losses of one step, forward and backward.

    Attributes:
        seconds: of the clock, fastest repetition.
        processor: seconds of processor time of all threads, fastest repetition.
        peak_mb: how far the process' memory grew beyond the inputs, their gradients included.
        parts: seconds of the clock for each loss.
        values: of each loss.
    """

    seconds: float
    processor: float
    peak_mb: float
    parts: dict[str, float]
    values: dict[str, float]


def make_inputs(places: int, views: int, size: int) -> LossInputs:
    """What a network that has learned something might say of a batch; ViT-B's dimensions.

    Images of a place share most of each position, all images share a direction; a few patches in
    a hundred have an attention over 0.1.
    """
    random = torch.Generator().manual_seed(0)
    side = size // 14
    patches, labels = side * side, torch.arange(places).repeat_interleave(views)

    def draw(*shape: int, shared: float) -> torch.Tensor:
        found = torch.randn(len(labels), *shape, generator=random)
        common = shared * torch.randn(places, *shape, generator=random)
        found.view(places, views, *shape).add_(common.unsqueeze(1))
        return found

    dense = draw(4 * side - 3, 4 * side - 3, LOCAL, shared=1.5)
    dense += 2 * torch.randn(LOCAL, generator=random)
    scores = draw(CLUSTERS + 1, patches, shared=3.0)
    return LossInputs(
        descriptor=F.normalize(draw(DESCRIPTOR, shared=1.0), dim=1).requires_grad_(),
        labels=labels,
        patches=draw(patches, WIDTH, shared=2.5).requires_grad_(),
        extraction=(HEADS * draw(patches, shared=1.2).softmax(dim=1)).requires_grad_(),
        assignment=scores.softmax(dim=1)[:, :-1].contiguous().requires_grad_(),
        dense=dense.requires_grad_(),
        grid=(side, side),
    )


def measure(way: str, inputs: LossInputs, repetitions: int) -> Cost:
    """Cost of one way in this process."""
    configs = {'released': LossConfig.released(), 'paper': LossConfig()}
    if way == 'loops':
        losses, config = released_losses.LOSSES, LossConfig.released()
    else:
        losses, config = FoLLoss(configs[way]).losses(), configs[way]
    weights = {name: getattr(config, name) for name in losses}
    leaves = [value for value in vars(inputs).values() if getattr(value, 'is_leaf', False)]
    before = _memory(reset=True)
    seconds, processor, parts, values = [], [], {}, {}
    for _ in range(repetitions):
        fresh = replace(inputs)
        for leaf in leaves:
            leaf.grad = None
        started, used = time.perf_counter(), time.process_time()
        total = torch.zeros(())
        for name, loss in losses.items():
            begun = time.perf_counter()
            value = loss(fresh)
            values[name] = value.item()
            total = total + weights[name] * value
            parts[name] = time.perf_counter() - begun
        begun = time.perf_counter()
        total.backward()
        parts['backward'] = time.perf_counter() - begun
        seconds.append(time.perf_counter() - started)
        processor.append(time.process_time() - used)
    return Cost(min(seconds), min(processor), (_memory() - before) / 1e6, parts, values)


def _memory(*, reset: bool = False) -> float:
    """Largest size of this process in bytes since the last reset, which gives the size now."""
    if reset:
        Path('/proc/self/clear_refs').write_text('5')
    field = 'VmRSS' if reset else 'VmHWM'
    for line in Path('/proc/self/status').read_text().splitlines():
        if line.startswith(f'{field}:'):
            return 1024 * float(line.split()[1])
    return float('nan')


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and print."""
    parser = benchmark_parser(__name__, __doc__)
    parser.add_argument('--places', type=int, default=60)
    parser.add_argument('--images', type=int, default=4, help='images of each place')
    parser.add_argument('--size', type=int, default=322, help='side of the input in pixels')
    parser.add_argument('--repetitions', type=int, default=1)
    parser.add_argument('--ways', nargs='+', choices=WAYS, default=list(WAYS))
    parser.add_argument('--gradients', action=argparse.BooleanOptionalAction, default=True)
    parser.add_argument('--here', choices=WAYS, help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    torch.set_num_threads(options.threads)
    if options.here:
        inputs = make_inputs(options.places, options.images, options.size)
        print(json.dumps(asdict(measure(options.here, inputs, options.repetitions))))
        return 0

    side = options.size // 14
    print(
        f'{options.places} places x {options.images} images of {options.size} px, {side}x{side} '
        f'patches, float32, {options.threads} threads; losses forward and backward:'
    )
    costs = {way: _in_its_own_process(way, options) for way in options.ways}
    _print(costs, options.places * options.images)
    table = loss_gradients.measure() if options.gradients else None
    if table is not None:
        print()
        loss_gradients.show(table)
    figures = {'cost': {way: asdict(cost) for way, cost in costs.items()}, 'gradients': table}
    write_figures(options.json, figures, asdict)
    return 0


def _in_its_own_process(way: str, options: argparse.Namespace) -> Cost:
    settings = {
        name: getattr(options, name)
        for name in ('places', 'images', 'size', 'repetitions', 'threads')
    }
    given = [text for name, value in settings.items() for text in (f'--{name}', str(value))]
    done = subprocess.run(  # noqa: S603 no shell, this very module
        [sys.executable, '-m', 'benchmarks', 'losses', '--here', way, *given],
        stdout=subprocess.PIPE,
        check=True,
        text=True,
    )
    return Cost(**json.loads(done.stdout))


def _print(costs: dict[str, Cost], images: int) -> None:
    for way, cost in costs.items():
        print(
            f'  {WAYS[way]:31} {cost.seconds:8.2f} s, {cost.processor:8.2f} s of processor, '
            f'{images / cost.seconds:7.1f} images/s, memory +{cost.peak_mb:.0f} MB'
        )
    print('  of which, in seconds of the clock:')
    for name in (*released_losses.LOSSES, 'backward'):
        each = '  '.join(f'{way} {cost.parts[name]:7.2f}' for way, cost in costs.items())
        print(f'    {name:17} {each}')
    loops = costs.get('loops')
    for way in ('released', 'paper'):
        if loops is None or way not in costs:
            continue
        ours = costs[way]
        print(
            f'  {WAYS[way]}: {loops.seconds / ours.seconds:.1f} times faster than the loops '
            f'({loops.processor / ours.processor:.1f} in processor time; goal {GOAL_TIME:g}), '
            f'memory divided by {loops.peak_mb / ours.peak_mb:.1f} (goal {GOAL_MEMORY:g})'
        )
    if loops is not None and 'released' in costs:
        ours = costs['released']
        # The loops draw one partner for the contrast, where ours is the mean over all.
        names = [name for name in loops.values if name != 'contrast']
        equal = [n for n in names if math.isclose(ours.values[n], loops.values[n], rel_tol=1e-3)]
        print(f'  equal values of both released ways: {", ".join(equal)} (of {", ".join(names)})')
