"""Gives the messages of a topic, whatever its type and the QoS of its publishers."""

from __future__ import annotations

import difflib
import os
import time
from collections import deque
from collections.abc import Callable
from typing import Any

from rclpy.executors import Executor
from rclpy.node import Node
from rclpy.qos import QoSProfile, ReliabilityPolicy
from rclpy.serialization import deserialize_message

from fol_vpr.config import EchoConfig
from fol_vpr.errors import FolVprError, InputError
from fol_vpr.ros.bags.client import client_node
from fol_vpr.ros.kept_messages import KeptSubscription, Repeats
from fol_vpr.ros.watching.types import interface_class, is_foreign

QUEUE_DEPTH = 100
PATIENCE = 2.0
"""Seconds after which the user is told what is waited for."""
_SPIN_TIME = 0.1
_PRESENT_QOS = QoSProfile(depth=QUEUE_DEPTH, reliability=ReliabilityPolicy.BEST_AVAILABLE)


def echo(
    topic: str,
    config: EchoConfig,
    *,
    show: Callable[[Any], None],
    count: int = 0,
    type_name: str = '',
    report: Callable[[str], None] = lambda _: None,
    is_stopped: Callable[[], bool] = lambda: False,
) -> None:
    """Give the messages of a topic one by one.

    Args:
        topic: its name.
        config: how long to wait.
        show: called with each message.
        count: of messages after which it ends; 0 goes on until `is_stopped`.
        type_name: of the messages, for topics that several types are published on; empty takes
            the type that is published.
        report: called with messages for the user.
        is_stopped: called about ten times a second; returns whether to end.

    Raises:
        InputError: the name is no name of a topic.
        FolVprError: nobody publishes, or no message came in time, or its type is not installed
            here, or in another version.
    """
    with client_node(f'_fol_vpr_echo_{os.getpid()}') as (node, executor):
        try:
            name = node.resolve_topic_name(topic)
        except Exception as error:
            raise InputError(f'{topic} is no name of a topic: {error}') from error
        _Echo(node, executor, name, config, report, is_stopped).run(show, count, type_name)


class _Echo:
    """One topic that is listened to."""

    def __init__(
        self,
        node: Node,
        executor: Executor,
        topic: str,
        config: EchoConfig,
        report: Callable[[str], None],
        is_stopped: Callable[[], bool],
    ) -> None:
        self._node = node
        self._executor = executor
        self._topic = topic
        self._config = config
        self._report = report
        self._is_stopped = is_stopped
        self._received: deque[bytes] = deque()
        self._repeats = Repeats(QUEUE_DEPTH)

    def run(self, show: Callable[[Any], None], count: int, type_name: str) -> None:
        """Give the messages until the end."""
        type_name = self._wait_for_publisher(type_name)
        if not type_name:
            return
        kind = interface_class(type_name)
        KeptSubscription(
            self._node, kind, self._topic, self._on_message, depth=QUEUE_DEPTH,
            present=_PRESENT_QOS, raw=True,
        )  # fmt: skip
        shown, last, told = 0, time.monotonic(), False
        while not self._is_stopped():
            self._executor.spin_once(timeout_sec=_SPIN_TIME)
            while self._received:
                show(self._deserialized(self._received.popleft(), kind, type_name))
                shown, last, told = shown + 1, time.monotonic(), False
                if count and shown >= count:
                    return
            silence = time.monotonic() - last
            if self._config.timeout and silence > self._config.timeout:
                raise FolVprError(
                    f'no message on {self._topic} for {self._config.timeout:g} s; '
                    f'{self._publishers()}'
                )
            if silence > PATIENCE and not told:
                told = True
                self._report(f'no message on {self._topic} yet; {self._publishers()}')

    def _on_message(self, data: bytes, info: dict[str, Any]) -> None:
        if not self._repeats.seen(int(info['source_timestamp']), data):
            self._received.append(data)

    def _deserialized(self, data: bytes, kind: Any, type_name: str) -> Any:
        try:
            return deserialize_message(data, kind)
        except Exception as error:
            raise FolVprError(
                f'a message on {self._topic} cannot be read as {type_name}: its publisher was '
                'built with another definition of the type; install the same version of its '
                f'package on both machines ({error})'
            ) from error

    def _wait_for_publisher(self, type_name: str) -> str:
        """The type of the topic once somebody publishes it; empty where stopped before.

        Raises:
            FolVprError: nobody did in time, or the types do not fit.
        """
        started, told = time.monotonic(), False
        while not self._is_stopped():
            publishers = self._node.get_publishers_info_by_topic(self._topic)
            types = sorted({each.topic_type for each in publishers})
            if type_name and types and type_name not in types:
                raise InputError(
                    f'--type is {type_name}, and {self._topic} is published as {", ".join(types)}'
                )
            if types:
                chosen = type_name or types[0]
                self._check(publishers, chosen)
                if len(types) > 1 and not type_name:
                    self._report(
                        f'{self._topic} is published with the types {", ".join(types)}; this '
                        f'shows {chosen}, and --type TYPE another'
                    )
                return chosen
            waited = time.monotonic() - started
            if self._config.wait_for and waited > self._config.wait_for:
                raise FolVprError(
                    f'nobody published {self._topic} within {self._config.wait_for:g} s; '
                    f'{self._alternatives()}'
                )
            if waited > PATIENCE and not told:
                told = True
                self._report(f'waits for a publisher of {self._topic}; {self._alternatives()}')
            self._executor.spin_once(timeout_sec=_SPIN_TIME)
        return ''

    def _check(self, publishers: list[Any], chosen: str) -> None:
        foreign = [each for each in publishers if each.topic_type == chosen and is_foreign(each)]
        if foreign:
            raise FolVprError(
                f'{self._topic} is published by {foreign[0].node_name} with another definition '
                f'of {chosen} than the one installed here: install the same version of its '
                'package on both machines, and source it in this shell'
            )

    def _publishers(self) -> str:
        found = self._node.get_publishers_info_by_topic(self._topic)
        if not found:
            return 'it has no publisher any more'
        names = sorted({f'{each.node_namespace.rstrip("/")}/{each.node_name}' for each in found})
        return f'published by {", ".join(names)}'

    def _alternatives(self) -> str:
        """Topics with similar names, or else all topics, or else what decides who is seen."""
        own = {'/rosout', '/parameter_events'}
        names = [name for name, _ in self._node.get_topic_names_and_types() if name not in own]
        names = [name for name in names if self._node.count_publishers(name)]
        last = self._topic.rpartition('/')[2]
        close = [name for name in names if name.rpartition('/')[2] == last]
        close += [
            each for each in difflib.get_close_matches(self._topic, names) if each not in close
        ]
        if close:
            return f'there is {", ".join(dict.fromkeys(close))}'
        if names:
            return f'there are {", ".join(sorted(names))}'
        return (
            'there is no other topic either: compare ROS_DOMAIN_ID, '
            'ROS_AUTOMATIC_DISCOVERY_RANGE and RMW_IMPLEMENTATION with those of the publisher'
        )
