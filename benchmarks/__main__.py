"""What `make bench` prints: the figures that the documentation quotes, measured here and now.

    python -m benchmarks [--threads 2] [--json FOLDER]

A machine that does something else meanwhile makes every figure worse; the fastest repetition
suffers least.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence
from pathlib import Path

import torch

from benchmarks import network, reranking, stages


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and print, one part after the other; 1 where one of them finds itself wrong."""
    parser = argparse.ArgumentParser(description=(__doc__ or '').splitlines()[0])
    parser.add_argument('--architectures', nargs='+', default=['vits14', 'vitb14'])
    parser.add_argument('--threads', type=int, default=2)
    parser.add_argument('--json', type=Path, metavar='FOLDER', help='write the figures there too')
    options = parser.parse_args(arguments)
    if options.json is not None:
        options.json.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(options.threads)
    load, cores = os.getloadavg()[0], os.cpu_count()
    print(f'{cores} cores, load {load:.1f} (should be near 0), torch {torch.__version__}\n')

    threads = ['--threads', str(options.threads)]
    weights = [f'untrained-{name}' for name in options.architectures]
    parts = (
        ('Every stage of a query', stages, ['--weights', *weights]),
        (
            'The forward pass and its floor',
            network,
            [*threads, '--architectures', *options.architectures],
        ),
        ('Re-ranking: the released algorithm, and ours', reranking, threads),
    )
    status = 0
    for title, part, given in parts:
        print(f'== {title}', flush=True)
        name = part.__name__.rpartition('.')[2]
        written = [] if options.json is None else ['--json', str(options.json / f'{name}.json')]
        status = max(status, part.main([*given, *written]))
        print()
    return status


if __name__ == '__main__':
    raise SystemExit(main())
