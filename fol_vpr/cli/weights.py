"""`fol_vpr weights list | fetch | info`: lists, downloads and inspects weights."""

from __future__ import annotations

import argparse

from fol_vpr.cli.common.console import Progress, table, working
from fol_vpr.cli.common.output import add_json, remark, show_results


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the verbs below `fol_vpr weights`."""
    verbs = parser.add_subparsers(dest='weights_verb', metavar='list|fetch|info', required=True)
    every = verbs.add_parser('list', help='list the names that --weights accepts')
    add_json(every, 'the list')
    fetch = verbs.add_parser(
        'fetch',
        help='download weights that the authors of FoL publish; continues an interrupted download',
    )
    fetch.add_argument('name', metavar='NAME', help='weights to download: vitl14 or vitb14')
    fetch.add_argument(
        '--url', metavar='URL', help="address of a mirror, instead of the authors' address"
    )
    add_json(fetch, 'name and file')
    info = verbs.add_parser(
        'info',
        help='check weights, and show their architecture and input size',
    )
    info.add_argument('weights', metavar='FILE_OR_NAME', help='a file, or a name from the list')
    add_json(info, 'the description')


def run(args: argparse.Namespace) -> int:
    """Run the verb; the exit code."""
    return {'list': _list, 'fetch': _fetch, 'info': _info}[args.weights_verb](args)


def _list(args: argparse.Namespace) -> int:
    from fol_vpr.network.weights.registry import list_weights

    with working('checking the weights'):
        entries = list_weights()
    show_results(
        args,
        lambda: [
            {'name': e.name, 'status': e.status, 'note': e.note, 'path': str(e.path or '')}
            for e in entries
        ],
        lambda: table([[e.name, e.status, e.note] for e in entries], left=(0, 1, 2)),
    )
    return 0


def _fetch(args: argparse.Namespace) -> int:
    from fol_vpr.network.weights.registry import fetch_weights

    with Progress(f'fetch {args.name}', unit='B') as progress:
        try:
            path = fetch_weights(args.name, progress, url=args.url)
        except KeyboardInterrupt:
            progress.close()
            progress.warn('interrupted: the part downloaded is kept; the same command continues')
            raise
    show_results(args, lambda: {'name': args.name, 'path': path}, lambda: str(path))
    remark(f'use it with `--weights {args.name}`')
    return 0


def _info(args: argparse.Namespace) -> int:
    from fol_vpr.network.weights.registry import load

    with working('reading the weights'):
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
    show_results(
        args,
        lambda: values,
        lambda: table(
            [[name, 'not known' if v is None else str(v)] for name, v in values.items()]
        ),
    )
    return 0
