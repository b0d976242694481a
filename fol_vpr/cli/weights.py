"""`fol_vpr weights list | fetch | info`: lists, downloads and inspects weights."""

from __future__ import annotations

import argparse
import sys

from fol_vpr.cli.common.console import Progress, print_json, print_table


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the verbs below `fol_vpr weights`."""
    verbs = parser.add_subparsers(dest='weights_verb', metavar='list|fetch|info', required=True)
    every = verbs.add_parser(
        'list', help='list the names that --weights accepts', allow_abbrev=False
    )
    every.add_argument('--json', action='store_true', help='print JSON')
    fetch = verbs.add_parser(
        'fetch',
        help='download weights that the authors of FoL publish; continues an interrupted download',
        allow_abbrev=False,
    )
    fetch.add_argument('name', metavar='NAME', help='weights to download: vitl14 or vitb14')
    fetch.add_argument(
        '--url', metavar='URL', help="address of a mirror, instead of the authors' address"
    )
    info = verbs.add_parser(
        'info',
        help='check weights, and show their architecture and input size',
        allow_abbrev=False,
    )
    info.add_argument('weights', metavar='FILE_OR_NAME', help='a file, or a name from the list')
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
        print_table(rows, left=(0, 1, 2))
    return 0


def _fetch(args: argparse.Namespace) -> int:
    from fol_vpr.network.weights.registry import fetch_weights

    with Progress(f'fetch {args.name}', unit='B') as progress:
        try:
            path = fetch_weights(args.name, progress, url=args.url)
        except KeyboardInterrupt:
            progress.warn('interrupted: the part downloaded is kept; the same command continues')
            raise
    print(path)
    print(f'use it with `--weights {args.name}`', file=sys.stderr)
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
        print_table(rows)
    return 0
