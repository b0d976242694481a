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

from fol_vpr.datatypes import Frame, LocalizationState, PlaceHypothesis, PoseSource, Recognition
from fol_vpr.errors import MapError
from fol_vpr.ros.messages import conversions
from fol_vpr.ros.messages.debug_image import render_match
from fol_vpr.ros.messages.markers import hypothesis_markers, place_markers
from fol_vpr.ros.node.inputs.odometry import OdometryTrack
from fol_vpr.ros.node.outputs.transforms import MapToOdom
from fol_vpr.ros.node.parameters.settings import Settings
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

    def __init__(self, node: LifecycleNode, settings: Settings, odometry: OdometryTrack) -> None:
        self._node = node
        self._transforms = MapToOdom(node, odometry) if settings.node.publish_tf else None
        create = node.create_lifecycle_publisher
        self._places = create(PlaceHypothesisArray, '~/places', ANSWERS_QOS)
        self._closures = create(LoopClosureCandidateArray, '~/loop_closures', ANSWERS_QOS)
        self._pose = create(PoseWithCovarianceStamped, '~/pose', 10)
        self._geopose = create(GeoPoseStamped, '~/geopose', 10)
        self._markers = create(MarkerArray, '~/markers', 10)
        self._debug = create(CompressedImage, '~/debug/match/compressed', 1)
        # Not a lifecycle publisher: the map is there before the node is active.
        self._map_info = node.create_publisher(MapInfo, '~/map_info', LATCHED_QOS)
        self._marked = (('', 0), 0)

    @property
    def tf_problem(self) -> str:
        """Why map -> odom could not be published last time, empty where it could."""
        return '' if self._transforms is None else self._transforms.problem

    def publish_map(self, recognizer: PlaceRecognizer, settings: Settings) -> None:
        """Say which map is in use."""
        message = conversions.map_info_message(recognizer.map_info)
        message.frame_id = settings.node.map_frame or message.frame_id
        self._map_info.publish(message)

    def publish(
        self,
        recognition: Recognition,
        model_id: str,
        settings: Settings,
        elapsed: float,
    ) -> PlaceHypothesisArray:
        """Publish an answer for machines, of the map that it was searched in, and return it.

        Args:
            elapsed: seconds since the image was taken up.
        """
        map_frame = settings.map_frame(recognition)
        message = conversions.places_message(
            recognition, map_frame=map_frame, model_id=model_id, processing_time=elapsed
        )
        self._places.publish(message)
        for closures in conversions.closures_messages(recognition):
            self._closures.publish(closures)
        if recognition.state == LocalizationState.LOCALIZED and recognition.hypotheses:
            self._publish_pose(
                recognition.hypotheses[0], recognition.stamp_ns, map_frame, settings
            )
        return message

    def show(
        self,
        frame: Frame,
        recognition: Recognition,
        recognizer: PlaceRecognizer,
        settings: Settings,
    ) -> None:
        """Publish an answer for people, where any listen.

        Raises:
            FolVprError: the map cannot be read any more, or the picture cannot be made.
        """
        self._publish_markers(recognition, recognizer, settings.map_frame(recognition))
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
        if believed.pose_source == PoseSource.REFINED:
            spread = (0.0, 0.0)
        pose = conversions.robot_pose(believed.pose, *spread)
        self._pose.publish(PoseWithCovarianceStamped(header=header, pose=pose))
        if self._transforms is not None:
            self._transforms.publish(believed.pose, map_frame, stamp_ns, settings.node)

    def _publish_markers(
        self, recognition: Recognition, recognizer: PlaceRecognizer, map_frame: str
    ) -> None:
        readers = self._markers.get_subscription_count()
        marked_map, marked_readers = self._marked
        info = recognizer.map_info
        shown = (recognition.map_id, 0 if info is None else info.places)
        # RViz listens without durability: whoever comes late gets the places once more.
        if readers and (shown != marked_map or readers > marked_readers):
            places = recognizer.places
            if not _is_current(recognition, recognizer):
                return
            self._markers.publish(place_markers(places, map_frame))
        self._marked = (shown, readers)
        if readers:
            self._markers.publish(hypothesis_markers(recognition, map_frame))

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
    """Whether the map that was searched is still the one that is loaded."""
    info = recognizer.map_info
    return info is not None and info.map_id == recognition.map_id
