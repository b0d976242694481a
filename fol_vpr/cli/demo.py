"""`fol_vpr demo`: the whole path, with the commands that anybody would type.

Every step is a process of its own: the map is built, the real node is started, another process
plays the queries to it over DDS, a third records what it answers.
"""

from __future__ import annotations

import argparse
import os
import shutil
import time
from dataclasses import dataclass, replace
from pathlib import Path

from fol_vpr.cli.arguments import add_settings, settings
from fol_vpr.cli.demo_scene import Scene, is_folder, thinned
from fol_vpr.cli.processes import Runner, find_executable
from fol_vpr.config import CameraConfig, DemoConfig, EvaluationConfig, NetworkConfig
from fol_vpr.errors import InputError, StorageError

PLACES = '/localizer/places'
# What marks a folder as one that the demo made, and may empty.
MARKER = '.made-by-fol_vpr-demo'
START = 180.0  # seconds that the node may take to load weights and map

NO_IMAGES = (
    'the demo needs images of two passes of the same places. Give one of\n'
    '  fol_vpr demo --images FOLDER --queries FOLDER [--ground-truth CSV]\n'
    '  fol_vpr demo --bag BAG --queries BAG [--pose-topic TOPIC]\n'
    '  fol_vpr demo --bag BAG                 (against its own pass)\n'
    'or in a checkout `make demo`, which draws two drives through a synthetic town'
)


@dataclass(frozen=True)
class Played:
    """A bag of queries, the topics to be listened to, and where the camera sits."""

    bag: Path
    topic: str
    compressed: bool
    camera_info_topic: str = ''
    camera_mount: tuple[float, ...] = ()


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of the verb."""
    parser.description = (
        'Build a map from one pass, play another pass to the real node, record its answers, and '
        'show what came of it. '
        'In a checkout, `make demo` does this on two drives through a synthetic town.'
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
    parser.add_argument('--ground-truth', metavar='CSV', help='as for `fol_vpr evaluate`')
    parser.add_argument('--image-topic', metavar='T', help='of the bags')
    parser.add_argument('--pose-topic', metavar='T', help='of the bags; gives a ground truth')
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
    network = settings(args, NetworkConfig())
    scene = _find_scene(args)
    localizer = find_executable('fol_vpr', 'localizer')
    output = _emptied(Path(args.output))
    print(f'Map from {scene.reference}, queries from {scene.queries}.')
    if scene.is_own_pass:
        print(
            'The queries are the references themselves: this shows that the path works, and says '
            'nothing about recognition. Give --queries for another pass.'
        )
    runner = Runner(output, _environment(output, localizer))
    scene = thinned(scene, output, config.every)

    print('\n1/4 The queries as a bag')
    played = _queries_as_bag(runner, scene, output, config)
    print('\n2/4 The map')
    _build_map(runner, scene, output, network)
    print('\n3/4 The node answers the bag: player, node and recorder, each a process, over DDS')
    _play(runner, played, output, network, localizer)
    print('\n4/4 What came of it', flush=True)
    _evaluate(runner, scene, played, output, settings(args, EvaluationConfig()))
    print(
        f'\n{time.monotonic() - started:.0f} s in all. '
        f'In {output}/: answers.png (look at it), report.json, queries.csv, map.folmap, the bags '
        'and the logs.'
    )
    return 0


# ---- before


def _find_scene(args: argparse.Namespace) -> Scene:
    reference = args.images or args.bag
    if reference is not None:
        queries = args.queries or reference
        truth = None if args.ground_truth is None else Path(args.ground_truth)
        camera = settings(args, CameraConfig())
        topics = args.image_topic, args.pose_topic
        return Scene(Path(reference), Path(queries), truth, *topics, camera)
    if args.queries or args.ground_truth:
        raise InputError('--queries and --ground-truth need --images or --bag for the map')
    raise InputError(NO_IMAGES)


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


# ---- steps


def _queries_as_bag(runner: Runner, scene: Scene, output: Path, config: DemoConfig) -> Played:
    from fol_vpr.sources import Bag, choose_image_topic

    bag, wanted = scene.queries, scene.image_topic
    if is_folder(bag):
        bag, wanted = output / 'queries', None
        runner.run('bag', 'from-images', scene.queries, '--output', bag, '--rate', config.rate)
    else:
        print(f'{bag} is one already.')
    topic = choose_image_topic(Bag(bag), wanted)
    played = Played(bag, topic.name, topic.msgtype.endswith('CompressedImage'))
    return played if bag != scene.queries else _with_camera(played, scene)


def _with_camera(played: Played, scene: Scene) -> Played:
    """With the calibration that the bag has, which the node hears, and the camera's mount."""
    from fol_vpr.sources import BagImages

    source = BagImages(
        played.bag,
        image_topic=played.topic,
        pose_topic=scene.pose_topic,
        camera=replace(scene.camera, camera=''),
    )
    frame = next((frame for _, frame in source.frames(on_bad=lambda *_: None)), None)
    mount: tuple[float, ...] = ()
    if frame is not None and frame.camera is not None and frame.camera.mount is not None:
        pose = frame.camera.mount
        mount = (*pose.position.tolist(), *pose.orientation.tolist())
    return replace(played, camera_info_topic=source.camera_info_topic, camera_mount=mount)


def _build_map(runner: Runner, scene: Scene, output: Path, network: NetworkConfig) -> None:
    source: list[object]
    if is_folder(scene.reference):
        source = ['--images', scene.reference]
    else:
        source = ['--bag', scene.reference]
        source += _given('--image-topic', scene.image_topic)
        source += _given('--pose-topic', scene.pose_topic)
        source += _given('--camera-info-topic', scene.camera.camera_info_topic or None)
        source += _given('--base-frame', scene.camera.base_frame or None)
    source += _given('--camera', scene.camera.camera or None)
    if scene.camera.camera_mount:
        source += ['--camera-mount', *scene.camera.camera_mount]
    runner.run(
        'map', 'build', *source, '--output', output / 'map.folmap',
        '--weights', network.weights, *_given('--input-size', network.input_size or None),
        *_given('--device', network.device), *_given('--precision', network.precision),
    )  # fmt: skip


def _play(
    runner: Runner, played: Played, output: Path, network: NetworkConfig, localizer: Path
) -> None:
    transport, input_name = 'raw', 'image'
    if played.compressed:
        transport, input_name = 'compressed', 'image/compressed'
    values = {
        'map': output / 'map.folmap',
        'replay': 'true',
        'autostart': 'true',
        'image_transport': transport,
        'network.device': network.device,
        'network.precision': network.precision,
    }
    if played.camera_mount:
        values['camera_mount'] = list(played.camera_mount)
    parameters = [word for key, value in values.items() for word in ('-p', f'{key}:={value}')]
    topics = [played.topic]
    node = ['--ros-args', *parameters, '-r', f'{input_name}:={played.topic}']
    if played.camera_info_topic:
        topics.append(played.camera_info_topic)
        node += ['-r', f'camera_info:={played.camera_info_topic}']
    record = ['bag', 'record', PLACES, '--output', output / 'answers', '--wait-for', START]
    with (
        runner.program_beside('localizer', localizer, *node) as localizing,
        runner.beside('recorder', *record) as recording,
    ):
        recording.wait_until('recording /', START, [localizing])
        runner.run(
            'bag', 'play', played.bag, '--topics', *topics, '--rate', '0',
            '--answers', PLACES, '--wait-for', START,
        )  # fmt: skip


def _evaluate(
    runner: Runner, scene: Scene, played: Played, output: Path, criteria: EvaluationConfig
) -> None:
    options: list[object] = ['--image-topic', played.topic]
    if scene.ground_truth is not None:
        options += ['--ground-truth', scene.ground_truth]
    elif _has_comparable_poses(scene, played):
        assert scene.pose_topic is not None
        options += ['--pose-topic', scene.pose_topic]
        options += ['--positive-radius', criteria.positive_radius]
        options += ['--positive-angle', criteria.positive_angle]
    else:
        options += ['--without-ground-truth']
    runner.run(
        'evaluate', '--map', output / 'map.folmap', '--queries', played.bag, *options,
        '--recording', output / 'answers', '--json', output / 'report.json',
        '--per-query', output / 'queries.csv', '--picture', output / 'answers.png',
    )  # fmt: skip


def _has_comparable_poses(scene: Scene, played: Played) -> bool:
    """Whether the poses of the queries say where they are in the map."""
    from fol_vpr.sources import open_source

    if scene.pose_topic is None or scene.is_own_pass:
        return False
    source = open_source(played.bag, image_topic=played.topic, pose_topic=scene.pose_topic)
    return not source.own_origin


def _given(option: str, value: object) -> list[str]:
    """An option and its value, nothing where it is left to its default."""
    return [] if value in (None, 'auto') else [option, str(value)]
