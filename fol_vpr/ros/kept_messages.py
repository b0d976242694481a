"""Subscriptions that also receive what was published before, where publishers keep it.

They also follow publishers that join later with another reliability.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from copy import copy
from typing import Any

from rclpy.event_handler import SubscriptionEventCallbacks
from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy
from rclpy.subscription import Subscription


class KeptSubscription:
    """Listens to publishers of both durabilities.

    A transient local subscription hears no volatile publisher, and a volatile one receives nothing
    that was published before it, such as a camera_info that is sent once. So a topic is subscribed
    to as volatile, and a second time as soon as a publisher is found that keeps its messages: not
    before, because each volatile publisher would warn of the second subscription. Messages of
    publishers that keep them arrive twice.

    Args:
        node: that subscribes.
        kind: class of the message.
        topic: name of the topic.
        callback: as for rclpy's create_subscription.
        depth: how many kept messages to receive.
        present: QoS of the volatile subscription.
        raw: whether the callback is given serialised messages.
    """

    def __init__(
        self,
        node: Node,
        kind: Any,
        topic: str,
        callback: Callable[..., None],
        *,
        depth: int,
        present: QoSProfile,
        raw: bool = False,
    ) -> None:
        self._node = node
        self._kind = kind
        self._callback = callback
        self._raw = raw
        self._kept = QoSProfile(depth=depth, durability=DurabilityPolicy.TRANSIENT_LOCAL)
        self._lock = threading.Lock()
        self._kept_subscription: Subscription | None = None
        self._lossy_subscription: Subscription | None = None
        self._closed = False
        self._topic = node.resolve_topic_name(topic)
        adapts = present.reliability == ReliabilityPolicy.BEST_AVAILABLE
        self._subscription = self._subscribe(
            present,
            SubscriptionEventCallbacks(
                matched=lambda _: self._look_for_kept(),
                incompatible_qos=(lambda _: self._listen_lossily()) if adapts else None,
            ),
        )
        self._look_for_kept()

    def destroy(self) -> None:
        """Stop listening."""
        with self._lock:
            self._closed = True
            self._node.destroy_subscription(self._subscription)
            for other in (self._kept_subscription, self._lossy_subscription):
                if other is not None:
                    self._node.destroy_subscription(other)

    def _listen_lossily(self) -> None:
        with self._lock:
            if not self._closed and self._lossy_subscription is None:
                quiet = SubscriptionEventCallbacks(use_default_callbacks=False)
                qos = QoSProfile(depth=self._kept.depth, reliability=ReliabilityPolicy.BEST_EFFORT)
                self._lossy_subscription = self._subscribe(qos, quiet)

    def _look_for_kept(self) -> None:
        with self._lock:
            if self._closed or self._kept_subscription is not None:
                return
            publishers = self._node.get_publishers_info_by_topic(self._topic)
            kept = DurabilityPolicy.TRANSIENT_LOCAL
            if any(each.qos_profile.durability == kept for each in publishers):
                # Volatile publishers of the same topic are heard by the other subscription.
                quiet = SubscriptionEventCallbacks(use_default_callbacks=False)
                self._kept_subscription = self._subscribe(self._kept, quiet)

    def _subscribe(self, qos: QoSProfile, events: SubscriptionEventCallbacks) -> Subscription:
        return self._node.create_subscription(
            self._kind,
            self._topic,
            self._callback,
            copy(qos),  # rclpy may write into the profile that it is given
            event_callbacks=events,
            raw=self._raw,
        )


class Repeats:
    """Tells messages of a topic that arrive a second time, by the second subscription.

    Args:
        depth: of the queues of the subscriptions.
    """

    def __init__(self, depth: int) -> None:
        self._depth = depth
        self._order: deque[tuple[int, int]] = deque()
        self._keys: set[tuple[int, int]] = set()

    def seen(self, sent_ns: int, data: bytes) -> bool:
        """Whether this message has come before.

        Args:
            sent_ns: when it was published; 0 where the middleware does not tell.
            data: its content.
        """
        key = (sent_ns, len(data) if sent_ns else hash(data))
        if key in self._keys:
            return True
        self._keys.add(key)
        self._order.append(key)
        if len(self._order) > 2 * self._depth:
            self._keys.discard(self._order.popleft())
        return False
