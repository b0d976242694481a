"""The node: odometry and loop closures in; a corrected path, map -> odom and feedback out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields
from typing import Any

import gtsam
from geometry_msgs.msg import TransformStamped
from nav_msgs.msg import Odometry, Path
from rcl_interfaces.msg import ParameterDescriptor
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy

from examples.pose_graph_backend.closures import Answer
from examples.pose_graph_backend.geometry import pose3
from examples.pose_graph_backend.messages import (
    closure_of,
    ns_of,
    path_message,
    pose_of,
    transform_message,
)
from examples.pose_graph_backend.mounts import Mounts
from examples.pose_graph_backend.pose_graph import PoseGraph
from examples.pose_graph_backend.settings import GraphSettings
from examples.running import ExampleNode, run
from fol_vpr_msgs.msg import LoopClosureCandidateArray, LoopClosureFeedback

# Whoever publishes odometry may be best effort, and a lost message of many does no harm.
ODOMETRY_QOS = QoSProfile(depth=200, reliability=ReliabilityPolicy.BEST_EFFORT)
# A closure or an answer that is lost is lost for good.
CLOSURES_QOS = QoSProfile(depth=1000, reliability=ReliabilityPolicy.RELIABLE)
# Seconds between transforms from the map to the odometry.
TRANSFORM_PERIOD = 0.1
LATCHED_QOS = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)


class PoseGraphBackend(ExampleNode):
    """Feeds a `PoseGraph` from topics, as README.md describes."""

    def __init__(self) -> None:
        super().__init__('pose_graph_backend')
        map_frame = self._declared('map_frame', 'map', 'Frame of the corrected path.')
        publish_tf = self._declared(
            'publish_tf', True, 'Publish map -> odom on /tf, too, where tf2_ros is installed.'
        )
        period = self._declared('publish_period', 1.0, 'Seconds between corrected paths.')
        mount = self._declared(
            'camera_mount',
            [0.0] * 7,
            "Pose of the camera's optical frame in the base frame: x y z in metres and a unit "
            'quaternion qx qy qz qw; all zero asks tf2.',
        )
        self._graph = PoseGraph(self._graph_settings())
        self._mounts = Mounts(self, pose3(mount[:3], mount[3:]) if any(mount) else None)
        self._map_frame = str(map_frame)
        self._odom_frame = self._base_frame = ''
        # What the graph calls them, and by which id they are answered: a localizer that was
        # started again counts from the beginning.
        self._numbers: dict[tuple[str, int, int], int] = {}
        self._candidates: dict[int, int] = {}
        # Candidates that came before the odometry, which names the base frame.
        self._early: list[Any] = []
        self._path_is_old = self._transform_is_old = False
        self._feedback = self.create_publisher(
            LoopClosureFeedback, 'loop_closure_feedback', CLOSURES_QOS
        )
        self._path = self.create_publisher(Path, 'path', LATCHED_QOS)
        self._transform = self.create_publisher(TransformStamped, 'map_to_odom', LATCHED_QOS)
        self._broadcaster = self._tf_broadcaster() if publish_tf else None
        self.create_subscription(Odometry, 'odom', self._on_odometry, ODOMETRY_QOS)
        self.create_subscription(
            LoopClosureCandidateArray, 'loop_closures', self._on_closures, CLOSURES_QOS
        )
        self.create_timer(float(period), self._publish_path)
        self.create_timer(TRANSFORM_PERIOD, self._publish_transform)

    def _declared(self, name: str, default: Any, description: str) -> Any:
        descriptor = ParameterDescriptor(description=description, read_only=True)
        return self.declare_parameter(name, default, descriptor).value

    def _graph_settings(self) -> GraphSettings:
        return GraphSettings(
            **{
                each.name: self._declared(each.name, each.default, each.metadata['description'])
                for each in fields(GraphSettings)
            }
        )

    def _tf_broadcaster(self) -> Any:
        try:
            from tf2_ros import TransformBroadcaster
        except ImportError:
            self.get_logger().warning(
                'tf2_ros is not installed: map -> odom goes to the topic map_to_odom only'
            )
            return None
        return TransformBroadcaster(self)

    # ---- in

    def _on_odometry(self, message: Odometry) -> None:
        try:
            pose = pose_of(message.pose.pose)
        except ValueError as error:
            self.get_logger().error(f'odom is left out: {error}', throttle_duration_sec=5.0)
            return
        self._odom_frame = message.header.frame_id
        self._base_frame = message.child_frame_id
        self._answer(self._graph.add_odometry(ns_of(message.header.stamp), pose))
        self._path_is_old = self._transform_is_old = True
        while self._early:
            self._answer(self._judged(self._early.pop(0)))

    def _on_closures(self, message: LoopClosureCandidateArray) -> None:
        for candidate in message.candidates:
            if len(self._graph.track):
                self._answer(self._judged(candidate))
            else:
                self._early.append(candidate)

    def _judged(self, candidate: Any) -> list[Answer]:
        """What the graph makes of a candidate, or why it never gets there."""
        name = self._number(candidate)
        if candidate.session_from != candidate.session_to:
            other = candidate.session_to
            return [Answer(name, False, f'unused: the graph has no session {other}')]
        mounts: list[gtsam.Pose3] = []
        for frame in (candidate.frame_from, candidate.frame_to):
            mount = self._mounts.of(frame, self._base_frame)
            if mount is None and candidate.has_transform:
                return [Answer(name, False, f'unused: {self._mounts.unknown(frame)}')]
            mounts.append(mount or gtsam.Pose3())
        try:
            return self._graph.add_closure(closure_of(candidate, name, *mounts))
        except ValueError as error:
            return [Answer(name, False, f'unused: {error}')]

    def _number(self, candidate: Any) -> int:
        """What a candidate is called here: its stamps are what it is known by."""
        identity = (
            candidate.session_from, ns_of(candidate.stamp_from), ns_of(candidate.stamp_to)
        )  # fmt: skip
        number = self._numbers.setdefault(identity, len(self._numbers))
        self._candidates[number] = candidate.candidate_id
        return number

    # ---- out

    def _answer(self, answers: Sequence[Answer]) -> None:
        for each in answers:
            name = self._candidates[each.closure_id]
            message = LoopClosureFeedback(candidate_id=name, reason=each.reason)
            message.header.stamp = self.get_clock().now().to_msg()
            accepted = LoopClosureFeedback.ACCEPTED, LoopClosureFeedback.REJECTED
            message.status = accepted[0] if each.accepted else accepted[1]
            self._feedback.publish(message)
            word = 'accepted' if each.accepted else 'rejected'
            self.get_logger().info(f'closure {name} {word}: {each.reason}')
            self._path_is_old = self._transform_is_old = True

    def _publish_path(self) -> None:
        if self._path_is_old:
            self._path_is_old = False
            self._path.publish(path_message(self._map_frame, *self._graph.trajectory()))

    def _publish_transform(self) -> None:
        if not self._transform_is_old:
            return
        self._transform_is_old = False
        newest = self._graph.track.newest_ns
        transform = transform_message(
            newest, self._map_frame, self._odom_frame, self._graph.map_to_odom()
        )
        self._transform.publish(transform)
        if self._broadcaster is not None:
            self._broadcaster.sendTransform(transform)

    def close(self) -> None:
        """Answer what still waits."""
        late = [Answer(self._number(each), False, 'unused: no odometry') for each in self._early]
        self._answer([*late, *self._graph.finish()])


def main(args: Sequence[str] | None = None) -> int:
    """Run the node until SIGINT or SIGTERM; the exit status."""
    return run(PoseGraphBackend, 'pose_graph_backend', args)
