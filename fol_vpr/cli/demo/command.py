"""`fol_vpr demo`: all steps from images to an evaluation, with the commands of this package.

Every step is a process of its own: one builds the map, one is the node, one plays the queries to
it over DDS, and one records its answers.
"""

from __future__ import annotations

import argparse
import os
import shutil
import time
from pathlib import Path

from fol_vpr.cli.common.arguments import add_scale, add_settings, scaled_settings, settings
from fol_vpr.cli.common.output import STDOUT, add_json, say, write_json
from fol_vpr.cli.common.processes import Runner, find_executable
from fol_vpr.cli.demo.inputs import DemoInputs, is_folder, subsample
from fol_vpr.cli.demo.steps import DemoSteps
from fol_vpr.config import CameraConfig, DemoConfig, EvaluationConfig, NetworkConfig
from fol_vpr.errors import InputError, StorageError
from fol_vpr.files import read_text
from fol_vpr.json_text import parse_json
from fol_vpr.ros.fast_dds import profile_variables

# A file with this name marks a folder that the demo made. What an earlier demo left in it is
# removed; whatever else is there stays.
MARKER = '.made-by-fol_vpr-demo'
RESULTS = (
    'map.folmap*', 'queries', 'answers', 'reference', 'query', 'ground_truth.csv', 'queries.csv',
    'report.json', 'report.html', 'reliability.png', 'answers.png', '*.log',
)  # fmt: skip

NO_IMAGES = (
    'the demo needs images of two passes of the same places. Give one of\n'
    '  fol_vpr demo --images FOLDER --queries FOLDER [--ground-truth CSV]\n'
    '  fol_vpr demo --bag BAG --queries BAG [--pose-topic TOPIC]\n'
    '  fol_vpr demo --bag BAG                 (queries are the references)\n'
    'or, in a checkout, run `make demo`, which renders drives through a synthetic town'
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of the verb."""
    parser.description = (
        'Build a map from one pass, play another pass to the node, record its answers, and '
        'evaluate the answers. In a checkout, `make demo` does this on drives through a synthetic '
        'town.'
    )
    reference = parser.add_mutually_exclusive_group()
    reference.add_argument('--images', metavar='DIR', help='folder to build the map from')
    reference.add_argument('--bag', metavar='BAG', help='bag to build the map from')
    parser.add_argument(
        '--queries',
        metavar='DIR_OR_BAG',
        help='images that are played to the node; without it the references are, which shows that '
        'all steps work but not how well places are recognised',
    )
    parser.add_argument(
        '--further',
        metavar='BAG',
        help='bag of a further pass, with poses like the others, that the map is calibrated with, '
        'so that the answers have probabilities',
    )
    parser.add_argument(
        '--ground-truth',
        metavar='CSV',
        help='CSV with the columns query_index,ref_indices, as for `fol_vpr evaluate`',
    )
    parser.add_argument('--image-topic', metavar='T', help='topic of the images in the bags')
    parser.add_argument(
        '--pose-topic', metavar='T', help='topic of the poses in the bags, used as ground truth'
    )
    parser.add_argument(
        '--odom-topic', metavar='T', help='topic of the odometry in the bags, played to the node'
    )
    parser.add_argument(
        '--output', metavar='DIR', default='demo', help='folder for all results; default: demo'
    )
    add_json(parser, 'the figures of the evaluation')
    add_scale(parser, of_map=False)
    add_settings(parser, CameraConfig)
    add_settings(parser, DemoConfig)
    add_settings(parser, EvaluationConfig)
    add_settings(parser, NetworkConfig, only=('weights', 'device', 'precision', 'input_size'))


def run(args: argparse.Namespace) -> int:
    """Run the verb; the exit code."""
    started = time.monotonic()
    config = settings(args, DemoConfig())
    inputs = _find_inputs(args)
    localizer = find_executable('fol_vpr', 'localizer')
    output = _make_folder(Path(args.output))
    say(args, f'Map from {inputs.reference}, queries from {inputs.queries}.')
    if inputs.is_own_pass:
        say(
            args,
            'The queries are the references themselves: this shows that all steps work, but not '
            'how well places are recognised. Give --queries for another pass.',
        )
    steps = DemoSteps(
        Runner(output, _environment(output, localizer), results=args.json != STDOUT),
        subsample(inputs, output, config.every),
        output,
        config,
        settings(args, NetworkConfig()),
        scaled_settings(args, EvaluationConfig()),
        args.scale or '',
    )
    say(args, '\nWrite the queries to a bag')
    played = steps.queries_as_bag()
    say(args, '\nBuild the map')
    steps.build_map()
    if inputs.further is not None:
        say(args, '\nCalibrate the map with a further pass')
        steps.calibrate(inputs.further)
    say(args, '\nPlay the bag to the node and record its answers: three processes, over DDS')
    steps.play(played, localizer)
    say(args, '\nEvaluate the answers')
    steps.evaluate(played)
    say(
        args,
        f'\n{time.monotonic() - started:.0f} s in all. '
        f'In {output}/: answers.png (a picture of the answers), report.json, queries.csv, '
        f'map.folmap, the bags and the logs.\nThe report, to open in a browser: '
        f'{(output / "report.html").resolve()}',
    )
    write_json(args, lambda: parse_json(read_text(output / 'report.json')))
    return 0


def _find_inputs(args: argparse.Namespace) -> DemoInputs:
    reference = args.images or args.bag
    if reference is not None:
        queries = args.queries or reference
        truth = None if args.ground_truth is None else Path(args.ground_truth)
        camera = settings(args, CameraConfig())
        further = None if args.further is None else Path(args.further)
        if further is not None and args.pose_topic is None:
            raise InputError(
                '--further needs --pose-topic: calibration needs the poses of the bag'
            )
        topics = args.image_topic, args.pose_topic, args.odom_topic
        inputs = DemoInputs(Path(reference), Path(queries), further, truth, *topics, camera)
        _check_all(inputs)
        return inputs
    given = [name for name in ('queries', 'further', 'ground_truth') if getattr(args, name)]
    if given:
        option = given[0].replace('_', '-')
        raise InputError(f'--{option} needs --images or --bag for the map')
    raise InputError(NO_IMAGES)


def _check_all(inputs: DemoInputs) -> None:
    """Look at everything that was given, before anything is made or emptied.

    Raises:
        InputError: a folder or bag does not exist, a folder has no images, or the ground truth
            does not fit.
    """
    from fol_vpr.evaluation.ground_truth import read_ground_truth
    from fol_vpr.sources import ImageFolder, open_source

    for path in (inputs.reference, inputs.queries, inputs.further):
        if path is not None and is_folder(path):
            ImageFolder(path)
    if inputs.ground_truth is not None:
        counts = [len(open_source(path)) for path in (inputs.queries, inputs.reference)]
        read_ground_truth(inputs.ground_truth, *counts)


def _make_folder(output: Path) -> Path:
    """Make the folder of the demo, and remove the results of an earlier run from it.

    Raises:
        InputError: it holds files that no demo made.
        StorageError: it cannot be made.
    """
    try:
        if output.exists() and not (output / MARKER).is_file() and any(output.iterdir()):
            raise InputError(f'{output} holds files that no demo made; give another --output')
        output.mkdir(parents=True, exist_ok=True)
        for result in {path for pattern in RESULTS for path in output.glob(pattern)}:
            if result.is_dir() and not result.is_symlink():
                shutil.rmtree(result)
            else:
                result.unlink()
        (output / MARKER).touch()
    except OSError as error:
        raise StorageError(f'{output} cannot be made: {error.strerror or error}') from error
    return output


def _environment(output: Path, localizer: Path) -> dict[str, str]:
    """Environment variables: a ROS domain of its own, and shared memory for large images."""
    profile = localizer.parents[2] / 'share' / 'fol_vpr' / 'config' / 'fastdds_shm.xml'
    wanted = {
        'ROS_DOMAIN_ID': str(1 + os.getpid() % 100),
        'ROS_AUTOMATIC_DISCOVERY_RANGE': 'LOCALHOST',
    }
    kept = {name: value for name, value in wanted.items() if name not in os.environ}
    kept |= profile_variables(str(profile), os.environ)
    return {**kept, 'ROS_LOG_DIR': str(output.resolve() / 'ros_log')}
