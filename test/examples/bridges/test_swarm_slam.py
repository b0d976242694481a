"""Closures as those of Swarm-SLAM's front-end, through DDS."""

from __future__ import annotations

import pytest
from helpers.back_ends import back_end_messages
from helpers.back_ends.bridges import NS, assert_pose, bridge, closure, moved
from helpers.candidates import BASES, STAMP_FROM, STAMP_TO

from fol_vpr.geometry.rigid import compose
from fol_vpr.ros.messages.conversions import time_from_ns

# A package is built here the first time.
pytestmark = pytest.mark.timeout(1200)


@pytest.fixture(scope='module')
def package():
    return back_end_messages.package_of('cslam_common_interfaces')


def keyframe(number: int, stamp_ns: int):
    from cslam_common_interfaces.msg import KeyframeOdom

    message = KeyframeOdom(id=number)
    message.odom.header.stamp = time_from_ns(stamp_ns)
    return message


def test_closures_within_a_robot_and_between_two(package, tmp_path):
    from cslam_common_interfaces.msg import (
        InterRobotLoopClosure,
        IntraRobotLoopClosure,
        KeyframeOdom,
        LocalKeyframeMatch,
    )

    parameters = 'robot_id:=1', 'session_robots:=before=4', 'hold:=4.0'
    with bridge('swarm_slam', package, tmp_path / 'log', *parameters) as rig:
        within = rig.listen(IntraRobotLoopClosure, '/r1/cslam/intra_robot_loop_closure')
        between = rig.listen(InterRobotLoopClosure, '/cslam/inter_robot_loop_closure')
        matches = rig.listen(LocalKeyframeMatch, '/r1/cslam/local_keyframe_match')
        own = rig.watch.publisher(KeyframeOdom, '/r1/cslam/keyframe_odom')
        other = rig.watch.publisher(KeyframeOdom, '/r4/cslam/keyframe_odom')
        for number, stamp_ns in ((0, STAMP_TO - 2 * NS), (5, STAMP_TO), (12, STAMP_FROM)):
            own.publish(keyframe(number, stamp_ns))
        for number, stamp_ns in ((8, STAMP_TO), (9, STAMP_TO + NS)):
            other.publish(keyframe(number, stamp_ns))
        elsewhere = time_from_ns(STAMP_TO + NS // 2)
        rig.send(
            closure(1),
            closure(2, session_to='before'),
            closure(3, has_transform=False),
            closure(4, session_to='before', has_transform=False),
            closure(5, session_to='before', stamp_to=elsewhere),
        )
        rig.watch.until(lambda: within and between and matches)
        assert 'it has no transform' in rig.refusal(4)
        assert 'robot 4 has no keyframe at the stamp of the image' in rig.refusal(5)
        # Half a second from the nearest keyframe.
        rig.drive(STAMP_TO - NS, STAMP_TO, STAMP_TO + NS // 2)
        rig.send(closure(6, stamp_to=elsewhere))
        rig.watch.until(lambda: len(within) == 2)
        assert {1, 2, 3, 6}.isdisjoint(rig.feedback)
    first, carried = within
    assert (first.keyframe0_id, first.keyframe1_id, first.success) == (12, 5, True)
    assert_pose(first.transform, BASES)
    assert (carried.keyframe0_id, carried.keyframe1_id, carried.success) == (12, 5, True)
    assert_pose(carried.transform, compose(BASES, moved(STAMP_TO + NS // 2, STAMP_TO)))
    (robots,) = between
    assert (robots.robot0_id, robots.robot0_keyframe_id) == (1, 12)
    assert (robots.robot1_id, robots.robot1_keyframe_id, robots.success) == (4, 8, True)
    assert_pose(robots.transform, BASES)
    (match,) = matches
    assert (match.keyframe0_id, match.keyframe1_id) == (12, 5)


def test_pairs_without_a_transform_can_be_left_out(package, tmp_path):
    with bridge('swarm_slam', package, tmp_path / 'log', 'register:=false') as rig:
        rig.send(closure(1, has_transform=False))
        assert 'it has no transform' in rig.refusal(1)
