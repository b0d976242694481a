"""The transform map -> odom, from the pose in the map and the odometry at the same time."""

from __future__ import annotations

from geometry_msgs.msg import Quaternion, TransformStamped, Vector3
from rclpy.node import Node

from fol_vpr.config import NodeConfig
from fol_vpr.datatypes import Pose
from fol_vpr.errors import FolVprError, InputError
from fol_vpr.geometry.rigid import quaternion, rotation_matrix
from fol_vpr.ros.messages.conversions import time_from_ns
from fol_vpr.ros.node.inputs.odometry import OdometryTrack


class MapToOdom:
    """Publishes map -> odom on /tf.

    Args:
        node: that publishes.
        track: the odometry.

    Raises:
        FolVprError: tf2_ros is not installed.

    Attributes:
        problem: why the last transform was not published, empty if it was.
    """

    def __init__(self, node: Node, track: OdometryTrack) -> None:
        try:
            from tf2_ros import TransformBroadcaster
        except ImportError as error:
            raise FolVprError(
                'publish_tf needs tf2_ros, which is not installed: install ros-jazzy-tf2-ros-py, '
                'or set publish_tf to false'
            ) from error
        self._broadcaster = TransformBroadcaster(node)
        self._node = node
        self._track = track
        self.problem = ''

    def publish(self, robot: Pose, map_frame: str, stamp_ns: int, settings: NodeConfig) -> None:
        """Publish map -> odom at the stamp of an image; on failure, set `problem`.

        Args:
            robot: pose of the base in the map at that time.
            map_frame: name of the frame of the map.
            stamp_ns: stamp of the image in nanoseconds.
            settings: the base frame, and the allowed gap in the odometry.
        """
        try:
            transform = map_to_odom(self._track, robot, map_frame, stamp_ns, settings)
        except InputError as error:
            self.problem = str(error)
            return
        self.problem = ''
        self._broadcaster.sendTransform(transform)

    def close(self) -> None:
        """Destroy the publisher."""
        self._node.destroy_publisher(self._broadcaster.pub_tf)


def map_to_odom(
    track: OdometryTrack, robot: Pose, map_frame: str, stamp_ns: int, settings: NodeConfig
) -> TransformStamped:
    """The pose of the odometry's frame in the frame of the map.

    map_T_odom = map_T_base (odom_T_base)^-1, both of the time `stamp_ns`.

    Args:
        track: the odometry.
        robot: pose of the base in the map at `stamp_ns`.
        map_frame: name of the frame of the map.
        stamp_ns: the time in nanoseconds.
        settings: the base frame, and the allowed gap in the odometry.

    Raises:
        InputError: the map has no orientations; there is no odometry around that time; it names
            no frames, or the frame of the map; or no fixed transform is known from its frame on
            the robot to the base.
    """
    if not robot.has_orientation:
        raise InputError(
            'the map has positions without orientations, and so no map -> odom: build it from '
            'poses, or set publish_tf to false'
        )
    odometry = track.base_at(stamp_ns, settings)
    if not odometry.child_frame_id or not odometry.frame_id:
        raise InputError(
            f'odom is of the frame {odometry.child_frame_id or "(empty)"} in '
            f'{odometry.frame_id or "(empty)"}: have its publisher name both'
        )
    if odometry.frame_id == map_frame:
        raise InputError(
            f'the poses of the map and the odometry are both in the frame {map_frame}: set '
            'map_frame, or build the map with --frame-id'
        )
    base_in_odom = odometry.pose
    map_rotation = rotation_matrix(robot.orientation) @ rotation_matrix(base_in_odom.orientation).T
    map_translation = robot.position - map_rotation @ base_in_odom.position
    message = TransformStamped(child_frame_id=odometry.frame_id)
    message.header.stamp = time_from_ns(stamp_ns)
    message.header.frame_id = map_frame
    x, y, z = (float(value) for value in map_translation)
    message.transform.translation = Vector3(x=x, y=y, z=z)
    qx, qy, qz, qw = (float(value) for value in quaternion(map_rotation))
    message.transform.rotation = Quaternion(x=qx, y=qy, z=qz, w=qw)
    return message
