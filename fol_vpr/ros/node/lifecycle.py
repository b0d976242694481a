"""The lifecycle node `localizer`: its transitions."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from rclpy.clock import Clock
from rclpy.clock_type import ClockType
from rclpy.lifecycle import LifecycleNode, LifecycleState, TransitionCallbackReturn

from fol_vpr.config import RecognizerConfig
from fol_vpr.errors import FolVprError, MapError, WeightsError
from fol_vpr.ros.node.context import NodeContext
from fol_vpr.ros.node.defects import report_defect
from fol_vpr.ros.node.diagnostics.monitor import Monitor
from fol_vpr.ros.node.diagnostics.publisher import DiagnosticsPublisher
from fol_vpr.ros.node.image_pipeline import ImagePipeline
from fol_vpr.ros.node.inputs.feedback import FeedbackInput
from fol_vpr.ros.node.managers.bond import ManagerBond
from fol_vpr.ros.node.managers.requests import answer_every_request
from fol_vpr.ros.node.outputs.publishers import Publishers
from fol_vpr.ros.node.parameters.advice import how_to_set
from fol_vpr.ros.node.parameters.settings import Settings, confined_path, with_network_of_map
from fol_vpr.ros.node.runtime import Runtime
from fol_vpr.ros.node.services.calls import NotReady
from fol_vpr.ros.node.services.enable import EnableService
from fol_vpr.ros.node.services.load_map import LoadMapService
from fol_vpr.ros.node.services.map_changes import MapChangeServices
from fol_vpr.ros.node.services.query_place import QueryPlaceService
from fol_vpr.ros.node.services.relocalize import RelocalizeService

if TYPE_CHECKING:
    from pathlib import Path

    from fol_vpr.recognizer import PlaceRecognizer
    from fol_vpr.ros.node.mapping.mapper import DriveMapper


class Localizer(LifecycleNode):
    """Answers camera images with place hypotheses, as docs/reference/interfaces.md describes.

    Raises:
        InputError, ParameterException: a parameter was given a value that it does not allow.

    Attributes:
        node_context: what it shares with its services and diagnostics.
    """

    def __init__(self) -> None:
        super().__init__('localizer')
        self.node_context = NodeContext(self, lambda: str(self._state_machine.current_state[1]))
        self._monitor = Monitor()
        self._transition_error = FolVprError()
        self._feedback = FeedbackInput(self, self._on_feedback)
        LoadMapService(self.node_context, self._bring_up)
        QueryPlaceService(self.node_context)
        EnableService(self.node_context, self._listen)
        MapChangeServices(self.node_context)
        self._relocalize = RelocalizeService(self.node_context)
        # Steady time: the diagnostics must be published where simulated time stands still.
        steady = Clock(clock_type=ClockType.STEADY_TIME)
        self._diagnostics = DiagnosticsPublisher(self.node_context, self._monitor, steady)
        self._bond = ManagerBond(self)
        self._is_managed = False
        answer_every_request(self, self._change_state_for_manager)
        if not self.node_context.settings.node.map_folder:
            self.get_logger().info(
                'map_folder is empty: every node that may call ~/load_map and ~/save_map can name '
                'any path that this user may read or write'
            )
        if self.node_context.settings.node.autostart:
            self._starter = self.create_timer(0.0, self._autostart, clock=steady)
        else:
            given = self.node_context.settings.node.map
            what = f'the map is {given} and is loaded by configure' if given else 'no map is set'
            self.get_logger().info(
                f'unconfigured ({what}): waits for a lifecycle manager to configure and activate '
                f'it; to have it do so itself, {how_to_set("autostart", "true")}'
            )

    # ---- transitions

    def on_configure(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Load weights and map, check that they match, and warm up."""
        return self._run_transition('configure', self._configure)

    def on_activate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Start to listen and to publish."""
        super().on_activate(state)
        result = self._run_transition('activate', self._activate)
        if result != TransitionCallbackReturn.SUCCESS:
            super().on_deactivate(state)
        return result

    def on_deactivate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Stop listening and publishing; network and map stay loaded."""
        result = self._run_transition('deactivate', self._deactivate)
        super().on_deactivate(state)
        return result

    def on_cleanup(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Free the device and the map."""
        return self._run_transition('cleanup', self._release)

    def on_shutdown(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Stop finally, from any state."""
        return self._run_transition('shutdown', self._release)

    def on_error(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Become unconfigured, so that the node can be configured again."""
        failure = self.node_context.failure
        result = self._run_transition('error processing', self._release)
        # The reason stays in the diagnostics.
        self.node_context.failure = self.node_context.failure or failure
        return result

    def _run_transition(self, name: str, step: Callable[[], None]) -> TransitionCallbackReturn:
        context = self.node_context
        try:
            with self._diagnostics.keep_alive():
                step()
        except FolVprError as error:
            context.failure, self._transition_error = f'{name} failed: {error}', error
            if isinstance(error, MapError):
                context.map_failure = str(error)
            self.get_logger().error(context.failure)
            return _outcome_of_failed(name)
        except Exception as error:  # noqa: BLE001 rclpy would drop it without a message
            context.failure = f'{name} failed by a defect: {error!r}'
            self._transition_error = FolVprError(context.failure)
            report_defect(self, context.failure, error)
            return _outcome_of_failed(name)
        context.failure = ''
        return TransitionCallbackReturn.SUCCESS

    def _configure(self) -> None:
        self._diagnostics.progress = 'loads the network'
        context = self.node_context
        settings = context.live_settings.read()
        map_path, output = None, None
        if settings.node.map and not settings.mapping.output:
            map_path = confined_path(settings.node.map, settings.node.map_folder)
        if settings.mapping.output:
            map_path, output = self._map_to_build(settings)
        weights_of_map = False
        if map_path is not None:
            settings, weights_of_map = with_network_of_map(
                map_path, settings, self.get_logger().warning
            )
        context.live_settings.begin(settings)
        config = context.live_settings.recognizer_config(settings)
        recognizer = _new_recognizer(config, map_path if weights_of_map else None)
        try:
            if map_path is not None:
                self._diagnostics.progress = f'loads the map {map_path}'
                recognizer.load_map(map_path)
            self.get_logger().info(recognizer.memory_plan())
            self._diagnostics.progress = 'warms up'
            seconds = recognizer.warm_up(wait=False)
            publishers = Publishers(self, settings, context.odometry.track)
            mapper = None if output is None else self._mapper(recognizer, settings, output)
        except BaseException:
            recognizer.close()
            raise
        pipeline = ImagePipeline(
            self,
            recognizer=recognizer,
            publishers=publishers,
            settings=context.live_settings,
            decoder=context.decoder,
            camera=context.camera,
            odometry=context.odometry.track,
            monitor=self._monitor,
            on_result=self._relocalize.on_result,
            mapper=mapper,
        )
        context.runtime = Runtime(recognizer, publishers, pipeline, mapper)
        context.map_failure = ''
        context.on_map_changed()
        context.tell_of_map()
        self.get_logger().info(f'warmed up in {seconds:.1f} s')
        if not recognizer.extractor.trained:
            self.get_logger().warning('untrained weights: the answers mean nothing')

    def _map_to_build(self, settings: Settings) -> tuple[Path | None, Path | None]:
        """The existing map that is continued, or None, and the path of the map to build."""
        # Imports torch, as _new_recognizer does.
        from fol_vpr.ros.node.mapping.mapper import output_path

        output = output_path(settings, self.get_logger().warning)
        exists = output is not None and output.exists()
        return output if exists else None, output

    def _mapper(
        self, recognizer: PlaceRecognizer, settings: Settings, output: Path
    ) -> DriveMapper:
        from fol_vpr.ros.node.mapping.mapper import DriveMapper
        from fol_vpr.ros.node.mapping.poses import MappingPoses

        context, config = self.node_context, settings.mapping
        poses = MappingPoses(self, context.odometry.track, config)
        self.get_logger().info(
            f'builds {output}, with poses from {poses.source}; it does not localize'
        )
        return DriveMapper(self, recognizer, config, output, poses, context.on_map_changed)

    def _activate(self) -> None:
        runtime = self.node_context.runtime
        assert runtime is not None
        runtime.recognizer.reset_sequence()
        try:
            self._listen(self.node_context.enabled)
        except BaseException:
            self._listen(False)
            raise
        self._tell_active(runtime)
        if self._is_managed:
            self._bond.form()

    def _tell_active(self, runtime: Runtime) -> None:
        recognizer, log = runtime.recognizer, self.get_logger()
        if self.node_context.enabled:
            topics = ', '.join(topic.name for topic in runtime.pipeline.topic_reports())
            log.info(f'active, listening on {topics}')
        else:
            log.info('active, but not listening: it was disabled by ~/enable')
        if recognizer.map_info is not None or self.node_context.settings.mapping.output:
            return
        if recognizer.loops.enabled:
            log.info('active without a map: images are compared with those of the drive only')
        else:
            log.warning(
                'active without a map: no image can be answered but with UNKNOWN; call '
                f'~/load_map, or {how_to_set("map", "NAME.folmap")}'
            )

    def _deactivate(self) -> None:
        self._bond.end()
        self._listen(False)
        self._relocalize.interrupt('the node was deactivated meanwhile: activate it again')
        if self.node_context.runtime is not None:
            self.node_context.runtime.pipeline.wait_idle()

    def _listen(self, wanted: bool) -> None:
        context = self.node_context
        sources: list[Any]
        sources = [context.camera, self._feedback, context.odometry]
        if context.runtime is not None:
            sources.insert(0, context.runtime.pipeline)
            mapper = context.runtime.mapper
            if mapper is not None and mapper.poses.topic is not None:
                sources.append(mapper.poses.topic)
        for source in sources:
            if wanted:
                source.subscribe()
            else:
                source.unsubscribe()

    def _release(self) -> None:
        try:
            self._deactivate()
        finally:
            runtime = self.node_context.runtime
            # First, so that a service that meets a closed recognizer can tell that the node was
            # cleaned up.
            self.node_context.runtime = None
            if runtime is not None:
                if runtime.mapper is not None:
                    runtime.mapper.finish(self.node_context.settings.mapping.save_timeout)
                runtime.close()

    # ---- start without a lifecycle manager

    def _change_state_for_manager(self, change: Callable[[], Any]) -> Any:
        self._is_managed = True
        try:
            return change()
        finally:
            self._is_managed = False

    def _autostart(self) -> None:
        self._starter.cancel()
        if self.node_context.state != 'unconfigured':
            self.get_logger().warning(
                f'autostart is true, but the node is already {self.node_context.state}: a '
                'lifecycle manager was faster and goes on; with one, '
                f'{how_to_set("autostart", "false")}'
            )
            return
        # The transition logs the error, and ~/load_map may try again with another map.
        with suppress(FolVprError):
            self._bring_up()

    def _bring_up(self) -> None:
        """Configure and activate, as a lifecycle manager would.

        Raises:
            NotReady: the node is no longer unconfigured.
            FolVprError: one of both failed.
        """
        if self.node_context.state != 'unconfigured':
            raise NotReady(f'the node is {self.node_context.state} meanwhile: call again')
        for trigger in (self.trigger_configure, self.trigger_activate):
            if trigger() != TransitionCallbackReturn.SUCCESS:
                raise self._transition_error

    # ---- feedback

    def _on_feedback(self, candidate_id: int, accepted: bool, reason: str) -> str:
        recognizer = self.node_context.recognizer
        if recognizer is None:
            return ''
        return recognizer.closure_feedback(candidate_id, accepted, reason)

    # ---- end of the process

    def close(self) -> None:
        """Publish no more answers and heartbeats, and give the current image a moment to end."""
        self._bond.end()
        if self.node_context.runtime is not None:
            self.node_context.runtime.pipeline.stop()

    def finish_mapping(self, is_given_up: Callable[[], bool]) -> bool:
        """Merge the map that the node builds into one file; returns False where that failed.

        Args:
            is_given_up: asked now and then; True ends the wait.
        """
        runtime = self.node_context.runtime
        if runtime is None or runtime.mapper is None:
            return True
        timeout = self.node_context.settings.mapping.save_timeout
        return runtime.mapper.finish(timeout, is_given_up)

    def destroy_node(self) -> None:
        """Leave the ROS graph."""
        super().destroy_node()
        # It holds the handle of the node, without whose release other nodes list it for 20 s more.
        del self._state_machine

    def free(self) -> None:
        """Close device, map and recorded session, without a lifecycle transition."""
        runtime, self.node_context.runtime = self.node_context.runtime, None
        try:
            if runtime is not None:
                runtime.recognizer.close()
        except Exception as error:  # noqa: BLE001 it must not delay the end of the process
            report_defect(self, 'map and drive were not closed properly', error)


def _outcome_of_failed(name: str) -> TransitionCallbackReturn:
    """What a transition that failed returns, which decides the next state.

    FAILURE leads back to where a transition began. After a failed deactivation or cleanup the node
    is not what it was: ERROR leads to on_error, which frees everything.
    """
    if name in ('deactivate', 'cleanup'):
        return TransitionCallbackReturn.ERROR
    return TransitionCallbackReturn.FAILURE


def _new_recognizer(config: RecognizerConfig, source_of_weights: Path | None) -> PlaceRecognizer:
    """A recognizer without a map.

    Args:
        config: of the recognizer.
        source_of_weights: the map that names the weights; None if the settings do.

    Raises:
        WeightsError: the weights are missing or damaged.
        DeviceError, InputError, StorageError: as PlaceRecognizer.
    """
    # Importing torch takes seconds. It is imported here, so that the node is visible and heeds
    # signals before.
    from fol_vpr.recognizer import PlaceRecognizer

    try:
        return PlaceRecognizer(config)
    except WeightsError as error:
        if source_of_weights is None:
            raise
        raise WeightsError(
            f'{source_of_weights} was made with weights that cannot be loaded here ({error}): '
            f'copy them to this machine, and {how_to_set("network.weights", "FILE")}'
        ) from error
