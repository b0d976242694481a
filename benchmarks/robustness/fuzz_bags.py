"""Reads generated bags of every format, half of them damaged, and compares with what was written.

Counted for the valid ones: read right, refused, wrong. For the damaged ones: refused with an
InputError; read as written; read with a warning that messages are missing; changed without one.
Where no checksum covers a message (sqlite3, ROS 1, MCAP without chunks), a changed bit in it or in
the name of its topic cannot be noticed by any reader: bags with as many messages as were written,
but other bytes, are counted apart. A crash is any other exception, a hang is a bag that takes more
than a minute.
"""

from __future__ import annotations

import argparse
import logging
import multiprocessing
import resource
import tempfile
import traceback
from collections import Counter
from collections.abc import Sequence
from multiprocessing.connection import Connection
from pathlib import Path
from typing import NamedTuple

from benchmarks.options import benchmark_parser, write_figures
from benchmarks.robustness.bag_cases import FOREIGN_TOPIC, BagCase, Written, bag_case
from fol_vpr.errors import FolVprError
from fol_vpr.sources import Bag, deserialize

PATIENCE = 60
"""Seconds for one bag."""
GOOD = ('read', 'refused', 'read with a warning', 'changed where no checksum is')


class Outcome(NamedTuple):
    """What became of one bag.

    Attributes:
        seed: number of the bag.
        kind: format, and `valid` or `damaged`.
        result: in words.
        detail: message or traceback.
        peak_mib: most memory of the process so far.
    """

    seed: int
    kind: str
    result: str
    detail: str
    peak_mib: int


def main(arguments: Sequence[str]) -> int:
    """Run the bags; 1 if one of them crashes, hangs, or is read wrongly."""
    parser = benchmark_parser(__name__, __doc__, threads=False)
    parser.add_argument('--count', type=int, default=500, help='number of bags')
    parser.add_argument('--first', type=int, default=0, help='seed of the first bag')
    options = parser.parse_args(list(arguments))
    outcomes = _run(options)
    counts = Counter((each.kind.rpartition(', ')[2], each.result) for each in outcomes)
    for (state, result), count in sorted(counts.items()):
        print(f'{state:8} {result:40} {count:6}')
    kinds = Counter(each.kind.rpartition(', ')[0] for each in outcomes)
    print('formats:', ', '.join(f'{kind} {count}' for kind, count in sorted(kinds.items())))
    peaks = [each.peak_mib for each in outcomes if each.peak_mib]
    tenth = max(1, len(peaks) // 10)
    print(f'peak memory: {peaks[tenth - 1]} MiB after a tenth, {peaks[-1]} MiB at the end')
    bad = [each for each in outcomes if _is_bad(each)]
    for each in bad:
        print(f'\n{each.seed} ({each.kind}): {each.result}\n{each.detail}')
    write_figures(
        options.json,
        {
            'counts': {f'{state}: {result}': n for (state, result), n in sorted(counts.items())},
            'kinds': kinds,
            'peak_mib': [peaks[tenth - 1], peaks[-1]],
        },
    )
    return 1 if bad else 0


def _is_bad(outcome: Outcome) -> bool:
    if outcome.kind.endswith('valid'):
        return outcome.result != 'read'
    return outcome.result not in GOOD


def _run(options: argparse.Namespace) -> list[Outcome]:
    """The outcomes by a process of its own, which is replaced where it hangs or dies."""
    outcomes: list[Outcome] = []
    todo = list(range(options.first, options.first + options.count))
    while todo:
        ours, theirs = multiprocessing.Pipe()
        worker = multiprocessing.get_context('spawn').Process(target=_work, args=(theirs, todo))
        worker.start()
        theirs.close()
        while todo:
            try:
                if not ours.poll(PATIENCE + (30 if len(todo) == options.count else 0)):
                    outcomes.append(Outcome(todo.pop(0), 'unknown, damaged', 'hang', '', 0))
                    break
                outcomes.append(ours.recv())
                todo.pop(0)
            except EOFError:
                outcomes.append(Outcome(todo.pop(0), 'unknown, damaged', 'process died', '', 0))
                break
        worker.kill()
        worker.join()
    return outcomes


def _work(results: Connection, seeds: list[int]) -> None:
    logging.disable(logging.CRITICAL)
    for seed in seeds:
        with tempfile.TemporaryDirectory() as folder:
            case = bag_case(Path(folder), seed)
            result, detail = _outcome(case)
        kind = f'{case.kind}, {"damaged" if case.damage else "valid"}'
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
        results.send(Outcome(seed, kind, result, f'{case.damage}\n{detail}', peak))


def _outcome(case: BagCase) -> tuple[str, str]:
    try:
        bag = Bag(case.path)
        read: Written = {name: [] for name, topic in bag.topics.items() if topic.count}
        for message in bag.read(list(bag.topics)):
            read.setdefault(message.topic, []).append((message.receive_ns, message.data))
            try:
                deserialize(message)
            except FolVprError:
                if not case.damage:
                    raise
    except FolVprError as error:
        return 'refused', str(error)
    except Exception:  # noqa: BLE001 - to count crashes is what this program is for
        return 'crash', traceback.format_exc()
    if _sorted(read) == _sorted(case.written):
        return 'read', ''
    if bag.warnings:
        return 'read with a warning', '\n'.join(bag.warnings)
    detail = f'read {_sizes(read)}, written {_sizes(case.written)}'
    total = sum(map(len, read.values()))
    total += sum(each.count for each in bag.foreign.values() if each.name != FOREIGN_TOPIC)
    if case.is_checked or total < sum(map(len, case.written.values())):
        return 'changed without a warning', detail
    return 'changed where no checksum is', detail


def _sorted(messages: Written) -> dict[str, list[tuple[int, bytes]]]:
    """In an order that does not depend on that of equal times."""
    for each in messages.values():
        times = [receive_ns for receive_ns, _ in each]
        if times != sorted(times):
            return {'not in order': []}
    return {topic: sorted(each) for topic, each in messages.items() if each}


def _sizes(messages: Written) -> dict[str, int]:
    return {topic: len(each) for topic, each in messages.items()}
