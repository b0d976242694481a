"""What the helpers of the node share; it refers to the plain rclpy node, not to its lifecycle."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from rclpy.node import Node

from fol_vpr.ros.node.inputs.camera import CameraInput
from fol_vpr.ros.node.inputs.odometry import OdometryInput
from fol_vpr.ros.node.parameters.live import LiveSettings
from fol_vpr.ros.node.parameters.settings import Settings
from fol_vpr.ros.node.runtime import Runtime
from fol_vpr.ros.node.services.calls import ServiceCalls
from fol_vpr.sources import StreamDecoder

if TYPE_CHECKING:
    from fol_vpr.recognizer import PlaceRecognizer


class NodeContext:
    """The node's parts and state, for its services and diagnostics.

    Args:
        node: the rclpy node; its parameters are declared here.
        read_state: returns the label of the lifecycle state.

    Raises:
        InputError, ParameterException: a parameter was given a value that it does not allow.

    Attributes:
        node: the rclpy node.
        live_settings: the parameters.
        camera: the calibration of the camera and its place on the robot.
        decoder: of the images of the stream.
        request_decoder: of the images in service calls, which may be of another camera.
        odometry: the odometry of the robot.
        calls: of the services that are not answered yet.
        runtime: what the node has while it is configured, else None.
        enabled: whether the node listens to images while active.
        failure: why the last lifecycle transition failed, empty if it succeeded.
        map_failure: why the last map was not loaded, empty if it was.
    """

    def __init__(self, node: Node, read_state: Callable[[], str]) -> None:
        self.node = node
        self._read_state = read_state
        self.runtime: Runtime | None = None
        self.enabled = True
        self.failure = self.map_failure = ''
        self.live_settings = LiveSettings(node, lambda: self.runtime is not None)
        self.calls = ServiceCalls(node)
        self.camera = CameraInput(node)
        self.decoder = self._decoder('the images')
        self.request_decoder = self._decoder('the images of service calls')
        self.odometry = OdometryInput(node, self.camera.fixed_transform)

    def _decoder(self, name: str) -> StreamDecoder:
        image_range = self.settings.node.image_range
        return StreamDecoder(name, self.node.get_logger().warning, image_range=image_range)

    @property
    def state(self) -> str:
        """Label of the lifecycle state, e.g. `active`."""
        return self._read_state()

    @property
    def settings(self) -> Settings:
        """The values of the parameters."""
        return self.live_settings.current

    @property
    def recognizer(self) -> PlaceRecognizer | None:
        """The recognizer of a configured node, else None."""
        runtime = self.runtime
        return None if runtime is None else runtime.recognizer

    def on_map_loaded(self, path: str) -> None:
        """Publish that another map is in use, and set the parameter `map` to its path."""
        self.map_failure = ''
        # Where the node was cleaned up meanwhile, nothing is published: the next configure loads
        # this map.
        self.on_map_changed()
        self.live_settings.set_map(path)
        self.tell_of_map()

    def on_map_changed(self) -> None:
        """Publish what the map in use is like now."""
        runtime = self.runtime
        if runtime is not None:
            runtime.publishers.publish_map(runtime.recognizer, self.settings)
            self.live_settings.show(runtime.recognizer.config)

    def tell_of_map(self) -> None:
        """Log which settings the map in use brings, and what speaks against its calibration."""
        recognizer, log = self.recognizer, self.node.get_logger()
        if recognizer is None:
            return
        if settings := recognizer.map_status.settings:
            log.info(settings)
        for remark in recognizer.map_status.remarks():
            log.warning(remark)

    def on_map_refused(self, reason: str) -> None:
        """Log why a map was not loaded, and keep the reason for the diagnostics."""
        self.map_failure = reason
        self.node.get_logger().error(f'the map was not loaded: {reason}')
