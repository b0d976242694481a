"""`fol_vpr map build | check`; the other verbs of `map` are in `fol_vpr.cli.maps`."""

from __future__ import annotations

import argparse
import dataclasses
from collections.abc import Sequence
from pathlib import Path

from fol_vpr.cli.common.arguments import add_scale, add_settings, scaled_settings, settings
from fol_vpr.cli.common.console import Progress, SkipBad, check_map_name, working
from fol_vpr.cli.common.drive import add_dataset_option, add_drive_options, part_of
from fol_vpr.cli.common.output import STDOUT, add_json, remark, show_produced, warn
from fol_vpr.cli.maps import changes as map_changes
from fol_vpr.cli.maps import show as map_show
from fol_vpr.config import CameraConfig, MappingConfig, NetworkConfig, RecognizerConfig
from fol_vpr.errors import InputError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the verbs below `fol_vpr map`."""
    verbs = parser.add_subparsers(dest='map_verb', metavar='VERB', required=True)
    _add_build(verbs.add_parser('build', help='build a map'))
    map_show.add_info(verbs.add_parser('info', help='show what a map holds'))
    map_show.add_show(verbs.add_parser('show', help='write a page with a plan of a map'))
    check = verbs.add_parser(
        'check', help='check every byte of a map; exit code 1 if there are problems'
    )
    check.add_argument('map', metavar='MAP', help='a .folmap file')
    check.add_argument(
        '--repair',
        action='store_true',
        help='if there are problems, write a map of all undamaged places, list what was lost, and '
        'keep the damaged file as MAP.damaged',
    )
    add_json(check, 'the problems, and what a repair lost,')
    map_changes.add_verbs(verbs)


def _add_build(parser: argparse.ArgumentParser) -> None:
    parser.description = (
        'Build a map from an image folder (every image, in natural order), from a bag '
        '(keyframes), or from a public data set (keyframes of drives). After an interruption, '
        'the same command continues the build.'
    )
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument('--images', metavar='DIR', help='folder of images')
    add_dataset_option(source, 'images of the map')
    source.add_argument('--bag', metavar='BAG', help='bag of ROS 2 or ROS 1')
    parser.add_argument(
        '--positions',
        metavar='CSV',
        help='positions of the images of the folder; `exif`: those in the EXIF data of '
        'photographs; only with --images',
    )
    parser.add_argument('--image-topic', metavar='T', help='topic of the images; only with --bag')
    parser.add_argument(
        '--pose-topic',
        metavar='T',
        help='topic of the poses (Odometry, PoseStamped, PoseWithCovarianceStamped or NavSatFix); '
        'only with --bag',
    )
    parser.add_argument('--output', metavar='M.folmap', required=True, help='the map to write')
    parser.add_argument('--name', default='', help='name of the map; by default that of the file')
    parser.add_argument('--overwrite', action='store_true', help='replace an existing map')
    parser.add_argument(
        '--skip-bad',
        action='store_true',
        help='leave out images that cannot be read, with a warning, instead of stopping; the '
        'indices of a ground truth then no longer fit',
    )
    add_json(parser, 'the description of the map')
    add_drive_options(parser, pose_gap=False)
    add_scale(parser, of_map=False)
    add_settings(parser, CameraConfig)
    add_settings(parser, NetworkConfig)
    add_settings(parser, MappingConfig)


def run(args: argparse.Namespace) -> int:
    """Run the verb; the exit code."""
    own = {'build': _build, 'info': map_show.info, 'show': map_show.show, 'check': _check}
    return {**own, **map_changes.VERBS}[args.map_verb](args)


def _build(args: argparse.Namespace) -> int:
    _check_combination(args)
    check_map_name('--output', args.output)
    network = settings(args, NetworkConfig())
    mapping = scaled_settings(args, MappingConfig())
    camera = settings(args, CameraConfig())
    from fol_vpr.sources import ImageFolder, open_source

    # Before torch and the weights are loaded, so that a wrong path is reported at once.
    source = open_source(
        args.dataset[1] if args.dataset else args.images or args.bag,
        image_topic=args.image_topic,
        pose_topic=args.pose_topic,
        positions_csv=args.positions,
        max_pose_gap=mapping.max_pose_gap,
        frame_id=mapping.frame_id,
        camera=camera,
        stamps=args.stamps,
        dataset=args.dataset[0] if args.dataset else '',
    )
    if not args.dataset and (args.bag is not None) != source.selects_keyframes:
        kind = ('--images', 'is a bag') if args.bag is None else ('--bag', 'is an image folder')
        raise InputError(f'{kind[0]} was given {args.images or args.bag}, which {kind[1]}')
    if isinstance(source, ImageFolder) and source.leaves_positions():
        warn(
            'the photographs have positions in their EXIF data, which the map does not get; '
            '--positions exif takes them'
        )
    source = part_of(source, args, said=False)
    from fol_vpr.mapping import build_map
    from fol_vpr.recognizer import PlaceRecognizer

    with working('loading the weights'):
        extractor = PlaceRecognizer(RecognizerConfig(network)).extractor
    remark(
        f'{source.description}; weights {extractor.weights_name} on {extractor.runs_on} '
        f'({extractor.precision}), preprocessing {extractor.preprocessing_id}'
    )
    kept: int | None = None

    def report(done: int, total: int, references: int) -> None:
        nonlocal kept
        kept = references
        progress(done, total, f'{references} references')

    with Progress('map build') as progress:
        skipped = SkipBad(progress)
        try:
            info = build_map(
                source,
                args.output,
                extractor,
                mapping,
                name=args.name,
                scale=args.scale or '',
                overwrite=args.overwrite,
                progress=report,
                on_bad=skipped if args.skip_bad else None,
            )
        except KeyboardInterrupt:
            progress.close()
            progress.warn(_interrupted(args.output, kept))
            raise
    if skipped.count:
        warn(f'{skipped.count} of {len(source)} items were skipped')
    map_changes.show_info(args, info)
    from fol_vpr.recognizer import describe_map

    for each in describe_map(args.output).remarks:
        warn(each)
    return 0


_BAG_OPTIONS = (
    'image_topic',
    'pose_topic',
    'keyframe_distance',
    'keyframe_angle',
    'keyframe_interval',
    'max_pose_gap',
)


def _check_combination(args: argparse.Namespace) -> None:
    if args.dataset is not None:
        return
    wrong = []
    if args.images is not None:
        wrong = [name for name in _BAG_OPTIONS if getattr(args, name) is not None]
    elif args.positions is not None:
        wrong = ['positions']
    if wrong:
        given, needed = '--images', '--bag'
        if args.images is None:
            given, needed = needed, given
        options = ' and '.join(f'--{name.replace("_", "-")}' for name in wrong)
        raise InputError(f'{options} given with {given}, but it needs {needed}')


def _interrupted(output: str, kept: int | None) -> str:
    """The message of an interrupted build; `kept` is None where it added no reference."""
    partial = Path(f'{output}.partial')
    if not partial.exists():
        return 'interrupted before the first reference; the same command starts the build again'
    what = 'the references of the earlier run are' if kept is None else f'{kept} references are'
    if kept == 1:
        what = '1 reference is'
    return f'interrupted: {what} kept in {partial}; the same command continues'


def _check(args: argparse.Namespace) -> int:
    from fol_vpr.database import can_be_repaired, check_map

    with working('map check'):
        problems = check_map(args.map)
    if problems and args.repair:
        return _repair(args, problems)
    show_produced(
        args,
        lambda: {'map': args.map, 'problems': problems},
        lambda: '\n'.join(problems) or f'{args.map} has no problems',
    )
    if not problems:
        return 0
    remedy = 'restore it from a copy, or build it again'
    if can_be_repaired(args.map):
        remedy = 'restore it from a copy, build it again, or save undamaged places with --repair'
    warn(f'{args.map}: {len(problems)} problem(s); {remedy}')
    return 1


def _repair(args: argparse.Namespace, problems: Sequence[str]) -> int:
    from fol_vpr.database import repair_map

    if args.json != STDOUT:
        print('\n'.join(problems), flush=True)
    with working('map check --repair'):
        repair = repair_map(args.map)
    lost = ''.join(f'lost: {what}\n' for what in repair.dropped)
    show_produced(
        args,
        lambda: {'map': args.map, 'problems': problems, **dataclasses.asdict(repair)},
        lambda: (
            f'{lost}{args.map} was repaired: {repair.kept} places kept, '
            f'{len(repair.dropped)} losses; the damaged file is {repair.original}'
        ),
    )
    return 0
