"""`python -m training town VERB`: places to learn from, and drives as ROS 2 bags."""

from __future__ import annotations

import argparse
import re
import time
from dataclasses import fields
from pathlib import Path

from fol_vpr.cli.common.console import Progress
from fol_vpr.cli.common.output import add_json, show_results
from fol_vpr.errors import InputError
from training.town.camera.conditions import named
from training.town.drive import DriveConfig, write_drive
from training.town.places import PlacesConfig, write_places


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the verbs."""
    verbs = parser.add_subparsers(dest='town_verb', metavar='places|drive', required=True)
    _places_arguments(verbs.add_parser('places', help='folders of images, one for each place'))
    _drive_arguments(verbs.add_parser('drive', help='a drive through the town, as a ROS 2 bag'))


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
    parser.add_argument(
        '--in-turn',
        action='store_true',
        help='the views of a place have these conditions one after the other',
    )
    parser.add_argument(
        '--vary',
        action='store_true',
        help='let sun, weather, traffic and camera of these conditions vary',
    )
    parser.add_argument('--strength', type=float, default=usual.strength,
                        help='0 .. 1, how bad the camera may be; with --conditions, which are '
                        'taken as they are, only where they --vary')  # fmt: skip
    parser.add_argument(
        '--depth', action='store_true', help='write the depth of each view, and its camera'
    )
    parser.add_argument('--workers', type=int, default=1, help='processes')
    add_json(parser, 'folder and number of pictures')
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
        in_turn=options.in_turn,
        vary=options.vary,
        strength=options.strength,
        depth=options.depth,
    )
    with Progress('town places', unit='towns') as progress:

        def tell(pictures: int, towns: int) -> None:
            progress(towns, config.towns, f'{pictures} pictures')

        count = write_places(config, options.output, options.workers, tell)
    show_results(
        options,
        lambda: {'output': options.output, 'pictures': count},
        lambda: f'{count} pictures in {options.output}',
    )
    return 0


def _drive_arguments(parser: argparse.ArgumentParser) -> None:
    usual = DriveConfig()
    parser.add_argument('--output', type=Path, required=True, help="the bag's folder")
    parser.add_argument('--seed', type=int, default=usual.seed, help='of the town')
    parser.add_argument('--drive', type=int, default=usual.drive, help='number of the drive')
    parser.add_argument('--condition', default='day', help='such as rain, or night,motion=4')
    parser.add_argument('--storage', choices=('sqlite3', 'mcap'), default='sqlite3')
    parser.add_argument('--overwrite', action='store_true', help='replace a bag of that name')
    parser.add_argument('--size', type=_size, default=(usual.width, usual.height_px))
    for name, meaning in (
        ('duration', 'seconds'),
        ('rate', 'images per second'),
        ('speed', 'm/s'),
        ('start', 'metres along the loop at which it starts'),
        ('lateral', 'metres to the left of the middle of the way'),
        ('sway', 'standard deviation of wandering to either side, metres'),
        ('heading', 'degrees that the camera looks to the left'),
        ('pitch', 'degrees that the camera looks up'),
        ('height', 'of the camera, metres'),
        ('fov', 'horizontal field of view, degrees'),
    ):
        parser.add_argument(f'--{name}', type=float, default=getattr(usual, name), help=meaning)
    add_json(parser, 'the folder of the bag')
    parser.set_defaults(town_run=_drive)


def _drive(options: argparse.Namespace) -> int:
    names = {each.name for each in fields(DriveConfig)} & set(vars(options))
    values = {name: getattr(options, name) for name in names}
    config = DriveConfig(**values, width=options.size[0], height_px=options.size[1])
    if min(config.duration, config.rate, config.speed) <= 0 or not 20 <= config.fov <= 130:
        raise InputError('duration, rate and speed are to be over 0, and fov 20 to 130 degrees')
    condition = named(options.condition, seed=options.drive)
    begin = time.monotonic()

    with Progress('town drive') as progress:
        write_drive(
            config,
            condition,
            options.output,
            storage=options.storage,
            overwrite=options.overwrite,
            progress=progress,
        )
    seconds = time.monotonic() - begin
    show_results(
        options,
        lambda: {'output': options.output, 'seconds': round(seconds, 1)},
        lambda: f'{options.output} in {seconds:.1f} s',
    )
    return 0
