"""The publishers of the node: the answer to every image, and the map."""

from __future__ import annotations

from typing import TYPE_CHECKING

from geographic_msgs.msg import GeoPoseStamped
from geometry_msgs.msg import PoseWithCovarianceStamped
from rclpy.lifecycle import LifecycleNode, LifecyclePublisher
from rclpy.qos import DurabilityPolicy, QoSProfile
from sensor_msgs.msg import CompressedImage
from std_msgs.msg import Header
from visualization_msgs.msg import MarkerArray

from fol_vpr.datatypes import Frame, PlaceHypothesis, PoseSource, Recognition
from fol_vpr.errors import MapError
from fol_vpr.ros.messages import conversions
from fol_vpr.ros.messages.debug_image import render_match
from fol_vpr.ros.node.inputs.odometry import OdometryTrack
from fol_vpr.ros.node.outputs.markers import MarkerPublisher
from fol_vpr.ros.node.outputs.transforms import MapToOdom
from fol_vpr.ros.node.parameters.settings import Settings
from fol_vpr_msgs.msg import LoopClosureCandidateArray, MapInfo, PlaceHypothesisArray

if TYPE_CHECKING:
    from fol_vpr.recognizer import PlaceRecognizer

# In a replay, a slow subscriber must be able to fetch answers before later ones replace them.
ANSWERS_QOS = QoSProfile(depth=100)
LATCHED_QOS = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)


class Publishers:
    """The publishers of a configured node; all but that of the map publish only while active.

    Args:
        node: that publishes.
        settings: of the node.
        odometry: for map -> odom.

    Raises:
        FolVprError: `publish_tf` is set and tf2_ros is not installed.
    """

    def __init__(self, node: LifecycleNode, settings: Settings, odometry: OdometryTrack) -> None:
        self._node = node
        self._transforms = MapToOdom(node, odometry) if settings.node.publish_tf else None
        create = node.create_lifecycle_publisher
        self._places = create(PlaceHypothesisArray, '~/places', ANSWERS_QOS)
        self._closures = create(LoopClosureCandidateArray, '~/loop_closures', ANSWERS_QOS)
        self._pose = create(PoseWithCovarianceStamped, '~/pose', 10)
        self._geopose = create(GeoPoseStamped, '~/geopose', 10)
        self._markers = create(MarkerArray, '~/markers', 10)
        self._board = MarkerPublisher(self._markers)
        self._debug = create(CompressedImage, '~/debug/match/compressed', 1)
        # Not a lifecycle publisher: the map is there before the node is active.
        self._map_info = node.create_publisher(MapInfo, '~/map_info', LATCHED_QOS)

    @property
    def tf_problem(self) -> str:
        """Why the last map -> odom was not published, empty if it was."""
        return '' if self._transforms is None else self._transforms.problem

    def publish_map(self, recognizer: PlaceRecognizer, settings: Settings) -> None:
        """Publish which map is in use."""
        message = conversions.map_info_message(recognizer.map_info)
        message.frame_id = settings.node.map_frame or message.frame_id
        self._map_info.publish(message)

    def publish_answer(
        self,
        recognition: Recognition,
        model_id: str,
        settings: Settings,
        processing: float,
        waiting: float,
    ) -> PlaceHypothesisArray:
        """Publish an answer: hypotheses, loop closures and, while LOCALIZED, the pose.

        Args:
            recognition: the answer.
            model_id: of the network that computed it.
            settings: of the node.
            processing: seconds of work on the image.
            waiting: seconds that it waited in the node for others.

        Returns:
            The message on ~/places.
        """
        map_frame = settings.map_frame(recognition)
        message = conversions.places_message(
            recognition,
            map_frame=map_frame,
            model_id=model_id,
            processing_time=processing,
            waiting_time=waiting,
        )
        self._places.publish(message)
        for closures in conversions.closures_messages(recognition):
            self._closures.publish(closures)
        if recognition.believed is not None:
            self._publish_pose(recognition.believed, recognition.stamp_ns, map_frame, settings)
        return message

    def publish_visualization(
        self,
        frame: Frame,
        recognition: Recognition,
        recognizer: PlaceRecognizer,
        settings: Settings,
    ) -> None:
        """Publish markers and the debug image, if somebody subscribes to them.

        Args:
            frame: the image.
            recognition: the answer to it.
            recognizer: that gave the answer; its map may have changed since.
            settings: of the node.

        Raises:
            FolVprError: the map cannot be read any more, or the image cannot be encoded.
        """
        map_frame = settings.map_frame(recognition)
        self._board.publish(recognition, recognizer, map_frame)
        if recognition.hypotheses and self._debug.get_subscription_count():
            self._publish_debug(frame, recognition, recognizer, settings.node.debug_height)

    def _publish_pose(
        self, best: PlaceHypothesis, stamp_ns: int, map_frame: str, settings: Settings
    ) -> None:
        header = Header(stamp=conversions.time_from_ns(stamp_ns), frame_id=map_frame)
        if best.place.geo is not None:
            pose = conversions.geo_pose(best.place.geo, best.pose)
            self._geopose.publish(GeoPoseStamped(header=header, pose=pose))
        if best.pose is None:
            return
        stddevs = (settings.node.position_stddev, settings.node.orientation_stddev)
        if best.pose_source == PoseSource.REFINED:
            stddevs = (0.0, 0.0)
        pose = conversions.robot_pose(best.pose, *stddevs)
        self._pose.publish(PoseWithCovarianceStamped(header=header, pose=pose))
        if self._transforms is not None:
            self._transforms.publish(best.pose, map_frame, stamp_ns, settings.node)

    def _publish_debug(
        self, frame: Frame, recognition: Recognition, recognizer: PlaceRecognizer, height: int
    ) -> None:
        try:
            reference = recognizer.reference_image(recognition.hypotheses[0].place.index)
        except MapError:
            if _is_current(recognition, recognizer):
                raise
        if not _is_current(recognition, recognizer):
            return
        message = CompressedImage(format='jpeg')
        message.header.stamp = conversions.time_from_ns(recognition.stamp_ns)
        message.header.frame_id = recognition.frame_id
        message.data = render_match(frame, recognition, reference, height)
        self._debug.publish(message)

    def close(self) -> None:
        """Destroy the publishers."""
        managed: list[LifecyclePublisher] = [
            self._places, self._closures, self._pose, self._geopose, self._markers, self._debug
        ]  # fmt: skip
        for publisher in managed:
            self._node.destroy_lifecycle_publisher(publisher)
        self._node.destroy_publisher(self._map_info)
        if self._transforms is not None:
            self._transforms.close()


def _is_current(recognition: Recognition, recognizer: PlaceRecognizer) -> bool:
    """Whether the loaded map is still the one that the answer refers to."""
    info = recognizer.map_info
    return info is not None and info.map_id == recognition.map_id
