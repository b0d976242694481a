"""Raw images at full rate, and many subscribers of which one stands still.

    python -m benchmarks streams --map MAP --bag BAG [--seconds 600] [--rate 30]
        [--size 1280 720] [--subscribers 20] [-p NAME:=VALUE ...]

A camera sends raw images to the live node, which runs in a process of its own. The answers go to
`--subscribers` reliable subscriptions in other processes. One of these processes is stopped
(SIGSTOP) after a tenth of the time and goes on before the last tenth: it neither takes answers nor
acknowledges them meanwhile, as a program in a debugger. A line for each tenth: memory of the node,
milliseconds from sending an image to its answer here, the node's counts, and the longest time
between two answers.

It fails where an image is unaccounted for, where a subscriber that runs misses an answer, or where
memory grows by more than `--growth` megabytes from the second tenth to the last.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import psutil

from benchmarks.options import benchmark_parser
from fol_vpr.sources import open_source

PARTS = 10
PATIENCE = 120.0
START = 1_700_000_000
TOPIC = '/localizer/places'
# A subscriber in a process of its own: prints how many answers came, and how many different ones.
SUBSCRIBER = """
import json, sys
from fol_vpr.ros.bags.client import client_node
from fol_vpr_msgs.msg import PlaceHypothesisArray
from rclpy.node import Node
from rclpy.qos import QoSProfile
count, name = int(sys.argv[1]), sys.argv[2]
stamps = [[] for _ in range(count)]
with client_node(name) as (node, executor):
    def listener(into):
        return lambda m: into.append(m.header.stamp.sec * 10**9 + m.header.stamp.nanosec)
    for number in range(count):
        node.create_subscription(
            PlaceHypothesisArray, sys.argv[3], listener(stamps[number]), QoSProfile(depth=100)
        )
    print('ready', flush=True)
    stop = []
    import signal
    signal.signal(signal.SIGTERM, lambda *_: stop.append(1))
    while not stop:
        executor.spin_once(timeout_sec=0.2)
    for _ in range(200):
        executor.spin_once(timeout_sec=0.005)
    print(json.dumps(stamps), flush=True)
"""


@dataclass
class Part:
    """What was seen in a tenth of the time: milliseconds of each answer, seconds between two."""

    latencies: list[float] = field(default_factory=list)
    longest_silence: float = 0.0


class Stream:
    """The camera, and a subscriber that measures."""

    def __init__(self, node: Any, executor: Any, process: psutil.Process) -> None:
        from diagnostic_msgs.msg import DiagnosticArray
        from rclpy.qos import QoSProfile, ReliabilityPolicy
        from sensor_msgs.msg import Image

        from fol_vpr_msgs.msg import PlaceHypothesisArray

        self._executor = executor
        self._process = process
        camera = QoSProfile(depth=5, reliability=ReliabilityPolicy.BEST_EFFORT)
        self._images = node.create_publisher(Image, 'image', camera)
        node.create_subscription(PlaceHypothesisArray, TOPIC, self._on_answer, 1000)
        node.create_subscription(DiagnosticArray, '/diagnostics', self._on_diagnostics, 10)
        self._sent_at: dict[int, float] = {}
        self._last_answer = time.monotonic()
        self.part = Part()
        self.counts: dict[str, int] = {}
        self.sent = 0
        self.stamps: list[int] = []

    def wait_for_the_node(self) -> None:
        """Until it listens; SystemExit where it does not."""
        deadline = time.monotonic() + PATIENCE
        while not self._images.get_subscription_count():
            if time.monotonic() > deadline or not self._process.is_running():
                raise SystemExit('the node does not listen to images: see its output above')
            self._executor.spin_once(timeout_sec=0.1)
        self.spin_until(time.monotonic() + 1)
        self._last_answer = time.monotonic()

    def send(self, message: Any) -> None:
        """One image, with a stamp that goes on by a millisecond at least."""
        self.sent += 1
        stamp_ns = START * 1_000_000_000 + self.sent * 33_333_333
        message.header.stamp.sec, message.header.stamp.nanosec = divmod(stamp_ns, 1_000_000_000)
        self._sent_at[stamp_ns] = time.monotonic()
        self._images.publish(message)

    def send_until_accounted(self, message: Any) -> None:
        """Late images, of which one reveals how many before it were lost."""
        deadline = time.monotonic() + PATIENCE
        while not self.is_accounted() and time.monotonic() < deadline:
            self.send(message)
            self.spin_until(time.monotonic() + 2.5)

    def is_accounted(self) -> bool:
        """Whether the node has received, or counts as lost, all that was sent."""
        return self.counts.get('received', 0) + self.counts.get('lost', 0) == self.sent

    def spin_until(self, moment: float) -> None:
        """Let answers arrive."""
        while (left := moment - time.monotonic()) > 0:
            self._executor.spin_once(timeout_sec=min(left, 0.05))

    def memory(self) -> float:
        """Megabytes of anonymous pages."""
        info = self._process.memory_info()
        return float(info.rss - info.shared) / 1e6

    def _on_answer(self, message: Any) -> None:
        now, stamp = time.monotonic(), message.header.stamp
        stamp_ns = stamp.sec * 1_000_000_000 + stamp.nanosec
        self.stamps.append(stamp_ns)
        self.part.longest_silence = max(self.part.longest_silence, now - self._last_answer)
        self._last_answer = now
        self.part.latencies.append(1000 * (now - self._sent_at.pop(stamp_ns, now)))
        self._sent_at = {at: sent for at, sent in self._sent_at.items() if at > stamp_ns}

    def _on_diagnostics(self, message: Any) -> None:
        for status in message.status:
            if status.name.endswith(': images'):
                found = {value.key: value.value for value in status.values}
                names = ('received', 'answered', 'dropped', 'bad', 'lost', 'waiting')
                self.counts = {name: int(found.get(name, 0)) for name in names}


def messages_of(bag: str, size: tuple[int, int]) -> list[Any]:
    """Up to 100 images of a bag in that size, as raw messages."""
    from sensor_msgs.msg import Image

    width, height = size
    made = []
    for _, frame in open_source(bag).frames():
        image = cv2.resize(frame.image, (width, height))
        message = Image(height=height, width=width, encoding='rgb8', step=3 * width)
        message.header.frame_id = 'camera'
        message.data = image.tobytes()
        made.append(message)
        if len(made) == 100:
            break
    return made


def subscribers(count: int, name: str) -> subprocess.Popen[str]:
    """A process with subscriptions, once it listens."""
    process = subprocess.Popen(  # noqa: S603 our own text
        [sys.executable, '-c', SUBSCRIBER, str(count), name, TOPIC],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    if process.stdout.readline().strip() != 'ready':
        raise SystemExit('the subscribers did not start: see their output above')
    return process


def received(process: subprocess.Popen[str]) -> list[list[int]]:
    """End a process of subscribers; the stamps that each subscription received."""
    process.terminate()
    output, _ = process.communicate(timeout=PATIENCE)
    stamps: list[list[int]] = json.loads(output)
    return stamps


def drive(stream: Stream, messages: Sequence[Any], stalled: Any, options: Any) -> list[float]:
    """Send all images, and print a line for each tenth; the memory at the end of each."""
    heads = (
        'second', 'MB', 'p50 ms', 'p99 ms', 'longest silence s', 'answers',
        'received', 'dropped', 'lost', 'one subscriber',
    )  # fmt: skip
    print('| ' + ' | '.join(heads) + ' |\n|' + ' --- |' * len(heads), flush=True)
    started, memory, number = time.monotonic(), [], 0
    for part in range(PARTS):
        if part in (1, PARTS - 1):
            stalled.send_signal(signal.SIGSTOP if part == 1 else signal.SIGCONT)
        stream.part = Part()
        until = (part + 1) * options.seconds / PARTS
        while (elapsed := time.monotonic() - started) < until:
            stream.send(messages[number % len(messages)])
            number += 1
            # A camera that is late goes on from where it is.
            due = max(number / options.rate, elapsed)
            stream.spin_until(started + due)
            number = max(number, int((time.monotonic() - started) * options.rate))
        memory.append(stream.memory())
        times, counts = np.array(stream.part.latencies or [np.nan]), stream.counts
        cells = (
            f'{until:.0f}', f'{memory[-1]:.1f}', f'{np.percentile(times, 50):.1f}',
            f'{np.percentile(times, 99):.1f}', f'{stream.part.longest_silence:.2f}',
            len(stream.part.latencies),
            *(counts.get(name, 0) for name in ('received', 'dropped', 'lost')),
            'stopped' if 0 < part < PARTS - 1 else 'runs',
        )  # fmt: skip
        print('| ' + ' | '.join(map(str, cells)) + ' |', flush=True)
    return memory


def verdict(
    stream: Stream, running: list[list[int]], stopped: list[list[int]], memory: list[float],
    growth: float,
) -> list[str]:  # fmt: skip
    """What is wrong; empty where nothing is."""
    counts, wrong = stream.counts, []
    known = sum(counts.get(name, 0) for name in ('answered', 'dropped', 'bad', 'lost', 'waiting'))
    print(f'\n{stream.sent} sent: {", ".join(f"{n} {name}" for name, n in counts.items())}')
    if known != stream.sent:
        wrong.append(f'{stream.sent - known} images are unaccounted for')
    missed = [len(set(stream.stamps) - set(each)) for each in running]
    print(
        f'{len(stream.stamps)} answers here; missed by the {len(running)} subscribers that ran: '
        f'{max(missed, default=0)} at most; the stopped one received {len(stopped[0])}'
    )
    if len(stream.stamps) != counts.get('answered', 0):
        wrong.append(f'{counts.get("answered", 0) - len(stream.stamps)} answers never came')
    if max(missed, default=0):
        wrong.append(f'running subscribers missed answers: {missed}')
    grown = memory[-1] - memory[1]
    print(f'memory grew by {grown:.1f} MB after the second tenth')
    if grown > growth:
        wrong.append(f'memory grew by {grown:.1f} MB, allowed are {growth:g}')
    return wrong


def main(arguments: Sequence[str] | None = None) -> int:
    """Send, print, and say what was lost; 1 where it should not have been."""
    parser = benchmark_parser(__name__, __doc__, threads=False, figures=False)
    parser.add_argument('--map', type=Path, required=True)
    parser.add_argument('--bag', required=True, help='whose images are sent')
    parser.add_argument('--seconds', type=float, default=600.0, help='that it takes')
    parser.add_argument('--rate', type=float, default=30.0, help='images a second')
    parser.add_argument('--size', type=int, nargs=2, default=(1280, 720), metavar=('W', 'H'))
    parser.add_argument('--subscribers', type=int, default=20, help='of the answers, at least 2')
    parser.add_argument('--growth', type=float, default=30.0, help='megabytes that are allowed')
    parser.add_argument('-p', dest='parameter', action='append', default=[], metavar='NAME:=VALUE')
    options = parser.parse_args(arguments)
    os.environ.setdefault('ROS_DOMAIN_ID', str(1 + os.getpid() % 100))
    os.environ.setdefault('ROS_AUTOMATIC_DISCOVERY_RANGE', 'LOCALHOST')
    profile = Path(__file__).resolve().parents[2] / 'config' / 'fastdds_shm.xml'
    os.environ.setdefault('FASTRTPS_DEFAULT_PROFILES_FILE', str(profile))
    with tempfile.TemporaryDirectory(prefix='fol_vpr_streams_') as logs:
        os.environ.setdefault('ROS_LOG_DIR', logs)
        wrong = _run(options)
    for each in wrong:
        print(f'WRONG: {each}')
    return 1 if wrong else 0


def _run(options: argparse.Namespace) -> list[str]:
    from fol_vpr.ros.bags.client import client_node

    command = [sys.executable, '-m', 'fol_vpr.ros.node.main', '--ros-args']
    for setting in (f'map:={options.map}', 'autostart:=true', *options.parameter):
        command += ['-p', setting]
    messages = messages_of(options.bag, tuple(options.size))
    processes: list[subprocess.Popen[Any]] = []
    try:
        # The measuring subscription, and two processes for the others.
        crowd = subscribers(max(1, options.subscribers - 2), 'crowd')
        processes.append(crowd)
        stalled = subscribers(1, 'stalled')
        processes.append(stalled)
        node_process = subprocess.Popen(command)  # noqa: S603 our own node
        processes.append(node_process)
        with client_node('camera') as (node, executor):
            stream = Stream(node, executor, psutil.Process(node_process.pid))
            stream.wait_for_the_node()
            memory = drive(stream, messages, stalled, options)
            stream.send_until_accounted(messages[0])
            stream.spin_until(time.monotonic() + 3)
            running, stopped = received(crowd), received(stalled)
            return verdict(stream, running, stopped, memory, options.growth)
    finally:
        for process in processes:
            process.send_signal(signal.SIGCONT)
            process.terminate()
            process.wait(PATIENCE)
