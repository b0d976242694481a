"""The camera of the images: calibration from camera_info, pose on the robot from /tf_static."""

from __future__ import annotations

import threading
from collections.abc import Iterable
from typing import Any

from rclpy.node import Node
from rclpy.qos import QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import CameraInfo

from fol_vpr.config import NodeConfig, mount_pose
from fol_vpr.datatypes import Camera, Frame, Pose, bare_frame
from fol_vpr.errors import InputError
from fol_vpr.ros.kept_messages import KeptSubscription
from fol_vpr.ros.node.inputs.images import LIVE_QOS
from fol_vpr.ros.node.inputs.publishers import is_remapped, published_elsewhere
from fol_vpr.sources import (
    camera_of_images,
    is_rectified,
)
from fol_vpr.sources.bags.mounts import Edge, edge_from_transform, mount_between

# Each publisher of /tf_static keeps its last message for later subscribers; bridges and players
# may not.
STATIC_QOS = QoSProfile(depth=100, reliability=ReliabilityPolicy.BEST_EFFORT)
NO_CALIBRATION = (
    'matches are verified without a calibration, and neither relative poses nor refined ones are '
    'measured'
)
NO_MOUNT = 'relative poses are those of cameras, and no pose of the base is refined'


class CameraInput:
    """Listens to `camera_info` and /tf_static, and tells the camera of each image.

    Its methods may be called from any thread.

    Args:
        node: that subscribes.
    """

    def __init__(self, node: Node) -> None:
        self._node = node
        self._mounts = StaticMounts()
        self._info: CameraInfo | None = None
        self._subscriptions: list[KeptSubscription] = []
        self._image = (0, 0, '')
        self._rectified = False

    def subscribe(self) -> None:
        """Listen to `camera_info`, and to /tf_static if its message type is installed."""
        if self._subscriptions:
            return
        # For images in service calls, until the first image of the stream.
        self._rectified = is_rectified(self._node.resolve_topic_name('image'))
        self._subscriptions.append(
            KeptSubscription(
                self._node, CameraInfo, 'camera_info', self._on_info, depth=1, present=LIVE_QOS
            )
        )
        try:
            from tf2_msgs.msg import TFMessage
        except ImportError:
            return
        self._subscriptions.append(
            KeptSubscription(
                self._node, TFMessage, '/tf_static', self._on_static, depth=100, present=STATIC_QOS
            )
        )

    def unsubscribe(self) -> None:
        """Stop listening, and forget all messages."""
        while self._subscriptions:
            self._subscriptions.pop().destroy()
        self._info = None
        self._mounts = StaticMounts()

    def remember_image(self, frame: Frame, topic: str) -> None:
        """Remember the size, frame and topic of an image of the stream."""
        height, width = frame.image.shape[:2]
        self._image = (width, height, frame.frame_id)
        self._rectified = is_rectified(topic)

    def camera_of(self, frame: Frame, settings: NodeConfig) -> Camera | None:
        """The camera of an image, None if there is no calibration for it."""
        height, width = frame.image.shape[:2]
        try:
            return self._camera((width, height, frame.frame_id), settings)
        except InputError:
            return None

    def _camera(self, image: tuple[int, int, str], settings: NodeConfig) -> Camera | None:
        """As `camera_of`, for (width, height, frame id).

        Raises:
            InputError: camera_info is of another camera, or wrong.
        """
        info, (width, height, frame_id) = self._info, image
        if info is None:
            return None
        mount = self._mount(frame_id or bare_frame(info.header.frame_id), settings)
        return camera_of_images(
            info, (width, height), frame_id, rectified=self._rectified, mount=mount
        )

    def _mount(self, frame_id: str, settings: NodeConfig) -> Pose | None:
        given = mount_pose(settings.camera_mount)
        return given or self._mounts.find(settings.base_frame, frame_id)

    def fixed_transform(self, parent: str, child: str) -> Pose | None:
        """Pose of the frame `child` in `parent` by /tf_static, None if it is not known."""
        return self._mounts.find(parent, child)

    def problem(self, settings: NodeConfig) -> str:
        """Why camera_info is not used for the images.

        Empty if it is, and if either is missing, unless camera_info was remapped to a topic on
        which nobody publishes, while somebody does elsewhere.
        """
        if self._info is None and is_remapped(self._node, 'camera_info'):
            topic = self._node.resolve_topic_name('camera_info')
            if others := self._published_elsewhere():
                return (
                    f'no camera_info: nobody publishes on {topic}, but on {", ".join(others)}: '
                    'remap `camera_info` to the one of this camera'
                )
        if not self._image[0]:
            return ''
        try:
            self._camera(self._image, settings)
        except InputError as error:
            return str(error)
        return ''

    def description(self, settings: NodeConfig) -> str:
        """What is known of the camera, and what is not computed without the rest."""
        if self._info is None:
            topic = self._node.resolve_topic_name('camera_info')
            others = self._published_elsewhere()
            found = f'; it is published on {", ".join(others)}: remap `camera_info`'
            return f'no camera_info on {topic}: {NO_CALIBRATION}{found if others else ""}'
        if not self._image[0]:
            return 'waiting for images'
        try:
            camera = self._camera(self._image, settings)
        except InputError:
            return f'camera_info does not fit: {NO_CALIBRATION}'
        if camera is None:
            return f'not calibrated, K of camera_info is zero: {NO_CALIBRATION}'
        if camera.mount is None:
            return (
                f'calibrated, but no fixed transform from {settings.base_frame} to '
                f'{self._image[2] or "the images, which name no frame"} on /tf_static, and no '
                f'camera_mount: {NO_MOUNT}'
            )
        return 'calibrated, and its place on the robot is known'

    def _published_elsewhere(self) -> list[str]:
        """Topics with a camera_info, where nobody publishes on the one that is listened to."""
        topic = self._node.resolve_topic_name('camera_info')
        if not self._subscriptions or self._node.count_publishers(topic):
            return []
        return published_elsewhere(self._node, topic, {'sensor_msgs/msg/CameraInfo'})

    def _on_info(self, message: CameraInfo) -> None:
        self._info = message

    def _on_static(self, message: Any) -> None:
        self._mounts.add(message.transforms)


class StaticMounts:
    """Collects fixed transforms, and combines them into the pose of one frame in another."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._edges: dict[str, Edge] = {}
        self._found: dict[tuple[str, str], Pose] = {}

    def add(self, transforms: Iterable[Any]) -> None:
        """Add geometry_msgs/TransformStamped; a later one replaces an earlier one of its frame."""
        with self._lock:
            for stamped in transforms:
                frame, edge = edge_from_transform(stamped)
                if edge is not None:
                    self._edges[frame] = edge
            self._found.clear()

    def find(self, base_frame: str, camera_frame: str) -> Pose | None:
        """Pose of the camera's frame in the base frame, None if no transforms connect them."""
        wanted = bare_frame(base_frame), bare_frame(camera_frame)
        with self._lock:
            if wanted not in self._found:
                mount = mount_between(self._edges, *wanted)
                if mount is None:
                    return None
                self._found[wanted] = mount
            return self._found[wanted]
