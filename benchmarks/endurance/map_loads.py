"""Loads maps a hundred times while images come in: memory, answers, what was lost.

    python -m benchmarks map_loads --map A.folmap --other B.folmap --bag BAG [--loads 100]
        [--rate 10] [--busy 2] [-p NAME:=VALUE ...]

A node in a process of its own answers the images of a bag, which are driven to and fro, while
LoadMap is called again and again: every tenth time with a file that does not exist, every tenth
time with one whose second half is missing, else with the two maps in turns. `--busy` programs that
only compute run beside it. A failed load has to keep the map. Every image has to be answered,
dropped, bad or lost, and every call to get the result that it deserves.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
import psutil

from benchmarks.endurance.soak import PATIENCE, START, Soak, to_and_fro, views_of
from benchmarks.options import benchmark_parser

BUSY = 'while True: pass'


@contextmanager
def busy_programs(number: int) -> Iterator[None]:
    """So many programs that only compute, for the length of a block."""
    with ExitStack() as running:
        for _ in range(number):
            command = [sys.executable, '-c', BUSY]
            process = running.enter_context(subprocess.Popen(command))  # noqa: S603 our own text
            running.callback(process.kill)
        yield


class Loads:
    """Calls LoadMap while the images of a drive are sent."""

    def __init__(self, node: Any, soak: Soak, options: argparse.Namespace, damaged: Path) -> None:
        from fol_vpr_msgs.srv import LoadMap

        self._soak = soak
        self._options = options
        self._damaged = damaged
        self._type = LoadMap
        self._client = node.create_client(LoadMap, '/localizer/load_map')
        self._views = to_and_fro(views_of(options.bag, options.pose_topic))
        self._numbers = count()
        self._started = time.monotonic()
        self.sent = 0
        self.wrong: list[str] = []
        self.seconds: list[float] = []

    def wait_for_the_service(self) -> None:
        """Until it is there; SystemExit where it does not come."""
        if not self._client.wait_for_service(timeout_sec=PATIENCE):
            raise SystemExit('there is no service /localizer/load_map')

    def all(self) -> None:
        """Make all calls, and print a line for every tenth of them."""
        print('| loads | MB | load p50 s | slowest s | answers | dropped |\n|' + ' --- |' * 6)
        every = max(1, self._options.loads // 10)
        for number in range(1, self._options.loads + 1):
            self._load(number)
            if number % every == 0:
                self._print(number)

    def _load(self, number: int) -> None:
        response = self._type.Response
        maps = (self._options.map, self._options.other)
        path, expected = maps[number % 2], response.OK
        if number % 10 == 3:
            path, expected = self._damaged.with_name('absent.folmap'), response.NOT_FOUND
        elif number % 10 == 7:
            path, expected = self._damaged, response.CORRUPT
        asked = time.monotonic()
        future = self._client.call_async(self._type.Request(path=str(path.absolute())))
        while not future.done():
            if time.monotonic() - asked > PATIENCE:
                self.wrong.append(f'call {number} ({path.name}) was not answered')
                return
            self._send_one()
        self.seconds.append(time.monotonic() - asked)
        answer = future.result()
        if answer.result != expected or not answer.info.map_id:
            self.wrong.append(
                f'call {number} ({path.name}): result {answer.result}, expected {expected}; map '
                f'{answer.info.map_id!r}; {answer.message}'
            )

    def _send_one(self) -> None:
        number = next(self._numbers)
        rate = self._options.rate
        view = next(self._views)
        self._soak.send(view, START * 1_000_000_000 + round(number * 1e9 / rate))
        self.sent += 1
        self._soak.spin_until(self._started + (number + 1) / rate)

    def settle(self) -> None:
        """Until nothing waits any more, with late images that reveal what was lost before."""
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            self._send_one()
            self._soak.spin_until(time.monotonic() + 2)
            if self.unaccounted() == 0:
                return

    def unaccounted(self) -> int:
        """Images that are neither answered, dropped, bad nor lost."""
        counts = self._soak.counts
        return self.sent - sum(
            counts.get(name, 0) for name in ('answered', 'dropped', 'bad', 'lost')
        )

    def _print(self, number: int) -> None:
        p50, slowest = np.median(self.seconds or [np.nan]), max(self.seconds, default=np.nan)
        counts = self._soak.counts
        print(
            f'| {number} | {self._soak.memory():.1f} | {p50:.2f} | {slowest:.2f} | '
            f'{counts.get("answered", 0)} | {counts.get("dropped", 0)} |', flush=True,
        )  # fmt: skip
        self.seconds.clear()


def main(arguments: Sequence[str] | None = None) -> int:
    """Load, print, and say what went wrong; 1 where anything did."""
    parser = benchmark_parser(__name__, __doc__, threads=False, figures=False)
    parser.add_argument('--map', type=Path, required=True)
    parser.add_argument('--other', type=Path, required=True, help='a map of the same network')
    parser.add_argument('--bag', required=True, help='a drive with poses')
    parser.add_argument('--pose-topic', help='its poses, where there are several')
    parser.add_argument('--loads', type=int, default=100)
    parser.add_argument('--rate', type=float, default=10.0, help='images a second')
    parser.add_argument('--busy', type=int, default=2, help='programs that compute beside it')
    parser.add_argument('-p', dest='parameter', action='append', default=[], metavar='NAME:=VALUE')
    options = parser.parse_args(arguments)
    os.environ.setdefault('ROS_DOMAIN_ID', str(1 + os.getpid() % 100))
    os.environ.setdefault('ROS_AUTOMATIC_DISCOVERY_RANGE', 'LOCALHOST')
    command = [sys.executable, '-m', 'fol_vpr.ros.node.main', '--ros-args']
    for setting in (f'map:={options.map}', 'autostart:=true', *options.parameter):
        command += ['-p', setting]
    with tempfile.TemporaryDirectory(prefix='fol_vpr_loads_') as name, ExitStack() as running:
        os.environ.setdefault('ROS_LOG_DIR', name)
        damaged = Path(name) / 'damaged.folmap'
        whole = options.map.read_bytes()
        damaged.write_bytes(whole[: len(whole) // 2])
        process = running.enter_context(subprocess.Popen(command))  # noqa: S603 our own node
        running.callback(process.terminate)
        running.enter_context(busy_programs(options.busy))
        return _run(psutil.Process(process.pid), options, damaged)


def _run(process: psutil.Process, options: argparse.Namespace, damaged: Path) -> int:
    from fol_vpr.ros.bags.client import client_node

    with client_node('map_loads') as (node, executor):
        soak = Soak(node, executor, process)
        loads = Loads(node, soak, options, damaged)
        soak.wait_for_the_node()
        loads.wait_for_the_service()
        loads.all()
        loads.settle()
        told = ', '.join(f'{number} {name}' for name, number in soak.counts.items())
        print(f'\n{loads.sent} sent: {told}; {loads.unaccounted()} unaccounted for')
        for line in loads.wrong:
            print(line)
        return 1 if loads.wrong or loads.unaccounted() else 0


if __name__ == '__main__':
    raise SystemExit(main())
