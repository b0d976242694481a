"""Who publishes on a topic, and why their messages may not arrive."""

from __future__ import annotations

from collections.abc import Set as AbstractSet

from rclpy.node import Node
from rclpy.qos import QoSCompatibility, QoSProfile, qos_check_compatible

from fol_vpr.checks.topics.facts import TopicReport
from fol_vpr.checks.topics.names import nearest_first

MAX_LISTED = 5
"""Topics that a message lists; a robot may have dozens."""


def report_publishers(
    node: Node, name: str, expected: str, qos: QoSProfile, *, remap: str
) -> TopicReport:
    """Who publishes on a topic, by the graph of ROS.

    Args:
        node: that asks.
        name: resolved name of the topic.
        expected: type of the messages that are listened to, e.g. sensor_msgs/msg/Image.
        qos: that a subscription asks for.
        remap: what to do where a publisher has another type.
    """
    publishers, problems, wrong_qos = [], [], []
    for endpoint in node.get_publishers_info_by_topic(name):
        publisher = f'{endpoint.node_namespace.rstrip("/")}/{endpoint.node_name}'
        reliability = endpoint.qos_profile.reliability.name.lower().replace('_', ' ')
        publishers.append(f'{publisher} ({endpoint.topic_type}, {reliability})')
        if endpoint.topic_type != expected:
            problems.append(
                f'{publisher} publishes {endpoint.topic_type} on {name}, expected {expected}: '
                f'{remap}'
            )
            continue
        compatibility, reason = qos_check_compatible(endpoint.qos_profile, qos)
        if compatibility == QoSCompatibility.ERROR:
            wrong_qos.append(
                f'the QoS of {publisher} on {name} does not fit ({reason.strip()}): change '
                f'the publisher, or set qos_overrides.{name}.subscription'
            )
    return TopicReport(name, expected, publishers, [*problems, *wrong_qos], wrong_qos)


def published_elsewhere(node: Node, wanted: str, types: AbstractSet[str]) -> list[str]:
    """Topics that messages of some types are published on, those with a similar name first.

    Args:
        node: that asks; its own topics are left out.
        wanted: resolved name of the topic on which nobody publishes.
        types: of the messages, e.g. sensor_msgs/msg/Image.

    Returns:
        At most `MAX_LISTED` names, each with its type, and how many more there are.
    """
    own = f'{node.get_fully_qualified_name()}/'
    found = {
        name: next(each for each in of_topic if each in types)
        for name, of_topic in node.get_topic_names_and_types()
        if name != wanted
        and not name.startswith(own)
        and not types.isdisjoint(of_topic)
        and node.count_publishers(name)
    }
    names = nearest_first(wanted, found)
    listed = [f'{name} ({found[name]})' for name in names[:MAX_LISTED]]
    more = len(found) - len(listed)
    return [*listed, f'{more} more'] if more else listed


def is_remapped(node: Node, name: str) -> bool:
    """Whether a relative topic name was given another one when the node was started."""
    return node.resolve_topic_name(name) != f'{node.get_namespace().rstrip("/")}/{name}'
