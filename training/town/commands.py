"""`python -m training town VERB`: places to learn from, and drives as ROS 2 bags."""

from __future__ import annotations

import argparse
import re
import time
from pathlib import Path

from fol_vpr.errors import InputError
from training.town.places import PlacesConfig, write_places


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the verbs."""
    verbs = parser.add_subparsers(dest='town_verb', required=True)
    _places_arguments(verbs.add_parser('places', help='folders of images, one for each place'))


def run(options: argparse.Namespace) -> int:
    """Do what was asked for; 0 where it went well.

    Raises:
        FolVprError: what was given cannot be used.
    """
    return int(options.town_run(options))


def _size(text: str) -> tuple[int, int]:
    match = re.fullmatch(r'(\d{2,4})x(\d{2,4})', text)
    if not match:
        raise argparse.ArgumentTypeError(f'expected a size such as 320x240, got {text!r}')
    return int(match[1]), int(match[2])


def _places_arguments(parser: argparse.ArgumentParser) -> None:
    usual = PlacesConfig()
    parser.add_argument('--output', type=Path, required=True, help='folder to write to')
    parser.add_argument('--seed', type=int, default=usual.seed, help='of the first town')
    parser.add_argument('--towns', type=int, default=usual.towns, help='how many towns')
    parser.add_argument('--places', type=int, default=usual.places, help='in each town')
    parser.add_argument('--views', type=int, default=usual.views, help='of each place')
    parser.add_argument('--size', type=_size, default=(usual.width, usual.height))
    parser.add_argument('--indoor', type=float, default=usual.indoor, help='share of corridors')
    parser.add_argument(
        '--overlap',
        type=float,
        default=usual.overlap,
        help='least share of the surface that a view has in common with the first',
    )
    parser.add_argument('--conditions', nargs='+', default=[], help='any where not given')
    parser.add_argument('--strength', type=float, default=usual.strength,
                        help='0 .. 1, how bad the camera may be')  # fmt: skip
    parser.add_argument('--workers', type=int, default=1, help='processes')
    parser.set_defaults(town_run=_places)


def _places(options: argparse.Namespace) -> int:
    if min(options.towns, options.places, options.views, options.workers) < 1:
        raise InputError('towns, places, views and workers are to be 1 or more')
    config = PlacesConfig(
        seed=options.seed,
        towns=options.towns,
        places=options.places,
        views=options.views,
        width=options.size[0],
        height=options.size[1],
        indoor=options.indoor,
        overlap=options.overlap,
        conditions=tuple(options.conditions),
        strength=options.strength,
    )
    begin = time.monotonic()

    def tell(pictures: int, towns: int) -> None:
        seconds = time.monotonic() - begin
        print(
            f'{pictures} pictures of {towns} towns, {pictures / seconds:.1f} a second', flush=True
        )

    count = write_places(config, options.output, options.workers, tell)
    print(f'{count} pictures in {options.output}')
    return 0
