"""`fol_vpr weights list | fetch | info`."""

from __future__ import annotations

import argparse
import sys

from fol_vpr.cli.common.console import Progress, print_json
from fol_vpr.evaluation.report import align_columns


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of the verb and its three kinds."""
    verbs = parser.add_subparsers(dest='weights_verb', metavar='list|fetch|info', required=True)
    every = verbs.add_parser('list', help='names that --weights takes', allow_abbrev=False)
    every.add_argument('--json', action='store_true', help='print JSON')
    fetch = verbs.add_parser(
        'fetch',
        help='download weights that the authors of FoL publish; goes on after an interruption',
        allow_abbrev=False,
    )
    fetch.add_argument('name', metavar='NAME', help='vitl14 or vitb14')
    fetch.add_argument('--url', metavar='URL', help="a mirror, in place of the authors' address")
    info = verbs.add_parser(
        'info', help='check weights, and say what they are', allow_abbrev=False
    )
    info.add_argument('weights', metavar='FILE_OR_NAME')
    info.add_argument('--json', action='store_true', help='print JSON')


def run(args: argparse.Namespace) -> int:
    """Run the verb; the exit code."""
    return {'list': _list, 'fetch': _fetch, 'info': _info}[args.weights_verb](args)


def _list(args: argparse.Namespace) -> int:
    from fol_vpr.network.weights.registry import list_weights

    entries = list_weights()
    if args.json:
        print_json(
            [
                {'name': e.name, 'status': e.status, 'note': e.note, 'path': str(e.path or '')}
                for e in entries
            ]
        )
    else:
        rows = [[entry.name, entry.status, entry.note] for entry in entries]
        print('\n'.join(align_columns(rows, left=(0, 1, 2))))
    return 0


def _fetch(args: argparse.Namespace) -> int:
    from fol_vpr.network.weights.registry import fetch_weights

    with Progress(f'fetch {args.name}', unit='B') as progress:
        try:
            path = fetch_weights(args.name, progress, url=args.url)
        except KeyboardInterrupt:
            progress.warn('interrupted: what came is kept; the same command goes on from there')
            raise
    print(path)
    print(f'give it as `--weights {args.name}`', file=sys.stderr)
    return 0


def _info(args: argparse.Namespace) -> int:
    from fol_vpr.network.weights.registry import load

    _, info = load(args.weights)
    values = {
        'name': info.name,
        'architecture': info.architecture,
        'parameters': info.parameters,
        'trained': info.trained,
        'input_size': info.input_size,
        'preprocessing': info.preprocessing,
        'sha256': info.sha256,
        'path': None if info.path is None else str(info.path),
    }
    if args.json:
        print_json(values)
    else:
        rows = [[name, 'not known' if v is None else str(v)] for name, v in values.items()]
        print('\n'.join(align_columns(rows, left=(0, 1))))
    return 0
