"""The way of an image through the configured node: taken up, recognised, published."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple

from fol_vpr.datatypes import Frame
from fol_vpr.errors import FolVprError
from fol_vpr.ros.messages.conversions import frame_from_image, stamp_to_ns
from fol_vpr.ros.node.diagnostics.monitor import Monitor
from fol_vpr.ros.node.diagnostics.statuses import TopicReport
from fol_vpr.ros.node.inputs.images import ImageInputs
from fol_vpr.ros.node.outputs.publishers import Outputs
from fol_vpr.ros.node.worker import Pipeline, Worker

if TYPE_CHECKING:
    from fol_vpr.recognizer import PlaceRecognizer
    from fol_vpr.ros.node.lifecycle import Localizer

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


class ImagePipeline:
    """Listens to images and answers them, on threads of its own.

    Args:
        node: that is configured.
        recognizer: that answers.
        outputs: where answers are published.
        monitor: keeps account of the images.
        on_result: called on the answering thread with each published answer, and with
            time.perf_counter() as it was when the image was taken up.
    """

    def __init__(
        self,
        node: Localizer,
        recognizer: PlaceRecognizer,
        outputs: Outputs,
        monitor: Monitor,
        on_result: Callable[[Any, float], None],
    ) -> None:
        self._node = node
        self._recognizer = recognizer
        self._outputs = outputs
        self._monitor = monitor
        self._on_result = on_result
        self._stopped = threading.Event()
        settings = node.settings.node
        self._replay = settings.replay
        self._worker = self._new_worker(settings.replay_queue)
        self._inputs = ImageInputs(node, settings, self._take_image, self._worker.full)

    def _new_worker(self, replay_queue: int) -> Worker[Arrival] | Pipeline[Arrival, Ready]:
        """What answers images.

        Decoding ahead on another thread pays beside a GPU, and costs nothing where all images are
        answered. A CPU is busy with the network, which would only be slowed down by the decoding
        of images that newer ones displace.
        """
        queue, newest = replay_queue if self._replay else 1, not self._replay
        wake = self._wake
        if newest and self._recognizer.extractor.device == 'cpu':
            return Worker(self._take_and_answer, capacity=queue, newest_wins=newest, on_room=wake)
        return Pipeline(
            self._take_up,
            self._answer,
            capacity=queue,
            newest_wins=newest,
            on_room=wake,
            on_displaced=self._monitor.dropped,
        )

    def subscribe(self) -> None:
        """Listen to images.

        Raises:
            InputError: a parameter under qos_overrides makes no sense.
        """
        self._inputs.subscribe()

    def unsubscribe(self) -> None:
        """Stop listening, and throw the waiting images away."""
        self._inputs.unsubscribe()
        self._monitor.dropped(self._worker.discard())

    def look_again(self) -> None:
        """Listen to all wanted transports where the one that delivered has no publisher."""
        self._inputs.look_again()

    def reports(self) -> list[TopicReport]:
        """Who publishes on the topics listened to."""
        return self._inputs.reports()

    def wait_idle(self) -> None:
        """Wait until no image is waiting or being answered."""
        self._worker.wait_idle()

    def stop(self) -> None:
        """Publish nothing more, and give the image at hand a moment to end."""
        self._stopped.set()
        self._worker.stop(WORK_END)

    def _take_image(self, message: Any, topic: str, lost: int) -> None:
        """Put an image down for the worker; called on the executor's thread."""
        if self._stopped.is_set():
            return
        now_ns = self._node.get_clock().now().nanoseconds
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
        ready = None
        if self._stopped.is_set():
            return None
        with self._bad_images_are_counted():
            started = time.perf_counter()
            camera = self._node.camera
            frame = frame_from_image(arrival.message, arrival.topic)
            camera.saw(frame, arrival.topic)
            frame = replace(frame, camera=camera.of(frame, self._node.settings.node))
            decoded = time.perf_counter()
            prepared = self._recognizer.prepare(frame)
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
            self._node.get_logger().warning(f'bad image: {error}', throttle_duration_sec=5.0)
        except Exception as error:  # noqa: BLE001 a defect must not end the node
            if not self._stopped.is_set():
                self._monitor.bad(f'defect: {error!r}')
                self._node.report_defect('an image could not be answered', error)

    def _answer_or_raise(self, ready: Ready) -> None:
        recognizer, outputs = self._recognizer, self._outputs
        if self._stopped.is_set():
            return
        settings = self._node.apply_settings(recognizer)
        frame = ready.frame
        odometry = self._node.odometry.track.pose_at(frame.stamp_ns, settings.node)
        frame = replace(frame, odometry=odometry)
        if recognizer.map_info is None and not recognizer.loops.enabled:
            recognition = recognizer.quality_only_result(frame)
        else:
            recognition = recognizer.recognize(frame, prepared=ready.prepared)
        recognized = time.perf_counter()
        if self._stopped.is_set():
            return
        model_id = recognizer.extractor.model_id
        answer = outputs.publish(recognition, model_id, settings, recognized - ready.started)
        self._on_result(answer, ready.started)
        done = time.perf_counter()
        timings = dict(ready.timings)
        for stage, seconds in recognition.timings.items():
            timings[stage] = timings.get(stage, 0.0) + seconds
        timings |= {'publish': done - recognized, 'total': done - ready.started}
        self._monitor.answered(recognition, timings)
        try:
            outputs.show(frame, recognition, recognizer, settings)
        except FolVprError as error:
            self._node.get_logger().warning(f'no picture: {error}', throttle_duration_sec=5.0)

    def _wake(self) -> None:
        """Let the executor see that the mailbox has room again."""
        executor = self._node.executor
        if self._replay and executor is not None and not self._stopped.is_set():
            executor.wake()
