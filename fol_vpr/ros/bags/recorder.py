"""Records topics into a bag, together with the definitions of their types."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Literal

from ament_index_python.packages import PackageNotFoundError, get_package_share_directory
from rclpy.executors import Executor
from rclpy.node import Node
from rclpy.qos import QoSProfile, ReliabilityPolicy
from rosbags.interfaces import Connection
from rosbags.rosbag2 import StoragePlugin, Writer
from rosbags.typesys import Stores, get_types_from_msg, get_typestore

from fol_vpr.config import RecorderConfig
from fol_vpr.errors import FolVprError, InputError, StorageError
from fol_vpr.ros.bags.client import client_node, message_class, topic_type
from fol_vpr.ros.kept_messages import KeptSubscription, Repeats
from fol_vpr.sources.bags.writing.writer import WRITE_ERRORS

Report = Callable[[str], None]
# Seconds that one turn of the executor may take.
SPIN_TIME = 0.1
# Messages that may wait to be written.
QUEUE_DEPTH = 1000
BAG_VERSION: Literal[9] = 9  # of ROS 2 Jazzy
PRESENT_QOS = QoSProfile(depth=QUEUE_DEPTH, reliability=ReliabilityPolicy.BEST_AVAILABLE)
STORAGES = {'sqlite3': StoragePlugin.SQLITE3, 'mcap': StoragePlugin.MCAP}


@dataclass
class RecordSummary:
    """What was recorded.

    Attributes:
        recorded: number of messages by topic.
        missing: topics that nobody published.
        seconds: duration of the recording.
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
    """Record topics until `is_stopped`, or until the end that `config` sets.

    Args:
        output: folder of the bag; must not exist.
        topics: names of the topics; their types are those that are published.
        config: storage format, and when to end.
        conclude: called with what was recorded, after the bag is complete.
        report: called with messages for the user.
        is_stopped: called about ten times a second; returns whether to end. An exception cannot
            end the recording: rclpy discards one that is raised while it cleans up, and the bag
            would lack its metadata.

    Raises:
        InputError: `output` exists, or `idle_topic` is none of the recorded topics.
        StorageError: no space or no permission; the messages recorded before are kept.
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
        except WRITE_ERRORS as error:
            raise StorageError(f'{output} cannot be written: {error}') from error
        finally:
            if not writer.connections:
                # An empty bag would prevent the next attempt from using its name.
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
        self._idle_topic = ''
        if config.idle_topic:
            self._idle_topic = node.resolve_topic_name(config.idle_topic)
            self._check_idle_topic()

    def _check_idle_topic(self) -> None:
        if self._idle_topic not in self._summary.missing:
            raise InputError(
                f'--idle-topic is {self._idle_topic}, expected one of the topics that are '
                f'recorded: {", ".join(self._summary.missing)}'
            )
        if not self._config.idle:
            raise InputError(
                f'--idle-topic {self._idle_topic} needs --idle with the seconds without a message '
                'on it after which the recording ends'
            )

    def run(self, is_stopped: Callable[[], bool]) -> RecordSummary:
        """Record until the end."""
        started = self._last = time.monotonic()
        while not self._is_over(started):
            if is_stopped():
                self._report('interrupted')
                break
            self._subscribe_to_new()
            self._executor.spin_once(timeout_sec=SPIN_TIME)
        self._summary.seconds = time.monotonic() - started
        return self._summary

    def _is_over(self, started: float) -> bool:
        now, config, summary = time.monotonic(), self._config, self._summary
        if not self._has_subscriptions() and now - started > config.wait_for:
            offered = ', '.join(name for name, _ in self._node.get_topic_names_and_types())
            raise FolVprError(
                f'nobody published {", ".join(summary.missing)} within {config.wait_for:g} s; '
                f'there are the topics {offered or "(none)"}'
            )
        if config.duration and now - started > config.duration:
            return True
        begun = summary.recorded.get(self._idle_topic) if self._idle_topic else summary.recorded
        return bool(config.idle and begun and now - self._last > config.idle)

    def _has_subscriptions(self) -> bool:
        return any(True for _ in self._node.subscriptions)

    def _subscribe_to_new(self) -> None:
        for topic in tuple(self._summary.missing):
            type_name = topic_type(self._node, topic)
            if type_name is None:
                continue
            kind = message_class(type_name)
            self._register(type_name)
            connection = self._writer.add_connection(topic, type_name, typestore=self._typestore)
            callback = partial(self._on_message, connection, Repeats(QUEUE_DEPTH))
            KeptSubscription(
                self._node, kind, topic, callback, depth=QUEUE_DEPTH, present=PRESENT_QOS, raw=True
            )
            self._summary.missing.remove(topic)
            self._report(f'recording {topic} ({type_name})')

    def _on_message(
        self, connection: Connection, repeats: Repeats, data: bytes, info: dict[str, Any]
    ) -> None:
        if repeats.seen(int(info['source_timestamp']), data):
            return
        self._writer.write(connection, time.time_ns(), data)
        recorded = self._summary.recorded
        recorded[connection.topic] = recorded.get(connection.topic, 0) + 1
        if self._idle_topic in ('', connection.topic):
            self._last = time.monotonic()

    def _register(self, type_name: str) -> None:
        """Add a type and the types of its fields, from their installed definitions."""
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
    """Full names of the message types of the fields in a definition."""
    names = []
    for line in definition.splitlines():
        words = line.split('#')[0].split(maxsplit=1)
        kind = words[0].split('[')[0].split('<')[0] if words else ''
        if '/' in kind:
            owner, _, name = kind.partition('/')
            names.append(f'{owner}/msg/{name.removeprefix("msg/")}')
        elif kind[:1].isupper():
            names.append(f'{package}/msg/{kind}')
    return names
