"""The subscriptions to images, and who publishes on their topics."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from copy import copy
from dataclasses import replace
from functools import partial
from typing import Any, NamedTuple

from rclpy.callback_groups import MutuallyExclusiveCallbackGroup
from rclpy.event_handler import SubscriptionEventCallbacks
from rclpy.exceptions import ParameterException
from rclpy.node import Node
from rclpy.qos import (
    DurabilityPolicy,
    HistoryPolicy,
    QoSProfile,
    ReliabilityPolicy,
    qos_policy_name_from_kind,
)
from rclpy.qos_overriding_options import QoSOverridingOptions
from rclpy.subscription import Subscription

from fol_vpr.checks.topics.facts import TopicReport
from fol_vpr.config import NodeConfig
from fol_vpr.errors import InputError
from fol_vpr.ros.node.inputs.publishers import published_elsewhere, report_publishers
from fol_vpr.sources.images.video.decoder import load_pyav
from fol_vpr.sources.images.video.packets import (
    COMPRESSED_VIDEO,
    FFMPEG_PACKET,
    is_video_format,
)


class Transport(NamedTuple):
    """How images come.

    Attributes:
        type_name: of the messages, e.g. sensor_msgs/msg/Image.
        topic: before remapping.
        is_video: whether messages are packets of a video, of which each is needed.
    """

    type_name: str
    topic: str
    is_video: bool = False

    def message_class(self) -> type:
        """The class of the messages.

        Raises:
            InputError: their package is not installed, or it is video and PyAV is not.
        """
        package, _, name = self.type_name.partition('/msg/')
        try:
            module = importlib.import_module(f'{package}.msg')
        except ImportError as error:
            raise InputError(
                f'{self.type_name} cannot be listened to, because the package {package} is not '
                f'installed ({error}): `apt install ros-jazzy-{package.replace("_", "-")}`, or '
                'build it in the workspace'
            ) from error
        if self.is_video:
            load_pyav()
        found: type = getattr(module, name)
        return found


TRANSPORTS = {
    'raw': Transport('sensor_msgs/msg/Image', 'image'),
    'compressed': Transport('sensor_msgs/msg/CompressedImage', 'image/compressed'),
    'ffmpeg': Transport(FFMPEG_PACKET, 'image/ffmpeg', is_video=True),
    'video': Transport(COMPRESSED_VIDEO, 'image/video', is_video=True),
}
REMAP_IMAGES = (
    'remap `image` to raw and `image/compressed` to compressed images, `image/ffmpeg` and '
    '`image/video` to video'
)
LIVE_QOS = QoSProfile(
    history=HistoryPolicy.KEEP_LAST,
    depth=1,
    reliability=ReliabilityPolicy.BEST_EFFORT,
    durability=DurabilityPolicy.VOLATILE,
)
# A lost packet spoils the pictures until the next keyframe.
VIDEO_QOS = QoSProfile(
    history=HistoryPolicy.KEEP_LAST,
    depth=100,
    reliability=ReliabilityPolicy.BEST_EFFORT,
    durability=DurabilityPolicy.VOLATILE,
)
REPLAY_QOS = QoSProfile(
    history=HistoryPolicy.KEEP_ALL,
    reliability=ReliabilityPolicy.RELIABLE,
    durability=DurabilityPolicy.VOLATILE,
)


class _BackpressureGroup(MutuallyExclusiveCallbackGroup):
    """Leaves messages in the middleware while the queue of the node is full."""

    def __init__(self, is_full: Callable[[], bool]) -> None:
        super().__init__()
        self._is_full = is_full

    def can_execute(self, entity: Any) -> bool:
        return not self._is_full() and super().can_execute(entity)


class ImageInputs:
    """The subscriptions to `image`, `image/compressed`, and to video where it can be decoded.

    Args:
        node: that subscribes.
        settings: which transports to listen to, and whether live or in replay mode.
        on_image: called with the message, its topic, how many images of its publisher were lost
            since the previous one, and whether it is a packet of a video.
        is_full: whether images have to wait in the middleware.
    """

    def __init__(
        self,
        node: Node,
        settings: NodeConfig,
        on_image: Callable[[Any, str, int, bool], None],
        is_full: Callable[[], bool],
    ) -> None:
        self._node = node
        self._on_image = on_image
        self._replay = settings.replay
        wanted = settings.image_transport
        self._missing: dict[str, str] = {}
        self._wanted = self._available() if wanted == 'auto' else (wanted,)
        self._group = _BackpressureGroup(is_full)
        self._subscriptions: dict[str, Subscription] = {}
        self._sequence: dict[str, int] = {}

    def _available(self) -> tuple[str, ...]:
        """The transports whose messages can be read here; notes why others cannot."""
        for name, transport in TRANSPORTS.items():
            try:
                transport.message_class()
            except InputError as error:
                self._missing[name] = str(error)
        return tuple(name for name in TRANSPORTS if name not in self._missing)

    def subscribe(self) -> None:
        """Listen to all wanted transports.

        Raises:
            InputError: a parameter under qos_overrides is wrong, or the package of the wanted
                messages is not installed.
        """
        for transport in self._wanted:
            if transport in self._subscriptions:
                continue
            self._sequence.pop(transport, None)
            try:
                self._subscriptions[transport] = self._subscription(transport)
            except (RuntimeError, ValueError, ParameterException) as error:
                topic = self._node.resolve_topic_name(TRANSPORTS[transport].topic)
                raise InputError(
                    f'{topic} cannot be listened to: {error}; correct the parameters '
                    f'qos_overrides.{topic}.subscription, and start the node again'
                ) from error

    def _subscription(self, transport: str) -> Subscription:
        kind = TRANSPORTS[transport]
        live = VIDEO_QOS if kind.is_video else LIVE_QOS
        message_class = kind.message_class()
        return self._node.create_subscription(
            message_class,
            kind.topic,
            partial(self._on_message, transport),
            # rclpy writes overrides into the profile that it is given.
            copy(REPLAY_QOS if self._replay else live),
            callback_group=self._group,
            event_callbacks=SubscriptionEventCallbacks(
                incompatible_qos=partial(self._on_incompatible_qos, transport),
                matched=partial(self._on_matched, transport),
            ),
            qos_overriding_options=QoSOverridingOptions.with_default_policies(),
        )

    def unsubscribe(self) -> None:
        """Stop listening."""
        for transport in tuple(self._subscriptions):
            self._drop(transport)

    def resubscribe_if_unpublished(self) -> None:
        """Listen to all wanted transports again if the current one has lost its publisher."""
        if self._subscriptions and not any(
            subscription.get_publisher_count() for subscription in self._subscriptions.values()
        ):
            self.subscribe()

    def reports(self) -> list[TopicReport]:
        """Who publishes on the topics that are subscribed to, or else where images are."""
        reports = [self._report(name, sub) for name, sub in self._subscriptions.items()]
        if not reports or any(report.publishers or report.problems for report in reports):
            return reports
        types = {kind.type_name for kind in TRANSPORTS.values()}
        others = published_elsewhere(self._node, reports[0].name, types)
        return [replace(reports[0], others=others), *reports[1:]]

    def _on_message(self, transport: str, message: Any, info: Any) -> None:
        subscription = self._subscriptions.get(transport)
        if subscription is None:
            return
        for other in self._subscriptions.keys() - {transport}:
            self._node.get_logger().info(
                f'images come on {subscription.topic_name}: not listening to {other} images'
            )
            self._drop(other)
        lost = self._lost(transport, info)
        is_video = TRANSPORTS[transport].is_video or (
            transport == 'compressed' and is_video_format(message.format)
        )
        self._on_image(message, subscription.topic_name, lost, is_video)

    def _lost(self, transport: str, info: Any) -> int:
        """How many messages before this one were lost, by the publisher's own count."""
        subscription = self._subscriptions[transport]
        sequence = info.get('publication_sequence_number') if info else None
        previous = self._sequence.pop(transport, None)
        # The numbers of several publishers arrive interleaved.
        if sequence is None or subscription.get_publisher_count() != 1:
            return 0
        self._sequence[transport] = sequence
        if previous is None:
            return 0
        return int(max(0, sequence - previous - 1))

    def _on_matched(self, transport: str, event: Any) -> None:
        if event.current_count_change < 0:
            # The next publisher, or the remaining one, has a count of its own.
            self._sequence.pop(transport, None)

    def _on_incompatible_qos(self, transport: str, event: Any) -> None:
        policy = qos_policy_name_from_kind(event.last_policy_kind)
        topic = self._subscriptions[transport].topic_name
        self._node.get_logger().warning(
            f'a publisher on {topic} offers another {policy} than this node asks for: nothing '
            f'arrives from it; change the publisher, or qos_overrides.{topic}.subscription'
        )

    def _drop(self, transport: str) -> None:
        self._node.destroy_subscription(self._subscriptions.pop(transport))

    def _report(self, transport: str, subscription: Subscription) -> TopicReport:
        name = subscription.topic_name
        report = report_publishers(
            self._node,
            name,
            TRANSPORTS[transport].type_name,
            subscription.qos_profile,
            remap=REMAP_IMAGES,
        )
        if transport == 'raw' and not report.publishers:
            problems = [*report.problems, *self._beside(name), *self._video_unread()]
            return replace(report, problems=list(dict.fromkeys(problems)))
        return report

    def _beside(self, raw_topic: str) -> list[str]:
        """What to do where a camera publishes beside its raw topic what is not listened to."""
        heard = {each.topic_name for each in self._subscriptions.values()}
        found = []
        for name, kind in TRANSPORTS.items():
            topic = f'{raw_topic}{kind.topic.removeprefix("image")}'
            if name == 'raw' or topic in heard or not self._node.count_publishers(topic):
                continue
            what = 'video is' if kind.is_video else 'compressed images are'
            if name in self._missing:
                found.append(f'{what} published on {topic}, but {self._missing[name]}')
                continue
            wanted = '' if name in self._wanted else ', and set image_transport to auto'
            found.append(
                f'{what} published on {topic}, which the node does not listen to: remap '
                f'`{kind.topic}` to it{wanted}'
            )
        return found

    def _video_unread(self) -> list[str]:
        """Why video that is published cannot be listened to."""
        return [
            f'video is published on {topic}, but {reason}'
            for name, reason in self._missing.items()
            if self._node.count_publishers(
                topic := self._node.resolve_topic_name(TRANSPORTS[name].topic)
            )
        ]
