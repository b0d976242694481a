"""The lifecycle node around PlaceRecognizer."""

from __future__ import annotations

import threading
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple

from diagnostic_msgs.msg import DiagnosticArray
from rcl_interfaces.msg import SetParametersResult
from rclpy.clock import Clock
from rclpy.clock_type import ClockType
from rclpy.lifecycle import LifecycleNode, LifecycleState, TransitionCallbackReturn
from rclpy.parameter import Parameter

from fol_vpr.config import NodeConfig
from fol_vpr.datatypes import Frame
from fol_vpr.errors import FolVprError, InputError, MapError, WeightsError
from fol_vpr.ros.camera import CameraInput
from fol_vpr.ros.conversions import frame_from_image, stamp_to_ns
from fol_vpr.ros.diagnostics import NodeFacts, statuses
from fol_vpr.ros.inputs import FeedbackInput, ImageInputs
from fol_vpr.ros.map_services import MapServices
from fol_vpr.ros.monitor import Monitor
from fol_vpr.ros.odometry import OdometryInput
from fol_vpr.ros.outputs import Outputs
from fol_vpr.ros.parameters import checked, declare_parameters, read_parameters
from fol_vpr.ros.relocalize import Relocalization
from fol_vpr.ros.services import NotReady, Services
from fol_vpr.ros.settings import Settings, user_path, with_network_of
from fol_vpr.ros.worker import Pipeline, Worker

if TYPE_CHECKING:
    from fol_vpr.recognizer import PlaceRecognizer

# Seconds without an image after which another transport may take over.
QUIET = 1.0
# Seconds for the image at hand when the node is closed.
WORK_END = 0.4


class Arrival(NamedTuple):
    """An image message and the topic that it came on."""

    message: Any
    topic: str


class Ready(NamedTuple):
    """A decoded image, its input to the network, and what became of the time since `started`."""

    frame: Frame
    prepared: Any
    started: float
    timings: dict[str, float]


class Localizer(LifecycleNode):
    """Answers camera images with place hypotheses, as docs/interfaces.md describes."""

    def __init__(self) -> None:
        super().__init__('localizer')
        declare_parameters(self)
        self._settings = read_parameters(self)
        self._applied = self._settings
        self._applying = threading.Lock()
        self._monitor = Monitor()
        self._enabled = True
        self._closing = False
        self._failure = self._map_failure = ''
        self._error = FolVprError()
        self.recognizer: PlaceRecognizer | None = None
        self._outputs: Outputs | None = None
        self._worker: Worker[Arrival] | Pipeline[Arrival, Ready] | None = None
        self._inputs: ImageInputs | None = None
        self.camera = CameraInput(self)
        self._feedback = FeedbackInput(self, self._take_feedback)
        self._odometry = OdometryInput(self, self.camera.fixed)
        self._calls = Services(self)
        self._map_calls = MapServices(self, self._calls)
        self._relocalization = Relocalization(self, self._calls)
        self.add_on_set_parameters_callback(self._check_parameters)
        self.add_post_set_parameters_callback(self._take_parameters)
        # Steady time: the diagnostics must speak where simulated time stands still.
        self._steady = Clock(clock_type=ClockType.STEADY_TIME)
        self._diagnostics = self.create_publisher(DiagnosticArray, '/diagnostics', 10)
        period = self._settings.node.diagnostics_period
        self.create_timer(period, self._publish_diagnostics, clock=self._steady)
        if self._settings.node.autostart:
            self._starter = self.create_timer(0.0, self._autostart, clock=self._steady)

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
            step()
        except FolVprError as error:
            self._failure, self._error = f'{name} failed: {error}', error
            if isinstance(error, MapError):
                self._map_failure = str(error)
            self.get_logger().error(self._failure)
            return TransitionCallbackReturn.FAILURE
        except Exception as error:  # noqa: BLE001 rclpy would swallow it without a word
            self._failure = f'{name} failed by a defect: {error!r}'
            self._error = FolVprError(self._failure)
            self.report_defect(self._failure, error)
            return TransitionCallbackReturn.FAILURE
        self._failure = ''
        return TransitionCallbackReturn.SUCCESS

    def _configure(self) -> None:
        # torch takes seconds to import: the node is there, and heeds signals, before it is.
        from fol_vpr.recognizer import PlaceRecognizer

        settings = read_parameters(self)
        map_path = user_path(settings.node.map) if settings.node.map else None
        of_map = False
        if map_path is not None:
            settings, of_map = with_network_of(map_path, settings, self.get_logger().warning)
        self._settings = self._applied = settings
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
                recognizer.load_map(map_path)
            self.get_logger().info(recognizer.memory_plan())
            seconds = recognizer.warm_up()
            self._outputs = Outputs(self, settings, self._odometry.track)
        except BaseException:
            recognizer.close()
            raise
        self.recognizer = recognizer
        self._map_failure = ''
        self._outputs.publish_map(recognizer, settings)
        self._worker = self._new_worker(settings.node, recognizer.extractor.device)
        self._inputs = ImageInputs(self, settings.node, self._take_image, self._worker.full)
        self.get_logger().info(f'warmed up in {seconds:.1f} s')
        if not recognizer.extractor.trained:
            self.get_logger().warning('untrained weights: the answers mean nothing')

    def _new_worker(
        self, settings: NodeConfig, device: str
    ) -> Worker[Arrival] | Pipeline[Arrival, Ready]:
        """What answers images.

        Decoding ahead on another thread pays beside a GPU, and costs nothing where all images are
        answered. A CPU is busy with the network, which would only be slowed down by the decoding
        of images that newer ones displace.
        """
        queue, newest = settings.replay_queue if settings.replay else 1, not settings.replay
        wake = self._wake
        if newest and device == 'cpu':
            return Worker(self._take_and_answer, capacity=queue, newest_wins=newest, on_room=wake)
        return Pipeline(
            self._take_up,
            self._answer,
            capacity=queue,
            newest_wins=newest,
            on_room=wake,
            on_displaced=self._monitor.dropped,
        )

    def _activate(self) -> None:
        assert self.recognizer is not None
        self.recognizer.reset_sequence()
        self._listen(self._enabled)

    def _deactivate(self) -> None:
        self._listen(False)
        self._relocalization.interrupt('the node was deactivated meanwhile: activate it again')
        if self._worker is not None:
            self._worker.wait_idle()

    def _listen(self, wanted: bool) -> None:
        for source in (self._inputs, self.camera, self._feedback, self._odometry):
            if source is not None and wanted:
                source.subscribe()
            elif source is not None:
                source.unsubscribe()
        if not wanted and self._worker is not None:
            self._monitor.dropped(self._worker.discard())

    def _release(self) -> None:
        self._deactivate()
        worker, outputs, recognizer = self._worker, self._outputs, self.recognizer
        # First, so that whoever meets a closed one can tell that it was given up.
        self._worker = self._inputs = self._outputs = self.recognizer = None
        if worker is not None:
            worker.stop(timeout=WORK_END)
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

    # ---- images

    def _take_image(self, message: Any, topic: str, lost: int) -> None:
        """Put an image down for the worker; called on the executor's thread."""
        if self._worker is None:
            return
        now_ns = self.get_clock().now().nanoseconds
        self._monitor.received(stamp_to_ns(message.header.stamp), now_ns, lost)
        displaced = self._worker.offer(Arrival(message, topic))
        if displaced:
            self._monitor.dropped(displaced)

    def _take_and_answer(self, arrival: Arrival) -> None:
        ready = self._take_up(arrival)
        if ready is not None:
            self._answer(ready)

    def _take_up(self, arrival: Arrival) -> Ready | None:
        """Decode and resize an image; called on a thread of its own, and never raises."""
        recognizer, ready = self.recognizer, None
        if recognizer is None:
            return None
        with self._bad_images_are_counted():
            started = time.perf_counter()
            frame = frame_from_image(arrival.message, arrival.topic)
            self.camera.saw(frame, arrival.topic)
            frame = replace(frame, camera=self.camera.of(frame, self._settings.node))
            decoded = time.perf_counter()
            prepared = recognizer.prepare(frame)
            timings = {'decode': decoded - started, 'resize': time.perf_counter() - decoded}
            ready = Ready(frame, prepared, started, timings)
        return ready  # noqa: RET504 errors end the block above, and are counted there

    def _answer(self, ready: Ready) -> None:
        """Answer an image; called on a thread of its own, and never raises."""
        with self._bad_images_are_counted():
            self._answer_or_raise(ready)

    @contextmanager
    def _bad_images_are_counted(self) -> Iterator[None]:
        try:
            yield
        except FolVprError as error:
            self._monitor.bad(str(error))
            self.get_logger().warning(f'bad image: {error}', throttle_duration_sec=5.0)
        except Exception as error:  # noqa: BLE001 a defect must not end the node
            if not self._closing:
                self._monitor.bad(f'defect: {error!r}')
                self.report_defect('an image could not be answered', error)

    def _answer_or_raise(self, ready: Ready) -> None:
        recognizer, outputs = self.recognizer, self._outputs
        if recognizer is None or outputs is None:
            return
        settings = self.apply_settings(recognizer)
        frame = ready.frame
        odometry = self._odometry.track.pose_at(frame.stamp_ns, settings.node)
        frame = replace(frame, odometry=odometry)
        if recognizer.map_info is None and not recognizer.loops.enabled:
            recognition = recognizer.unsearched(frame)
        else:
            recognition = recognizer.recognize(frame, prepared=ready.prepared)
        recognized = time.perf_counter()
        if self._closing:
            return
        model_id = recognizer.extractor.model_id
        answer = outputs.publish(recognition, model_id, settings, recognized - ready.started)
        self._relocalization.heard(answer, ready.started)
        done = time.perf_counter()
        timings = dict(ready.timings)
        for stage, seconds in recognition.timings.items():
            timings[stage] = timings.get(stage, 0.0) + seconds
        timings |= {'publish': done - recognized, 'total': done - ready.started}
        self._monitor.answered(recognition, timings)
        try:
            outputs.show(frame, recognition, recognizer, settings)
        except FolVprError as error:
            self.get_logger().warning(f'no picture: {error}', throttle_duration_sec=5.0)

    def _take_feedback(self, candidate_id: int, accepted: bool, reason: str) -> str:
        recognizer = self.recognizer
        if recognizer is None:
            return ''
        return recognizer.closure_feedback(candidate_id, accepted, reason)

    def _wake(self) -> None:
        """Let the executor see that the mailbox has room again."""
        executor = self.executor
        if self._settings.node.replay and executor is not None and not self._closing:
            executor.wake()

    # ---- for the services

    @property
    def state(self) -> str:
        """Label of the lifecycle state."""
        return str(self._state_machine.current_state[1])

    @property
    def settings(self) -> Settings:
        """The parameters."""
        return self._settings

    def apply_settings(self, recognizer: PlaceRecognizer) -> Settings:
        """Hand the parameters to the recognizer, where they were changed; the parameters."""
        with self._applying:
            settings = self._settings
            if settings.recognizer != self._applied.recognizer:
                recognizer.set_config(settings.recognizer)
            self._applied = settings
        return settings

    def configure_with_map(self, path: str) -> None:
        """Load the first map of a node that starts itself and could not.

        Raises:
            NotReady: it waits for a lifecycle manager.
            FolVprError: it still cannot.
        """
        if self.state != 'unconfigured' or not self._settings.node.autostart:
            raise NotReady(f'the node is {self.state}: set the parameter map, and configure it')
        self.set_parameters([Parameter('map', value=path)])
        if not self._bring_up():
            raise self._error

    def map_was_loaded(self, path: str) -> None:
        """Tell everybody about the map that is in use from now on."""
        self._map_failure = ''
        # Unset by cleanup in the meantime: then the next configure loads it.
        if self._outputs is not None and self.recognizer is not None:
            self._outputs.publish_map(self.recognizer, self._settings)
        self._own_change = True
        self.set_parameters([Parameter('map', value=path)])
        self._own_change = False

    def map_was_changed(self) -> None:
        """Tell everybody what the map is like now."""
        if self._outputs is not None and self.recognizer is not None:
            self._outputs.publish_map(self.recognizer, self._settings)

    def map_was_refused(self, reason: str) -> None:
        """Remember why a map was not loaded, for the diagnostics."""
        self._map_failure = reason
        self.get_logger().error(f'the map was not loaded: {reason}')

    def enable(self, wanted: bool) -> str:
        """Listen to images, or not, while active; what that means now, in words."""
        self._enabled = wanted
        word = 'enabled' if wanted else 'disabled'
        if self.state != 'active':
            return f'{word} as soon as the node, now {self.state}, is active'
        self._listen(wanted)
        return word

    def hears(self) -> str:
        """Who publishes images for this node, in words."""
        reports = [] if self._inputs is None else self._inputs.reports()
        topics = [
            f'{report.name} is published by {"; ".join(report.publishers) or "nobody"}'
            for report in reports
        ]
        return '; '.join(topics) or 'the node listens to no topic, see ~/enable'

    def report_defect(self, what: str, error: BaseException) -> None:
        """Log an error that should not be possible, with where it came from."""
        trace = ''.join(traceback.format_exception(error))
        self.get_logger().error(f'{what}; please report this defect:\n{trace}')

    # ---- parameters and diagnostics

    _own_change = False

    def _check_parameters(self, changes: Sequence[Parameter]) -> SetParametersResult:
        configured = self.recognizer is not None and not self._own_change
        try:
            checked(self._settings, changes, configured=configured)
        except InputError as error:
            return SetParametersResult(successful=False, reason=str(error))
        return SetParametersResult(successful=True)

    def _take_parameters(self, _changes: Sequence[Parameter]) -> None:
        # Whoever answers the next image hands them to the recognizer.
        self._settings = read_parameters(self)

    def _publish_diagnostics(self) -> None:
        counts = self._monitor.snapshot()
        if self._inputs is not None and not counts.waiting and (counts.image_age or 0.0) > QUIET:
            self._inputs.look_again()
        message = DiagnosticArray()
        message.header.stamp = self.get_clock().now().to_msg()
        name = self.get_fully_qualified_name().lstrip('/')
        message.status = statuses(name, self._facts(), counts)
        self._diagnostics.publish(message)

    def _facts(self) -> NodeFacts:
        recognizer = self.recognizer
        sim = bool(self.get_parameter('use_sim_time').value)
        network, trained, info = {}, True, None
        tf_problem = '' if self._outputs is None else self._outputs.tf_problem
        if recognizer is not None:
            extractor = recognizer.extractor
            network = {
                'weights': extractor.weights_name,
                'device': extractor.device,
                'precision': extractor.precision,
            }
            trained, info = extractor.trained, recognizer.map_info
        return NodeFacts(
            state=self.state,
            enabled=self._enabled,
            failure=self._failure,
            use_sim_time=sim,
            clock_stands=sim and self.get_clock().now().nanoseconds == 0,
            settings=self._settings.node,
            network=network,
            trained=trained,
            map_info=info,
            map_failure=self._map_failure,
            index='' if recognizer is None else recognizer.index,
            decisions='' if recognizer is None else recognizer.decisions,
            hits='' if recognizer is None else recognizer.storage_problem,
            topics=[] if self._inputs is None else self._inputs.reports(),
            camera=self.camera.problem(self._settings.node),
            camera_state=self.camera.description(self._settings.node),
            odometry=tf_problem or self._odometry.track.problem,
            loops=None if recognizer is None else recognizer.loops,
        )

    # ---- end

    def close(self) -> None:
        """Publish nothing more, and give the worker a moment to end."""
        self._closing = True
        if self._worker is not None:
            self._worker.stop(WORK_END)

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
