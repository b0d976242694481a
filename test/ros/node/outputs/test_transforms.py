"""map -> odom, compared with products of homogeneous matrices."""

from __future__ import annotations

import math

import numpy as np
import pytest
from geometry_msgs.msg import Quaternion, TransformStamped, Vector3
from nav_msgs.msg import Odometry

from fol_vpr.config import NodeConfig
from fol_vpr.datatypes import UNKNOWN_ANGLE_VARIANCE, Pose
from fol_vpr.errors import FolVprError, InputError
from fol_vpr.geometry.rigid import compose
from fol_vpr.ros.messages.conversions import stamp_to_ns, time_from_ns
from fol_vpr.ros.node.inputs.camera import StaticMounts
from fol_vpr.ros.node.inputs.odometry import OdometryTrack
from fol_vpr.ros.node.outputs.transforms import MapToOdom, map_to_odom

SECOND = 1_000_000_000


def axis_angle(axis: np.ndarray, angle: float) -> tuple[np.ndarray, np.ndarray]:
    """Quaternion x, y, z, w and, by Rodrigues' formula, the matrix of a rotation."""
    axis = axis / np.linalg.norm(axis)
    cross = np.cross(np.eye(3), axis)
    matrix = np.eye(3) + math.sin(angle) * cross + (1 - math.cos(angle)) * cross @ cross
    return np.array([*(axis * math.sin(angle / 2)), math.cos(angle / 2)]), matrix


def homogeneous(rotation: np.ndarray, position: np.ndarray) -> np.ndarray:
    matrix = np.eye(4)
    matrix[:3, :3], matrix[:3, 3] = rotation, position
    return matrix


def odometry(stamp_ns: int, position, quaternion, base: str = 'base_link') -> Odometry:
    message = Odometry(child_frame_id=base)
    message.header.frame_id = 'odom'
    message.header.stamp = time_from_ns(stamp_ns)
    pose = message.pose.pose
    pose.position.x, pose.position.y, pose.position.z = (float(v) for v in position)
    q = pose.orientation
    q.x, q.y, q.z, q.w = (float(v) for v in quaternion)
    return message


def to_matrix(transform) -> np.ndarray:
    q, t = transform.rotation, transform.translation
    vector = np.array([q.x, q.y, q.z])
    angle = 2 * math.atan2(float(np.linalg.norm(vector)), q.w)
    axis = vector if np.linalg.norm(vector) > 1e-12 else np.array([1.0, 0, 0])
    return homogeneous(axis_angle(axis, angle)[1], [t.x, t.y, t.z])


@pytest.mark.parametrize('seed', range(20))
def test_map_to_odom_times_odom_to_base_is_map_to_base(seed):
    rng = np.random.default_rng(seed)
    angles = (rng.uniform(-math.pi, math.pi), math.pi if seed < 4 else rng.uniform(-3, 3))
    (robot_q, robot_r), (odom_q, odom_r) = (axis_angle(rng.normal(size=3), a) for a in angles)
    robot_t, odom_t = rng.normal(scale=50, size=(2, 3))
    track = OdometryTrack()
    track.add(odometry(5 * SECOND, odom_t, odom_q))
    message = map_to_odom(track, Pose(robot_t, robot_q), 'map', 5 * SECOND, NodeConfig())
    product = to_matrix(message.transform) @ homogeneous(odom_r, odom_t)
    np.testing.assert_allclose(product, homogeneous(robot_r, robot_t), atol=1e-6)
    assert (message.header.frame_id, message.child_frame_id) == ('map', 'odom')
    assert stamp_to_ns(message.header.stamp) == 5 * SECOND


def test_odometry_is_interpolated_to_the_image():
    track = OdometryTrack()
    up = np.array([0.0, 0, 1])
    track.add(odometry(0, [0, 0, 0], axis_angle(up, 0.0)[0]))
    # The same rotation with the other sign of the quaternion.
    track.add(odometry(SECOND // 10, [1, 2, 0], -axis_angle(up, 0.2)[0]))
    robot = Pose(np.zeros(3), np.array([0.0, 0, 0, 1]))
    message = map_to_odom(track, robot, 'map', SECOND // 20, NodeConfig())
    expected = np.linalg.inv(homogeneous(axis_angle(up, 0.1)[1], [0.5, 1.0, 0.0]))
    np.testing.assert_allclose(to_matrix(message.transform), expected, atol=1e-9)


@pytest.mark.parametrize(
    ('stamps', 'image', 'base', 'text'),
    [
        ([], 0, 'base_link', 'no odometry'),
        ([0, 1000], 500, 'base_link', 'gap of 1.0'),
        ([0, 100], 900, 'base_link', 'gap of 0.8'),
        ([900, 1000], 100, 'base_link', 'gap of 0.8'),
        ([0, 100], 50, 'chassis', 'set base_frame'),
    ],
)
def test_odometry_that_does_not_fit_is_named(stamps, image, base, text):
    track = OdometryTrack()
    for milliseconds in stamps:
        track.add(odometry(milliseconds * 1_000_000, [0, 0, 0], [0, 0, 0, 1], base))
    robot = Pose(np.zeros(3), np.array([0.0, 0, 0, 1]))
    with pytest.raises(InputError, match=text):
        map_to_odom(track, robot, 'map', image * 1_000_000, NodeConfig())


def test_a_map_in_the_frame_of_the_odometry_gives_no_transform():
    track = OdometryTrack()
    track.add(odometry(0, [1, 0, 0], [0, 0, 0, 1]))
    robot = Pose(np.zeros(3), np.array([0.0, 0, 0, 1]))
    with pytest.raises(InputError, match='both in the frame odom'):
        map_to_odom(track, robot, 'odom', 0, NodeConfig())


def test_positions_without_orientations_give_no_transform():
    track = OdometryTrack()
    track.add(odometry(0, [1, 0, 0], [0, 0, 0, 1]))
    covariance = np.diag([0.0, 0, 0, *[UNKNOWN_ANGLE_VARIANCE] * 3])
    robot = Pose(np.zeros(3), np.array([0.0, 0, 0, 1]), covariance)
    with pytest.raises(InputError, match='without orientations'):
        map_to_odom(track, robot, 'map', 0, NodeConfig())


def test_going_back_in_time_forgets_what_was_before():
    track = OdometryTrack()
    track.add(odometry(10 * SECOND, [9, 9, 9], [0, 0, 0, 1]))
    track.add(odometry(1 * SECOND, [1, 0, 0], [0, 0, 0, 1]))
    robot = Pose(np.zeros(3), np.array([0.0, 0, 0, 1]))
    message = map_to_odom(track, robot, 'map', SECOND, NodeConfig())
    assert message.transform.translation.x == -1.0
    with pytest.raises(InputError, match='gap'):
        map_to_odom(track, robot, 'map', 10 * SECOND, NodeConfig())


def test_without_tf2_the_remedy_is_named():
    try:
        import tf2_ros  # noqa: F401
    except ImportError:
        pass
    else:
        pytest.skip('tf2_ros is installed')
    with pytest.raises(FolVprError, match='tf2_ros'):
        MapToOdom(None, OdometryTrack())


UP = np.array([0.0, 0, 1])
WIDE = NodeConfig(odom_gap=1.0)


def test_the_pose_at_the_stamp_of_an_image_is_interpolated_or_none():
    track = OdometryTrack()
    assert track.pose_at(0, WIDE) is None
    track.add(odometry(0, [0, 0, 0], axis_angle(UP, 0.0)[0]))
    track.add(odometry(SECOND, [2, 0, 0], axis_angle(UP, 0.2)[0]))
    pose = track.pose_at(SECOND // 4, WIDE)
    np.testing.assert_allclose(pose.position, [0.5, 0, 0])
    np.testing.assert_allclose(pose.orientation, axis_angle(UP, 0.05)[0], atol=2e-5)
    assert track.pose_at(SECOND // 2, NodeConfig(odom_gap=0.5)) is None
    assert 'a gap of 1.000 s' in track.problem
    track.add(odometry(2 * SECOND, [math.nan, 0, 0], axis_angle(UP, 0.2)[0]))
    assert track.pose_at(2 * SECOND, WIDE) is None
    assert 'odom holds no pose' in track.problem
    track.clear()
    assert track.pose_at(SECOND, WIDE) is None
    assert track.problem == ''


def driven(track: OdometryTrack, *tenths: int) -> None:
    """A robot that turns left by 0.2 rad/s and moves by 3 m/s along x of the odometry."""
    for tenth in tenths:
        turned = axis_angle(UP, 0.02 * tenth)[0]
        track.add(odometry(tenth * SECOND // 10, [0.3 * tenth, 0, 0], turned))


def test_the_pose_of_an_image_after_the_odometry_is_extrapolated():
    track = OdometryTrack()
    driven(track, 0, 1, 2, 3)
    for ahead in (20, 100, 190):
        seconds = 0.3 + ahead / 1000
        pose = track.pose_at(round(seconds * SECOND), NodeConfig())
        np.testing.assert_allclose(pose.position, [3 * seconds, 0, 0], atol=1e-9)
        expected = axis_angle(UP, 0.2 * seconds)[0]
        np.testing.assert_allclose(pose.orientation, expected, atol=1e-5)
    assert track.pose_at(round(0.51 * SECOND), NodeConfig()) is None
    assert 'a gap of 0.210 s' in track.problem


def test_odometry_of_another_clock_is_not_reported_as_missing():
    track = OdometryTrack()
    assert track.pose_at(1000 * SECOND, NodeConfig()) is None
    assert track.problem == ''
    driven(track, 0, 1, 2)
    assert track.pose_at(1000 * SECOND, NodeConfig()) is None
    assert 'a gap of 999.800 s' in track.problem


@pytest.mark.parametrize('tenths', [(4,), (1, 4)])
def test_without_two_messages_the_pose_is_not_extrapolated(tenths):
    track = OdometryTrack()
    driven(track, *tenths)
    pose = track.pose_at(SECOND // 2, NodeConfig())
    np.testing.assert_allclose(pose.position, [1.2, 0, 0], atol=1e-9)


def test_the_pose_of_an_image_before_the_odometry_is_the_first_pose():
    track = OdometryTrack()
    driven(track, 4, 5)
    np.testing.assert_allclose(track.pose_at(int(0.35 * SECOND), WIDE).position, [1.2, 0, 0])


def test_odometry_of_another_frame_is_carried_over_to_the_base():
    """As that of a camera, whose optical frame is no base: its ways would lead up."""
    mounts = StaticMounts()
    optical = Pose(np.array([0.2, 0.0, 1.3]), np.array([-0.5, 0.5, -0.5, 0.5]))
    x, y, z = (float(value) for value in optical.position)
    edge = TransformStamped(child_frame_id='camera')
    edge.header.frame_id = 'base_link'
    edge.transform.translation = Vector3(x=x, y=y, z=z)
    edge.transform.rotation = Quaternion(x=-0.5, y=0.5, z=-0.5, w=0.5)
    track = OdometryTrack(mounts.find)
    base = Pose(np.array([5.0, -3, 0.1]), axis_angle(UP, 1.1)[0])
    camera = compose(base, optical)
    track.add(odometry(SECOND, camera.position, camera.orientation, 'camera'))
    assert track.pose_at(SECOND, WIDE) is None
    assert 'odom is of the frame camera' in track.problem
    assert 'set base_frame' in track.problem
    mounts.add([edge])
    pose = track.pose_at(SECOND, WIDE)
    np.testing.assert_allclose(pose.position, base.position, atol=1e-9)
    np.testing.assert_allclose(pose.orientation, base.orientation, atol=1e-9)
    assert track.problem == ''
    transform = map_to_odom(track, base, 'map', SECOND, WIDE).transform
    np.testing.assert_allclose(to_matrix(transform), np.eye(4), atol=1e-9)


def test_odometry_without_a_child_frame_is_taken_as_that_of_the_base():
    track = OdometryTrack()
    track.add(odometry(SECOND, [1, 2, 3], [0, 0, 0, 1], base=''))
    np.testing.assert_array_equal(track.pose_at(SECOND, WIDE).position, [1, 2, 3])
    robot = Pose(np.zeros(3), np.array([0.0, 0, 0, 1]))
    with pytest.raises(InputError, match=r'of the frame \(empty\) in odom'):
        map_to_odom(track, robot, 'map', SECOND, WIDE)


def test_odometry_in_no_frame_gives_no_transform():
    track = OdometryTrack()
    message = odometry(SECOND, [1, 2, 3], [0, 0, 0, 1])
    message.header.frame_id = ''
    track.add(message)
    robot = Pose(np.zeros(3), np.array([0.0, 0, 0, 1]))
    with pytest.raises(InputError, match=r'of the frame base_link in \(empty\)'):
        map_to_odom(track, robot, 'map', SECOND, WIDE)


def test_a_quick_turn_is_interpolated():
    track, up = OdometryTrack(), np.array([0.0, 0, 1])
    track.add(odometry(0, [0, 0, 0], axis_angle(up, 0.0)[0]))
    track.add(odometry(SECOND, [0, 0, 0], -axis_angle(up, math.pi / 2)[0]))
    pose = track.pose_at(SECOND // 2, WIDE)
    np.testing.assert_allclose(pose.orientation, axis_angle(up, math.pi / 4)[0], atol=1e-9)


def test_odometry_that_cannot_be_used_is_reported():
    track, up = OdometryTrack(), np.array([0.0, 0, 1])
    assert track.pose_at(0, NodeConfig()) is None
    assert track.problem == ''  # There is none, which is no problem.
    # Stamped by the clock of another computer, a day ahead.
    track.add(odometry(86_400 * SECOND, [0, 0, 0], axis_angle(up, 0.0)[0]))
    assert track.pose_at(0, NodeConfig()) is None
    assert 'gap of 86400.000 s' in track.problem and 'odom_gap' in track.problem
    assert track.pose_at(86_400 * SECOND, NodeConfig()) is not None
    assert track.problem == ''
    track.add(odometry(86_401 * SECOND, [math.nan, 0, 0], axis_angle(up, 0.2)[0]))
    assert track.pose_at(86_401 * SECOND, NodeConfig()) is None
    assert 'three numbers within' in track.problem
    track.clear()
    assert track.problem == ''


def test_messages_that_name_no_frames_at_first_are_forgotten():
    track = OdometryTrack()
    for number, frame_id in enumerate(['', '', '', 'odom', 'odom']):
        message = odometry(number * SECOND // 10, [number, 0, 0], [0, 0, 0, 1])
        message.header.frame_id = frame_id
        message.child_frame_id = 'base_link' if frame_id else ''
        track.add(message)
    base = track.base_at(35 * SECOND // 100, NodeConfig())
    assert (base.frame_id, base.child_frame_id) == ('odom', 'base_link')
    np.testing.assert_allclose(base.pose.position, [3.5, 0, 0])
    with pytest.raises(InputError, match='gap'):
        track.base_at(SECOND // 10, NodeConfig(odom_gap=0.1))
