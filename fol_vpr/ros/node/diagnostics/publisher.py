"""Collects the state of the node, and publishes it on /diagnostics."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

from diagnostic_msgs.msg import DiagnosticArray
from rclpy.clock import Clock

from fol_vpr.ros.node.context import NodeContext
from fol_vpr.ros.node.diagnostics.facts import NodeFacts
from fol_vpr.ros.node.diagnostics.monitor import Monitor, Snapshot
from fol_vpr.ros.node.diagnostics.problems import OK, LogLine, Part, ProblemLog
from fol_vpr.ros.node.diagnostics.statuses import diagnostic_parts, diagnostic_statuses

# Seconds without an image after which the node listens to all transports again.
TRANSPORT_TIMEOUT = 1.0


class DiagnosticsPublisher:
    """Publishes the diagnostics of the node every `diagnostics_period`.

    Args:
        context: of the node.
        monitor: counts of the images.
        clock: of the period.

    Attributes:
        progress: the current step of a transition, e.g. `warms up`; empty if unknown.
    """

    def __init__(self, context: NodeContext, monitor: Monitor, clock: Clock) -> None:
        self._context = context
        self._monitor = monitor
        self.progress = ''
        self._problem_log = ProblemLog()
        node = context.node
        self._publisher = node.create_publisher(DiagnosticArray, '/diagnostics', 10)
        self._period = context.settings.node.diagnostics_period
        node.create_timer(self._period, self._on_timer, clock=clock)

    @contextmanager
    def keep_alive(self) -> Iterator[None]:
        """Publish from another thread during a transition, which occupies the executor's thread.

        The other thread does not read the state of the node: it repeats the state at the start of
        the block, with the name, the step and the duration of the transition. The timer cannot
        interfere, as it runs on the executor's thread, and the other thread has ended when the
        block ends.
        """
        facts, ended, started = self.facts(), threading.Event(), time.monotonic()

        def repeat() -> None:
            while not ended.wait(self._period):
                step = f'{self.progress}, ' if self.progress else ''
                seconds = time.monotonic() - started
                transition = f'{facts.state}: {step}for {seconds:.0f} s'
                self._publish(replace(facts, transition=transition), self._monitor.snapshot())

        thread = threading.Thread(target=repeat, name='diagnostics', daemon=True)
        thread.start()
        try:
            yield
        finally:
            ended.set()
            thread.join()
            self.progress = ''

    def _on_timer(self) -> None:
        counts = self._monitor.snapshot()
        runtime = self._context.runtime
        quiet = not counts.waiting and (counts.image_age or 0.0) > TRANSPORT_TIMEOUT
        if runtime is not None and quiet:
            runtime.pipeline.resubscribe_if_unpublished()
        facts = self.facts()
        parts = self._publish(facts, counts)
        if not facts.transition:
            self._log(self._problem_log.update(parts, facts.listening, time.monotonic()))

    def _log(self, lines: list[LogLine]) -> None:
        logger = self._context.node.get_logger()
        for level, text in lines:
            # One call site for each severity: rclpy allows a line of code only one.
            if level == OK:
                logger.info(text)
            else:
                logger.warning(text)

    def _publish(self, facts: NodeFacts, counts: Snapshot) -> dict[str, Part]:
        node = self._context.node
        message = DiagnosticArray()
        message.header.stamp = node.get_clock().now().to_msg()
        name = node.get_fully_qualified_name().lstrip('/')
        parts = diagnostic_parts(facts, counts)
        message.status = diagnostic_statuses(name, parts)
        self._publisher.publish(message)
        return parts

    def facts(self) -> NodeFacts:
        """The state of the node; must be called on the executor's thread."""
        context, runtime = self._context, self._context.runtime
        node, settings, recognizer = context.node, context.settings.node, context.recognizer
        use_sim_time = bool(node.get_parameter('use_sim_time').value)
        network, trained, info, of_map = {}, True, None, None
        if recognizer is not None:
            of_map = recognizer.map_status
            extractor = recognizer.extractor
            network = {
                'weights': extractor.weights_name,
                'device': extractor.runs_on,
                'precision': extractor.precision,
            }
            trained, info = extractor.trained, recognizer.map_info
        tf_problem = '' if runtime is None else runtime.publishers.tf_problem
        return NodeFacts(
            state=context.state,
            enabled=context.enabled,
            failure=context.failure,
            use_sim_time=use_sim_time,
            clock_missing=use_sim_time and node.get_clock().now().nanoseconds == 0,
            settings=settings,
            network=network,
            trained=trained,
            map_info=info,
            map_failure=context.map_failure,
            index='' if of_map is None else of_map.index,
            index_problem='' if of_map is None else of_map.index_problem,
            decisions='' if of_map is None else of_map.decisions,
            calibration_problem='' if of_map is None else of_map.calibration_problem,
            settings_of_map='' if of_map is None else of_map.settings,
            hits_problem='' if of_map is None else of_map.hits_problem,
            topics=[] if runtime is None else runtime.pipeline.topic_reports(),
            camera_problem=context.camera.problem(settings),
            camera_state=context.camera.description(settings),
            odometry_problem=tf_problem or context.odometry.problem(),
            odometry_state=context.odometry.description(),
            loops=None if recognizer is None else recognizer.loops,
            mapping=None if runtime is None or runtime.mapper is None else runtime.mapper.status,
        )
