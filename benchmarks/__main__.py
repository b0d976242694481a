"""Prints the figures that the documentation quotes, measured on this machine.

    python -m benchmarks [NAME ...] [--threads 2] [--json FOLDER]
    python -m benchmarks NAME [OPTIONS OF THAT BENCHMARK]
    python -m benchmarks NAME --help
    python -m benchmarks against REF [OPTIONS]
    python -m benchmarks fuzz [--json FOLDER]

Without a name, which is what `make bench` runs, it measures latency, network, reranking and
storage; the other benchmarks take minutes to hours. Those of `learning/` need
training/requirements.txt. `fuzz` runs all programs of `robustness/`, and fails where one of them
found a crash, a hang or a wrong answer without a word.

Other programs that run on the machine at the same time make every figure worse. The fastest of
several repetitions suffers least from them.
"""

from __future__ import annotations

import argparse
import importlib
import itertools
import os
import sys
from collections.abc import Sequence
from pathlib import Path

# Name of each benchmark: its module, and the title above its figures.
BENCHMARKS = {
    'latency': ('speed', 'Time of every stage of a query'),
    'network': ('speed', 'Forward pass of the network, and a lower bound of its time'),
    'gpu': ('speed', 'What is written for CUDA, step by step; see benchmarks/gpu.sh'),
    'reranking': ('speed', 'Re-ranking: the released algorithm and fol_vpr.retrieval'),
    'verification': ('speed', 'Geometric verification of an image, call by call'),
    'storage': ('speed', 'Storing, extending and checking a map'),
    'large_map': ('speed', 'A map of 200,000 places: load, search, extend, save, merge'),
    'codecs': ('speed', 'Codecs of local features: bytes, time, recall'),
    'publishing': ('speed', 'Publishing an answer on a ROS topic'),
    'reports': ('processes', 'The report of ten thousand queries: seconds, memory, bytes'),
    'contention': ('processes', 'The forward pass beside busy programs, by how threads wait'),
    'runtimes': ('processes', 'torch, ONNX Runtime and OpenVINO: time, start, memory, packages'),
    'overlap': ('speed', 'Answers in turn and overlapping: rate and latency'),
    'search': ('speed', 'Search by global descriptor: recall, latency, memory'),
    'against': ('against', 'This working tree against another commit, in turns'),
    'released': ('against', "The network against its authors' own forward pass, in turns"),
    'soak': ('endurance', 'The live node over hours: memory, latency, lost images'),
    'localization': ('accuracy', 'Localization states: how often they are right, and their cost'),
    'geometry': ('accuracy', 'Relative and refined poses: errors and stated covariances'),
    'loop_closures': ('accuracy', 'Loop closures: precision and recall'),
    'pose_graph': ('accuracy', 'A trajectory with and without loop closures'),
    'calibrations': ('robustness', 'Calibration files: read, refused, crashed, wrong'),
    'trajectories': ('robustness', 'Poses, positions and stamps, plain, odd and damaged'),
    'fuzz_bags': ('robustness', 'Generated and damaged bags: read, refused, or wrong'),
    'messages': ('robustness', 'Image messages: right, refused, crashed, wrong'),
    'ground_truths': ('robustness', 'Ground truths and data sets: read, refused, crashed, wrong'),
    'fuzz_maps': ('robustness', 'Maps changed at random: refused, reported, crashed, hung'),
    'map_loads': ('endurance', 'A hundred map loads beside images: memory, what was lost'),
    'restarts': ('endurance', 'Fifty restarts, half by SIGKILL, beside images: what was lost'),
    'transitions': ('endurance', 'Random lifecycle transitions beside images: answers, memory'),
    'streams': ('endurance', 'Images at full rate, 20 subscribers, one of them stopped'),
    'losses': ('learning', 'The losses: cost of the released approach and of training.losses'),
    'loss_gradients': ('learning', 'Value and gradient norm of every loss'),
    'training_step': ('learning', 'Time of the parts of a training step'),
    'ablation': ('learning', 'Recall after training with each of the losses'),
    'small_network': ('learning', 'What a small network is never tuned on, as one table'),
    'dark_queries': ('learning', 'Recall with queries as they are, and darkened'),
}
BY_DEFAULT = ('latency', 'network', 'reranking', 'storage')


def main(arguments: Sequence[str] | None = None) -> int:
    """Run benchmarks one after the other; 1 where one of them reports a failure."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    if words[:1] == ['fuzz']:
        return _fuzz(words[1:])
    names = list(itertools.takewhile(BENCHMARKS.__contains__, words))
    if len(names) == 1:
        return _run(names[0], words[1:])

    parser = argparse.ArgumentParser(
        prog='python -m benchmarks',
        description=__doc__,
        epilog='\n'.join(f'{name:16}{title}' for name, (_, title) in BENCHMARKS.items()),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument('names', nargs='*', metavar='NAME', help='one of those listed below')
    parser.add_argument('--threads', type=int, default=2)
    parser.add_argument(
        '--json', type=Path, metavar='FOLDER', help='also write the figures of each to FOLDER'
    )
    options = parser.parse_args(words)
    unknown = [name for name in options.names if name not in BENCHMARKS]
    if unknown:
        parser.error(f'there is no benchmark {unknown[0]!r}; there are {", ".join(BENCHMARKS)}')
    if options.json is not None:
        options.json.mkdir(parents=True, exist_ok=True)
    print(f'{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f} (should be near 0)\n')
    status = 0
    for name in options.names or BY_DEFAULT:
        print(f'== {BENCHMARKS[name][1]}', flush=True)
        given = ['--threads', str(options.threads)]
        if options.json is not None:
            given += ['--json', str(options.json / f'{name}.json')]
        status = max(status, _run(name, given))
        print()
    return status


def _fuzz(words: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(
        prog='python -m benchmarks fuzz', description='Run all programs of benchmarks/robustness.'
    )
    parser.add_argument(
        '--json', type=Path, metavar='FOLDER', help='also write the counts of each to FOLDER'
    )
    options = parser.parse_args(words)
    status = 0
    for name, (folder, title) in BENCHMARKS.items():
        if folder != 'robustness':
            continue
        print(f'== {title}', flush=True)
        given = [] if options.json is None else ['--json', str(options.json / f'{name}.json')]
        if options.json is not None:
            options.json.mkdir(parents=True, exist_ok=True)
        status = max(status, _run(name, given))
        print(flush=True)
    return status


def _run(name: str, arguments: Sequence[str]) -> int:
    # Imported here, as most need only a part of the libraries that all of them need together.
    module = importlib.import_module(f'benchmarks.{BENCHMARKS[name][0]}.{name}')
    return int(module.main(arguments))


if __name__ == '__main__':
    raise SystemExit(main())
