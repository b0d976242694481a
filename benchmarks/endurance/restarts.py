"""Restarts the node again and again, half of the times by SIGKILL, while images come in.

    python -m benchmarks restarts --map MAP --bag BAG [--restarts 50] [--rate 10]
        [--pose-topic TOPIC] [-p NAME:=VALUE ...]

One observer stays, as the other nodes of a robot do: it sends the images of a bag, listens to the
answers, and adds a place to a copy of the map in every life of the node. Each life ends once the
node has answered images and confirmed the place: by SIGTERM, or in turns by SIGKILL. A place that
was confirmed has to be in the map of the next life, the node has to answer again, a SIGTERM has to
end it with the status 0, and nothing may pile up in /dev/shm.
"""

from __future__ import annotations

import argparse
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.endurance.soak import PATIENCE, START, to_and_fro, views_of
from benchmarks.options import benchmark_parser

ANSWERS = 3
"""Answers in each life before its end."""


class Camera:
    """Sends the images of a drive, and listens to the node, over all its lives."""

    def __init__(self, node: Any, executor: Any, options: argparse.Namespace) -> None:
        from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy
        from sensor_msgs.msg import CompressedImage

        from fol_vpr_msgs.msg import MapInfo, PlaceHypothesisArray
        from fol_vpr_msgs.srv import AddPlace

        self._executor = executor
        self._period = 1 / options.rate
        self._views = to_and_fro(views_of(options.bag, options.pose_topic))
        self._numbers = count()
        self._next = time.monotonic()
        best_effort = QoSProfile(depth=5, reliability=ReliabilityPolicy.BEST_EFFORT)
        latched = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)
        self._images = node.create_publisher(CompressedImage, 'image/compressed', best_effort)
        node.create_subscription(
            PlaceHypothesisArray, '/localizer/places', self._on_answer, best_effort
        )
        node.create_subscription(MapInfo, '/localizer/map_info', self._on_map, latched)
        self._client = node.create_client(AddPlace, '/localizer/add_place')
        self._request = AddPlace.Request
        self.answers = 0
        self.places = 0

    def begin_life(self) -> None:
        """Forget what the life before has sent."""
        self.answers = self.places = 0

    def step(self) -> None:
        """Send the next image when it is due, and let answers arrive."""
        self._executor.spin_once(timeout_sec=max(0.002, min(0.02, self._next - time.monotonic())))
        if time.monotonic() >= self._next:
            self._next = time.monotonic() + self._period
            self._images.publish(self._message())

    def add_place(self) -> Any:
        """The future of a request to add the next image to the map."""
        return self._client.call_async(self._request(compressed=self._message()))

    def is_ready(self) -> bool:
        """Whether the node of this life has its services and map."""
        return bool(self.places and self._client.service_is_ready())

    def _message(self) -> Any:
        from sensor_msgs.msg import CompressedImage

        message = CompressedImage(format='jpeg', data=next(self._views).jpeg)
        message.header.frame_id = 'camera'
        stamp = START * 1_000_000_000 + round(next(self._numbers) * 1e9 * self._period)
        message.header.stamp.sec, message.header.stamp.nanosec = divmod(stamp, 1_000_000_000)
        return message

    def _on_answer(self, _message: Any) -> None:
        self.answers += 1

    def _on_map(self, message: Any) -> None:
        self.places = int(message.places)


class Lives:
    """Starts and ends the node, and notes what went wrong."""

    def __init__(self, camera: Camera, command: Sequence[str], log: Path) -> None:
        self._camera = camera
        self._command = command
        self._log = log
        self.wrong: list[str] = []
        self.to_answer: list[float] = []
        self.to_end: list[float] = []
        self.confirmed = 0
        self.expected = 0

    def live(self, number: int, how: signal.Signals) -> None:
        """One life, from its start to its end."""
        self._camera.begin_life()
        started = time.monotonic()
        with self._log.open('a') as log:
            process = subprocess.Popen(  # noqa: S603 our own node
                self._command, stdout=log, stderr=subprocess.STDOUT
            )
        try:
            self._use(number, started)
        finally:
            ended = time.monotonic()
            process.send_signal(how)
            status = process.wait(PATIENCE)
        if how == signal.SIGTERM:
            self.to_end.append(time.monotonic() - ended)
            if status:
                self.wrong.append(f'life {number}: SIGTERM ended it with the status {status}')

    def _use(self, number: int, started: float) -> None:
        if not self._wait(self._camera.is_ready):
            self.wrong.append(f'life {number}: it had no map after {PATIENCE:.0f} s')
            return
        found = self._camera.places
        if self.expected and found != self.expected:
            self.wrong.append(f'life {number}: {found} places, expected {self.expected}')
        if not self._wait(lambda: self._camera.answers >= ANSWERS):
            self.wrong.append(f'life {number}: no answers')
            return
        self.to_answer.append(time.monotonic() - started)
        future = self._camera.add_place()
        if not self._wait(future.done):
            self.wrong.append(f'life {number}: add_place was not answered')
            return
        if future.result().result:
            self.wrong.append(f'life {number}: {future.result().message}')
            return
        self.confirmed += 1
        self.expected = found + 1

    def _wait(self, condition: Any) -> bool:
        deadline = time.monotonic() + PATIENCE
        while not condition():
            if time.monotonic() > deadline:
                return False
            self._camera.step()
        return True


def shared_memory() -> tuple[int, float]:
    """Number and megabytes of the segments of Fast DDS in /dev/shm."""
    sizes = [path.stat().st_size for path in Path('/dev/shm').glob('fastrtps_*')]  # noqa: S108
    return len(sizes), sum(sizes) / 1e6


def main(arguments: Sequence[str] | None = None) -> int:
    """Restart, print, and say what went wrong; 1 where anything did."""
    parser = benchmark_parser(__name__, __doc__, threads=False, figures=False)
    parser.add_argument('--map', type=Path, required=True, help='a copy of it is used')
    parser.add_argument('--bag', required=True, help='a drive with poses')
    parser.add_argument('--pose-topic', help='its poses, where there are several')
    parser.add_argument('--restarts', type=int, default=50)
    parser.add_argument('--rate', type=float, default=10.0, help='images a second')
    parser.add_argument('-p', dest='parameter', action='append', default=[], metavar='NAME:=VALUE')
    options = parser.parse_args(arguments)
    # The tests take domains from 1 to 100, and start nodes of the same name.
    os.environ.setdefault('ROS_DOMAIN_ID', '101')
    os.environ.setdefault('ROS_AUTOMATIC_DISCOVERY_RANGE', 'LOCALHOST')
    with tempfile.TemporaryDirectory(prefix='fol_vpr_restarts_') as name:
        os.environ.setdefault('ROS_LOG_DIR', name)
        used = shutil.copy(options.map, Path(name) / 'map.folmap')
        command = [sys.executable, '-m', 'fol_vpr.ros.node.main', '--ros-args']
        for setting in (f'map:={used}', 'autostart:=true', *options.parameter):
            command += ['-p', setting]
        return _run(options, command, Path(name) / 'log')


def _run(options: argparse.Namespace, command: Sequence[str], log: Path) -> int:
    from fol_vpr.ros.bags.client import client_node

    heads = ('lives', 'to the third answer, s', 'slowest', 'SIGTERM to end, s', 'places',
             'segments', 'MB in /dev/shm', 'wrong')  # fmt: skip
    print('| ' + ' | '.join(heads) + ' |\n|' + ' --- |' * len(heads), flush=True)
    with client_node('restarts') as (node, executor):
        lives = Lives(Camera(node, executor, options), command, log)
        every = max(1, options.restarts // 10)
        for number in range(1, options.restarts + 1):
            lives.live(number, signal.SIGKILL if number % 2 == 0 else signal.SIGTERM)
            if number % every == 0:
                _print(lives, number)
        text = log.read_text(errors='replace')
        for trace in ('Traceback', 'report this defect', 'core dumped'):
            if trace in text:
                lives.wrong.append(f'the log has {text.count(trace)} times {trace!r}')
        print(f'\n{options.restarts} lives, {lives.confirmed} places confirmed, '
              f'{len(lives.wrong)} things wrong')  # fmt: skip
        for line in lives.wrong:
            print(line)
        return 1 if lives.wrong else 0


def _print(lives: Lives, number: int) -> None:
    first, end = lives.to_answer or [np.nan], lives.to_end or [np.nan]
    segments, size = shared_memory()
    print(
        f'| {number} | {np.median(first):.1f} | {max(first):.1f} | {np.median(end):.2f} | '
        f'{lives.expected} | {segments} | {size:.0f} | {len(lives.wrong)} |', flush=True,
    )  # fmt: skip


if __name__ == '__main__':
    raise SystemExit(main())
