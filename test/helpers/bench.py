"""A NodeContext around a plain rclpy node: tests the node's helpers without its lifecycle."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from helpers import live, scenes
from rclpy.node import Node
from rclpy.parameter import Parameter

from fol_vpr.checks.topics.facts import TopicReport
from fol_vpr.datatypes import MapInfo, Recognition
from fol_vpr.recognizer import PlaceRecognizer
from fol_vpr.ros.node.context import NodeContext
from fol_vpr.ros.node.parameters.settings import Settings
from fol_vpr.ros.node.runtime import Runtime

PARAMETERS = {'network.input_size': live.NETWORK.input_size, **live.QUICK}


class RecordingPublishers:
    """Stands in for Publishers, and keeps what is to be published."""

    def __init__(self) -> None:
        self.maps: list[MapInfo | None] = []
        self.answers: list[Recognition] = []
        self.latencies: list[tuple[float, float]] = []
        self.visualized: list[Recognition] = []
        self.tf_problem = ''
        self.closed = False

    def publish_map(self, recognizer: PlaceRecognizer, settings: Settings) -> None:
        self.maps.append(recognizer.map_info)

    def publish_answer(
        self,
        recognition: Recognition,
        model_id: str,
        settings: Settings,
        processing: float,
        waiting: float,
    ) -> Recognition:
        self.latencies.append((processing, waiting))
        self.answers.append(recognition)
        return recognition

    def publish_visualization(self, frame: Any, recognition: Recognition, *_: Any) -> None:
        self.visualized.append(recognition)

    def close(self) -> None:
        self.closed = True


class IdlePipeline:
    """Stands in for ImagePipeline; no image ever comes."""

    def __init__(self) -> None:
        self.reports: list[TopicReport] = []
        self.resubscribed = 0

    def topic_reports(self) -> list[TopicReport]:
        return self.reports

    def resubscribe_if_unpublished(self) -> None:
        self.resubscribed += 1


class Bench:
    """A plain node `localizer`, its context, and an observer, on one executor.

    Attributes:
        state: label of the lifecycle state that the helpers read.
        publishers, pipeline: the stand-ins of the runtime.
    """

    def __init__(self, watch: live.Observer, parameters: dict[str, Any]) -> None:
        self.watch = watch
        self.state = 'unconfigured'
        overrides = [Parameter(name, value=value) for name, value in parameters.items()]
        self.node = Node('localizer', parameter_overrides=overrides)
        self.context = NodeContext(self.node, lambda: self.state)
        self.publishers, self.pipeline = RecordingPublishers(), IdlePipeline()
        watch.executor.add_node(self.node)

    def activate(self, recognizer: PlaceRecognizer) -> None:
        """As configure and activate do, with a recognizer."""
        self.state = 'active'
        self.context.runtime = Runtime(recognizer, self.publishers, self.pipeline)

    def set(self, name: str, value: Any) -> str:
        """Why a parameter cannot be set, empty if it was."""
        (result,) = self.node.set_parameters([Parameter(name, value=value)])
        return '' if result.successful else result.reason


@contextlib.contextmanager
def bench(**parameters: Any) -> Iterator[Bench]:
    """A bench for the length of a block; dots in names of parameters are written as `__`."""
    given = {name.replace('__', '.'): value for name, value in parameters.items()}
    with live.observer() as watch:
        made = Bench(watch, {**PARAMETERS, **given})
        try:
            yield made
        finally:
            watch.executor.remove_node(made.node)
            made.node.destroy_node()


@contextlib.contextmanager
def recognizer_with_map(folder: Path, places: int) -> Iterator[PlaceRecognizer]:
    """A recognizer with the settings of a bench, and a small map at `folder`/m.folmap."""
    path = live.small_map(scenes.write_folder(folder / 'images', places), folder / 'm.folmap')
    recognizer = PlaceRecognizer(Settings().changed(PARAMETERS).recognizer)
    recognizer.load_map(path)
    try:
        yield recognizer
    finally:
        recognizer.close()
