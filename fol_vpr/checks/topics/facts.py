"""What is known of topics, clocks, frames and nodes after listening for a while."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class TopicReport:
    """Who publishes on a topic that the node listens to.

    Attributes:
        name: resolved name of the topic.
        type_name: the type that the node expects, e.g. sensor_msgs/msg/Image.
        publishers: node, type and reliability of each publisher.
        problems: why messages of a publisher cannot arrive.
    """

    name: str
    type_name: str
    publishers: Sequence[str] = ()
    problems: Sequence[str] = ()
