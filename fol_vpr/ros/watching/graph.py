"""Finds the localizers in the graph of ROS, by the types of what they offer."""

from __future__ import annotations

from dataclasses import dataclass, field

from rclpy.node import Node

from fol_vpr.ros.watching.types import is_foreign

PLACES = 'fol_vpr_msgs/msg/PlaceHypothesisArray'
CLOSURES = 'fol_vpr_msgs/msg/LoopClosureCandidateArray'
MAP_INFO = 'fol_vpr_msgs/msg/MapInfo'
DIAGNOSTICS = 'diagnostic_msgs/msg/DiagnosticArray'
LOAD_MAP = 'fol_vpr_msgs/srv/LoadMap'
_NAMES = {PLACES: 'places', CLOSURES: 'loop_closures', MAP_INFO: 'map_info'}


@dataclass
class FoundNode:
    """A localizer in the graph.

    Attributes:
        name: its full name.
        topics: by type, the topics of its answers.
        diagnostics: its topics of diagnostics.
        identities: of its publishers of diagnostics, which it keeps for as long as it lives.
        foreign_types: topics whose type has this name, and was built from another definition.
    """

    name: str
    topics: dict[str, str] = field(default_factory=dict)
    diagnostics: set[str] = field(default_factory=set)
    identities: set[str] = field(default_factory=set)
    foreign_types: set[str] = field(default_factory=set)


def find_nodes(node: Node) -> dict[str, FoundNode]:
    """All localizers by their full names.

    A node is found by its service load_map in every lifecycle state, and by its topics, so that
    the player of a recording is found too. A topic that is called as usual belongs to the node in
    its name; any other, such as a remapped one, to the node that publishes it.

    Args:
        node: that looks.
    """
    found: dict[str, FoundNode] = {}

    def entry(name: str) -> FoundNode:
        return found.setdefault(name, FoundNode(name))

    for service, types in node.get_service_names_and_types():
        if LOAD_MAP in types:
            entry(service.rpartition('/')[0] or '/')
    topics = node.get_topic_names_and_types()
    for topic, types in topics:
        for kind in _NAMES.keys() & set(types):
            for publisher in node.get_publishers_info_by_topic(topic):
                if publisher.topic_type != kind:
                    continue
                usual = f'/{_NAMES[kind]}'
                owner = topic.removesuffix(usual) if topic.endswith(usual) else _full(publisher)
                target = entry(owner)
                target.topics[kind] = topic
                if is_foreign(publisher):
                    target.foreign_types.add(topic)
    for topic, types in topics:
        if DIAGNOSTICS in types:
            for publisher in node.get_publishers_info_by_topic(topic):
                if (name := _full(publisher)) in found:
                    found[name].diagnostics.add(topic)
                    found[name].identities.add(bytes(publisher.endpoint_gid).hex())
    return found


def _full(endpoint: object) -> str:
    namespace = getattr(endpoint, 'node_namespace', '/')
    return f'{namespace.rstrip("/")}/{getattr(endpoint, "node_name", "")}'
