"""Listens to topics for a while, without changing anything for their publishers."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from typing import Any

from rclpy.event_handler import SubscriptionEventCallbacks
from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, HistoryPolicy, QoSProfile, ReliabilityPolicy
from rclpy.subscription import Subscription

from fol_vpr.checks.topics.facts import StreamFacts
from fol_vpr.checks.topics.stamps import StampFacts
from fol_vpr.datatypes import bare_frame
from fol_vpr.ros.messages.conversions import stamp_to_ns

Now = Callable[[], int]
"""The time of the node in nanoseconds."""


def quiet_qos(depth: int) -> QoSProfile:
    """A quality of service that every publisher can serve, and that holds none of them up."""
    return QoSProfile(
        history=HistoryPolicy.KEEP_LAST,
        depth=depth,
        reliability=ReliabilityPolicy.BEST_EFFORT,
        durability=DurabilityPolicy.VOLATILE,
    )


class Stream:
    """The messages of one topic: their stamps, their rate, and the last of them.

    Args:
        node: that subscribes.
        kind: class of the messages.
        topic: resolved name.
        now: the time of the examined node.
        depth: messages that may wait.
        on_first: called with the first message.

    Attributes:
        last: the last message, None before the first.
        count: messages that arrived.
    """

    def __init__(
        self,
        node: Node,
        kind: Any,
        topic: str,
        now: Now,
        *,
        depth: int = 10,
        on_first: Callable[[], None] = lambda: None,
    ) -> None:
        self._node = node
        self._now = now
        self._on_first = on_first
        self.topic = topic
        self.last: Any = None
        self.count = self._lost = 0
        self._sequence: int | None = None
        self._arrivals: list[float] = []
        self._delays: list[float] = []
        self._jump = 0.0
        self._repeated = False
        self._stamp_ns: int | None = None
        self._since_boot: float | None = None
        self._frames: dict[str, None] = {}
        callback: Callable[..., None] = self._on_message
        self._subscription: Subscription | None = node.create_subscription(
            kind,
            topic,
            callback,
            quiet_qos(depth),
            event_callbacks=SubscriptionEventCallbacks(use_default_callbacks=False),
        )

    def close(self) -> None:
        """Stop listening; what arrived stays."""
        if self._subscription is not None:
            self._node.destroy_subscription(self._subscription)
            self._subscription = None

    def facts(self) -> StreamFacts | None:
        """What arrived; None for nothing."""
        if not self.count:
            return None
        span = self._arrivals[-1] - self._arrivals[0]
        stamps = None
        if self._stamp_ns is not None:
            stamps = StampFacts(
                ahead=-self._delays[-1],
                unstamped=self._stamp_ns == 0,
                last_jump=self._jump,
                repeated=self._repeated,
                since_boot=self._since_boot,
            )
        return StreamFacts(
            topic=self.topic,
            count=self.count,
            rate=(self.count - 1) / span if span > 0 else 0.0,
            lost=self._lost,
            stamps=stamps,
            delay=statistics.median(self._delays) if self._delays else 0.0,
            frame_id=next(reversed(self._frames), ''),
            frames=tuple(self._frames),
        )

    def _on_message(self, message: Any, info: Any) -> None:
        arrived = time.monotonic()
        self.count += 1
        self._arrivals.append(arrived)
        self.last = message
        self._count_lost(info)
        header = getattr(message, 'header', None)
        stamp = getattr(message, 'timestamp', None) if header is None else header.stamp
        frame_id = getattr(message, 'frame_id', '') if header is None else header.frame_id
        frame = bare_frame(frame_id)
        self._frames.pop(frame, None)
        self._frames[frame] = None
        if stamp is not None:
            self._add_stamp(stamp_to_ns(stamp))
        if self.count == 1:
            self._on_first()

    def _add_stamp(self, stamp_ns: int) -> None:
        if self._stamp_ns is not None:
            self._jump = max(self._jump, (self._stamp_ns - stamp_ns) / 1e9)
            self._repeated = self._repeated or stamp_ns == self._stamp_ns
        self._stamp_ns = stamp_ns
        self._delays.append((self._now() - stamp_ns) / 1e9)
        clocks = (time.CLOCK_BOOTTIME, time.CLOCK_MONOTONIC)
        apart = [(stamp_ns - time.clock_gettime_ns(clock)) / 1e9 for clock in clocks]
        self._since_boot = min(apart, key=abs)

    def _count_lost(self, info: Any) -> None:
        """Count what did not arrive, by the count of the only publisher."""
        number = info.get('publication_sequence_number') if info else None
        if number is None or self._node.count_publishers(self.topic) != 1:
            self._sequence = None
            return
        if self._sequence is not None:
            self._lost += max(0, number - self._sequence - 1)
        self._sequence = number
