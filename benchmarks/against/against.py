"""This working tree against another commit, in turns on the same machine, stage by stage.

    python -m benchmarks against REF [--rows whole answers forward query build train search]

REF is a commit, branch or tag. It is checked out beside the working tree for the time of the run.
Each build has a process of its own, and both take turns: eight images of the drive, or one call of
whatever is measured, and in reverse order every other time. A process that waits for its turn is
stopped (SIGSTOP), so that its threads cannot take time from the other. Given are the median and
the quartiles of each build, the ratio of the medians, and in brackets the quartiles of the ratio
over pairs of the same image or turn: both values of such a pair met the same load.

The drives are those of `make demo`. Each build makes its own map of them, with its own commands,
unless --map names one that both can read.
"""

from __future__ import annotations

import argparse
import signal
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from benchmarks.against.builds import Build, BuildError, checkout, working_tree
from benchmarks.against.context import Context
from benchmarks.against.report import (
    Section,
    as_markdown,
    as_text,
    machine,
    machine_in_words,
)
from benchmarks.against.rows import ROWS
from benchmarks.options import benchmark_parser, write_figures

BY_DEFAULT = ('whole', 'answers', 'forward', 'query', 'build')


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and print; 1 where a build fails."""
    options = _parser().parse_args(arguments)
    found: list[Section] = []
    failures: list[str] = []
    conditions = machine()
    print(machine_in_words(conditions), flush=True)
    # The checkout is removed then, too.
    before_run = signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    try:
        with checkout(options.reference) as before, tempfile.TemporaryDirectory() as folder:
            after = working_tree()
            print(f'{before.name} is {before.commit}, {after.name} is {after.commit}\n')
            context = _context(options, (before, after), Path(folder))
            # Rows of the same group are measured together.
            for measure in dict.fromkeys(ROWS[name][0] for name in options.rows):
                try:
                    sections = measure(context)
                except BuildError as error:
                    # Hours of other rows must not be lost.
                    print(f'{error}\n', file=sys.stderr, flush=True)
                    failures.append(str(error))
                    continue
                for section in sections:
                    print(as_text(section, before.name, after.name), end='\n\n', flush=True)
                    found.append(section)
    except BuildError as error:
        print(error, file=sys.stderr)
        return 1
    finally:
        signal.signal(signal.SIGTERM, before_run)
    conditions['waiting_s'] = context.waiting_s
    print(_waiting(context))
    command = ' '.join(['python -m benchmarks against', *(arguments or sys.argv[2:])])
    if options.markdown is not None:
        options.markdown.write_text(
            _page(found, before, after, command, machine_in_words(conditions), _waiting(context))
        )
    write_figures(
        options.json,
        {
            'command': command,
            'machine': conditions,
            'before': {'name': before.name, 'commit': before.commit},
            'after': {'name': after.name, 'commit': after.commit},
            'sections': [section.as_json() for section in found],
            'failures': failures,
        },
    )
    return int(bool(failures))


def _context(options: argparse.Namespace, builds: tuple[Build, Build], folder: Path) -> Context:
    maps = options.maps or folder
    maps.mkdir(parents=True, exist_ok=True)
    return Context(
        builds=builds,
        town=options.town.resolve(),
        folder=folder,
        maps=maps.resolve(),
        map=options.map and options.map.resolve(),
        threads=options.threads,
        images=options.images,
        turn=options.turn,
        rounds=options.rounds,
        weights=options.weights,
        sizes=options.sizes,
        real=options.real and options.real.resolve(),
    )


def _waiting(context: Context) -> str:
    return (
        f'Processes that waited for their turn took {context.waiting_s:.2f} s of processor time '
        'meanwhile (should be 0).'
    )


def _page(
    found: Sequence[Section], before: Build, after: Build, command: str, where: str, waiting: str
) -> str:
    """The figures as Markdown, with what they were measured on."""
    head = [
        '```', command, '```', '',
        where,
        f'{before.name} is commit {before.commit}, {after.name} is commit {after.commit}. Median '
        '(quartiles); ratio of the medians (quartiles of the ratio over pairs). ' + waiting,
    ]  # fmt: skip
    sections = [as_markdown(section, before.name, after.name) for section in found]
    return '\n'.join([*head, '', '\n'.join(sections)])


def _parser() -> argparse.ArgumentParser:
    parser = benchmark_parser(__name__, __doc__)
    parser.add_argument('reference', metavar='REF', help='commit to compare with')
    parser.add_argument(
        '--rows',
        nargs='+',
        choices=list(ROWS),
        default=list(BY_DEFAULT),
        help='; '.join(f'{name}: {title}' for name, (_, title) in ROWS.items()),
    )
    parser.add_argument(
        '--images', type=int, default=0, metavar='N', help='of the drive; 0, the default, is all'
    )
    parser.add_argument(
        '--turn', type=int, default=8, metavar='N', help='images that are answered in a row'
    )
    parser.add_argument(
        '--rounds', type=int, default=7, metavar='N', help='turns of what is no answer'
    )
    parser.add_argument(
        '--weights',
        nargs='+',
        default=['fol_tiny', 'untrained-vits14', 'untrained-vitb14'],
        help='networks of the row forward; untrained-vitl14 is left out by default',
    )
    parser.add_argument(
        '--sizes', type=int, nargs='+', default=[10_000], help='places of the row search'
    )
    parser.add_argument(
        '--real',
        type=Path,
        metavar='FILE.npy',
        help='keep the descriptors of the real images of the row search here, or read them',
    )
    parser.add_argument(
        '--town',
        type=Path,
        default=Path('build/town'),
        metavar='FOLDER',
        help='drives of `make demo`; default: build/town',
    )
    made = parser.add_mutually_exclusive_group()
    made.add_argument(
        '--maps',
        type=Path,
        metavar='FOLDER',
        help='keep the maps of both builds here, by commit, and use those that are there',
    )
    made.add_argument(
        '--map',
        type=Path,
        metavar='FILE',
        help='calibrated map of the drive by day for both builds, instead of one that each makes',
    )
    parser.add_argument(
        '--markdown', type=Path, metavar='FILE', help='also write tables for a page of results'
    )
    return parser
