"""Subscriptions that also receive what was published before, where publishers keep it."""

from __future__ import annotations

import threading
from collections.abc import Callable
from copy import copy
from typing import Any

from rclpy.event_handler import SubscriptionEventCallbacks
from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, QoSProfile
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
        self._closed = False
        self._topic = node.resolve_topic_name(topic)
        self._subscription = self._subscribe(
            present, SubscriptionEventCallbacks(matched=lambda _: self._look_for_kept())
        )
        self._look_for_kept()

    def destroy(self) -> None:
        """Stop listening."""
        with self._lock:
            self._closed = True
            self._node.destroy_subscription(self._subscription)
            if self._kept_subscription is not None:
                self._node.destroy_subscription(self._kept_subscription)

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
