"""Ground truths, trajectories and data set folders, valid, odd and damaged.

    python -m benchmarks ground_truths [--count 250] [--seed 0]

What is read of valid and odd ones is compared with what they mean; any difference is a silent
error. A file that takes more than five seconds counts as one that hangs. Damaged files may be
read, where the damage left a valid file.
"""

from __future__ import annotations

import logging
import resource
import signal
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

import numpy as np

from benchmarks.options import benchmark_parser, write_figures
from benchmarks.robustness.ground_truth_files import CASES, Case
from fol_vpr.errors import InputError
from fol_vpr.evaluation.report import align_columns

PATIENCE = 5
TOLERANCE = 0.02
KINDS = ('valid', 'odd', 'damaged')
OUTCOMES = ('read', 'refused', 'crashed', 'hung', 'silently wrong')
_WORDS = (b'nan', b'inf', b'-1', b'1e400', b'1e999999', b'9' * 200, b'\x00', b'\xff', b'"', b'#')


def main(arguments: Sequence[str] | None = None) -> int:
    """Print one table; 1 where a file crashed the reader, hung, or was read wrongly."""
    parser = benchmark_parser(__name__, __doc__)
    parser.add_argument('--count', type=int, default=250, help='number of files and folders')
    parser.add_argument('--seed', type=int, default=0)
    options = parser.parse_args(arguments)
    logging.disable(logging.WARNING)
    with tempfile.TemporaryDirectory() as folder:
        counts, examples, growth = run(Path(folder), options.count, options.seed)
    rows = [['', 'files', *OUTCOMES]]
    for kind in KINDS:
        found = [counts[kind, outcome] for outcome in OUTCOMES]
        rows.append([kind, str(sum(found)), *map(str, found)])
    print('\n'.join(align_columns(rows, left=(0,))))
    print(f'memory grew by {growth:.1f} MiB after the first fifth of the files')
    for example in examples:
        print(example)
    write_figures(options.json, {' '.join(key): count for key, count in counts.items()})
    return int(any(counts[kind, outcome] for kind in KINDS for outcome in OUTCOMES[2:]))


def run(folder: Path, count: int, seed: int) -> tuple[Counter[tuple[str, str]], list[str], float]:
    """How each kind of file ended, messages about the faults, and the growth of memory in MiB."""
    random = np.random.default_rng(seed)
    counts: Counter[tuple[str, str]] = Counter()
    faults: list[str] = []
    before = 0.0
    for index in range(count):
        kind = KINDS[index % len(KINDS)]
        name = list(CASES)[index // len(KINDS) % len(CASES)]
        case = CASES[name]
        path, target, meant = case.make(random, folder, kind == 'odd')
        if kind == 'damaged':
            target.write_bytes(_damaged(random, target.read_bytes()))
        outcome, why = _outcome(case, path, kind, meant)
        counts[kind, outcome] += 1
        if outcome in OUTCOMES[2:]:
            faults.append(f'{kind}, {name}, number {index}: {outcome}: {why}')
        if index == count // 5:
            before = _memory()
    return counts, faults, _memory() - before


def _damaged(random: np.random.Generator, data: bytes) -> bytes:
    for _ in range(int(random.integers(1, 4))):
        at = int(random.integers(len(data) + 1))
        way = int(random.integers(5))
        if way == 0:
            data = data[:at]
        elif way == 1:
            data = data[:at] + bytes([int(random.integers(256))]) + data[at + 1 :]
        elif way == 2:
            data = data[:at] + _WORDS[int(random.integers(len(_WORDS)))] + data[at:]
        elif way == 3:
            data = data[:at] + data[at // 2 :]
        else:
            lines = data.split(b'\n')
            row = int(random.integers(len(lines)))
            data = b'\n'.join([*lines[:row], *lines[row + 1 :]])
    return data


def _outcome(case: Case, path: Path, kind: str, meant: Any) -> tuple[str, str]:
    try:
        with _limited():
            found = case.read(path)
    except InputError as refused:
        if kind != 'damaged':
            return 'silently wrong', f'refused: {refused}'
        return 'refused', str(refused)
    except TimeoutError as hung:
        return 'hung', str(hung)
    except BaseException as crash:  # noqa: BLE001 any other end of the call is what is looked for
        return 'crashed', repr(crash)
    if kind != 'damaged' and not _same(found, meant):
        return 'silently wrong', f'{str(found)[:300]} instead of {str(meant)[:300]}'
    return 'read', ''


def _same(found: Any, meant: Any) -> bool:
    if not isinstance(meant, list) or not meant or not isinstance(meant[0], list):
        return bool(found == meant)
    one, other = np.array(found), np.array(meant)
    return one.shape == other.shape and bool((np.abs(one - other) <= TOLERANCE).all())


@contextmanager
def _limited() -> Iterator[None]:
    def stop(_signal: int, _frame: FrameType | None) -> None:
        raise TimeoutError(f'more than {PATIENCE} s')

    signal.signal(signal.SIGALRM, stop)
    signal.alarm(PATIENCE)
    try:
        yield
    finally:
        signal.alarm(0)


def _memory() -> float:
    """Peak of the resident memory in MiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
