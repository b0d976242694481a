"""Nodes in processes of their own, and an observer of them in this one."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import rclpy
from diagnostic_msgs.msg import DiagnosticArray
from lifecycle_msgs.srv import ChangeState, GetState
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy

from fol_vpr.config import MappingConfig, NetworkConfig
from fol_vpr.mapping import build_map
from fol_vpr.network import FeatureExtractor
from fol_vpr.sources import ImageFolder
from fol_vpr_msgs.msg import MapInfo, PlaceHypothesisArray

# Seconds after which a test fails; enough for a machine under load.
PATIENCE = 60.0
# Seconds after which a request is sent again. A service drops its answer where it has not
# discovered the client yet, and a client that finds the service ready cannot tell.
AGAIN = 10.0
NETWORK = NetworkConfig(input_size=126, threads=1)
QUICK = {'network.threads': 1, 'retrieval.rerank': 4, 'verification.verify': 1}
ROOT = Path(__file__).resolve().parents[2]


def small_map(folder: Path, output: Path, network: NetworkConfig = NETWORK) -> Path:
    """Build a map of the images in a folder, with a small input size; returns its path."""
    extractor = FeatureExtractor(network)
    build_map(ImageFolder(folder), output, extractor, MappingConfig())
    extractor.close()
    return output


class Observer:
    """A node of the test that listens to a localizer and calls its services."""

    def __init__(self, name: str = 'localizer') -> None:
        rclpy.init(args=[])
        self.node = Node('observer')
        self.executor = SingleThreadedExecutor()
        self.executor.add_node(self.node)
        self.name = name
        self.answers: list[PlaceHypothesisArray] = []
        self.maps: list[MapInfo] = []
        self.diagnostics: dict[str, Any] = {}
        subscribe = self.node.create_subscription
        subscribe(PlaceHypothesisArray, f'{name}/places', self.answers.append, 1000)
        latched = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)
        subscribe(MapInfo, f'{name}/map_info', self.maps.append, latched)
        subscribe(DiagnosticArray, '/diagnostics', self._on_diagnostics, 10)

    def _on_diagnostics(self, message: DiagnosticArray) -> None:
        for status in message.status:
            self.diagnostics[status.name.rpartition(': ')[2]] = status

    def spin(self, seconds: float) -> None:
        """Spin for a number of seconds."""
        self.until(lambda: False, seconds, fail=False)

    def until(
        self, condition: Callable[[], Any], patience: float = PATIENCE, *, fail: bool = True
    ) -> Any:
        """What `condition` returns once it is true."""
        deadline = time.monotonic() + patience
        while True:
            result = condition()
            if result:
                return result
            if time.monotonic() > deadline:
                assert not fail, f'timed out; diagnostics: {self.diagnostics_summary()}'
                return result
            self.executor.spin_once(timeout_sec=0.05)

    def status(self, part: str) -> tuple[int, str]:
        """Level and message of a diagnostic status."""
        status = self.diagnostics.get(part)
        return (-1, '') if status is None else (ord(status.level), status.message)

    def count(self, key: str) -> int:
        """A counter of the images in the diagnostics, -1 before the first."""
        status = self.diagnostics.get('images')
        values = {} if status is None else {value.key: value.value for value in status.values}
        return int(values.get(key, -1))

    def diagnostics_summary(self) -> dict[str, tuple[int, str]]:
        """Level and message of all diagnostic statuses."""
        return {part: self.status(part) for part in self.diagnostics}

    def client(self, service: type, name: str, **options: Any) -> Any:
        """A client of a service of the node that is ready, and known there."""
        client = self.node.create_client(service, f'{self.name}/{name}', **options)
        self.until(client.service_is_ready)
        self.spin(0.5)
        return client

    def call(self, service: type, name: str, request: Any) -> Any:
        """The response of a service of the node; a request without an answer is sent again."""
        client = self.node.create_client(service, f'{self.name}/{name}')
        self.until(client.service_is_ready)
        calls: list[Any] = []
        deadline = time.monotonic() + PATIENCE
        while not any(call.done() for call in calls) and time.monotonic() < deadline:
            calls.append(client.call_async(request))
            self.until(lambda: any(call.done() for call in calls), AGAIN, fail=False)
        done = [call for call in calls if call.done()]
        assert done, f'{name} gave no answer; diagnostics: {self.diagnostics_summary()}'
        self.node.destroy_client(client)
        return done[0].result()

    def state(self) -> str:
        """Label of the lifecycle state."""
        return self.call(GetState, 'get_state', GetState.Request()).current_state.label

    def change(self, label: str) -> bool:
        """Request a lifecycle transition; returns whether it succeeded."""
        request = ChangeState.Request()
        request.transition.label = label
        client = self.client(ChangeState, 'change_state')
        future = client.call_async(request)
        self.until(future.done)
        self.node.destroy_client(client)
        return future.result().success

    def publisher(self, kind: type, topic: str, *, reliable: bool = True) -> Any:
        """A publisher that has a subscriber."""
        policy = ReliabilityPolicy.RELIABLE if reliable else ReliabilityPolicy.BEST_EFFORT
        publisher = self.node.create_publisher(
            kind, topic, QoSProfile(depth=10, reliability=policy)
        )
        self.until(publisher.get_subscription_count)
        self.spin(0.5)
        return publisher

    def close(self) -> None:
        """Leave the graph, but not at the same time as another node, which may block Fast DDS."""
        self.spin(0.3)
        self.executor.shutdown()
        self.node.destroy_node()
        rclpy.shutdown()


@contextlib.contextmanager
def observer() -> Iterator[Observer]:
    """An observer for the length of a block."""
    watcher = Observer()
    try:
        yield watcher
    finally:
        watcher.close()


def localizer_command(parameters: dict[str, Any], *extra: str) -> list[str]:
    """The command that starts the node with parameters."""
    command = [sys.executable, '-m', 'fol_vpr.ros.node.main', '--ros-args']
    for name, value in parameters.items():
        text = str(value).lower() if isinstance(value, bool) else str(value)
        command += ['-p', f'{name}:={text}']
    return [*command, *extra]


class Localizer:
    """The node in a process of its own."""

    def __init__(self, log: Path, parameters: dict[str, Any], *extra: str) -> None:
        self.log = log
        with log.open('w') as file:
            self.process = subprocess.Popen(
                localizer_command({**QUICK, **parameters}, *extra),
                stdout=file,
                stderr=subprocess.STDOUT,
                cwd=ROOT,
            )

    def stop(self, number: signal.Signals = signal.SIGTERM) -> tuple[int, float]:
        """Send a signal; exit status and seconds that it took."""
        started = time.monotonic()
        self.process.send_signal(number)
        status = self.process.wait(PATIENCE)
        return status, time.monotonic() - started

    def close(self) -> None:
        """End the process, by force if it does not react."""
        # A process that is killed leaves its shared memory behind, some 32 MiB.
        self.process.terminate()
        try:
            self.process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


@contextlib.contextmanager
def localizer(log: Path, parameters: dict[str, Any], *extra: str) -> Iterator[Localizer]:
    """The node for the length of a block."""
    node = Localizer(log, parameters, *extra)
    try:
        yield node
    finally:
        node.close()


def fol_vpr(*arguments: str | Path, **environment: str) -> subprocess.Popen[str]:
    """The command line in a process of its own."""
    return subprocess.Popen(
        [sys.executable, '-m', 'fol_vpr.cli.main', *(str(argument) for argument in arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        env={**os.environ, **environment},
    )
