"""Records topics into a bag, with the definitions of their types."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Literal

from ament_index_python.packages import PackageNotFoundError, get_package_share_directory
from rclpy.executors import Executor
from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy
from rosbags.interfaces import Connection
from rosbags.rosbag2 import StoragePlugin, Writer, WriterError
from rosbags.typesys import Stores, get_types_from_msg, get_typestore

from fol_vpr.config import RecorderConfig
from fol_vpr.errors import FolVprError, InputError, StorageError
from fol_vpr.ros.bags.client import client_node, message_class, topic_type

Report = Callable[[str], None]
NAP = 0.1
DEPTH = 1000
BAG_VERSION: Literal[9] = 9  # of ROS 2 Jazzy
STORAGES = {'sqlite3': StoragePlugin.SQLITE3, 'mcap': StoragePlugin.MCAP}


@dataclass
class RecordSummary:
    """What was recorded.

    Attributes:
        recorded: messages by topic.
        missing: topics that nobody published.
        seconds: from the first subscription to the end.
    """

    recorded: dict[str, int] = field(default_factory=dict)
    missing: list[str] = field(default_factory=list)
    seconds: float = 0.0


def record(
    output: str | Path,
    topics: Sequence[str],
    config: RecorderConfig,
    *,
    conclude: Callable[[RecordSummary], None],
    report: Report = lambda _: None,
    is_stopped: Callable[[], bool] = lambda: False,
) -> None:
    """Record topics until told to stop, or as `config` says.

    Args:
        output: folder of the bag, to be made.
        topics: names; their types are found out.
        config: storage, when to end.
        conclude: told what was recorded, once the bag is complete.
        report: told in words what goes on.
        is_stopped: asked about ten times a second. An exception cannot do this: one that is
            raised while rclpy cleans up is swallowed, and the bag stays without its metadata.

    Raises:
        InputError: `output` exists.
        StorageError: no space or no permission; what was recorded before stays.
        FolVprError: nobody publishes any of the topics, or a type is not installed.
    """
    output = Path(output)
    if output.exists():
        raise InputError(f'{output} exists already: give another name, or remove it')
    with client_node('bag_recorder') as (node, executor):
        writer = Writer(output, version=BAG_VERSION, storage_plugin=STORAGES[config.storage])
        try:
            with writer:
                recorder = _Recorder(node, executor, writer, topics, config, report)
                summary = recorder.run(is_stopped)
        except (OSError, WriterError) as error:
            raise StorageError(f'{output} cannot be written: {error}') from error
        finally:
            if not writer.connections:
                # An empty bag would only be in the way of the next attempt.
                shutil.rmtree(output, ignore_errors=True)
        conclude(summary)


class _Recorder:
    """One recording."""

    def __init__(
        self,
        node: Node,
        executor: Executor,
        writer: Writer,
        topics: Sequence[str],
        config: RecorderConfig,
        report: Report,
    ) -> None:
        self._node = node
        self._executor = executor
        self._writer = writer
        self._config = config
        self._report = report
        self._typestore = get_typestore(Stores.ROS2_JAZZY)
        self._summary = RecordSummary(missing=[node.resolve_topic_name(name) for name in topics])
        self._last = 0.0

    def run(self, is_stopped: Callable[[], bool]) -> RecordSummary:
        """Record until the end."""
        started = self._last = time.monotonic()
        while not self._is_over(started):
            if is_stopped():
                self._report('interrupted')
                break
            self._subscribe_to_new()
            self._executor.spin_once(timeout_sec=NAP)
        self._summary.seconds = time.monotonic() - started
        return self._summary

    def _is_over(self, started: float) -> bool:
        now, config, summary = time.monotonic(), self._config, self._summary
        if not self._node_subscribed() and now - started > config.wait_for:
            offered = ', '.join(name for name, _ in self._node.get_topic_names_and_types())
            raise FolVprError(
                f'nobody published {", ".join(summary.missing)} within {config.wait_for:g} s; '
                f'there are the topics {offered or "(none)"}'
            )
        if config.duration and now - started > config.duration:
            return True
        return bool(config.idle and summary.recorded and now - self._last > config.idle)

    def _node_subscribed(self) -> bool:
        return any(True for _ in self._node.subscriptions)

    def _subscribe_to_new(self) -> None:
        for topic in tuple(self._summary.missing):
            type_name = topic_type(self._node, topic)
            if type_name is None:
                continue
            kind = message_class(type_name)
            self._register(type_name)
            connection = self._writer.add_connection(topic, type_name, typestore=self._typestore)
            qos = QoSProfile(
                depth=DEPTH,
                reliability=ReliabilityPolicy.BEST_AVAILABLE,
                durability=DurabilityPolicy.BEST_AVAILABLE,
            )
            self._node.create_subscription(
                kind, topic, partial(self._on_message, connection), qos, raw=True
            )
            self._summary.missing.remove(topic)
            self._report(f'recording {topic} ({type_name})')

    def _on_message(self, connection: Connection, data: bytes) -> None:
        self._writer.write(connection, time.time_ns(), data)
        recorded = self._summary.recorded
        recorded[connection.topic] = recorded.get(connection.topic, 0) + 1
        self._last = time.monotonic()

    def _register(self, type_name: str) -> None:
        """Add a type and those that it is made of, from their installed definitions."""
        if type_name in self._typestore.types:
            return
        package, _, name = type_name.partition('/msg/')
        text = _definition(package, name)
        for needed in _field_types(text, package):
            self._register(needed)
        self._typestore.register(get_types_from_msg(text, type_name))


def _definition(package: str, name: str) -> str:
    try:
        return (Path(get_package_share_directory(package)) / 'msg' / f'{name}.msg').read_text()
    except (PackageNotFoundError, OSError) as error:
        raise FolVprError(
            f'the definition of {package}/msg/{name} is needed for the bag, but is not installed: '
            'install the package and source its workspace'
        ) from error


def _field_types(definition: str, package: str) -> list[str]:
    """Full names of the message types that a definition is made of."""
    names = []
    for line in definition.splitlines():
        word = line.split('#')[0].split(maxsplit=1)[:1]
        kind = word[0].split('[')[0].split('<')[0] if word else ''
        if '/' in kind:
            owner, _, name = kind.partition('/')
            names.append(f'{owner}/msg/{name.removeprefix("msg/")}')
        elif kind[:1].isupper():
            names.append(f'{package}/msg/{kind}')
    return names
