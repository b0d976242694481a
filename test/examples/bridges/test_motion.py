"""Loop closures in the messages of other back-ends, against their public definitions."""

from __future__ import annotations

from dataclasses import fields, replace

import numpy as np
import pytest
from geometry_msgs.msg import Pose as PoseMsg
from rosbags.typesys import Stores, get_types_from_msg, get_typestore

from fol_vpr.datatypes import Pose
from fol_vpr.errors import FolVprError, InputError
from fol_vpr.geometry.rigid import compose, inverse, rotation_about, rotation_matrix
from fol_vpr.ros.messages import converters, plain_messages
from fol_vpr_msgs.msg import LoopClosureCandidate

# As MIT-SPARK/pose_graph_tools (ROS 2), introlab/rtabmap_ros and lajoiepy/cslam_interfaces have
# them, without comments.
DEFINITIONS = {
    'pose_graph_tools_msgs/msg/PoseGraphEdge': """
        std_msgs/Header header
        uint64 key_from
        uint64 key_to
        int32 robot_from
        int32 robot_to
        int32 type
        int32 ODOM=0
        int32 LOOPCLOSE=1
        geometry_msgs/Pose pose
        float64[36] covariance""",
    'pose_graph_tools_msgs/msg/PoseGraphNode': """
        std_msgs/Header header
        int32 robot_id
        uint64 key
        geometry_msgs/Pose pose""",
    'pose_graph_tools_msgs/msg/PoseGraph': """
        std_msgs/Header header
        pose_graph_tools_msgs/PoseGraphNode[] nodes
        pose_graph_tools_msgs/PoseGraphEdge[] edges""",
    'rtabmap_msgs/msg/Link': """
        int32 from_id
        int32 to_id
        int32 type
        geometry_msgs/Transform transform
        float64[36] information""",
    'cslam_common_interfaces/msg/InterRobotLoopClosure': """
        uint32 robot0_keyframe_id
        uint32 robot0_id
        uint32 robot1_keyframe_id
        uint32 robot1_id
        bool success
        geometry_msgs/Transform transform""",
    'cslam_common_interfaces/msg/IntraRobotLoopClosure': """
        uint32 keyframe0_id
        uint32 keyframe1_id
        bool success
        geometry_msgs/Transform transform""",
    'cslam_common_interfaces/msg/InterRobotMatch': """
        uint32 robot0_id
        uint32 robot0_keyframe_id
        uint32 robot1_id
        uint32 robot1_keyframe_id
        float32 weight""",
    'cslam_common_interfaces/msg/LocalKeyframeMatch': """
        uint32 keyframe0_id
        uint32 keyframe1_id""",
}
# x right, y down, z forward; half a metre ahead of the base, and one looking backwards.
AHEAD = Pose(np.array([0.5, 0.1, 1.2]), np.array([-0.5, 0.5, -0.5, 0.5]))
BEHIND = Pose(np.array([-0.4, 0.0, 1.1]), np.array([0.5, 0.5, -0.5, -0.5]))
MOUNTS = {'mount_from': AHEAD, 'mount_to': BEHIND}
BASES = Pose(np.array([2.0, 1.0, 0.1]), np.array([0.0, 0.0, 0.6, 0.8]))


@pytest.fixture(scope='module')
def types():
    store = get_typestore(Stores.ROS2_JAZZY)
    for name, definition in DEFINITIONS.items():
        store.register(get_types_from_msg(definition, name))
    return store


def candidate(**changes) -> LoopClosureCandidate:
    """Two cameras whose bases are `BASES` apart."""
    message = LoopClosureCandidate(
        candidate_id=3, similarity=0.75, has_transform=True, metric_scale=True
    )
    message.stamp_from.sec, message.stamp_from.nanosec = 1_700_000_009, 123_456_789
    message.stamp_to.sec, message.stamp_to.nanosec = 1_700_000_001, 987_654_321
    cameras = compose(compose(inverse(AHEAD), BASES), BEHIND)
    place, turned = message.from_t_to.pose.position, message.from_t_to.pose.orientation
    place.x, place.y, place.z = (float(value) for value in cameras.position)
    turned.x, turned.y, turned.z, turned.w = (float(value) for value in cameras.orientation)
    message.from_t_to.covariance = stated_covariance().reshape(36)
    for name, value in changes.items():
        setattr(message, name, value)
    return message


def stated_covariance() -> np.ndarray:
    root = np.random.default_rng(5).normal(size=(6, 6)) * 0.004
    return root @ root.T + 1e-6 * np.eye(6)


def drawn_errors() -> np.ndarray:
    """[N, 6]: how far bases are off along and about the axes of `to`, for noise as stated."""
    rng = np.random.default_rng(6)
    message = candidate()
    pose = message.from_t_to.pose
    position = np.array([pose.position.x, pose.position.y, pose.position.z])
    turned = pose.orientation
    rotation = rotation_matrix(np.array([turned.x, turned.y, turned.z, turned.w]))
    mounts = [(rotation_matrix(m.orientation), m.position) for m in (AHEAD, BEHIND)]
    base = rotation_matrix(BASES.orientation)
    found = []
    for noise in rng.multivariate_normal(np.zeros(6), stated_covariance(), 6000):
        cameras = rotation_about(noise[3:]) @ rotation, position + noise[:3]
        (r_from, p_from), (r_to, p_to) = mounts
        whole = r_from @ cameras[0] @ r_to.T
        moved = r_from @ cameras[1] + p_from - whole @ p_to
        off = base.T @ whole
        about = 0.5 * np.array(
            [off[2, 1] - off[1, 2], off[0, 2] - off[2, 0], off[1, 0] - off[0, 1]]
        )
        found.append(np.concatenate([base.T @ (moved - BASES.position), about]))
    return np.array(found)


def everything() -> list:
    edge = converters.pose_graph_edge(candidate(), **MOUNTS, robot_from=1, robot_to=2)
    return [
        edge,
        converters.pose_graph([edge, edge], 'map'),
        converters.rtabmap_link(candidate(), 12, 5, **MOUNTS),
        converters.swarm_loop_closure(candidate(), 12, 5, **MOUNTS),
        converters.swarm_loop_closure(candidate(), 12, 5, **MOUNTS, robot_to=1),
        converters.swarm_match(candidate(has_transform=False), 12, 5),
        converters.swarm_match(candidate(has_transform=False), 12, 5, robot_to=1),
    ]


def test_every_message_is_made():
    made = {each.TYPE for each in everything()}
    assert made == set(DEFINITIONS) - {'pose_graph_tools_msgs/msg/PoseGraphNode'}


@pytest.mark.parametrize('plain', everything(), ids=lambda plain: plain.TYPE.rpartition('/')[2])
def test_fields_are_those_of_the_definition_and_survive_the_wire(plain, types):
    definition = types.fielddefs[plain.TYPE][1]
    assert [each.name for each in fields(plain)] == [name for name, _ in definition]
    wire = types.serialize_cdr(as_rosbags(plain, types, plain.TYPE), plain.TYPE)
    back = types.deserialize_cdr(wire, plain.TYPE)
    assert_same(plain, back)


def as_rosbags(plain, types, name: str):
    values = {}
    for field, (kind, detail) in types.fielddefs[name][1]:
        value = getattr(plain, field)
        if kind.name == 'NAME':
            value = as_rosbags(value, types, detail)
        elif kind.name == 'ARRAY':
            value = np.array(value)
        elif kind.name == 'SEQUENCE':
            value = [as_rosbags(item, types, detail[0][1]) for item in value]
        values[field] = value
    return types.types[name](**values)


def assert_same(plain, back):
    for each in fields(plain):
        value, other = getattr(plain, each.name), getattr(back, each.name)
        if hasattr(value, '__dataclass_fields__'):
            assert_same(value, other)
        elif isinstance(value, tuple) and value and hasattr(value[0], '__dataclass_fields__'):
            assert len(value) == len(other)
            for one, two in zip(value, other, strict=True):
                assert_same(one, two)
        else:
            assert np.asarray(value) == pytest.approx(np.asarray(other)), each.name


def test_an_edge_is_keyed_by_nanoseconds_and_is_of_the_bases():
    edge = converters.pose_graph_edge(candidate(), **MOUNTS)
    assert (edge.key_from, edge.key_to) == (1_700_000_009_123_456_789, 1_700_000_001_987_654_321)
    assert (edge.type, edge.header.stamp.sec) == (1, 1_700_000_009)
    position, orientation = edge.pose.position, edge.pose.orientation
    assert [position.x, position.y, position.z] == pytest.approx(BASES.position)
    found = [orientation.x, orientation.y, orientation.z, orientation.w]
    assert np.abs(found @ BASES.orientation) == pytest.approx(1)


def test_every_transform_is_that_of_the_bases_as_from_sees_them():
    link = converters.rtabmap_link(candidate(), 12, 5, **MOUNTS)
    one = converters.swarm_loop_closure(candidate(), 12, 5, **MOUNTS)
    two = converters.swarm_loop_closure(candidate(), 12, 5, **MOUNTS, robot_to=1)
    for each in (link, one, two):
        at, turned = each.transform.translation, each.transform.rotation
        assert [at.x, at.y, at.z] == pytest.approx(BASES.position)
        found = np.array([turned.x, turned.y, turned.z, turned.w])
        assert np.abs(found @ BASES.orientation) == pytest.approx(1)
    assert (link.from_id, link.to_id, link.type) == (12, 5, 4)


def test_the_covariance_is_that_of_the_match_alone():
    """Of the mounts, which both ends share, none is known."""
    unsure = {name: replace(mount, covariance=np.eye(6)) for name, mount in MOUNTS.items()}
    exact = converters.pose_graph_edge(candidate(), **MOUNTS)
    assert converters.pose_graph_edge(candidate(), **unsure).covariance == exact.covariance


def test_covariances_fit_noise_that_was_drawn():
    errors = drawn_errors()
    edge = converters.pose_graph_edge(candidate(), **MOUNTS)
    link = converters.rtabmap_link(candidate(), 12, 5, **MOUNTS)
    covariance = np.reshape(edge.covariance, (6, 6))
    inverse_information = np.linalg.inv(np.reshape(link.information, (6, 6)))
    rotation_first = np.roll(errors, 3, axis=1)
    for found, stated in ((rotation_first, covariance), (errors, inverse_information)):
        whitened = np.linalg.solve(np.linalg.cholesky(stated), found.T)
        assert np.mean(whitened**2, axis=1) == pytest.approx(np.ones(6), abs=0.1)


def test_swarm_slam_tells_one_robot_from_two():
    one = converters.swarm_loop_closure(candidate(), 12, 5, **MOUNTS)
    two = converters.swarm_loop_closure(candidate(), 12, 5, **MOUNTS, robot_from=1, robot_to=4)
    assert (one.keyframe0_id, one.keyframe1_id, one.success) == (12, 5, True)
    assert (two.robot0_id, two.robot0_keyframe_id) == (1, 12)
    assert (two.robot1_id, two.robot1_keyframe_id) == (4, 5)
    match = converters.swarm_match(candidate(), 12, 5, robot_from=1, robot_to=4)
    assert match == plain_messages.InterRobotMatch(1, 12, 4, 5, 0.75)


@pytest.mark.parametrize(
    ('changes', 'told'),
    [({'has_transform': False}, 'loop closure 3 has no transform'),
     ({'metric_scale': False}, 'a direction without a length')],
)  # fmt: skip
@pytest.mark.parametrize(
    'convert',
    [
        converters.pose_graph_edge,
        lambda message, **how: converters.rtabmap_link(message, 12, 5, **how),
        lambda message, **how: converters.swarm_loop_closure(message, 12, 5, **how),
    ],
    ids=['edge', 'link', 'swarm'],
)
def test_what_was_not_measured_is_not_made_up(convert, changes, told):
    with pytest.raises(InputError, match=told):
        convert(candidate(**changes), **MOUNTS)


@pytest.mark.parametrize('covariance', [np.zeros(36), -np.eye(6).reshape(36)])
def test_a_transform_without_a_covariance_is_no_edge(covariance):
    message = candidate()
    message.from_t_to.covariance = covariance
    with pytest.raises(InputError, match='least eigenvalue'):
        converters.pose_graph_edge(message, **MOUNTS)


@pytest.mark.parametrize('number', [-1, 2**32])
def test_numbers_that_do_not_fit_are_refused(number):
    with pytest.raises(InputError, match=f'a keyframe is {number}'):
        converters.swarm_match(candidate(), number, 5)
    with pytest.raises(InputError, match='an id of RTAB-Map is 0'):
        converters.rtabmap_link(candidate(), 12, 0, **MOUNTS)


def test_a_keyframe_is_found_by_its_stamp_only():
    stamps = {4: 1_000_000_000, 5: 2_000_000_200}
    assert converters.keyframe_at(stamps, 2_000_000_000) == 5
    with pytest.raises(InputError, match=r'the nearest of 2 is 500\.000 ms away: hold'):
        converters.keyframe_at(stamps, 1_500_000_000)
    with pytest.raises(InputError, match='there is no keyframe at 7 ns: hold'):
        converters.keyframe_at({}, 7)


def test_the_real_message_is_filled_where_its_package_is_installed(monkeypatch):
    edge = converters.pose_graph_edge(candidate(), **MOUNTS)
    monkeypatch.setattr(plain_messages.Pose, 'TYPE', 'geometry_msgs/msg/Pose', raising=False)
    message = plain_messages.to_message(edge.pose)
    assert isinstance(message, PoseMsg)
    assert message.position.x == pytest.approx(BASES.position[0])
    assert message.orientation.w == pytest.approx(0.8)


def test_a_package_that_is_missing_is_named():
    with pytest.raises(FolVprError, match='need the package cslam_common_interfaces'):
        plain_messages.to_message(converters.swarm_match(candidate(), 12, 5))
