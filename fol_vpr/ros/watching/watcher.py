"""Listens to the localizers on the network, and keeps what each of them amounts to."""

from __future__ import annotations

import math
import os
import time
from collections.abc import Sequence
from typing import Any

from diagnostic_msgs.msg import DiagnosticArray
from rclpy.event_handler import SubscriptionEventCallbacks
from rclpy.executors import Executor
from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy
from rclpy.subscription import Subscription

from fol_vpr.datatypes import Cause, LocalizationState, Verification
from fol_vpr.errors import escape_controls
from fol_vpr.monitoring import (
    Answer,
    ClosureSeen,
    Happening,
    Level,
    LoadedMap,
    NodeReport,
    Status,
    WatchedNode,
)
from fol_vpr.ros.watching.graph import CLOSURES, MAP_INFO, PLACES, FoundNode, find_nodes
from fol_vpr_msgs.msg import LoopClosureCandidateArray, MapInfo, PlaceHypothesisArray

LOOK_PERIOD = 0.5
"""Seconds between two looks at the graph."""
# Best effort: a node never waits for somebody who only watches it.
_WATCH_QOS = QoSProfile(depth=50, reliability=ReliabilityPolicy.BEST_EFFORT)
_EACH_QOS = QoSProfile(depth=100)
_LATCHED_QOS = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)
_DIAGNOSTICS = '/diagnostics'


class Watcher:
    """Watches all localizers, or some of them.

    Args:
        node: that listens.
        executor: of the node.
        wanted: full names of nodes, or namespaces; empty watches all.

    Attributes:
        happenings: what happened to the nodes, the newest last.
    """

    def __init__(self, node: Node, executor: Executor, wanted: Sequence[str] = ()) -> None:
        self._node = node
        self._executor = executor
        self._wanted = [f'/{name.strip("/")}' for name in wanted]
        self._watched: dict[str, WatchedNode] = {}
        self._subscriptions: dict[tuple[str, str], Subscription] = {}
        self._looked = -math.inf
        self._shown: dict[str, int] = {}
        self._subscribe(DiagnosticArray, _DIAGNOSTICS, self._on_diagnostics, _WATCH_QOS)

    @property
    def others(self) -> list[str]:
        """Names of all localizers in the graph that are not wanted."""
        return sorted(name for name in find_nodes(self._node) if not self._wants(name))

    @property
    def other_nodes(self) -> int:
        """Number of nodes in the graph of any kind, this one not counted."""
        return max(0, len(self._node.get_node_names()) - 1)

    def spin(self, seconds: float) -> None:
        """Listen for a number of seconds."""
        deadline = time.monotonic() + seconds
        while (left := deadline - time.monotonic()) > 0:
            self._look()
            self._executor.spin_once(timeout_sec=min(left, 0.1))

    def reports(self) -> list[NodeReport]:
        """What is known of each node, by name."""
        now = time.monotonic()
        return [self._watched[name].report(now) for name in sorted(self._watched)]

    def happenings(self) -> list[Happening]:
        """What happened to all nodes, the oldest first; moments are of time.monotonic()."""
        found = [each for watched in self._watched.values() for each in watched.happenings]
        return sorted(found, key=lambda each: each.moment)

    def _look(self) -> None:
        """Look at the graph from time to time, and listen to what is new in it."""
        now = time.monotonic()
        if now - self._looked < LOOK_PERIOD:
            return
        self._looked = now
        found = {name: node for name, node in find_nodes(self._node).items() if self._wants(name)}
        for name, node in found.items():
            if name not in self._watched:
                self._watched[name] = WatchedNode(name, now)
            self._listen(node)
        for name, watched in self._watched.items():
            listed = found.get(name)
            watched.listed(now, listed is not None, listed.identities if listed else ())

    def _wants(self, name: str) -> bool:
        return not self._wanted or any(
            wanted in ('/', name) or name.startswith(f'{wanted}/') for wanted in self._wanted
        )

    def _listen(self, found: FoundNode) -> None:
        watched = self._watched[found.name]
        watched.problems = [
            f'{topic} is of a type from another version of its package: build the same version of '
            'fol_vpr_msgs on both machines'
            for topic in sorted(found.foreign_types)
        ]
        topics = {kind: t for kind, t in found.topics.items() if t not in found.foreign_types}
        if topic := topics.get(PLACES):
            self._subscribe(
                PlaceHypothesisArray,
                topic,
                lambda message: watched.answered(time.monotonic(), answer(message)),
                _WATCH_QOS,
            )
        if topic := topics.get(CLOSURES):
            self._subscribe(
                LoopClosureCandidateArray,
                topic,
                lambda message: watched.closed(time.monotonic(), closures(message)),
                _EACH_QOS,
            )
        if topic := topics.get(MAP_INFO):
            self._subscribe(
                MapInfo,
                topic,
                lambda message: watched.map_loaded(time.monotonic(), loaded_map(message)),
                _LATCHED_QOS,
            )
        for topic in found.diagnostics:
            self._subscribe(DiagnosticArray, topic, self._on_diagnostics, _WATCH_QOS)

    def _subscribe(self, kind: Any, topic: str, callback: Any, qos: QoSProfile) -> None:
        key = (topic, kind.__name__)
        if key not in self._subscriptions:
            quiet = SubscriptionEventCallbacks(use_default_callbacks=False)
            self._subscriptions[key] = self._node.create_subscription(
                kind, topic, callback, qos, event_callbacks=quiet
            )

    def _on_diagnostics(self, message: DiagnosticArray) -> None:
        by_node: dict[str, list[Status]] = {}
        for status in message.status:
            name, _, part = status.name.rpartition(': ')
            by_node.setdefault(f'/{name.lstrip("/")}', []).append(
                Status(
                    escape_controls(part, keep=''),
                    Level(min(max(status.level[0], 0), Level.STALE)),
                    escape_controls(status.message, keep=''),
                    {
                        escape_controls(each.key, keep=''): escape_controls(each.value, keep='')
                        for each in status.values
                    },
                )
            )
        for name, statuses in by_node.items():
            if name in self._watched:
                self._watched[name].diagnosed(time.monotonic(), statuses)


def domain() -> str:
    """What of the environment decides which nodes are found, in words."""
    names = ('ROS_AUTOMATIC_DISCOVERY_RANGE', 'ROS_LOCALHOST_ONLY', 'RMW_IMPLEMENTATION')
    given = [(name, os.environ.get(name, '')) for name in names]
    parts = [('ROS_DOMAIN_ID', os.environ.get('ROS_DOMAIN_ID') or '0 (not set)'), *given]
    return escape_controls(', '.join(f'{name} {value}' for name, value in parts if value), keep='')


def answer(message: PlaceHypothesisArray) -> Answer:
    """An answer of a node as it is shown."""
    best = message.hypotheses[0] if message.hypotheses else None
    return Answer(
        stamp_ns=_ns(message.header.stamp),
        state=_name(LocalizationState, message.state),
        cause='' if message.cause == Cause.UNSPECIFIED else _name(Cause, message.cause),
        reason=escape_controls(message.reason, keep=''),
        remedy=escape_controls(message.remedy, keep=''),
        probability=None if best is None else _finite(best.probability),
        place_id='' if best is None else escape_controls(best.place_id, keep=''),
        session_id='' if best is None else escape_controls(best.session_id, keep=''),
        similarity=None if best is None else _finite(best.similarity),
        inliers=0 if best is None else int(best.inliers),
        p_not_in_map=_finite(message.p_not_in_map),
        image_quality=_finite(message.image_quality) or 0.0,
        processing=_ns(message.processing_time) / 1e9,
        waiting=_ns(message.waiting_time) / 1e9,
        map_id=escape_controls(message.map_id, keep=''),
    )


def closures(message: LoopClosureCandidateArray) -> list[ClosureSeen]:
    """The loop closures of a message as they are shown."""
    return [
        ClosureSeen(
            stamp_from_ns=_ns(each.stamp_from),
            stamp_to_ns=_ns(each.stamp_to),
            session_from=escape_controls(each.session_from, keep=''),
            session_to=escape_controls(each.session_to, keep=''),
            probability=_finite(each.probability),
            verification=_name(Verification, each.verification),
            matches=int(each.matches),
            inliers=int(each.inliers),
        )
        for each in message.candidates
    ]


def loaded_map(message: MapInfo) -> LoadedMap:
    """The map of a node as it is shown."""
    return LoadedMap(
        name=escape_controls(message.name, keep=''),
        map_id=escape_controls(message.map_id, keep=''),
        places=int(message.places),
        sessions=int(message.sessions),
        calibrated=bool(message.calibrated),
    )


def _name(kind: Any, value: int) -> str:
    """The name of a value, and its number where another version knows more of them."""
    try:
        return str(kind(value).name)
    except ValueError:
        return f'{kind.__name__} {value}'


def _ns(time: Any) -> int:
    return int(time.sec) * 1_000_000_000 + int(time.nanosec)


def _finite(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None
