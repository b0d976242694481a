"""The forward pass beside programs that keep cores busy, by how threads wait for each other.

    python -m benchmarks contention [--weights fol_tiny] [--busy 0 1 2] [--turns 3]

A robot runs more than one program. Each cell is a process of its own, in turns, that describes one
image again and again with a pause after each, while some programs compute without end.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import statistics
import subprocess
import sys
from collections.abc import Iterator, Sequence
from typing import Any

from benchmarks.options import benchmark_parser, write_figures
from fol_vpr.openmp import SETTINGS, SPIN_COUNT

WAYS: dict[str, dict[str, str]] = {
    "GNU OpenMP's default": {},
    f'as the programs set it (GOMP_SPINCOUNT={SPIN_COUNT})': {'GOMP_SPINCOUNT': SPIN_COUNT},
    'OMP_WAIT_POLICY=passive': {'OMP_WAIT_POLICY': 'passive'},
    'one thread': {'OMP_NUM_THREADS': '1'},
}
BUSY = [sys.executable, '-c', 'while True: pass']
CHILD = """
import json, sys, time
import numpy as np
from fol_vpr.config import NetworkConfig
from fol_vpr.network import FeatureExtractor
given = json.loads(sys.argv[1])
extractor = FeatureExtractor(NetworkConfig(device='cpu', weights=given['weights']))
extractor.warm_up()
side = extractor.config.input_size
image = np.random.default_rng(0).integers(0, 256, (side, side, 3), dtype=np.uint8)
wall, started = [], None
for number in range(given['images'] + 5):
    if number == 5:
        started = time.process_time()
    timings = {}
    extractor.extract([image], timings)
    wall.append(1000 * timings['forward'])
    time.sleep(0.02)
cpu = 1000 * (time.process_time() - started) / given['images']
print(json.dumps({'wall': wall[5:], 'cpu': cpu}))
"""


@contextlib.contextmanager
def busy_programs(count: int) -> Iterator[None]:
    """Within the context so many programs compute without end."""
    programs = [subprocess.Popen(BUSY) for _ in range(count)]  # noqa: S603
    try:
        yield
    finally:
        for program in programs:
            program.kill()
            program.wait()


def measure_once(way: str, busy: int, args: argparse.Namespace) -> dict[str, Any]:
    """Milliseconds of each forward pass, and of the processor per image, in one process."""
    environment = {name: value for name, value in os.environ.items() if name not in SETTINGS}
    environment.pop('OMP_NUM_THREADS', None)
    given = json.dumps({'weights': args.weights, 'images': args.images})
    with busy_programs(busy):
        done = subprocess.run(  # noqa: S603
            [sys.executable, '-c', CHILD, given],
            env=environment | WAYS[way], capture_output=True, text=True, check=False,
        )  # fmt: skip
    if done.returncode:
        raise SystemExit(f'{way} failed: {done.stderr.strip()[-1000:]}')
    return dict(json.loads(done.stdout))


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and print."""
    parser = benchmark_parser(__name__, __doc__, threads=False)
    parser.add_argument('--weights', default='fol_tiny')
    parser.add_argument('--busy', type=int, nargs='+', default=[0, 1, 2], help='busy programs')
    parser.add_argument('--images', type=int, default=80, help='of each process')
    parser.add_argument('--turns', type=int, default=3)
    args = parser.parse_args(arguments)
    found: dict[tuple[int, str], list[dict[str, Any]]] = {}
    for _ in range(args.turns):
        for busy in args.busy:
            for way in WAYS:
                found.setdefault((busy, way), []).append(measure_once(way, busy, args))
    print('| busy programs | threads wait | forward, median, ms | 90 %, ms | processor, ms |')
    print('| --- | --- | --- | --- | --- |')
    figures = []
    for (busy, way), runs in found.items():
        wall = sorted(value for run in runs for value in run['wall'])
        row = {
            'busy': busy,
            'way': way,
            'median': statistics.median(wall),
            'p90': wall[int(0.9 * len(wall))],
            'cpu': statistics.median(run['cpu'] for run in runs),
        }
        figures.append(row)
        print(f'| {busy} | {way} | {row["median"]:.0f} | {row["p90"]:.0f} | {row["cpu"]:.0f} |')
    write_figures(args.json, figures)
    return 0
