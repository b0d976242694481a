"""Requests random lifecycle transitions while images come in: answers, memory, what was lost.

    python -m benchmarks transitions --map MAP --bag BAG [--transitions 300] [--rate 10]
        [--pose-topic TOPIC] [--seed 0] [-p NAME:=VALUE ...]

A node in a process of its own is driven through its states by requests that a generator draws:
half of them are possible in the state at hand, the others are not. Each has to be answered, with
success exactly where it was possible, and the node has to be in the state that follows. Whatever
the node has received while it was active has to be answered, dropped or bad at the end.
"""

from __future__ import annotations

import argparse
import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import ExitStack
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
import psutil

from benchmarks.endurance.soak import PATIENCE, START, Soak, to_and_fro, views_of
from benchmarks.options import benchmark_parser

# Of lifecycle_msgs/Transition, without shutdown, which ends the node for good.
POSSIBLE = {
    'unconfigured': {1: 'inactive'},
    'inactive': {2: 'unconfigured', 3: 'active'},
    'active': {4: 'inactive'},
}
IMPOSSIBLE = (0, 1, 2, 3, 4, 8, 10, 30, 62, 97, 99, 255)
PAUSE = 0.5
"""Most seconds between two requests."""


class Transitions:
    """Requests transitions, and sends images meanwhile."""

    def __init__(self, node: Any, soak: Soak, options: argparse.Namespace) -> None:
        from lifecycle_msgs.srv import ChangeState, GetState

        self._soak = soak
        self._rate = options.rate
        self._random = random.Random(options.seed)
        self._views = to_and_fro(views_of(options.bag, options.pose_topic))
        self._numbers = count()
        self._next = time.monotonic()
        self._change = node.create_client(ChangeState, '/localizer/change_state')
        self._get = node.create_client(GetState, '/localizer/get_state')
        self._change_request, self._get_request = ChangeState.Request, GetState.Request
        self.seconds: list[float] = []
        self.state = ''
        self.sent = self.refused = 0
        self.wrong: list[str] = []

    def begin(self) -> None:
        """Wait for the services; SystemExit where they do not come."""
        for client in (self._change, self._get):
            if not client.wait_for_service(timeout_sec=PATIENCE):
                raise SystemExit(f'there is no service {client.srv_name}')
        self.state = self._answer(self._get, self._get_request()).current_state.label

    def one(self, number: int) -> None:
        """One request, possible or not, and a look at the state after it."""
        possible = POSSIBLE[self.state]
        wanted = self._random.random() < 0.5
        known = list(possible) if wanted else [i for i in IMPOSSIBLE if i not in possible]
        chosen = self._random.choice(known)
        request = self._change_request()
        request.transition.id = chosen
        asked = time.monotonic()
        answer = self._answer(self._change, request)
        expected = possible.get(chosen, self.state)
        if answer is None or answer.success != wanted:
            said = 'no answer' if answer is None else f'success={answer.success}'
            self.wrong.append(f'request {number}: {chosen} while {self.state}: {said}')
        if wanted:
            self.seconds.append(time.monotonic() - asked)
        else:
            self.refused += 1
        now = self._answer(self._get, self._get_request())
        found = 'unknown' if now is None else now.current_state.label
        if found != expected:
            self.wrong.append(f'request {number}: the state is {found}, expected {expected}')
        self.state = found if found in POSSIBLE else self.state
        until = time.monotonic() + self._random.uniform(0, PAUSE)
        while time.monotonic() < until:
            self._step()

    def bring_to_active(self) -> bool:
        """Configure and activate; whether an image is answered then."""
        request = self._change_request()
        for chosen in {'unconfigured': (1, 3), 'inactive': (3,), 'active': ()}[self.state]:
            request.transition.id = chosen
            self._answer(self._change, request)
        before = self._soak.counts.get('answered', 0)
        deadline = time.monotonic() + PATIENCE
        while self._soak.counts.get('answered', 0) <= before and time.monotonic() < deadline:
            self._step()
        self._soak.spin_until(time.monotonic() + 5)
        return self._soak.counts.get('answered', 0) > before

    def _answer(self, client: Any, request: Any) -> Any:
        future = client.call_async(request)
        deadline = time.monotonic() + PATIENCE
        while not future.done():
            if time.monotonic() > deadline:
                return None
            self._step()
        return future.result()

    def _step(self) -> None:
        """Send the next image when it is due."""
        self._soak.spin_until(min(self._next, time.monotonic() + 0.01))
        if time.monotonic() >= self._next:
            self._next = time.monotonic() + 1 / self._rate
            number = next(self._numbers)
            stamp = START * 1_000_000_000 + round(number * 1e9 / self._rate)
            self._soak.send(next(self._views), stamp)
            self.sent += 1


def main(arguments: Sequence[str] | None = None) -> int:
    """Request, print, and say what went wrong; 1 where anything did."""
    parser = benchmark_parser(__name__, __doc__, threads=False, figures=False)
    parser.add_argument('--map', type=Path, required=True)
    parser.add_argument('--bag', required=True, help='a drive with poses')
    parser.add_argument('--pose-topic', help='its poses, where there are several')
    parser.add_argument('--transitions', type=int, default=300)
    parser.add_argument('--rate', type=float, default=10.0, help='images a second')
    parser.add_argument('--seed', type=int, default=0, help='of the requests')
    parser.add_argument('-p', dest='parameter', action='append', default=[], metavar='NAME:=VALUE')
    options = parser.parse_args(arguments)
    # The tests take domains from 1 to 100, and start nodes of the same name.
    os.environ.setdefault('ROS_DOMAIN_ID', '101')
    os.environ.setdefault('ROS_AUTOMATIC_DISCOVERY_RANGE', 'LOCALHOST')
    command = [sys.executable, '-m', 'fol_vpr.ros.node.main', '--ros-args']
    for setting in (f'map:={options.map}', *options.parameter):
        command += ['-p', setting]
    with tempfile.TemporaryDirectory(prefix='fol_vpr_transitions_') as name, ExitStack() as stack:
        os.environ.setdefault('ROS_LOG_DIR', name)
        log = stack.enter_context((Path(name) / 'log').open('w'))
        process = stack.enter_context(
            subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT)  # noqa: S603 ours
        )
        stack.callback(process.terminate)
        return _run(psutil.Process(process.pid), options, Path(name) / 'log')


def _run(process: psutil.Process, options: argparse.Namespace, log: Path) -> int:
    from fol_vpr.ros.bags.client import client_node

    heads = ('requests', 'MB', 'threads', 'p50 s', 'slowest s', 'answered', 'dropped', 'bad')
    print('| ' + ' | '.join(heads) + ' |\n|' + ' --- |' * len(heads), flush=True)
    with client_node('transitions') as (node, executor):
        soak = Soak(node, executor, process)
        transitions = Transitions(node, soak, options)
        transitions.begin()
        every = max(1, options.transitions // 10)
        for number in range(1, options.transitions + 1):
            transitions.one(number)
            if number % every == 0:
                _print(transitions, soak, process, number)
        if not transitions.bring_to_active():
            transitions.wrong.append('after the last request no image was answered')
        return _report(transitions, soak, log.read_text(errors='replace'), options.transitions)


def _report(transitions: Transitions, soak: Soak, text: str, requests: int) -> int:
    counts, wrong = soak.counts, transitions.wrong
    known = sum(counts.get(name, 0) for name in ('answered', 'dropped', 'bad', 'waiting'))
    if counts.get('received', 0) != known:
        wrong.append(f'{counts.get("received", 0)} images received, {known} accounted for')
    refusals = text.count('refused the transition')
    if refusals != transitions.refused:
        wrong.append(f'{refusals} refusals in the log, expected {transitions.refused}')
    for trace in ('Traceback', 'report this defect'):
        if trace in text:
            wrong.append(f'the log has {text.count(trace)} times {trace!r}')
    told = ', '.join(f'{number} {name}' for name, number in counts.items())
    print(f'\n{requests} requests, {transitions.refused} of them impossible; '
          f'{transitions.sent} images sent: {told}; {len(wrong)} things wrong')  # fmt: skip
    for line in wrong:
        print(line)
    return 1 if wrong else 0


def _print(transitions: Transitions, soak: Soak, process: psutil.Process, number: int) -> None:
    seconds = transitions.seconds or [np.nan]
    counts = [soak.counts.get(name, 0) for name in ('answered', 'dropped', 'bad')]
    print(
        f'| {number} | {soak.memory():.1f} | {process.num_threads()} | {np.median(seconds):.2f} | '
        f'{max(seconds):.2f} | {" | ".join(map(str, counts))} |', flush=True,
    )  # fmt: skip
    transitions.seconds = []


if __name__ == '__main__':
    raise SystemExit(main())
