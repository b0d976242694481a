"""Actions that play a bag to the node, and record and evaluate its answers."""

from __future__ import annotations

import shlex
import signal
from dataclasses import dataclass
from pathlib import Path

from launch.actions import EmitEvent, RegisterEventHandler
from launch.event_handlers import OnProcessExit, OnProcessIO
from launch.events import matches_action
from launch.events.process import SignalProcess
from launch_ros.utilities import make_namespace_absolute, prefix_namespace

from fol_vpr.errors import InputError
from fol_vpr.ros.launching.arguments import AUTO
from fol_vpr.ros.launching.description import command, end, failure, when_done
from fol_vpr.ros.launching.localizer import NODE
from fol_vpr.ros.launching.values import expanded, image_topics, is_left, is_none

START_SECONDS = 180
"""Seconds that the node may take to load weights and map."""


@dataclass(frozen=True)
class Drive:
    """What is played of a bag.

    Attributes:
        bag: its path.
        image_topic: as the bag has it.
        compressed: whether its images are CompressedImage messages.
        camera_info_topic, odom_topic: empty where the bag has none, or none was named.
    """

    bag: Path
    image_topic: str
    compressed: bool
    camera_info_topic: str
    odom_topic: str

    def node_arguments(self) -> dict[str, str]:
        """The arguments of the node with which it hears the bag."""
        base, transport = image_topics(self.image_topic, '')
        if self.compressed and transport != 'compressed':
            raise InputError(
                f'{self.image_topic} of {self.bag} has compressed images, but does not end in '
                '/compressed: play it with `fol_vpr bag play --remap` to a topic that does'
            )
        return {
            'image_topic': base if self.compressed else self.image_topic,
            'image_transport': transport or 'raw',
            'camera_info_topic': self.camera_info_topic or 'camera_info',
            'odom_topic': self.odom_topic or 'odom',
        }

    def player(self, *options: object) -> list[object]:
        """Words of `fol_vpr bag` that play it, with further options."""
        topics = [self.image_topic, self.camera_info_topic, self.odom_topic]
        return ['play', self.bag, '--topics', *filter(None, topics), *options]


def read_drive(given: dict[str, str]) -> Drive:
    """The drive that the arguments `bag`, `image_topic`, `camera_info_topic`, `odom_topic` name.

    Args:
        given: value of each argument by its name.

    Raises:
        InputError: the bag cannot be read, or has no such topic.
    """
    from fol_vpr.sources import Bag, BagImages, choose_image_topic

    path = Path(expanded(given['bag'])).absolute()
    bag = Bag(path)
    named = given['image_topic']
    topic = choose_image_topic(bag, '' if is_left(named, AUTO) else named)
    info = given['camera_info_topic']
    if is_left(info, AUTO):
        info = BagImages(path, image_topic=topic.name).camera_info_topic
    odom = '' if is_none(given['odom_topic']) else bag.find_topic(given['odom_topic']).name
    return Drive(path, topic.name, topic.msgtype.endswith('CompressedImage'), info, odom)


def full_name(namespace: str) -> str:
    """Name of the node with its namespace."""
    own = '' if is_none(namespace) else namespace
    return f'{(make_namespace_absolute(prefix_namespace(None, own)) or "").rstrip("/")}/{NODE}'


def evaluation(drive: Drive, map_file: str, given: dict[str, str], output: Path) -> list:
    """Record the answers of the node, play the drive, and evaluate the answers at the end.

    Args:
        drive: that is played.
        map_file: the map.
        given: value of each argument by its name.
        output: folder for the results.

    Returns:
        The actions. The launch ends with exit code 0 after the report, and with 1 where a step
        failed.
    """
    places, answers = f'{full_name(given["namespace"])}/places', output / 'answers'
    record = command(
        'bag', 'record', places, '--output', answers, '--wait-for', START_SECONDS
    )  # fmt: skip
    play = command(
        'bag', *drive.player('--rate', 0, '--answers', places, '--wait-for', START_SECONDS)
    )
    report = command('evaluate', *_report(drive, map_file, given, output))
    started: list[bool] = []

    def on_output(event: object) -> list:
        # Only now does it hear every answer.
        if started or b'recording /' not in getattr(event, 'text', b''):
            return []
        started.append(True)
        return [play, when_done(play, 'playing the bag', [_interrupt(record)])]

    def on_recorded(event: object, context: object) -> list:
        if getattr(context, 'is_shutdown', False):
            return []
        if code := getattr(event, 'returncode', 0):
            return [failure(f'recording the answers failed with exit code {code}')]
        return [report, when_done(report, 'the evaluation', [end(f'results are in {output}')])]

    return [
        RegisterEventHandler(
            OnProcessIO(target_action=record, on_stdout=on_output, on_stderr=on_output)
        ),
        RegisterEventHandler(OnProcessExit(target_action=record, on_exit=on_recorded)),
        record,
    ]


def _report(drive: Drive, map_file: str, given: dict[str, str], output: Path) -> list[object]:
    words: list[object] = [
        '--map', map_file, '--queries', drive.bag, '--image-topic', drive.image_topic,
        '--recording', output / 'answers', '--json', output / 'report.json',
        '--per-query', output / 'queries.csv', '--picture', output / 'answers.png',
    ]  # fmt: skip
    if not is_none(given['ground_truth']):
        words += ['--ground-truth', expanded(given['ground_truth'])]
    elif not is_none(given['pose_topic']):
        words += ['--pose-topic', given['pose_topic']]
    else:
        words += ['--without-ground-truth']
    return words + ([] if is_none(given['options']) else shlex.split(given['options']))


def _interrupt(process: object) -> EmitEvent:
    return EmitEvent(
        event=SignalProcess(signal_number=signal.SIGINT, process_matcher=matches_action(process))
    )
