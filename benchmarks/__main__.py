"""What `make bench` prints: the figures that the documentation quotes, measured here and now.

    python -m benchmarks [PART ...] [--threads 2] [--json FOLDER]

Parts are stages, network, reranking, storage, codecs, search, decisions, geometry, closures,
pose_graph, and, where training/requirements.txt is installed, losses. Those from codecs on take
minutes and are measured only where they are named. What else is given goes to the one part that is
named, such as `search --sizes 1000 10000`.

A machine that does something else meanwhile makes every figure worse; the fastest repetition
suffers least.
"""

from __future__ import annotations

import argparse
import importlib
import os
from collections.abc import Sequence
from pathlib import Path

import torch

from benchmarks import network, reranking, stages, storage

PARTS = (
    'stages', 'network', 'reranking', 'storage', 'codecs', 'search', 'decisions', 'geometry',
    'closures', 'pose_graph', 'losses',
)  # fmt: skip
ONLY_NAMED = ('codecs', 'search', 'decisions', 'geometry', 'closures', 'pose_graph', 'losses')


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and print, one part after the other; 1 where one of them finds itself wrong."""
    parser = argparse.ArgumentParser(description=(__doc__ or '').splitlines()[0])
    parser.add_argument('parts', nargs='*', metavar='PART', help=', '.join(PARTS))
    parser.add_argument('--architectures', nargs='+', default=['vits14', 'vitb14'])
    parser.add_argument('--threads', type=int, default=2)
    parser.add_argument('--json', type=Path, metavar='FOLDER', help='write the figures there too')
    options, rest = parser.parse_known_args(arguments)
    if rest and len(options.parts) != 1:
        parser.error(f'{" ".join(rest)} belongs to a part: name that one alone')
    unknown = [name for name in options.parts if name not in PARTS]
    if unknown:
        parser.error(f'there is no part {unknown[0]!r}; there are {", ".join(PARTS)}')
    if options.json is not None:
        options.json.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(options.threads)
    load, cores = os.getloadavg()[0], os.cpu_count()
    print(f'{cores} cores, load {load:.1f} (should be near 0), torch {torch.__version__}\n')

    threads = ['--threads', str(options.threads)]
    weights = [f'untrained-{name}' for name in options.architectures]
    parts = [
        ('Every stage of a query', stages, ['--weights', *weights]),
        (
            'The forward pass and its floor',
            network,
            [*threads, '--weights', *weights, 'fol_tiny'],
        ),
        ('Re-ranking: the released algorithm, and ours', reranking, threads),
        ('Storing, growing and checking a map', storage, []),
    ]
    titles = {
        'codecs': 'Codecs of local features: bytes, time, recall',
        'search': 'The search: recall against the exact one, latency, memory',
        'decisions': 'Decisions: how often what is said is right, and what they cost',
        'pose_graph': 'A trajectory with and without loop closures',
        'geometry': 'Relative and refined poses: errors, and whether they are stated honestly',
        'losses': 'The losses: the released approach, and ours',
        'closures': 'Loop closures: precision and recall',
    }
    for name in ONLY_NAMED:
        if name in options.parts:
            # Not everybody has what training needs.
            part = importlib.import_module(f'benchmarks.{name}')
            parts.append((titles[name], part, threads))
    status = 0
    for title, part, given in parts:
        name = part.__name__.rpartition('.')[2]
        if options.parts and name not in options.parts:
            continue
        print(f'== {title}', flush=True)
        written = [] if options.json is None else ['--json', str(options.json / f'{name}.json')]
        status = max(status, part.main([*given, *written, *rest]))
        print()
    return status


if __name__ == '__main__':
    raise SystemExit(main())
