"""Which of FoL's losses help: the same short training with each of them, and the recall after it.

    START=WEIGHTS TOWN=DIR FOL_VPR_SHARED=DIR python -m benchmarks ablation --output DIR

Every variant learns with each seed from the weights START, as training/configs/ablation.yaml says,
and is then measured as `python -m training validate` measures, on towns that nothing was learned
from and on real pairs, as training/configs/measure.yaml says. A run that is in the output folder
already is not repeated, so that an interrupted benchmark goes on where it was.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import statistics
import subprocess
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from benchmarks.options import benchmark_parser
from training.data import open_validation
from training.losses import LossConfig
from training.settings import read_config

CONFIG = 'training/configs/ablation.yaml'
MEASURED = 'training/configs/measure.yaml'
START = 'before'
FULL = LossConfig()
BARE = replace(FULL, local=0.0, alignment=0.0, contrast=0.0, correspondence=0.0)
VARIANTS = {
    'multi-similarity alone': BARE,
    '+ SAL': replace(BARE, alignment=FULL.alignment),
    '+ CEL': replace(BARE, contrast=FULL.contrast),
    '+ CEL, a tenth of it': replace(BARE, contrast=FULL.contrast / 10),
    '+ pseudo-correspondence': replace(BARE, correspondence=FULL.correspondence),
    '+ local triplets': replace(BARE, local=FULL.local),
    'all': FULL,
    'all, released variants': LossConfig.released(),
}
SHOWN = (1, 5)


def main(arguments: Sequence[str] | None = None) -> int:
    """Train, measure, print a table for each set."""
    parser = benchmark_parser(__name__, __doc__, threads=False, figures=False)
    parser.add_argument('--output', type=Path, required=True, metavar='DIR')
    parser.add_argument('--seeds', type=int, nargs='+', default=[0, 1, 2])
    parser.add_argument('--variants', nargs='+', choices=VARIANTS, default=list(VARIANTS))
    parser.add_argument('--input-size', type=int, default=126, help='that recall is measured at')
    parser.add_argument('--processes', type=int, default=2, help='runs at a time')
    parser.add_argument('--set', dest='changes', nargs='+', default=[], metavar='SETTING=VALUE')
    options = parser.parse_args(arguments)
    missing = [n for n in ('START', 'TOWN', 'FOL_VPR_SHARED') if n not in os.environ]
    if missing:
        parser.error(f'set {missing[0]} in the environment; {CONFIG} says to what')
    options.output.mkdir(parents=True, exist_ok=True)
    sets = [open_validation(each).name for each in read_config(MEASURED).validation.sets]
    runs = list(itertools.product(options.seeds, options.variants))
    with ThreadPoolExecutor(options.processes) as pool:
        before = pool.submit(_measure, Path(os.environ['START']), START, options)
        after = [pool.submit(_run, variant, seed, options) for seed, variant in runs]
        results = {START: [before.result()]}
        for (_, variant), future in zip(runs, after, strict=True):
            results.setdefault(variant, []).append(future.result())
    for number, name in enumerate(sets):
        print(f'== {name}\n\n{table(number, results)}\n')
    return 0


def table(number: int, results: dict[str, list[list[dict[str, Any]]]]) -> str:
    """Recall in % on one set, mean and standard deviation over the seeds, as Markdown."""
    orders = ('global', 'reranked')
    heads = [f'{order} R@{k}' for order in orders for k in SHOWN]
    lines = ['| losses | ' + ' | '.join(heads) + ' |', '| --- |' + ' --- |' * len(heads)]
    for variant, runs in results.items():
        cells = []
        for order, k in itertools.product(orders, SHOWN):
            values = [100 * run[number]['recall'][order][str(k)] for run in runs]
            spread = f' ± {statistics.stdev(values):.1f}' if len(values) > 1 else ''
            cells.append(f'{statistics.mean(values):.1f}{spread}')
        lines.append(f'| {variant} | ' + ' | '.join(cells) + ' |')
    return '\n'.join(lines)


def _run(variant: str, seed: int, options: argparse.Namespace) -> list[dict[str, Any]]:
    """Recall on each set after learning with one variant's losses."""
    name = f'{variant}-{seed}'.replace('+ ', '').replace(',', '').replace(' ', '_')
    folder = options.output / name
    if not (options.output / f'{name}.json').is_file():
        changes = [f'run.output={folder}', f'run.seed={seed}', *options.changes]
        changes += [f'losses.{key}={value}' for key, value in asdict(VARIANTS[variant]).items()]
        _python('fit', '--config', CONFIG, '--resume', '--set', *changes)
    return _measure(folder / 'last.safetensors', name, options)


def _measure(weights: Path, name: str, options: argparse.Namespace) -> list[dict[str, Any]]:
    """Recall on each set, from the output folder where it is there already."""
    path = options.output / f'{name}.json'
    if not path.is_file():
        size = ['--input-size', options.input_size]
        _python('validate', '--config', MEASURED, '--weights', weights, *size, '--json', path)
    found: list[dict[str, Any]] = json.loads(path.read_text())
    shown = (
        f'{100 * each["recall"]["global"]["1"]:.1f} → {100 * each["recall"]["reranked"]["1"]:.1f}'
        for each in found
    )
    print(f'{name}: R@1 in % {", ".join(shown)}', flush=True)
    return found


def _python(verb: str, *arguments: object) -> None:
    """`python -m training VERB` on one thread, as there are several of them."""
    command = [sys.executable, '-m', 'training', verb, *map(str, arguments)]
    done = subprocess.run(  # noqa: S603 no shell, the project's own module
        command,
        env={**os.environ, 'OMP_NUM_THREADS': '1'},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    if done.returncode:
        raise SystemExit(f'{" ".join(command)}\n{done.stdout}')
