"""The network's forward pass against the time that its arithmetic alone would take.

    python -m benchmarks.network [--architectures vits14 vitb14] [--size 322] [--threads 2]

The floor is the number of floating point operations over the rate of a large float32 matrix
product on the same machine. Product and stages take turns, so that other work on the machine
meets them alike, and the fastest repetition of each counts.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch

from fol_vpr.network import FoL, build_fol
from fol_vpr.network.aggregation import CLUSTER_DIM, CLUSTERS, TOKEN_DIM
from fol_vpr.network.local_head import HIDDEN_DIM, LOCAL_DIM, select, upsample
from fol_vpr.network.preprocessing import to_input
from fol_vpr.network.vit import ARCHITECTURES, PATCH

PRODUCT = 2048
CAMERA = (480, 640)
TARGET = 1.3


@dataclass(frozen=True)
class Stage:
    """Cost of a part of the way of one image.

    Attributes:
        name: of the part.
        gflop: floating point operations in units of 10⁹; 0 where arithmetic is not what costs.
        floor_ms: time that they take at the rate of the matrix product.
        best_ms: time of the fastest repetition.
    """

    name: str
    gflop: float
    floor_ms: float
    best_ms: float

    @property
    def ratio(self) -> float:
        """Of the time to its floor."""
        return self.best_ms / self.floor_ms if self.floor_ms else float('nan')


def operations(architecture: str, size: int) -> dict[str, float]:
    """Floating point operations by stage in units of 10⁹; a multiply-add is two.

    Counted are the products of matrices and the convolutions. The dense local head is counted
    as it is defined, at all positions of the grid.
    """
    known = ARCHITECTURES[architecture]
    side = size // PATCH
    patches, width = side**2, known.width
    tokens = patches + 1
    hidden = 3 * ((4 * width * 2 // 3 + 7) // 8 * 8) if known.swiglu else 8 * width
    block = tokens * width * (4 * width + hidden) + 2 * tokens**2 * width
    embedding = patches * 3 * PATCH**2 * width
    mlps = patches * 512 * (2 * width + CLUSTER_DIM + CLUSTERS) + 512 * (width + TOKEN_DIM)
    upsampling = 9 * (patches * width * HIDDEN_DIM + (2 * side - 1) ** 2 * HIDDEN_DIM * LOCAL_DIM)
    return {
        'backbone': 2e-9 * (embedding + known.depth * block),
        'aggregation': 2e-9 * (mlps + patches * CLUSTERS * CLUSTER_DIM),
        'local head': 2e-9 * upsampling,
    }


def stages(net: FoL, size: int) -> dict[str, Callable[[], object]]:
    """What is timed, on one random image."""
    rng = np.random.default_rng(0)
    camera = rng.integers(0, 256, (*CAMERA, 3), dtype=np.uint8)
    cpu = torch.device('cpu')
    images = to_input(camera, (size, size), cpu)[None]
    tokens = net.backbone(images)
    mask = net.aggregator(tokens).assignment.mean(dim=1)

    def local_head() -> object:
        dense = upsample(tokens.feature_map(), net.upconv, net.upconv2)
        return select(dense, mask, tokens.grid)

    return {
        'resize': lambda: to_input(camera, (size, size), cpu),
        'forward': lambda: net(images),
        'backbone': lambda: net.backbone(images),
        'aggregation': lambda: net.aggregator(tokens),
        'local head': local_head,
    }


def measure(architecture: str, size: int, repetitions: int) -> tuple[float, list[Stage]]:
    """Rate of the matrix product in GFLOP/s, and the stages."""
    net = build_fol(architecture)
    a, b = torch.rand(PRODUCT, PRODUCT), torch.rand(PRODUCT, PRODUCT)
    with torch.inference_mode():
        timed = {'product': lambda: a @ b, **stages(net, size)}
        best = dict.fromkeys(timed, float('inf'))
        for _ in range(repetitions + 1):
            for name, run in timed.items():
                started = time.perf_counter()
                run()
                best[name] = min(best[name], time.perf_counter() - started)
    rate = 2e-9 * PRODUCT**3 / best.pop('product')
    gflop = operations(architecture, size)
    gflop['forward'] = sum(gflop.values())
    return rate, [
        Stage(name, gflop.get(name, 0.0), 1e3 * gflop.get(name, 0.0) / rate, 1e3 * seconds)
        for name, seconds in best.items()
    ]


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or '').splitlines()[0])
    parser.add_argument(
        '--architectures', nargs='+', choices=ARCHITECTURES, default=['vits14', 'vitb14']
    )
    parser.add_argument('--size', type=int, default=322, help='side of the input in pixels')
    parser.add_argument('--repetitions', type=int, default=10)
    parser.add_argument('--threads', type=int, default=2)
    parser.add_argument('--json', type=Path, help='write the figures there as well')
    options = parser.parse_args(arguments)
    torch.set_num_threads(options.threads)
    report = {}
    for architecture in options.architectures:
        rate, found = measure(architecture, options.size, options.repetitions)
        print(
            f'{architecture}, one image of {options.size}x{options.size} px from '
            f'{CAMERA[1]}x{CAMERA[0]}, float32, {options.threads} threads, torch '
            f'{torch.__version__}; matrix product {PRODUCT}³: {rate:.0f} GFLOP/s'
        )
        print(f'  {"stage":12} {"GFLOP":>8} {"floor ms":>9} {"best ms":>9} {"ratio":>6}')
        for stage in found:
            print(
                f'  {stage.name:12} {stage.gflop:8.2f} {stage.floor_ms:9.1f} '
                f'{stage.best_ms:9.1f} {stage.ratio:6.2f}'
            )
        report[architecture] = {'gflops_per_second': rate, 'stages': [asdict(s) for s in found]}
    print(f'target: forward within {TARGET} times of its floor')
    if options.json is not None:
        options.json.write_text(json.dumps(report, indent=1))
    return 0


if __name__ == '__main__':
    raise SystemExit(main())
