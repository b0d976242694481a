"""Who publishes on a topic, and why their messages may not arrive."""

from __future__ import annotations

from rclpy.node import Node
from rclpy.qos import QoSCompatibility, QoSProfile, qos_check_compatible

from fol_vpr.checks.topics.facts import TopicReport


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
