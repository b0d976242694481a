"""Restarts the node again and again, half of the times by SIGKILL, while images come in.

    python -m benchmarks restarts --map MAP --bag BAG [--restarts 50] [--rate 10]
        [--pose-topic TOPIC] [-p NAME:=VALUE ...]

A camera and an observer stay, as the other nodes of a robot do. The camera sends the images of a
bag; the observer listens to the answers, and adds a place to a copy of the map in every life of
the node. Each life ends once the node has answered images and confirmed the place: by SIGTERM, or
in turns by SIGKILL. A place that was confirmed has to be in the map of the next life, the node has
to answer again, a SIGTERM has to end it with the status 0, and nothing may pile up in /dev/shm.

With Fast DDS, a killed subscriber can silence a publisher (docs/how-to/troubleshoot.md). So a
camera of which a new node gets no image for SILENCE seconds is started again, and that is counted.
The observer uses UDP, so that a lock in shared memory does not stop it.
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
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.endurance.camera import CameraProcess
from benchmarks.endurance.soak import PATIENCE, View, to_and_fro, views_of
from benchmarks.options import benchmark_parser

ANSWERS = 3
"""Answers in each life before its end."""
SILENCE = 30.0
"""Seconds without an answer of a node that is ready, after which the camera is started again."""


class Observer:
    """Listens to the node over all its lives, and asks it to add places."""

    def __init__(self, node: Any, executor: Any, views: Iterator[View]) -> None:
        from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy

        from fol_vpr_msgs.msg import MapInfo, PlaceHypothesisArray
        from fol_vpr_msgs.srv import AddPlace

        self._executor = executor
        self._views = views
        best_effort = QoSProfile(depth=5, reliability=ReliabilityPolicy.BEST_EFFORT)
        latched = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)
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

    def wait(self, condition: Callable[[], bool], patience: float = PATIENCE) -> bool:
        """Whether a condition comes true within so many seconds."""
        deadline = time.monotonic() + patience
        while not condition():
            if time.monotonic() > deadline:
                return False
            self._executor.spin_once(timeout_sec=0.02)
        return True

    def add_place(self) -> Any:
        """The future of a request to add the next image to the map."""
        from sensor_msgs.msg import CompressedImage

        message = CompressedImage(format='jpeg', data=next(self._views).jpeg)
        message.header.frame_id = 'camera'
        now = time.time_ns()
        message.header.stamp.sec, message.header.stamp.nanosec = divmod(now, 1_000_000_000)
        return self._client.call_async(self._request(compressed=message))

    def is_ready(self) -> bool:
        """Whether the node of this life has its services and map."""
        return bool(self.places and self._client.service_is_ready())

    def has_answers(self) -> bool:
        """Whether the node has answered enough images."""
        return self.answers >= ANSWERS

    def _on_answer(self, _message: Any) -> None:
        self.answers += 1

    def _on_map(self, message: Any) -> None:
        self.places = int(message.places)


class Lives:
    """Starts and ends the node, and notes what went wrong."""

    def __init__(self, camera: CameraProcess, command: Sequence[str], log: Path) -> None:
        self.camera = camera
        self._command = command
        self._environment = dict(os.environ)
        self.log = log
        self.wrong: list[str] = []
        self.to_answer: list[float] = []
        self.to_end: list[float] = []
        self.confirmed = 0
        self.expected = 0

    def live(self, number: int, how: signal.Signals, observer: Observer) -> None:
        """One life, from its start to its end."""
        observer.begin_life()
        started = time.monotonic()
        with self.log.open('a') as log:
            process = subprocess.Popen(  # noqa: S603 our own node
                self._command, stdout=log, stderr=subprocess.STDOUT, env=self._environment
            )
        try:
            self._use(number, started, observer)
        finally:
            ended = time.monotonic()
            process.send_signal(how)
            status = process.wait(PATIENCE)
        if how == signal.SIGTERM:
            self.to_end.append(time.monotonic() - ended)
            if status:
                self.wrong.append(f'life {number}: SIGTERM ended it with the status {status}')

    def _use(self, number: int, started: float, observer: Observer) -> None:
        if not observer.wait(observer.is_ready):
            self.wrong.append(f'life {number}: it had no map after {PATIENCE:.0f} s')
            return
        found = observer.places
        if self.expected and found != self.expected:
            self.wrong.append(f'life {number}: {found} places, expected {self.expected}')
        if not observer.wait(observer.has_answers, SILENCE):
            self.camera.restart()
            if not observer.wait(observer.has_answers):
                self.wrong.append(f'life {number}: no answers')
                return
        else:
            self.to_answer.append(time.monotonic() - started)
        future = observer.add_place()
        if not observer.wait(future.done):
            self.wrong.append(f'life {number}: add_place was not answered')
            return
        if future.result().result:
            self.wrong.append(f'life {number}: {future.result().message}')
            return
        self.confirmed += 1
        self.expected = found + 1


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
        with CameraProcess(options.bag, options.pose_topic, options.rate) as camera:
            lives = Lives(camera, command, Path(name) / 'log')
            os.environ['FASTDDS_BUILTIN_TRANSPORTS'] = 'UDPv4'
            return _run(options, lives)


def _run(options: argparse.Namespace, lives: Lives) -> int:
    from fol_vpr.ros.bags.client import client_node

    heads = ('lives', 'to the third answer, s', 'slowest', 'SIGTERM to end, s', 'places',
             'segments', 'MB in /dev/shm', 'camera restarted', 'wrong')  # fmt: skip
    print('| ' + ' | '.join(heads) + ' |\n|' + ' --- |' * len(heads), flush=True)
    with client_node('restarts') as (node, executor):
        views = to_and_fro(views_of(options.bag, options.pose_topic))
        observer = Observer(node, executor, views)
        every = max(1, options.restarts // 10)
        for number in range(1, options.restarts + 1):
            lives.live(number, signal.SIGKILL if number % 2 == 0 else signal.SIGTERM, observer)
            if number % every == 0:
                _print(lives, number)
        text = lives.log.read_text(errors='replace')
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
        f'{lives.expected} | {segments} | {size:.0f} | {lives.camera.restarts} | '
        f'{len(lives.wrong)} |', flush=True,
    )  # fmt: skip


if __name__ == '__main__':
    raise SystemExit(main())
