"""`python -m examples.bridges.rtabmap`: closures as links for RTAB-Map's service `add_link`."""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from rclpy.qos import QoSProfile

from examples.bridges.common import WaitError, message_package
from examples.bridges.keyframes import KeyframeBridge
from examples.bridges.motion import covariance_at_end, transform_message
from examples.running import run
from fol_vpr.errors import InputError
from fol_vpr.ros.messages.conversions import stamp_to_ns
from fol_vpr.ros.service_qos import SERVICE_QOS

# rtabmap::Link::kUserClosure
USER_CLOSURE = 4
# RTAB-Map publishes its graph after each of its images. One that was on its way while the link was
# added does not have it yet.
GRAPHS_TO_WAIT = 2


@dataclass
class _SentLink:
    """A link that RTAB-Map was given.

    Attributes:
        candidate: the closure that it was made of.
        nodes: both its ends.
        graphs: how many graphs came without it since the service answered; None before.
        call: the future of the call.
        since: time.monotonic() when the service was called.
    """

    candidate: Any
    nodes: frozenset[int]
    graphs: int | None = None
    call: Any = None
    since: float = field(default_factory=time.monotonic)


class RtabmapBridge(KeyframeBridge):
    """Calls `add_link`, and looks into RTAB-Map's graph to see whether the link was taken."""

    def __init__(self) -> None:
        messages, services = message_package(
            'rtabmap_msgs', 'ros-jazzy-rtabmap-msgs, or rtabmap_ros of introlab'
        )
        super().__init__('rtabmap_bridge')
        self._link, self._add_link = messages.Link, services.AddLink
        self._stamps: dict[int, int] = {}
        self._graph: dict[int, int] = {}
        self._links: set[frozenset[int]] = set()
        self._sent: list[_SentLink] = []
        self._client = self.create_client(self._add_link, 'add_link', qos_profile=SERVICE_QOS)
        self._answer_timeout = float(
            self.declared(
                'answer_timeout',
                10.0,
                'Seconds after which a call of `add_link` that was not answered is given up.',
            )
        )
        self.create_timer(0.5, self._give_up_unanswered)
        self.create_subscription(messages.Info, 'info', self._on_info, QoSProfile(depth=100))
        self.create_subscription(
            messages.MapGraph, 'mapGraph', self._on_graph, QoSProfile(depth=10)
        )

    def hand_over(self, candidate: Any) -> None:
        """Call the service; the answer follows from the graphs that come afterwards."""
        start, end, motion = self.constraint(candidate)
        nodes = frozenset((start, end))
        if nodes in self._links or any(nodes == each.nodes for each in self._sent):
            raise InputError(f'RTAB-Map has a link between its nodes {start} and {end} already')
        if not self._client.service_is_ready():
            raise WaitError(f'the service {self._client.srv_name} is not there')
        link = self._link(from_id=start, to_id=end, type=USER_CLOSURE)
        link.transform = transform_message(motion)
        information = np.linalg.inv(covariance_at_end(motion))
        link.information = (0.5 * (information + information.T)).ravel()
        sent = _SentLink(candidate, nodes)
        self._sent.append(sent)
        sent.call = self._client.call_async(self._add_link.Request(link=link))
        sent.call.add_done_callback(lambda _: setattr(sent, 'graphs', 0))

    def _give_up_unanswered(self) -> None:
        """Give up calls that take too long: a request that was lost is never answered."""
        for sent in tuple(self._sent):
            if sent.graphs is None and time.monotonic() - sent.since > self._answer_timeout:
                self._sent.remove(sent)
                self._client.remove_pending_request(sent.call)
                reason = (
                    f'unused: {self._client.srv_name} did not answer within '
                    f'{self._answer_timeout:g} s (answer_timeout)'
                )
                self.answer(sent.candidate, accepted=False, reason=reason)

    def keyframes(self, robot: int) -> Mapping[int, int]:
        """Stamps of the nodes in the graph that RTAB-Map optimises."""
        return self._graph

    def robots(self, candidate: Any) -> tuple[int, int]:
        """One robot: RTAB-Map finds nodes of earlier sessions by their stamps as well."""
        return self.robot_id, self.robot_id

    def _on_info(self, message: Any) -> None:
        self._stamps[message.ref_id] = stamp_to_ns(message.header.stamp)

    def _on_graph(self, message: Any) -> None:
        self._graph = {
            number: self._stamps[number] for number in message.poses_id if number in self._stamps
        }
        self._links = {frozenset((link.from_id, link.to_id)) for link in message.links}
        for sent in tuple(self._sent):
            names = ' and '.join(str(number) for number in sorted(sent.nodes))
            if sent.nodes in self._links:
                self._sent.remove(sent)
                reason = f'RTAB-Map has a link between its nodes {names}'
                self.answer(sent.candidate, accepted=True, reason=reason)
            elif sent.graphs is not None:
                sent.graphs += 1
                if sent.graphs == GRAPHS_TO_WAIT:
                    self._sent.remove(sent)
                    reason = f'RTAB-Map took no link between its nodes {names}; its log says why'
                    self.answer(sent.candidate, accepted=False, reason=reason)


def main(args: Sequence[str] | None = None) -> int:
    """Run the node until SIGINT or SIGTERM; the exit status."""
    return run(RtabmapBridge, 'rtabmap_bridge', args)


if __name__ == '__main__':
    sys.exit(main())
