"""`fol_vpr demo`: the whole path, with the commands that anybody would type.

Every step is a process of its own: the map is built, the real node is started, another process
plays the queries to it over DDS, a third records what it answers.
"""

from __future__ import annotations

import argparse
import os
import shutil
import time
from pathlib import Path

from fol_vpr.cli.common.arguments import add_settings, settings
from fol_vpr.cli.common.processes import Runner, find_executable
from fol_vpr.cli.demo.inputs import Scene, thinned
from fol_vpr.cli.demo.steps import Steps
from fol_vpr.config import CameraConfig, DemoConfig, EvaluationConfig, NetworkConfig
from fol_vpr.errors import InputError, StorageError

# What marks a folder as one that the demo made, and may empty.
MARKER = '.made-by-fol_vpr-demo'

NO_IMAGES = (
    'the demo needs images of two passes of the same places. Give one of\n'
    '  fol_vpr demo --images FOLDER --queries FOLDER [--ground-truth CSV]\n'
    '  fol_vpr demo --bag BAG --queries BAG [--pose-topic TOPIC]\n'
    '  fol_vpr demo --bag BAG                 (against its own pass)\n'
    'or in a checkout `make demo`, which draws two drives through a synthetic town'
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of the verb."""
    parser.description = (
        'Build a map from one pass, play another pass to the real node, record its answers, and '
        'show what came of it. '
        'In a checkout, `make demo` does this on drives through a synthetic town.'
    )
    reference = parser.add_mutually_exclusive_group()
    reference.add_argument('--images', metavar='DIR', help='folder to build the map from')
    reference.add_argument('--bag', metavar='BAG', help='bag to build the map from')
    parser.add_argument(
        '--queries',
        metavar='DIR_OR_BAG',
        help='what is played to the node; without it the references are, which tells that the '
        'path works and nothing about recognition',
    )
    parser.add_argument(
        '--further',
        metavar='BAG',
        help='yet another pass, with poses as the others: the map is calibrated with it, so that '
        'the answers have probabilities',
    )
    parser.add_argument('--ground-truth', metavar='CSV', help='as for `fol_vpr evaluate`')
    parser.add_argument('--image-topic', metavar='T', help='of the bags')
    parser.add_argument('--pose-topic', metavar='T', help='of the bags; gives a ground truth')
    parser.add_argument(
        '--odom-topic', metavar='T', help='of the bags; the node hears their odometry'
    )
    parser.add_argument(
        '--output', metavar='DIR', default='demo', help='where everything goes; default: demo'
    )
    add_settings(parser, CameraConfig)
    add_settings(parser, DemoConfig)
    add_settings(parser, EvaluationConfig)
    add_settings(parser, NetworkConfig, only=('weights', 'device', 'precision', 'input_size'))


def run(args: argparse.Namespace) -> int:
    """Run the verb; the exit code."""
    started = time.monotonic()
    config = settings(args, DemoConfig())
    scene = _find_scene(args)
    localizer = find_executable('fol_vpr', 'localizer')
    output = _emptied(Path(args.output))
    print(f'Map from {scene.reference}, queries from {scene.queries}.')
    if scene.is_own_pass:
        print(
            'The queries are the references themselves: this shows that the path works, and says '
            'nothing about recognition. Give --queries for another pass.'
        )
    steps = Steps(
        Runner(output, _environment(output, localizer)),
        thinned(scene, output, config.every),
        output,
        config,
        settings(args, NetworkConfig()),
        settings(args, EvaluationConfig()),
    )
    print('\nThe queries as a bag')
    played = steps.queries_as_bag()
    print('\nThe map')
    steps.build_map()
    if scene.further is not None:
        print('\nWhat its scores are worth, learned from a further pass')
        steps.calibrate(scene.further)
    print('\nThe node answers the bag: player, node and recorder, each a process, over DDS')
    steps.play(played, localizer)
    print('\nWhat came of it', flush=True)
    steps.evaluate(played)
    print(
        f'\n{time.monotonic() - started:.0f} s in all. '
        f'In {output}/: answers.png (look at it), report.json, queries.csv, map.folmap, the bags '
        'and the logs.'
    )
    return 0


def _find_scene(args: argparse.Namespace) -> Scene:
    reference = args.images or args.bag
    if reference is not None:
        queries = args.queries or reference
        truth = None if args.ground_truth is None else Path(args.ground_truth)
        camera = settings(args, CameraConfig())
        further = None if args.further is None else Path(args.further)
        if further is not None and args.pose_topic is None:
            raise InputError(
                '--further needs --pose-topic: the map is calibrated with a bag of which it is '
                'known where it went'
            )
        topics = args.image_topic, args.pose_topic, args.odom_topic
        scene = Scene(Path(reference), Path(queries), further, truth, *topics, camera)
        _check_all_are_there(scene)
        return scene
    given = [name for name in ('queries', 'further', 'ground_truth') if getattr(args, name)]
    if given:
        option = given[0].replace('_', '-')
        raise InputError(f'--{option} needs --images or --bag for the map')
    raise InputError(NO_IMAGES)


def _check_all_are_there(scene: Scene) -> None:
    """Raise InputError where a folder or bag is not there, before anything is made or emptied."""
    from fol_vpr.sources import is_bag

    for path in (scene.reference, scene.queries, scene.further):
        if path is not None:
            is_bag(path)


def _emptied(output: Path) -> Path:
    """The demo's folder, without what an earlier run left there.

    Raises:
        InputError: it holds something else.
        StorageError: it cannot be made.
    """
    try:
        if output.exists() and not (output / MARKER).is_file() and any(output.iterdir()):
            raise InputError(f'{output} holds other things than a demo; give another --output')
        if output.exists():
            shutil.rmtree(output)
        output.mkdir(parents=True)
        (output / MARKER).touch()
    except OSError as error:
        raise StorageError(f'{output} cannot be made: {error.strerror or error}') from error
    return output


def _environment(output: Path, localizer: Path) -> dict[str, str]:
    """A corner of the ROS network for the demo alone, and transports that carry large images."""
    profile = localizer.parents[2] / 'share' / 'fol_vpr' / 'config' / 'fastdds_shm.xml'
    wanted = {
        'ROS_DOMAIN_ID': str(1 + os.getpid() % 100),
        'ROS_AUTOMATIC_DISCOVERY_RANGE': 'LOCALHOST',
        'FASTRTPS_DEFAULT_PROFILES_FILE': str(profile),
    }
    kept = {name: value for name, value in wanted.items() if name not in os.environ}
    return {**kept, 'ROS_LOG_DIR': str(output.resolve() / 'ros_log')}
