"""Time of the parts of a training step.

    python -m benchmarks training_step [--precisions 32-true bf16-mixed] [--steps 10]

Steps of training/configs/fol_tiny.yaml on random images, the precisions in turns: milliseconds of
CPU and of the clock for the forward pass with its losses, the backward pass, the optimiser with
clipping, and the average of the weights. Reading and augmenting images, which worker processes do
meanwhile, is left out.
"""

from __future__ import annotations

import os
import statistics
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import torch
from torch import nn

from benchmarks.options import benchmark_parser, write_figures
from fol_vpr.network.tensors import normalise
from training.config import TrainingConfig
from training.losses import LossInputs
from training.memory import keep_memory
from training.module import FoLTraining
from training.settings import read_config

RECIPE = Path(__file__).parents[2] / 'training' / 'configs' / 'fol_tiny.yaml'
PARTS = ('forward and losses', 'backward', 'optimiser', 'average', 'step')


class Step:
    """The parts of `FoLTraining`'s step, without Lightning around them."""

    def __init__(self, config: TrainingConfig) -> None:
        torch.manual_seed(0)
        self._module = FoLTraining(config)
        self._optimiser = torch.optim.AdamW(self._module.net.parameters(), lr=1e-5, fused=True)
        self._clip = config.optimiser.clip
        places, images, side = config.data.places, config.data.images, config.model.input_size
        count = places * images
        self._images = torch.randint(0, 256, (count, 3, side, side), dtype=torch.uint8)
        self._labels = torch.arange(places).repeat_interleave(images)
        self._photographs = torch.arange(count)
        self._photographs[1::images] = self._photographs[::images]
        self._frames = torch.eye(3).repeat(count, 1, 1)
        self.spent: dict[str, tuple[float, float]] = {}

    def __call__(self, precision: str) -> dict[str, tuple[float, float]]:
        """Milliseconds of CPU and of the clock of each part."""
        module = self._module
        with self._timed('step'):
            with self._timed(PARTS[0]):
                cast = precision == 'bf16-mixed'
                with torch.autocast('cpu', dtype=torch.bfloat16, enabled=cast):
                    encoded = module.net.encode(normalise(self._images))
                    known = (self._labels, self._photographs, self._frames)
                    total, _ = module.loss(LossInputs.of(encoded, *known))
            with self._timed('backward'):
                self._optimiser.zero_grad()
                total.backward()
            with self._timed('optimiser'):
                nn.utils.clip_grad_norm_(module.net.parameters(), self._clip)
                self._optimiser.step()
            with self._timed('average'):
                module.update_average()
        return dict(self.spent)

    @contextmanager
    def _timed(self, part: str) -> Iterator[None]:
        cpu, clock = time.process_time(), time.perf_counter()
        yield
        spent = (time.process_time() - cpu, time.perf_counter() - clock)
        self.spent[part] = (1000 * spent[0], 1000 * spent[1])


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and print a table of minima and medians."""
    parser = benchmark_parser(__name__, __doc__)
    parser.add_argument('--precisions', nargs='+', default=['32-true', 'bf16-mixed'])
    parser.add_argument('--steps', type=int, default=10, help='of each precision')
    options = parser.parse_args(arguments)
    torch.set_num_threads(options.threads)
    keep_memory()
    os.environ.setdefault('TOWN', '')
    os.environ.setdefault('FOL_VPR_SHARED', '')
    step = Step(read_config(str(RECIPE), []))
    figures: dict[str, list[dict[str, tuple[float, float]]]] = {p: [] for p in options.precisions}
    for number in range(1 + options.steps):
        for precision in options.precisions:
            spent = step(precision)
            # The first one finds cold caches.
            if number:
                figures[precision].append(spent)
    print(f'{"ms of CPU / of the clock":26}' + ''.join(f'{p:>34}' for p in options.precisions))
    for part in PARTS:
        cells = []
        for precision in options.precisions:
            cpu, clock = zip(*(row[part] for row in figures[precision]), strict=True)
            middle = f'{statistics.median(cpu):.0f} / {statistics.median(clock):.0f}'
            cells.append(f'{middle} (least {min(cpu):.0f} / {min(clock):.0f})')
        print(f'{part:26}' + ''.join(f'{cell:>34}' for cell in cells))
    write_figures(options.json, figures)
    return 0
