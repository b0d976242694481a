"""Gathers what is known of ROS, within seconds and without changing anything."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from nav_msgs.msg import Odometry
from rclpy.event_handler import SubscriptionEventCallbacks
from rclpy.executors import Executor
from rclpy.node import Node
from rclpy.qos import QoSProfile
from rosgraph_msgs.msg import Clock
from sensor_msgs.msg import CameraInfo

from fol_vpr.checks.topics.facts import (
    CameraFacts,
    ClockFacts,
    GraphFacts,
    ImageFacts,
    LocalizerFacts,
    OdometryFacts,
    TopicReport,
)
from fol_vpr.errors import FolVprError, InputError
from fol_vpr.ros.bags.client import client_node
from fol_vpr.ros.doctor.services import ask_localizer, find_localizers
from fol_vpr.ros.doctor.streams import Stream, quiet_qos
from fol_vpr.ros.doctor.target import Target, Wishes, check_topic_names, choose_target
from fol_vpr.ros.doctor.tree import TransformTree
from fol_vpr.ros.kept_messages import KeptSubscription
from fol_vpr.ros.messages.conversions import frame_from_image, stamp_to_ns
from fol_vpr.ros.node.inputs.images import REMAP_IMAGES, TRANSPORTS
from fol_vpr.ros.node.inputs.publishers import report_publishers
from fol_vpr.sources import StreamDecoder, is_rectified

DISCOVERY = 1.5
"""Seconds after which the nodes of a machine usually know each other."""
ALONE = 5.0
"""Seconds after which a node that sees no other is alone."""
_LEVELS = {
    DiagnosticStatus.OK: 'ok',
    DiagnosticStatus.WARN: 'warning',
    DiagnosticStatus.ERROR: 'error',
    DiagnosticStatus.STALE: 'error',
}


@dataclass(frozen=True)
class Gathered:
    """What was gathered of ROS.

    Attributes:
        facts: for the examination.
        target: the node that was examined.
        image: the last image [H, W, 3] uint8; None where none arrived or it cannot be decoded.
    """

    facts: GraphFacts
    target: Target
    image: np.ndarray | None


def gather(wishes: Wishes, conclude: Callable[[Gathered], None]) -> None:
    """Listen for a while, and conclude while the node still exists.

    The process may be ended where leaving the graph of ROS hangs: the caller reports within
    `conclude`.

    Args:
        wishes: of the user.
        conclude: called with what was gathered.

    Raises:
        InputError: a wish cannot be met; see `choose_target`.
    """
    with client_node('fol_vpr_doctor') as (node, executor):
        begin = time.monotonic()
        _spin(executor, DISCOVERY)
        while not _other_nodes(node) and time.monotonic() - begin < ALONE:
            _spin(executor, 0.1)
        names = find_localizers(node)
        localizers = [ask_localizer(node, executor, name) for name in names]
        target = choose_target(wishes, localizers)
        check_topic_names(node, target)
        ear = _Ear(node, target)
        deadline = time.monotonic() + wishes.seconds
        while time.monotonic() < deadline:
            ear.look_for_publishers()
            _spin(executor, min(0.25, max(0.0, deadline - time.monotonic())))
        gathered = ear.gathered(wishes.seconds, localizers)
        # What follows takes longer than the listening, and needs no topic.
        for subscription in list(node.subscriptions):
            node.destroy_subscription(subscription)
        conclude(gathered)


def _spin(executor: Executor, seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while (left := deadline - time.monotonic()) > 0:
        executor.spin_once(timeout_sec=left)


class _Ear:
    """Listens to all that the examined node listens to, and to the clock and the diagnostics."""

    def __init__(self, node: Node, target: Target) -> None:
        self._node = node
        self._target = target
        self._clock_ns: list[int] = []
        self._statuses: dict[str, DiagnosticStatus] = {}
        self._info: CameraInfo | None = None
        self._images: dict[str, Stream] = {}
        self._chosen = ''
        quiet = SubscriptionEventCallbacks(use_default_callbacks=False)
        node.create_subscription(
            Clock, '/clock', self._on_clock, quiet_qos(10), event_callbacks=quiet
        )
        node.create_subscription(
            DiagnosticArray, '/diagnostics', self._on_diagnostics, quiet_qos(20),
            event_callbacks=quiet,
        )  # fmt: skip
        KeptSubscription(
            node, CameraInfo, target.camera_info_topic, self._on_info, depth=1,
            present=quiet_qos(1),
        )  # fmt: skip
        self._odometry = Stream(node, Odometry, target.odom_topic, self._now, depth=50)
        self._tree = TransformTree(node)

    def look_for_publishers(self) -> None:
        """Listen to the transports of images that somebody publishes, until one brings an image.

        Drivers compress images for subscribers only: a subscription to a transport that nobody
        else uses would cost them time.
        """
        if self._chosen:
            return
        for transport, topic in self._target.transports().items():
            if transport in self._images or not self._node.count_publishers(topic):
                continue
            try:
                kind = TRANSPORTS[transport].message_class()
            except InputError:
                continue
            infos = self._node.get_publishers_info_by_topic(topic)
            if all(info.topic_type != TRANSPORTS[transport].type_name for info in infos):
                continue
            self._images[transport] = Stream(
                self._node, kind, topic, self._now,
                on_first=lambda chosen=transport: self._choose(chosen),  # type: ignore[misc]
            )  # fmt: skip

    def _choose(self, transport: str) -> None:
        if self._chosen:
            return
        self._chosen = transport
        for name, stream in self._images.items():
            if name != transport:
                stream.close()

    def gathered(self, seconds: float, localizers: list[LocalizerFacts]) -> Gathered:
        """What was heard until now."""
        images, image = self._image_facts()
        odometry = self._odometry.facts()
        last = self._odometry.last
        target = self._target
        facts = GraphFacts(
            seconds=seconds,
            nodes=_other_nodes(self._node),
            topics=_published(self._node),
            localizers=[self._with_statuses(each) for each in localizers],
            clock=self._clock_facts(),
            images=images,
            camera=CameraFacts(
                self._report(target.camera_info_topic, 'sensor_msgs/msg/CameraInfo'),
                self._info,
                rectified=is_rectified(
                    target.image_topic if images.stream is None else images.stream.topic
                ),
            ),
            odometry=OdometryFacts(
                self._report(target.odom_topic, 'nav_msgs/msg/Odometry'),
                odometry,
                '' if last is None else last.child_frame_id,
            ),
            frames=self._tree.facts(target),
            replay=target.settings.node.replay,
            odom_gap=target.settings.node.odom_gap,
            stamp_tolerance=target.settings.node.stamp_tolerance,
            examined='' if target.localizer is None else target.localizer.name,
        )
        return Gathered(facts, target, image)

    def _image_facts(self) -> tuple[ImageFacts, np.ndarray | None]:
        reports = [
            report_publishers(
                self._node,
                topic,
                TRANSPORTS[name].type_name,
                self._target.requested_qos(name, topic),
                remap=REMAP_IMAGES,
            )
            for name, topic in self._target.transports().items()
        ]
        stream = self._images.get(self._chosen)
        facts = None if stream is None else stream.facts()
        if stream is None or stream.last is None:
            return ImageFacts(reports, facts), None
        message = stream.last
        encoding = getattr(message, 'encoding', '') or getattr(message, 'format', '')
        if TRANSPORTS[self._chosen].is_video:
            return ImageFacts(reports, facts, None, encoding), None
        try:
            decoder = StreamDecoder(stream.topic, lambda _: None)
            image = frame_from_image(message, stream.topic, decoder).image
        except FolVprError as error:
            return ImageFacts(reports, facts, None, encoding, str(error)), None
        size = image.shape[1], image.shape[0]
        return ImageFacts(reports, facts, size, encoding), image

    def _report(self, topic: str, kind: str) -> TopicReport:
        qos: QoSProfile = quiet_qos(1)
        return report_publishers(self._node, topic, kind, qos, remap='remap it to another topic')

    def _clock_facts(self) -> ClockFacts:
        infos = self._node.get_publishers_info_by_topic('/clock')
        seen = self._clock_ns
        return ClockFacts(
            use_sim_time=self._target.use_sim_time,
            publishers=[f'{i.node_namespace.rstrip("/")}/{i.node_name}' for i in infos],
            count=len(seen),
            advanced=(seen[-1] - seen[0]) / 1e9 if seen else 0.0,
        )

    def _with_statuses(self, localizer: LocalizerFacts) -> LocalizerFacts:
        prefix = f'{localizer.name.lstrip("/")}: '
        found = [
            (_LEVELS.get(status.level, 'error'), name.removeprefix(prefix), status.message)
            for name, status in sorted(self._statuses.items())
            if name.startswith(prefix)
        ]
        return LocalizerFacts(
            localizer.name, localizer.state, localizer.problem, localizer.parameters, found,
            localizer.subscriptions,
        )  # fmt: skip

    def _now(self) -> int:
        """The time of the examined node."""
        if self._target.use_sim_time and self._clock_ns:
            return self._clock_ns[-1]
        return time.time_ns()

    def _on_clock(self, message: Any) -> None:
        self._clock_ns.append(stamp_to_ns(message.clock))

    def _on_diagnostics(self, message: DiagnosticArray) -> None:
        for status in message.status:
            self._statuses[status.name] = status

    def _on_info(self, message: CameraInfo) -> None:
        self._info = message


def _other_nodes(node: Node) -> list[str]:
    """Full names of the other nodes, without hidden ones."""
    names = [
        f'{namespace.rstrip("/")}/{name}'
        for name, namespace in node.get_node_names_and_namespaces()
    ]
    own = node.get_fully_qualified_name()
    return sorted(name for name in names if name != own and not name.startswith('/_'))


def _published(node: Node) -> Mapping[str, Sequence[str]]:
    """Types of every topic that somebody publishes, without those of the doctor itself."""
    return {
        name: tuple(types)
        for name, types in node.get_topic_names_and_types()
        if node.count_publishers(name)
    }
