"""Closures as pose_graph_tools_msgs, through DDS, as Hydra and Kimera-PGMO read them."""

from __future__ import annotations

import numpy as np
import pytest
from helpers import live
from helpers.back_ends import back_end_messages
from helpers.back_ends.bridges import NS, assert_pose, bridge, closure, moved, start
from helpers.candidates import AHEAD, BASES, STAMP_FROM, STAMP_TO

from examples.bridges.motion import base_motion, covariance_at_end, measured_motion
from fol_vpr.geometry.rigid import compose, rotation_matrix
from fol_vpr.ros.messages.conversions import time_from_ns

# A package is built here the first time.
pytestmark = pytest.mark.timeout(1200)


@pytest.fixture(scope='module')
def package():
    return back_end_messages.package_of('pose_graph_tools_msgs')


def stated_covariance() -> np.ndarray:
    """[6, 6] of the bases, rotation first, in the axes of `to`."""
    cameras = measured_motion(closure())
    covariance = covariance_at_end(base_motion(cameras, AHEAD, AHEAD))
    return np.roll(covariance, (3, 3), axis=(0, 1))


def test_hydra_is_given_stamps_and_the_pose_of_from_in_to(package, tmp_path):
    from pose_graph_tools_msgs.msg import PoseGraph, PoseGraphEdge

    with bridge(
        'pose_graph_tools', package, tmp_path / 'log', 'robot_id:=1', 'session_robots:=other=4'
    ) as rig:
        graphs = rig.listen(PoseGraph, '/external_loop_closures')
        rig.send(
            closure(1), closure(2, has_transform=False), closure(3, session_to='unknown'),
            closure(4, session_to='other'),
        )  # fmt: skip
        rig.watch.until(lambda: len(graphs) == 2)
        assert 'it has no transform' in rig.refusal(2)
        assert 'the session unknown, which session_robots does not name' in rig.refusal(3)
        assert {1, 4}.isdisjoint(rig.feedback)
    edges = [graph.edges[0] for graph in graphs]
    assert [(len(graph.nodes), len(graph.edges)) for graph in graphs] == [(0, 1)] * 2
    for edge in edges:
        # Hydra reads the pose as that of `from` in `to`, so our ends change places.
        assert (edge.key_from, edge.key_to) == (STAMP_TO, STAMP_FROM)
        assert edge.type == PoseGraphEdge.LOOPCLOSE == 1
        assert edge.header.stamp == graphs[0].header.stamp == time_from_ns(STAMP_FROM)
        assert_pose(edge.pose, BASES)
        assert np.reshape(edge.covariance, (6, 6)) == pytest.approx(stated_covariance())
    assert [(edge.robot_from, edge.robot_to) for edge in edges] == [(1, 1), (4, 1)]


def test_kimera_is_given_keys_of_nodes_and_the_pose_of_to_in_from(package, tmp_path):
    from pose_graph_tools_msgs.msg import PoseGraph, PoseGraphNode

    with bridge('pose_graph_tools', package, tmp_path / 'log', 'keys:=nodes', 'hold:=3.0') as rig:
        graphs = rig.listen(PoseGraph, '/external_loop_closures')
        nodes = rig.watch.publisher(PoseGraph, 'pose_graph')
        # One node lies at the stamp, the other 0.3 s after it.
        stamps = {5: STAMP_TO + 3 * NS // 10, 6: STAMP_TO + 2 * NS, 12: STAMP_FROM}
        message = PoseGraph(nodes=[PoseGraphNode(key=key) for key in stamps])
        for node in message.nodes:
            node.header.stamp = time_from_ns(stamps[node.key])
        rig.send(closure(1), closure(2, stamp_to=time_from_ns(STAMP_TO - 9 * NS)))
        nodes.publish(message)
        assert 'is 9.300 s away' in rig.refusal(2)
        rig.drive(STAMP_TO - NS, STAMP_TO, stamps[5])
        rig.watch.until(lambda: graphs)
        # No node is so late: the closure is held, and answered at last.
        rig.send(closure(7, stamp_from=time_from_ns(STAMP_FROM + 10 * NS)))
        assert 'the last of 3 keyframes is 10.000 s earlier' in rig.refusal(7)
    (edge,) = graphs[0].edges
    assert (edge.key_from, edge.key_to, edge.robot_from, edge.robot_to) == (12, 5, 0, 0)
    after = moved(STAMP_TO, stamps[5])
    assert_pose(edge.pose, compose(BASES, after))
    # Turned from the axes of the image to those of the node.
    turned = np.kron(np.eye(2), rotation_matrix(after.orientation).T)
    expected = turned @ stated_covariance() @ turned.T
    found = np.reshape(edge.covariance, (6, 6))
    assert found[:3, :3] == pytest.approx(expected[:3, :3])


@pytest.mark.parametrize(
    ('parameter', 'told'),
    [
        ('keys:=numbers', "keys is 'numbers', expected stamps or nodes"),
        ('session_robots:=alpha', "session_robots is 'alpha', expected SESSION=ROBOT"),
    ],
)
def test_a_wrong_parameter_ends_it(parameter, told, package, tmp_path):
    process = start('pose_graph_tools', package, tmp_path / 'log', parameter)
    assert process.wait(live.PATIENCE) == 2
    assert told in (tmp_path / 'log').read_text()
