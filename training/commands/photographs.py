"""`python -m training photographs`: places of photographs in public repositories."""

from __future__ import annotations

import argparse
from pathlib import Path

from fol_vpr.cli.common.console import Progress
from fol_vpr.cli.common.output import add_json, show_results
from training.data.photographs import commands, read_sources, write_photographs


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of the verb."""
    parser.description = (
        'Write places to learn from, as PLACES/<source>/<place>/*.jpg, from git clones of public '
        'repositories at pinned commits. training/data/photographs/sources.csv has their '
        'addresses and licences. `--clones DIR --show-commands | bash` makes the clones.'
    )
    parser.add_argument(
        '--clones',
        metavar='DIR',
        type=Path,
        required=True,
        help='folder of the clones, each called as its source',
    )
    parser.add_argument(
        '--sources', metavar='NAME', nargs='+', default=[], help='only these; by default all'
    )
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument('--output', metavar='PLACES', type=Path, help='folder to write to')
    what.add_argument(
        '--show-commands',
        action='store_true',
        help='print the commands that make the clones, and write nothing',
    )
    add_json(parser, 'the folder and the number of images')


def run(args: argparse.Namespace) -> int:
    """Run the verb; the exit code.

    Raises:
        FolVprError: what was given cannot be used.
    """
    if args.show_commands:
        lines = [
            line
            for source in read_sources(args.sources)
            for line in commands(source, args.clones / source.name)
        ]
        show_results(args, lambda: {'commands': lines}, lambda: '\n'.join(lines))
        return 0
    with Progress('photographs', unit='images') as progress:
        count = write_photographs(
            args.clones,
            args.output,
            args.sources,
            progress,
        )
    show_results(
        args,
        lambda: {'output': args.output, 'images': count},
        lambda: f'{count} images in {args.output}',
    )
    return 0
