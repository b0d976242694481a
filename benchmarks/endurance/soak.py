"""A long drive through the live node: memory, latency, and what becomes of every image.

    python -m benchmarks soak --map MAP --bag BAG [--hours 1] [--rate 10] [--speed 1]
        [--pose-topic TOPIC] [-p NAME:=VALUE ...]

The node runs in a process of its own. A bag of a drive with poses is driven to and fro for so
long, with stamps that go on and odometry as its poses have it; `--speed 4` plays an hour of stamps
in a quarter of one. A line is printed for each tenth of the drive: memory, the latency from
sending an image to its answer, keyframes and closures so far, and the counts of the diagnostics.
Memory is what the process has allocated, its anonymous pages. Not the pages that are unique to it
(USS): of torch's libraries those are none or a hundred megabytes, as another program that uses
torch runs beside it or not. At the end every image that was sent has to be answered, dropped, bad
or lost.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import psutil

from benchmarks.options import benchmark_parser
from fol_vpr.datatypes import Camera
from fol_vpr.sources import open_source

PARTS = 10
START = 1_700_000_000
PATIENCE = 120.0
NAP = 0.002


@dataclass(frozen=True)
class View:
    """One image of the drive, its camera where known, and the pose that it was taken from."""

    jpeg: bytes
    camera: Camera | None
    position: tuple[float, float, float]
    orientation: tuple[float, float, float, float]


@dataclass
class Tenth:
    """What was seen in a tenth of the drive: megabytes, and milliseconds of each answer."""

    memory: float = 0.0
    latencies: list[float] = field(default_factory=list)


def views_of(bag: str, pose_topic: str | None) -> list[View]:
    """The images of a bag that have poses, encoded anew."""
    source = open_source(bag, pose_topic=pose_topic)
    views = []
    for _, frame in source.frames():
        if frame.pose is None:
            continue
        _, encoded = cv2.imencode('.jpg', frame.image[..., ::-1])
        position, orientation = frame.pose.position, frame.pose.orientation
        views.append(View(encoded.tobytes(), frame.camera, tuple(position), tuple(orientation)))
    if len(views) < 2:
        raise SystemExit(f'{bag} has {len(views)} images with poses: at least two are needed')
    return views


def to_and_fro(views: Sequence[View]) -> Iterator[View]:
    """The drive forwards and backwards, for ever."""
    while True:
        yield from views[:-1]
        yield from reversed(views[1:])


class Soak:
    """Sends images, and watches the node."""

    def __init__(self, node: Any, executor: Any, process: psutil.Process) -> None:
        from diagnostic_msgs.msg import DiagnosticArray
        from nav_msgs.msg import Odometry
        from rclpy.qos import QoSProfile, ReliabilityPolicy
        from sensor_msgs.msg import CameraInfo, CompressedImage

        from fol_vpr_msgs.msg import PlaceHypothesisArray

        self._executor = executor
        self._process = process
        camera = QoSProfile(depth=5, reliability=ReliabilityPolicy.BEST_EFFORT)
        self._images = node.create_publisher(CompressedImage, 'image/compressed', camera)
        self._cameras = node.create_publisher(CameraInfo, 'camera_info', 5)
        self._odometry = node.create_publisher(Odometry, 'odom', 50)
        node.create_subscription(PlaceHypothesisArray, '/localizer/places', self._on_answer, 1000)
        node.create_subscription(DiagnosticArray, '/diagnostics', self._on_diagnostics, 10)
        self._sent_at: dict[int, float] = {}
        self.tenth = Tenth()
        self.counts: dict[str, int] = {}
        self.keyframes = self.closures = 0
        self.strangers = 0

    def wait_for_the_node(self) -> None:
        """Until it listens; SystemExit where it does not."""
        deadline = time.monotonic() + PATIENCE
        while not self._images.get_subscription_count():
            if time.monotonic() > deadline or not self._process.is_running():
                raise SystemExit('the node does not listen to images: see its output above')
            self._executor.spin_once(timeout_sec=0.1)
        self.spin_until(time.monotonic() + 1)

    def send(self, view: View, stamp_ns: int) -> None:
        """One image, and before it the odometry of its moment and its camera."""
        from nav_msgs.msg import Odometry
        from sensor_msgs.msg import CameraInfo, CompressedImage

        odometry = Odometry(child_frame_id='base_link')
        odometry.header.frame_id = 'odom'
        image = CompressedImage(format='jpeg')
        image.header.frame_id = 'camera'
        for header in (odometry.header, image.header):
            header.stamp.sec, header.stamp.nanosec = divmod(stamp_ns, 1_000_000_000)
        at, turned = odometry.pose.pose.position, odometry.pose.pose.orientation
        at.x, at.y, at.z = (float(value) for value in view.position)
        turned.x, turned.y, turned.z, turned.w = (float(value) for value in view.orientation)
        self._odometry.publish(odometry)
        if view.camera is not None:
            width, height = view.camera.size
            info = CameraInfo(width=width, height=height, distortion_model=view.camera.model)
            info.header = image.header
            info.k, info.d = view.camera.matrix.reshape(9), view.camera.distortion.tolist()
            self._cameras.publish(info)
        image.data = view.jpeg
        self._sent_at[stamp_ns] = time.monotonic()
        self._images.publish(image)

    def spin_until(self, moment: float) -> None:
        """Let answers arrive."""
        while (left := moment - time.monotonic()) > 0:
            self._executor.spin_once(timeout_sec=max(NAP, min(left, 0.05)))

    def memory(self) -> float:
        """Megabytes of anonymous pages."""
        info = self._process.memory_info()
        return float(info.rss - info.shared) / 1e6

    def _on_answer(self, message: Any) -> None:
        stamp = message.header.stamp
        sent = self._sent_at.pop(stamp.sec * 1_000_000_000 + stamp.nanosec, None)
        if sent is None:
            self.strangers += 1
        else:
            self.tenth.latencies.append(1000 * (time.monotonic() - sent))
        # Whatever was sent long ago was displaced by newer images.
        for old in [stamp for stamp, at in self._sent_at.items() if time.monotonic() - at > 60]:
            del self._sent_at[old]

    def _on_diagnostics(self, message: Any) -> None:
        for status in message.status:
            if status.name.endswith(': images'):
                found = {value.key: value.value for value in status.values}
                names = ('received', 'answered', 'dropped', 'bad', 'lost', 'waiting')
                self.counts = {name: int(found.get(name, 0)) for name in names}
            elif status.name.endswith(': loops'):
                found = {value.key: value.value for value in status.values}
                self.keyframes, self.closures = (
                    int(found.get(name, 0)) for name in ('keyframes', 'published')
                )


def drive(soak: Soak, views: Sequence[View], options: argparse.Namespace) -> int:
    """Send all images, and print a line for each tenth; how many were sent."""
    total = round(options.hours * 3600 * options.rate)
    every = max(1, total // PARTS)
    heads = (
        'sent', 'MB', 'p50 ms', 'p99 ms', 'answers', 'keyframes', 'closures',
        'received', 'dropped', 'bad', 'lost',
    )  # fmt: skip
    print('| ' + ' | '.join(heads) + ' |\n|' + ' --- |' * len(heads), flush=True)
    started = time.monotonic()
    for number, view in enumerate(islice(to_and_fro(views), total), 1):
        soak.send(view, START * 1_000_000_000 + round(number * 1e9 / options.rate))
        soak.spin_until(started + number / (options.rate * options.speed))
        if number % every == 0:
            _print_tenth(soak, number)
    soak.spin_until(time.monotonic() + 5)
    return total


def _print_tenth(soak: Soak, sent: int) -> None:
    tenth, soak.tenth = soak.tenth, Tenth()
    times = np.array(tenth.latencies or [np.nan])
    counts = soak.counts
    cells = (
        sent, f'{soak.memory():.1f}', f'{np.percentile(times, 50):.1f}',
        f'{np.percentile(times, 99):.1f}', len(tenth.latencies), soak.keyframes, soak.closures,
        *(counts.get(name, 0) for name in ('received', 'dropped', 'bad', 'lost')),
    )  # fmt: skip
    print('| ' + ' | '.join(map(str, cells)) + ' |', flush=True)


def _node_command(options: argparse.Namespace) -> list[str]:
    command = [sys.executable, '-m', 'fol_vpr.ros.node.main', '--ros-args']
    for setting in (f'map:={options.map}', 'autostart:=true', *options.parameter):
        command += ['-p', setting]
    return command


def main(arguments: Sequence[str] | None = None) -> int:
    """Drive, print, and say whether all images are accounted for."""
    parser = benchmark_parser(__name__, __doc__, threads=False, figures=False)
    parser.add_argument('--map', type=Path, required=True)
    parser.add_argument('--bag', required=True, help='a drive with poses')
    parser.add_argument('--pose-topic', help='its poses, where there are several')
    parser.add_argument('--hours', type=float, default=1.0, help='of stamps')
    parser.add_argument('--rate', type=float, default=10.0, help='images a second of stamps')
    parser.add_argument('--speed', type=float, default=1.0, help='times as fast as the stamps')
    parser.add_argument('-p', dest='parameter', action='append', default=[], metavar='NAME:=VALUE')
    options = parser.parse_args(arguments)
    os.environ.setdefault('ROS_DOMAIN_ID', str(1 + os.getpid() % 100))
    os.environ.setdefault('ROS_AUTOMATIC_DISCOVERY_RANGE', 'LOCALHOST')
    views = views_of(options.bag, options.pose_topic)
    from fol_vpr.ros.bags.client import client_node

    print(f'{len(views)} images, {options.hours:g} h at {options.rate:g} Hz, {options.speed:g}x')
    with tempfile.TemporaryDirectory(prefix='fol_vpr_soak_') as logs:
        os.environ.setdefault('ROS_LOG_DIR', logs)
        with subprocess.Popen(_node_command(options)) as process:  # noqa: S603 our own node
            try:
                with client_node('soak') as (node, executor):
                    soak = Soak(node, executor, psutil.Process(process.pid))
                    soak.wait_for_the_node()
                    sent = drive(soak, views, options)
                    status = _account(soak, sent)
            finally:
                process.terminate()
    return status


def _account(soak: Soak, sent: int) -> int:
    """Say what became of the images; 1 where that is not known of all."""
    counts = soak.counts
    known = sum(counts.get(name, 0) for name in ('answered', 'dropped', 'bad', 'lost', 'waiting'))
    told = ', '.join(f'{number} {name}' for name, number in counts.items())
    print(
        f'\n{sent} sent: {told}; {sent - known} unaccounted for, {soak.strangers} unasked answers'
    )
    return 0 if known == sent and not soak.strangers else 1
