"""Gathers what is known of the node, and publishes it on /diagnostics."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

from diagnostic_msgs.msg import DiagnosticArray
from rclpy.clock import Clock

from fol_vpr.ros.node.diagnostics.monitor import Monitor, Snapshot
from fol_vpr.ros.node.diagnostics.statuses import NodeFacts, silence, statuses

if TYPE_CHECKING:
    from fol_vpr.ros.node.lifecycle import Localizer

# Seconds without an image after which another transport may take over.
QUIET = 1.0
# Seconds without an image after which the log says so: a camera may start after the node.
SILENT = 10.0


class SilenceLog:
    """Says once that no images come, and again where the reason is another."""

    def __init__(self) -> None:
        self._listening_since: float | None = None
        self._said = ''

    def words(self, facts: NodeFacts, image_age: float | None, now: float) -> str:
        """What is to be logged, empty where nothing is.

        Args:
            facts: of the node.
            image_age: seconds since the last image, None where none came.
            now: seconds of a clock that never stands still.
        """
        if not facts.listening:
            self._listening_since = None
            return ''
        if self._listening_since is None:
            self._listening_since = now
        listening = now - self._listening_since
        silent = listening if image_age is None else min(listening, image_age)
        if silent < max(SILENT, facts.settings.image_timeout):
            if image_age is not None and image_age < listening:
                self._said = ''
            return ''
        words = silence(facts)
        if words == self._said:
            return ''
        self._said = words
        return words


class DiagnosticsPublisher:
    """Says every `diagnostics_period` how the node is doing.

    Args:
        node: that is asked.
        monitor: its account of the images.
        clock: that the period is of.

    Attributes:
        doing: what a transition is at, in words; empty where it does not say.
    """

    def __init__(self, node: Localizer, monitor: Monitor, clock: Clock) -> None:
        self._node = node
        self._monitor = monitor
        self.doing = ''
        self._silence = SilenceLog()
        self._publisher = node.create_publisher(DiagnosticArray, '/diagnostics', 10)
        self._period = node.settings.node.diagnostics_period
        node.create_timer(self._period, self._on_timer, clock=clock)

    @contextmanager
    def keep_alive(self) -> Iterator[None]:
        """Report from another thread while a transition keeps that of the executor.

        The other one asks the node for nothing: it repeats what was the case when the block began,
        with the name of the transition, what it is at and for how long. The timer cannot come in
        between, as its thread is the one that is kept, and the other is over when the block is.
        """
        facts, over, started = self.facts(), threading.Event(), time.monotonic()

        def report() -> None:
            while not over.wait(self._period):
                words = f'{self.doing}, ' if self.doing else ''
                seconds = time.monotonic() - started
                under_way = f'{facts.state}: {words}for {seconds:.0f} s'
                self._publish(replace(facts, under_way=under_way), self._monitor.snapshot())

        thread = threading.Thread(target=report, name='report', daemon=True)
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()
            self.doing = ''

    def _on_timer(self) -> None:
        counts = self._monitor.snapshot()
        answering = self._node.answering
        if answering is not None and not counts.waiting and (counts.image_age or 0.0) > QUIET:
            answering.look_again()
        facts = self.facts()
        self._publish(facts, counts)
        if words := self._silence.words(facts, counts.image_age, time.monotonic()):
            self._node.get_logger().warning(words)

    def _publish(self, facts: NodeFacts, counts: Snapshot) -> None:
        message = DiagnosticArray()
        message.header.stamp = self._node.get_clock().now().to_msg()
        name = self._node.get_fully_qualified_name().lstrip('/')
        message.status = statuses(name, facts, counts)
        self._publisher.publish(message)

    def facts(self) -> NodeFacts:
        """What the diagnostics need besides the counts; asked for on the executor's thread."""
        node, recognizer = self._node, self._node.recognizer
        sim = bool(node.get_parameter('use_sim_time').value)
        network, trained, info = {}, True, None
        tf_problem = '' if node.outputs is None else node.outputs.tf_problem
        if recognizer is not None:
            extractor = recognizer.extractor
            network = {
                'weights': extractor.weights_name,
                'device': extractor.device,
                'precision': extractor.precision,
            }
            trained, info = extractor.trained, recognizer.map_info
        return NodeFacts(
            state=node.state,
            enabled=node.enabled,
            failure=node.failure,
            use_sim_time=sim,
            clock_stands=sim and node.get_clock().now().nanoseconds == 0,
            settings=node.settings.node,
            network=network,
            trained=trained,
            map_info=info,
            map_failure=node.map_failure,
            index='' if recognizer is None else recognizer.index,
            decisions='' if recognizer is None else recognizer.decisions,
            hits='' if recognizer is None else recognizer.storage_problem,
            topics=[] if node.answering is None else node.answering.reports(),
            camera=node.camera.problem(node.settings.node),
            camera_state=node.camera.description(node.settings.node),
            odometry=tf_problem or node.odometry.track.problem,
            loops=None if recognizer is None else recognizer.loops,
        )
