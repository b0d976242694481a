"""The pose of the robot at the stamp of an image that may become a place of a map."""

from __future__ import annotations

from dataclasses import replace

from geometry_msgs.msg import PoseWithCovarianceStamped
from nav_msgs.msg import Odometry
from rclpy.node import Node
from rclpy.qos import qos_profile_sensor_data
from rclpy.subscription import Subscription

from fol_vpr.config import DriveMappingConfig, NodeConfig
from fol_vpr.datatypes import Pose, bare_frame, covariance_of_message
from fol_vpr.errors import InputError
from fol_vpr.ros.node.inputs.odometry import OdometryTrack


class PoseTopicInput:
    """Listens to `pose`: the pose of the base by a localization or SLAM.

    Args:
        node: that subscribes.

    Attributes:
        track: the last messages.
    """

    def __init__(self, node: Node) -> None:
        self._node = node
        self.track = OdometryTrack()
        self._subscription: Subscription | None = None

    def subscribe(self) -> None:
        """Start to listen."""
        if self._subscription is None:
            self._subscription = self._node.create_subscription(
                PoseWithCovarianceStamped, 'pose', self._on_pose, qos_profile_sensor_data
            )

    def unsubscribe(self) -> None:
        """Stop listening, and forget all messages."""
        if self._subscription is not None:
            self._node.destroy_subscription(self._subscription)
            self._subscription = None
        self.track.clear()

    def _on_pose(self, message: PoseWithCovarianceStamped) -> None:
        # The track interpolates odometry, which holds the same.
        self.track.add(Odometry(header=message.header, pose=message.pose))


class MappingPoses:
    """The pose of the base when an image was taken, between two messages.

    Args:
        node: that listens.
        odometry: the odometry of the robot.
        config: where the poses come from.
    """

    def __init__(self, node: Node, odometry: OdometryTrack, config: DriveMappingConfig) -> None:
        self._node = node
        self._config = config
        self.topic = PoseTopicInput(node) if config.poses == 'pose' else None
        self._track = odometry if self.topic is None else self.topic.track

    @property
    def source(self) -> str:
        """Where the poses come from, in words."""
        return 'nowhere' if self._config.poses == 'none' else self._topic_name()

    def pose_at(self, stamp_ns: int, settings: NodeConfig) -> tuple[Pose | None, str]:
        """Pose of the base at a time, and the frame that it is in.

        Args:
            stamp_ns: the time in nanoseconds.
            settings: the base frame, and the map frame where messages name none.

        Returns:
            The pose, with the covariance of the earlier message where `pose` gives one; None
            where `mapping.poses` is none. The frame is empty for a frame of the drive's own.

        Raises:
            InputError: it is not known; says why.
        """
        config = self._config
        if config.poses == 'none':
            return None, ''
        if not self._track.wait_for(stamp_ns, config.pose_wait):
            raise InputError(self._why_missing(stamp_ns))
        settings = replace(settings, odom_gap=config.max_pose_gap)
        try:
            before, _ = self._track.messages_around(stamp_ns, config.max_pose_gap)
            base = self._track.base_at(stamp_ns, settings)
        except InputError as error:
            raise InputError(
                f'{error}; here mapping.max_pose_gap ({config.max_pose_gap:g} s) is the largest '
                f'gap between two messages on {self._topic_name()}'
            ) from error
        if self.topic is None:
            return base.pose, ''
        pose = replace(base.pose, covariance=covariance_of_message(before.pose.covariance))
        frame_id = bare_frame(before.header.frame_id) or settings.map_frame
        if not frame_id:
            raise InputError(
                f'the poses on {self._topic_name()} name no frame: have their publisher name it, '
                'or set map_frame'
            )
        return pose, frame_id

    def _topic_name(self) -> str:
        return self._node.resolve_topic_name('odom' if self.topic is None else 'pose')

    def _why_missing(self, stamp_ns: int) -> str:
        topic = self._topic_name()
        if not self._track.is_empty:
            last = self._track.last_ns
            return (
                f'the last pose on {topic} is {(stamp_ns - last) / 1e9:.3f} s earlier than the '
                f'image, and no later one came within {self._config.pose_wait:g} s '
                '(mapping.pose_wait)'
            )
        if self._node.count_publishers(topic):
            return f'nothing has come on {topic} yet, which is published'
        return (
            f'nobody publishes on {topic}: remap `{topic.rpartition("/")[2]}` to the poses of the '
            'robot, choose another source by mapping.poses, or store keyframes without poses by '
            'mapping.poses:=none'
        )
