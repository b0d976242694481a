"""What the node publishes for every image, and about the map."""

from __future__ import annotations

from typing import TYPE_CHECKING

from geographic_msgs.msg import GeoPoseStamped
from geometry_msgs.msg import PoseWithCovarianceStamped
from rclpy.lifecycle import LifecycleNode, LifecyclePublisher
from rclpy.qos import DurabilityPolicy, QoSProfile
from sensor_msgs.msg import CompressedImage
from std_msgs.msg import Header
from visualization_msgs.msg import MarkerArray

from fol_vpr.datatypes import Frame, LocalizationState, PlaceHypothesis, Recognition
from fol_vpr.ros import conversions
from fol_vpr.ros.debug_image import render_match
from fol_vpr.ros.markers import hypothesis_markers, place_markers
from fol_vpr.ros.settings import Settings
from fol_vpr.ros.transforms import MapToOdom
from fol_vpr_msgs.msg import LoopClosureCandidateArray, MapInfo, PlaceHypothesisArray

if TYPE_CHECKING:
    from fol_vpr.recognizer import PlaceRecognizer

# Answers of a replay must not be overwritten before a slow subscriber has fetched them.
ANSWERS_QOS = QoSProfile(depth=100)
LATCHED_QOS = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)


class Outputs:
    """The publishers of a configured node; they are silent until it is activated.

    Raises:
        FolVprError: `publish_tf` is set and tf2_ros is not installed.
    """

    def __init__(self, node: LifecycleNode, settings: Settings) -> None:
        self._node = node
        self._transforms = MapToOdom(node) if settings.node.publish_tf else None
        create = node.create_lifecycle_publisher
        self._places = create(PlaceHypothesisArray, '~/places', ANSWERS_QOS)
        self._closures = create(LoopClosureCandidateArray, '~/loop_closures', ANSWERS_QOS)
        self._pose = create(PoseWithCovarianceStamped, '~/pose', 10)
        self._geopose = create(GeoPoseStamped, '~/geopose', 10)
        self._markers = create(MarkerArray, '~/markers', 10)
        self._debug = create(CompressedImage, '~/debug/match/compressed', 1)
        # Not a lifecycle publisher: the map is there before the node is active.
        self._map_info = node.create_publisher(MapInfo, '~/map_info', LATCHED_QOS)
        self._marker_readers = 0

    @property
    def tf_problem(self) -> str:
        """Why map -> odom could not be published last time, empty where it could."""
        return '' if self._transforms is None else self._transforms.problem

    def publish_map(self, recognizer: PlaceRecognizer) -> None:
        """Say which map is in use."""
        self._map_info.publish(conversions.map_info_message(recognizer.map_info))
        self._marker_readers = 0

    def publish(
        self,
        frame: Frame,
        recognition: Recognition,
        recognizer: PlaceRecognizer,
        settings: Settings,
        elapsed: float,
    ) -> None:
        """Publish everything that one answer gives.

        Args:
            elapsed: seconds since the image was taken up.
        """
        info = recognizer.map_info
        map_id = '' if info is None else info.map_id
        map_frame = settings.node.map_frame or ('map' if info is None else info.frame_id)
        message = conversions.places_message(
            recognition,
            map_frame=map_frame,
            map_id=map_id,
            model_id=recognizer.extractor.model_id,
            processing_time=elapsed,
        )
        self._places.publish(message)
        if recognition.loop_closures:
            self._closures.publish(conversions.closures_message(recognition, map_id))
        if recognition.state == LocalizationState.LOCALIZED and recognition.hypotheses:
            self._publish_pose(_believed(recognition), recognition.stamp_ns, map_frame, settings)
        self._publish_markers(recognition, recognizer, map_frame)
        if recognition.hypotheses and self._debug.get_subscription_count():
            self._publish_debug(frame, recognition, recognizer, settings.node.debug_height)

    def _publish_pose(
        self, believed: PlaceHypothesis, stamp_ns: int, map_frame: str, settings: Settings
    ) -> None:
        header = Header(stamp=conversions.time_from_ns(stamp_ns), frame_id=map_frame)
        if believed.place.geo is not None:
            pose = conversions.geo_pose(believed.place.geo, believed.pose)
            self._geopose.publish(GeoPoseStamped(header=header, pose=pose))
        if believed.pose is None:
            return
        spread = (settings.node.position_stddev, settings.node.orientation_stddev)
        pose = conversions.robot_pose(believed.pose, *spread)
        self._pose.publish(PoseWithCovarianceStamped(header=header, pose=pose))
        if self._transforms is not None:
            self._transforms.publish(believed.pose, map_frame, stamp_ns, settings.node)

    def _publish_markers(
        self, recognition: Recognition, recognizer: PlaceRecognizer, map_frame: str
    ) -> None:
        readers = self._markers.get_subscription_count()
        if readers > self._marker_readers:
            # RViz listens without durability: whoever comes late gets the places once more.
            self._markers.publish(place_markers(recognizer.places, map_frame))
        self._marker_readers = readers
        if readers:
            self._markers.publish(hypothesis_markers(recognition, map_frame))

    def _publish_debug(
        self, frame: Frame, recognition: Recognition, recognizer: PlaceRecognizer, height: int
    ) -> None:
        reference = recognizer.reference_image(recognition.hypotheses[0].place.index)
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


def _believed(recognition: Recognition) -> PlaceHypothesis:
    """The hypothesis that the state rests on: the verified one with the most inliers."""
    return max(recognition.hypotheses, key=lambda h: (h.verification, h.inliers, -h.rank))
