"""`python -m examples.bridges.pose_graph_tools`: closures as pose_graph_tools_msgs/PoseGraph.

Two consumers read the same message differently. Hydra takes stamps in nanoseconds as keys, and the
pose of the node `from` in the node `to`. Kimera-PGMO takes the keys of nodes, and the pose of `to`
in `from`. In both, the covariance is that of GTSAM: rotation first, in the axes of the frame that
the pose is of.
"""

from __future__ import annotations

import sys
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from examples.bridges.common import RELIABLE_QOS, message_package
from examples.bridges.keyframes import KeyframeBridge
from examples.bridges.motion import covariance_at_end, measured_motion
from examples.running import run
from fol_vpr.datatypes import Pose
from fol_vpr.errors import InputError
from fol_vpr.ros.messages.conversions import pose_message, stamp_to_ns


class PoseGraphToolsBridge(KeyframeBridge):
    """Publishes each closure as a graph of one edge."""

    def __init__(self) -> None:
        self._messages, _ = message_package(
            'pose_graph_tools_msgs',
            'pose_graph_tools of MIT-SPARK from its branch for ROS 2',
        )
        super().__init__('pose_graph_tools_bridge')
        keys = self.declared(
            'keys',
            'stamps',
            'What the keys of an edge are: stamps in nanoseconds (Hydra), or nodes, which are '
            'those of the graphs on pose_graph (Kimera-PGMO).',
        )
        if keys not in ('stamps', 'nodes'):
            raise InputError(f'keys is {keys!r}, expected stamps or nodes')
        self._by_stamps = keys == 'stamps'
        self.declare_robots()
        self._nodes: dict[int, dict[int, int]] = defaultdict(dict)
        self._graphs = self.create_publisher(
            self._messages.PoseGraph, 'external_loop_closures', RELIABLE_QOS
        )
        if not self._by_stamps:
            self.create_subscription(
                self._messages.PoseGraph, 'pose_graph', self._on_graph, RELIABLE_QOS
            )

    def hand_over(self, candidate: Any) -> None:
        """Publish the closure; whether the back-end takes it is not known here."""
        robots = self.robots(candidate)
        if self._by_stamps:
            motion = self.motion_of_base(candidate, measured_motion(candidate))
            keys = stamp_to_ns(candidate.stamp_from), stamp_to_ns(candidate.stamp_to)
            edge = self._edge(candidate, keys[::-1], robots[::-1], motion)
        else:
            *numbers, motion = self.constraint(candidate)
            edge = self._edge(candidate, numbers, robots, motion)
        graph = self._messages.PoseGraph(edges=[edge])
        graph.header.stamp = candidate.stamp_from
        self._graphs.publish(graph)

    def keyframes(self, robot: int) -> Mapping[int, int]:
        """Stamps of the nodes that came on `pose_graph`."""
        return self._nodes[robot]

    def _edge(self, candidate: Any, keys: Sequence[int], robots: Sequence[int], pose: Pose) -> Any:
        edge = self._messages.PoseGraphEdge(
            key_from=keys[0], key_to=keys[1], robot_from=robots[0], robot_to=robots[1]
        )
        edge.header.stamp = candidate.stamp_from
        edge.type = self._messages.PoseGraphEdge.LOOPCLOSE
        edge.pose = pose_message(pose)
        edge.covariance = np.roll(covariance_at_end(pose), (3, 3), axis=(0, 1)).ravel()
        return edge

    def _on_graph(self, message: Any) -> None:
        for node in message.nodes:
            self._nodes[node.robot_id][node.key] = stamp_to_ns(node.header.stamp)


def main(args: Sequence[str] | None = None) -> int:
    """Run the node until SIGINT or SIGTERM; the exit status."""
    return run(PoseGraphToolsBridge, 'pose_graph_tools_bridge', args)


if __name__ == '__main__':
    sys.exit(main())
