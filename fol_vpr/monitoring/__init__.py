"""What is made of the messages of a running node: rates, latencies, health, events.

Nothing here knows ROS or a terminal: moments are seconds of any clock that never stands still, and
texts from other nodes have their control characters escaped by who makes the events.
"""

from fol_vpr.monitoring.events import (
    Answer,
    ClosureSeen,
    Happening,
    Level,
    LoadedMap,
    Presence,
    Status,
)
from fol_vpr.monitoring.report import ImageCounts, Latency, NodeReport
from fol_vpr.monitoring.watched_node import WatchedNode

__all__ = [
    'Answer',
    'ClosureSeen',
    'Happening',
    'ImageCounts',
    'Latency',
    'Level',
    'LoadedMap',
    'NodeReport',
    'Presence',
    'Status',
    'WatchedNode',
]
