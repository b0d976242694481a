"""Value and gradient norm of every loss over the first steps, paper's variant beside released.

    python -m benchmarks loss_gradients [--steps 20] [--images FOLDER]

A ViT-S with random weights learns from blurred noise, seen shifted and in different light, or
from the places (one folder each) of a folder of images. It learns with the paper's losses; at some
steps each loss, of both variants, is differentiated on its own by all parameters of the network.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from benchmarks.options import benchmark_parser
from fol_vpr.network import FoL, build_fol
from fol_vpr.sources import decode_bytes
from training.losses import FoLLoss, LossConfig, LossInputs

SIDE, PLACES, VIEWS = 126, 8, 3
SHOWN = (0, 1, 2, 5, 10, 20, 50)
LEARNING_RATE = 1e-4


@dataclass(frozen=True)
class Reading:
    """Of one loss at one step; the norm is that of the weighted loss."""

    value: float
    weight: float
    norm: float


def noise_images() -> tuple[Tensor, Tensor]:
    """Images [B, 3, H, W] of made-up places, and the places [B]."""
    random = torch.Generator().manual_seed(0)
    octaves = [
        F.interpolate(
            torch.randn(PLACES, 3, side, side, generator=random),
            size=(SIDE + 16, SIDE + 16),
            mode='bicubic',
        )
        for side in (4, 9, 18, 36, 72)
    ]
    scenes = torch.stack(octaves).sum(dim=0) / 2
    seen = [scenes[:, :, 3 * k : 3 * k + SIDE, 8 * k : 8 * k + SIDE] for k in range(VIEWS)]
    images = torch.stack(seen, dim=1).flatten(0, 1)
    light = 0.5 + torch.rand(len(images), 3, 1, 1, generator=random)
    return light * images, torch.arange(PLACES).repeat_interleave(VIEWS)


def folder_images(folder: Path) -> tuple[Tensor, Tensor]:
    """Images and labels from a folder that has a folder of JPEG images for each place."""
    places = [sorted(path.glob('*.jpg'))[:VIEWS] for path in sorted(folder.iterdir())]
    places = [files for files in places if len(files) == VIEWS][:PLACES]
    found = [
        cv2.resize(
            decode_bytes(file.read_bytes(), str(file)), (SIDE, SIDE), interpolation=cv2.INTER_AREA
        )
        for files in places
        for file in files
    ]
    images = torch.from_numpy(np.stack(found)).permute(0, 3, 1, 2).float()
    return (images - 118) / 58, torch.arange(len(places)).repeat_interleave(VIEWS)


def measure(steps: int = 20, folder: Path | None = None) -> list[dict[str, dict[str, Reading]]]:
    """For each shown step, by variant and loss."""
    torch.manual_seed(0)
    images, labels = noise_images() if folder is None else folder_images(folder)
    net = build_fol('vits14').train()
    paper = FoLLoss(LossConfig())
    variants = {'paper': paper, 'released': FoLLoss(LossConfig.released())}
    optimiser = torch.optim.AdamW(net.parameters(), LEARNING_RATE)
    table = []
    for step in range(steps + 1):
        inputs = LossInputs.of(net.encode(images), labels)
        if step in SHOWN:
            table.append({name: _readings(net, each, inputs) for name, each in variants.items()})
        optimiser.zero_grad()
        paper(inputs)[0].backward()
        optimiser.step()
    return table


def _readings(net: FoL, total: FoLLoss, inputs: LossInputs) -> dict[str, Reading]:
    found = {}
    parameters = list(net.parameters())
    for name, loss in total.losses().items():
        value, weight = loss(inputs), getattr(total.config, name)
        gradients = torch.autograd.grad(value, parameters, retain_graph=True, allow_unused=True)
        norm = torch.stack([g.norm() for g in gradients if g is not None]).norm()
        found[name] = Reading(value.item(), weight, weight * norm.item())
    return found


def show(table: Sequence[dict[str, dict[str, Reading]]]) -> None:
    """Print it: a line for each loss and variant."""
    shown = SHOWN[: len(table)]
    print('Value, and norm of the weighted gradient by all parameters, at steps of training with')
    print('the losses of the paper, a ViT-S with random weights:')
    print(f'  {"":28}{"weight":>6}' + ''.join(f'{f"step {step}":>20}' for step in shown))
    for name in table[0]['paper']:
        for variant in table[0]:
            weight = table[0][variant][name].weight
            cells = [table[i][variant][name] for i in range(len(table))]
            line = ''.join(f'{cell.value:>11.2g}{cell.norm:>9.1e}' for cell in cells)
            print(f'  {name:18}{variant:10}{weight:>6g}{line}')


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and print."""
    parser = benchmark_parser(__name__, __doc__, figures=False)
    parser.add_argument('--steps', type=int, default=20)
    parser.add_argument('--images', type=Path, metavar='FOLDER')
    options = parser.parse_args(arguments)
    torch.set_num_threads(options.threads)
    show(measure(options.steps, options.images))
    return 0
