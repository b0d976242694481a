"""The lifecycle node around PlaceRecognizer."""

from __future__ import annotations

import traceback
from collections.abc import Callable
from typing import TYPE_CHECKING

from rclpy.clock import Clock
from rclpy.clock_type import ClockType
from rclpy.lifecycle import LifecycleNode, LifecycleState, TransitionCallbackReturn
from rclpy.parameter import Parameter

from fol_vpr.errors import FolVprError, MapError, WeightsError
from fol_vpr.ros.node.diagnostics.monitor import Monitor
from fol_vpr.ros.node.diagnostics.publisher import DiagnosticsPublisher
from fol_vpr.ros.node.image_pipeline import ImagePipeline
from fol_vpr.ros.node.inputs.camera import CameraInput
from fol_vpr.ros.node.inputs.images import FeedbackInput
from fol_vpr.ros.node.inputs.odometry import OdometryInput
from fol_vpr.ros.node.outputs.publishers import Outputs
from fol_vpr.ros.node.parameters.live import LiveSettings
from fol_vpr.ros.node.parameters.settings import Settings, user_path, with_network_of
from fol_vpr.ros.node.services.map_changes import MapServices
from fol_vpr.ros.node.services.queries import NotReady, Services
from fol_vpr.ros.node.services.relocalize import Relocalization

if TYPE_CHECKING:
    from fol_vpr.recognizer import PlaceRecognizer


class Localizer(LifecycleNode):
    """Answers camera images with place hypotheses, as docs/reference/interfaces.md describes.

    Attributes:
        enabled: whether it listens to images while active.
        failure: why the last transition failed, empty where it did not.
        map_failure: why a map was not loaded, empty once one was.
        camera, odometry: what is on_result of them.
        recognizer, outputs, answering: while configured, else None.
    """

    def __init__(self) -> None:
        super().__init__('localizer')
        self.recognizer: PlaceRecognizer | None = None
        self.outputs: Outputs | None = None
        self.answering: ImagePipeline | None = None
        self._settings = LiveSettings(self)
        self._monitor = Monitor()
        self.enabled = True
        self.failure = self.map_failure = ''
        self._error = FolVprError()
        self.camera = CameraInput(self)
        self.odometry = OdometryInput(self, self.camera.fixed)
        self._feedback = FeedbackInput(self, self._take_feedback)
        self._calls = Services(self)
        self._map_calls = MapServices(self, self._calls)
        self._relocalization = Relocalization(self, self._calls)
        # Steady time: the diagnostics must speak where simulated time stands still.
        steady = Clock(clock_type=ClockType.STEADY_TIME)
        self._report = DiagnosticsPublisher(self, self._monitor, steady)
        if self.settings.node.autostart:
            self._starter = self.create_timer(0.0, self._autostart, clock=steady)
        else:
            self.get_logger().info(
                'unconfigured: waits for a lifecycle manager to configure and activate it; '
                'started with -p autostart:=true it does so itself'
            )

    # ---- lifecycle

    def on_configure(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Load weights and map, check that they fit, and warm up."""
        return self._transition('configure', self._configure)

    def on_activate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Start to listen and to publish."""
        super().on_activate(state)
        result = self._transition('activate', self._activate)
        if result != TransitionCallbackReturn.SUCCESS:
            self._listen(False)
            super().on_deactivate(state)
        return result

    def on_deactivate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Stop to listen; the device stays ready."""
        result = self._transition('deactivate', self._deactivate)
        super().on_deactivate(state)
        return result

    def on_cleanup(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Free the device and the map."""
        return self._transition('cleanup', self._release)

    def on_shutdown(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Stop for good, from whatever state."""
        return self._transition('shutdown', self._release)

    def on_error(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Become unconfigured, so that another configure can mend it."""
        return self._transition('error processing', self._release)

    def _transition(self, name: str, step: Callable[[], None]) -> TransitionCallbackReturn:
        try:
            with self._report.keep_alive():
                step()
        except FolVprError as error:
            self.failure, self._error = f'{name} failed: {error}', error
            if isinstance(error, MapError):
                self.map_failure = str(error)
            self.get_logger().error(self.failure)
            return TransitionCallbackReturn.FAILURE
        except Exception as error:  # noqa: BLE001 rclpy would swallow it without a word
            self.failure = f'{name} failed by a defect: {error!r}'
            self._error = FolVprError(self.failure)
            self.report_defect(self.failure, error)
            return TransitionCallbackReturn.FAILURE
        self.failure = ''
        return TransitionCallbackReturn.SUCCESS

    def _configure(self) -> None:
        self._report.doing = 'loads the network'
        # torch takes seconds to import: the node is there, and heeds signals, before it is.
        from fol_vpr.recognizer import PlaceRecognizer

        settings = self._settings.read()
        map_path = user_path(settings.node.map) if settings.node.map else None
        of_map = False
        if map_path is not None:
            settings, of_map = with_network_of(map_path, settings, self.get_logger().warning)
        self._settings.begin(settings)
        try:
            recognizer = PlaceRecognizer(settings.recognizer)
        except WeightsError as error:
            if not of_map:
                raise
            raise WeightsError(
                f'{map_path} was made with weights that cannot be had here ({error}): bring them '
                'here, and name them in the parameter network.weights'
            ) from error
        try:
            if map_path is not None:
                self._report.doing = f'loads the map {map_path}'
                recognizer.load_map(map_path)
            self.get_logger().info(recognizer.memory_plan())
            self._report.doing = 'warms up'
            seconds = recognizer.warm_up()
            self.outputs = Outputs(self, settings, self.odometry.track)
        except BaseException:
            recognizer.close()
            raise
        self.recognizer = recognizer
        self.map_failure = ''
        self.outputs.publish_map(recognizer, settings)
        on_result = self._relocalization.on_result
        self.answering = ImagePipeline(self, recognizer, self.outputs, self._monitor, on_result)
        self.get_logger().info(f'warmed up in {seconds:.1f} s')
        if not recognizer.extractor.trained:
            self.get_logger().warning('untrained weights: the answers mean nothing')

    def _activate(self) -> None:
        assert self.recognizer is not None
        self.recognizer.reset_sequence()
        self._listen(self.enabled)

    def _deactivate(self) -> None:
        self._listen(False)
        self._relocalization.interrupt('the node was deactivated meanwhile: activate it again')
        if self.answering is not None:
            self.answering.wait_idle()

    def _listen(self, wanted: bool) -> None:
        for source in (self.answering, self.camera, self._feedback, self.odometry):
            if source is not None and wanted:
                source.subscribe()
            elif source is not None:
                source.unsubscribe()

    def _release(self) -> None:
        self._deactivate()
        answering, outputs, recognizer = self.answering, self.outputs, self.recognizer
        # First, so that whoever meets a closed one can tell that it was given up.
        self.answering = self.outputs = self.recognizer = None
        if answering is not None:
            answering.stop()
        if outputs is not None:
            outputs.close()
        if recognizer is not None:
            recognizer.close()

    def _autostart(self) -> None:
        self._starter.cancel()
        self._bring_up()

    def _bring_up(self) -> bool:
        """Configure and activate, as a lifecycle manager would; whether both went well."""
        if self.trigger_configure() != TransitionCallbackReturn.SUCCESS:
            return False
        return bool(self.trigger_activate() == TransitionCallbackReturn.SUCCESS)

    # ---- feedback

    def _take_feedback(self, candidate_id: int, accepted: bool, reason: str) -> str:
        recognizer = self.recognizer
        if recognizer is None:
            return ''
        return recognizer.closure_feedback(candidate_id, accepted, reason)

    # ---- for the services

    @property
    def state(self) -> str:
        """Label of the lifecycle state."""
        return str(self._state_machine.current_state[1])

    @property
    def settings(self) -> Settings:
        """The parameters."""
        return self._settings.now

    def apply_settings(self, recognizer: PlaceRecognizer) -> Settings:
        """Hand the parameters to the recognizer, where they were changed; the parameters."""
        return self._settings.apply(recognizer)

    def configure_with_map(self, path: str) -> None:
        """Load the first map of a node that starts itself and could not.

        Raises:
            NotReady: it waits for a lifecycle manager.
            FolVprError: it still cannot.
        """
        if self.state != 'unconfigured' or not self.settings.node.autostart:
            raise NotReady(f'the node is {self.state}: set the parameter map, and configure it')
        self.set_parameters([Parameter('map', value=path)])
        if not self._bring_up():
            raise self._error

    def map_was_loaded(self, path: str) -> None:
        """Tell everybody about the map that is in use from now on."""
        self.map_failure = ''
        # Cleaned up in the meantime, nothing is published: then the next configure loads it.
        self.map_was_changed()
        self._settings.name_map(path)

    def map_was_changed(self) -> None:
        """Tell everybody what the map is like now."""
        if self.outputs is not None and self.recognizer is not None:
            self.outputs.publish_map(self.recognizer, self.settings)

    def map_was_refused(self, reason: str) -> None:
        """Remember why a map was not loaded, for the diagnostics."""
        self.map_failure = reason
        self.get_logger().error(f'the map was not loaded: {reason}')

    def enable(self, wanted: bool) -> str:
        """Listen to images, or not, while active; what that means now, in words."""
        self.enabled = wanted
        word = 'enabled' if wanted else 'disabled'
        if self.state != 'active':
            return f'{word} as soon as the node, now {self.state}, is active'
        self._listen(wanted)
        return word

    def describe_publishers(self) -> str:
        """Who publishes images for this node, in words."""
        reports = [] if self.answering is None else self.answering.reports()
        topics = [
            f'{report.name} is published by {"; ".join(report.publishers) or "nobody"}'
            for report in reports
        ]
        return '; '.join(topics) or 'the node listens to no topic, see ~/enable'

    def report_defect(self, what: str, error: BaseException) -> None:
        """Log an error that should not be possible, with where it came from."""
        trace = ''.join(traceback.format_exception(error))
        self.get_logger().error(f'{what}; please report this defect:\n{trace}')

    # ---- end

    def close(self) -> None:
        """Publish no answer any more, and give the image at hand a moment to end."""
        if self.answering is not None:
            self.answering.stop()

    def free(self) -> None:
        """Let go of device, map and drive, without a lifecycle transition."""
        recognizer, self.recognizer = self.recognizer, None
        try:
            if recognizer is not None:
                recognizer.close()
        except Exception as error:  # noqa: BLE001 the end is not held up by it
            self.report_defect('map and drive were not closed properly', error)

    def destroy_node(self) -> None:
        """Leave the graph."""
        super().destroy_node()
        # It holds the handle of the node, which others would go on listing for 20 s.
        del self._state_machine
