"""Closures as links of RTAB-Map, through DDS; the test is RTAB-Map."""

from __future__ import annotations

import numpy as np
import pytest
from helpers import live
from helpers.back_ends import back_end_messages
from helpers.back_ends.bridges import NS, BridgeRig, assert_pose, bridge, closure, moved, start
from helpers.back_ends.message_packages import installed
from helpers.candidates import AHEAD, BASES, STAMP_FROM, STAMP_TO
from rclpy.callback_groups import MutuallyExclusiveCallbackGroup
from rclpy.task import Future

from examples.bridges.motion import base_motion, covariance_at_end, measured_motion
from fol_vpr.geometry.rigid import compose
from fol_vpr.ros.messages.conversions import time_from_ns
from fol_vpr_msgs.msg import LoopClosureFeedback

# A package is built here the first time.
pytestmark = pytest.mark.timeout(1200)


@pytest.fixture(scope='module')
def package():
    return back_end_messages.package_of('rtabmap_msgs')


class Rtabmap:
    """RTAB-Map as the bridge sees it: images that become nodes, a graph, and `add_link`."""

    def __init__(self, rig: BridgeRig) -> None:
        from rtabmap_msgs import msg, srv

        self.msg, self.watch = msg, rig.watch
        self.nodes: list[int] = []
        self.links: list = []
        self.asked: list = []
        self.takes_links = True
        self.info = rig.watch.publisher(msg.Info, 'info')
        self.graphs = rig.watch.publisher(msg.MapGraph, 'mapGraph')
        self.answering = self._add_link
        # In a group of its own, so that a call without an answer leaves the others their turn.
        rig.watch.node.create_service(
            srv.AddLink,
            'add_link',
            self._on_call,
            callback_group=MutuallyExclusiveCallbackGroup(),
        )

    async def _on_call(self, request, response):
        return await self.answering(request, response)

    async def _add_link(self, request, response):
        self.asked.append(request.link)
        if self.takes_links:
            self.links.append(request.link)
        return response

    def process(self, number: int, stamp_ns: int) -> None:
        """Make a node of an image, and publish the graph."""
        self.nodes.append(number)
        info = self.msg.Info(ref_id=number)
        info.header.stamp = time_from_ns(stamp_ns)
        self.info.publish(info)
        self.watch.spin(0.2)
        self.publish_graph()

    def publish_graph(self) -> None:
        self.graphs.publish(self.msg.MapGraph(poses_id=self.nodes, links=self.links))
        self.watch.spin(0.2)


def test_a_link_between_nodes_with_the_stamps(package, tmp_path):
    with bridge('rtabmap', package, tmp_path / 'log') as rig:
        rtabmap = Rtabmap(rig)
        rtabmap.process(5, STAMP_TO)
        # The node of its other end comes later; the session of an end does not matter.
        rig.send(closure(1, session_to='yesterday'), closure(2, metric_scale=False))
        assert 'a direction without a length' in rig.refusal(2)
        rig.watch.spin(1.0)
        assert not rtabmap.asked
        rtabmap.process(12, STAMP_FROM)
        rig.watch.until(lambda: rtabmap.asked)
        rig.send(closure(3))
        assert 'has a link between its nodes 12 and 5 already' in rig.refusal(3)
        assert 1 not in rig.feedback
        rtabmap.publish_graph()
        answer = rig.answer(1)
        assert answer.status == LoopClosureFeedback.ACCEPTED
        assert answer.reason == 'RTAB-Map has a link between its nodes 5 and 12'
        # A link that does not show up in the graph was not taken.
        rtabmap.takes_links = False
        rtabmap.process(20, STAMP_FROM + 5 * NS)
        rig.send(closure(4, stamp_from=time_from_ns(STAMP_FROM + 5 * NS)))
        rig.watch.until(lambda: len(rtabmap.asked) == 2)
        rig.watch.spin(0.5)
        rtabmap.publish_graph()
        rtabmap.publish_graph()
        answer = rig.answer(4)
        assert answer.status == LoopClosureFeedback.REJECTED
        assert answer.reason.startswith('RTAB-Map took no link between its nodes 5 and 20')
    link = rtabmap.asked[0]
    assert (link.from_id, link.to_id, link.type) == (12, 5, 4)
    assert_pose(link.transform, BASES)
    covariance = covariance_at_end(base_motion(measured_motion(closure()), AHEAD, AHEAD))
    found = np.linalg.inv(np.reshape(link.information, (6, 6)))
    assert found == pytest.approx(covariance, abs=1e-9)


def test_odometry_carries_a_closure_to_the_nearest_node(package, tmp_path):
    with bridge('rtabmap', package, tmp_path / 'log', 'hold:=4.0') as rig:
        rtabmap = Rtabmap(rig)
        stamps = {4: STAMP_TO - 3 * NS, 5: STAMP_TO - NS // 4, 12: STAMP_FROM + NS // 2}
        for number, stamp_ns in stamps.items():
            rtabmap.process(number, stamp_ns)
        # This one is known by its stamp, but RTAB-Map has put it out of its graph.
        rtabmap.process(13, STAMP_FROM)
        rtabmap.nodes.remove(13)
        rtabmap.publish_graph()
        rig.send(closure(1))
        assert 'odom does not cover' in rig.refusal(1)
        rig.drive(STAMP_TO - 4 * NS, STAMP_TO, STAMP_FROM, *stamps.values())
        rig.send(closure(2), closure(3, stamp_from=time_from_ns(STAMP_TO + NS // 4)))
        rig.watch.until(lambda: rtabmap.asked)
        assert 'both ends have the same nearest keyframe, 5' in rig.refusal(3)
        rig.send(closure(6, stamp_from=time_from_ns(STAMP_FROM + 100 * NS)))
    (link,) = rtabmap.asked
    assert (link.from_id, link.to_id) == (12, 5)
    before, after = moved(stamps[12], STAMP_FROM), moved(STAMP_TO, stamps[5])
    assert_pose(link.transform, compose(compose(before, BASES), after))
    assert 'closure 6 rejected: unused: the bridge was stopped' in (tmp_path / 'log').read_text()


def test_a_call_that_is_never_answered_is_given_up(package, tmp_path):
    with bridge('rtabmap', package, tmp_path / 'log', 'answer_timeout:=1.0') as rig:
        rtabmap = Rtabmap(rig)
        never = Future()

        async def no_answer(_request, response):
            await never
            return response

        rtabmap.answering = no_answer
        rtabmap.process(5, STAMP_TO)
        rtabmap.process(12, STAMP_FROM)
        rig.send(closure(1))
        assert 'did not answer within 1 s (answer_timeout)' in rig.refusal(1)
        never.set_result(None)


def test_a_package_that_is_missing_is_named(tmp_path):
    if installed('rtabmap_msgs'):
        pytest.skip('rtabmap_msgs is installed here')
    process = start('rtabmap', None, tmp_path / 'log')
    assert process.wait(live.PATIENCE) == 2
    assert 'the message package rtabmap_msgs is not installed' in (tmp_path / 'log').read_text()
