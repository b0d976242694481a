"""The path of an image through the configured node: received, decoded, recognized, published."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple

from rclpy.node import Node

from fol_vpr.checks.topics.facts import TopicReport
from fol_vpr.datatypes import Frame
from fol_vpr.errors import FolVprError
from fol_vpr.ros.messages.conversions import frame_from_image, stamp_to_ns
from fol_vpr.ros.node.defects import report_defect
from fol_vpr.ros.node.diagnostics.monitor import Monitor
from fol_vpr.ros.node.inputs.camera import CameraInput
from fol_vpr.ros.node.inputs.images import ImageInputs
from fol_vpr.ros.node.inputs.odometry import OdometryTrack
from fol_vpr.ros.node.inputs.video import LiveVideo, VideoPicture
from fol_vpr.ros.node.outputs.publishers import Publishers
from fol_vpr.ros.node.parameters.live import LiveSettings
from fol_vpr.ros.node.worker import TwoStageWorker, Worker
from fol_vpr.sources import StreamDecoder
from fol_vpr.sources.images.video.packets import stamp_and_frame

if TYPE_CHECKING:
    from fol_vpr.recognizer import PlaceRecognizer
    from fol_vpr.ros.node.mapping.mapper import DriveMapper

# Seconds that the current image may take to end when the node is closed.
STOP_TIMEOUT = 0.4


class ReceivedImage(NamedTuple):
    """An image message, or a picture of a video.

    Attributes:
        message: the message, or the picture.
        topic: that it came on.
        arrived: time.perf_counter() when it came; for a picture, when it had been decoded.
    """

    message: Any
    topic: str
    arrived: float


class DecodedImage(NamedTuple):
    """A decoded image and its input to the network, or what the network says of it.

    Attributes:
        frame: the image with its camera.
        prepared: what PlaceRecognizer.prepare or extract made of it.
        arrived: time.perf_counter() when the message came.
        started: time.perf_counter() when decoding began.
        timings: seconds of work by stage since then.
    """

    frame: Frame
    prepared: Any
    arrived: float
    started: float
    timings: dict[str, float]


class ImagePipeline:
    """Subscribes to images, recognizes them on threads of its own, and publishes the answers.

    Args:
        node: that subscribes.
        recognizer: recognizes the images.
        publishers: publish the answers.
        settings: the parameters of the node.
        decoder: of the images.
        camera: tells the camera of an image.
        odometry: tells the pose of the robot when an image was taken.
        monitor: counts the images.
        on_result: called on the recognizing thread with each published PlaceHypothesisArray, and
            with the time.perf_counter() at which decoding of its image began.
        mapper: stores the images in a map instead; None where they are to be recognized.
    """

    def __init__(
        self,
        node: Node,
        *,
        recognizer: PlaceRecognizer,
        publishers: Publishers,
        settings: LiveSettings,
        decoder: StreamDecoder,
        camera: CameraInput,
        odometry: OdometryTrack,
        monitor: Monitor,
        on_result: Callable[[Any, float], None],
        mapper: DriveMapper | None = None,
    ) -> None:
        self._node = node
        self._recognizer = recognizer
        self._publishers = publishers
        self._settings = settings
        self._decoder = decoder
        self._camera = camera
        self._odometry = odometry
        self._monitor = monitor
        self._on_result = on_result
        self._mapper = mapper
        self._stopped = threading.Event()
        config = settings.current.node
        self._replay = config.replay
        self._overlap = config.overlap == 'always' or (
            config.overlap == 'auto' and recognizer.extractor.runs_on != 'cpu'
        )
        self._worker = self._new_worker(config.replay_queue)
        self._video = LiveVideo(
            self._on_picture, self._on_packet_dropped, self._on_bad_packet, self._wake_executor
        )
        self._inputs = ImageInputs(node, config, self._on_image, self._is_full)

    def _new_worker(
        self, replay_queue: int
    ) -> Worker[ReceivedImage] | TwoStageWorker[ReceivedImage, DecodedImage]:
        """The threads that process images: two where they overlap, else one."""
        capacity, newest_wins = replay_queue if self._replay else 1, not self._replay
        if not self._overlap:
            return Worker(
                self._decode_and_recognize,
                capacity=capacity,
                newest_wins=newest_wins,
                on_taken=self._wake_executor,
            )
        return TwoStageWorker(
            self._decode_and_extract,
            self._recognize,
            capacity=capacity,
            newest_wins=newest_wins,
            on_taken=self._wake_executor,
        )

    def subscribe(self) -> None:
        """Listen to images.

        Raises:
            InputError: a parameter under qos_overrides is wrong.
        """
        self._inputs.subscribe()

    def unsubscribe(self) -> None:
        """Stop listening, and drop the waiting images."""
        self._inputs.unsubscribe()
        self._monitor.dropped(self._video.discard() + self._worker.discard())
        self._log_summary()

    def _log_summary(self) -> None:
        """Log what the answers since the last summary were, and why."""
        if summary := self._monitor.take_summary():
            self._node.get_logger().info(summary)

    def resubscribe_if_unpublished(self) -> None:
        """Listen to all wanted transports again if the current one has lost its publisher."""
        self._inputs.resubscribe_if_unpublished()

    def topic_reports(self) -> list[TopicReport]:
        """Who publishes on the topics that are subscribed to."""
        return self._inputs.reports()

    def wait_idle(self) -> None:
        """Wait until no image is waiting or being processed."""
        self._video.wait_idle()
        self._worker.wait_idle()

    def stop(self) -> None:
        """Publish nothing more, and give the current image a moment to end."""
        self._stopped.set()
        self._worker.stop(STOP_TIMEOUT)
        self._video.stop(STOP_TIMEOUT)
        self._log_summary()

    def _is_full(self) -> bool:
        return self._worker.is_full() or self._video.is_full()

    def _on_image(self, message: Any, topic: str, lost: int, is_video: bool) -> None:
        """Put an image into the queue; called on the executor's thread."""
        if self._stopped.is_set():
            return
        now_ns = self._node.get_clock().now().nanoseconds
        stamp, _ = stamp_and_frame(message)
        self._monitor.received(stamp_to_ns(stamp), now_ns, lost)
        if is_video:
            self._video.put(message, topic, lost)
        else:
            self._put(ReceivedImage(message, topic, time.perf_counter()))

    def _put(self, received: ReceivedImage) -> None:
        displaced = self._worker.put(received)
        if displaced:
            self._monitor.dropped(displaced)

    def _on_picture(self, picture: VideoPicture, topic: str) -> None:
        """Put a picture of a video into the queue; called on the thread that decodes it."""
        if not self._replay or self._worker.wait_for_room():
            self._put(ReceivedImage(picture, topic, time.perf_counter()))

    def _on_packet_dropped(self, reason: str) -> None:
        self._monitor.dropped(1)
        self._node.get_logger().warning(
            f'packets of the video {reason}: there is no image of them', throttle_duration_sec=5.0
        )

    def _on_bad_packet(self, error: Exception) -> None:
        with self._count_bad_images():
            raise error

    def _decode_and_recognize(self, received: ReceivedImage) -> None:
        decoded = self._decode(received)
        if decoded is not None:
            self._recognize(decoded)

    def _decode_and_extract(self, received: ReceivedImage) -> DecodedImage | None:
        """Decode an image and extract its features where they are needed; never raises.

        Called on a thread of its own, while another one answers the image before.
        """
        decoded = self._decode(received)
        if decoded is None or not self._needs_features():
            return decoded
        extracted = None
        with self._count_bad_images():
            timings = dict(decoded.timings)
            features = self._recognizer.extract(decoded.frame, decoded.prepared, timings)
            extracted = decoded._replace(prepared=features, timings=timings)
        return extracted  # noqa: RET504 an error ends the block above, and is counted there

    def _needs_features(self) -> bool:
        """Whether each image needs its features, not only those that become keyframes."""
        recognizer = self._recognizer
        if recognizer.loops.enabled:
            return True
        return self._mapper is None and recognizer.map_info is not None

    def _decode(self, received: ReceivedImage) -> DecodedImage | None:
        """Decode and resize an image; never raises."""
        decoded = None
        if self._stopped.is_set():
            return None
        with self._count_bad_images():
            started = time.perf_counter()
            if isinstance(received.message, VideoPicture):
                frame = received.message.frame(received.topic)
            else:
                frame = frame_from_image(received.message, received.topic, self._decoder)
            self._camera.remember_image(frame, received.topic)
            camera = self._camera.camera_of(frame, self._settings.current.node)
            frame = replace(frame, camera=camera)
            decoding_ended = time.perf_counter()
            prepared = self._recognizer.prepare(frame)
            timings = {
                'decode': decoding_ended - started,
                'resize': time.perf_counter() - decoding_ended,
            }
            decoded = DecodedImage(frame, prepared, received.arrived, started, timings)
        return decoded  # noqa: RET504 an error ends the block above, and is counted there

    def _recognize(self, decoded: DecodedImage) -> None:
        """Recognize an image and publish the answer; never raises."""
        with self._count_bad_images():
            self._recognize_and_publish(decoded)

    @contextmanager
    def _count_bad_images(self) -> Iterator[None]:
        try:
            yield
        except FolVprError as error:
            self._monitor.bad(str(error))
            self._node.get_logger().warning(f'bad image: {error}', throttle_duration_sec=5.0)
        except Exception as error:  # noqa: BLE001 a defect must not end the node
            if not self._stopped.is_set():
                self._monitor.bad(f'defect: {error!r}')
                report_defect(self._node, 'an image could not be answered', error)

    def _recognize_and_publish(self, decoded: DecodedImage) -> None:
        recognizer = self._recognizer
        if self._stopped.is_set():
            return
        resumed = time.perf_counter()
        settings = self._settings.apply(recognizer)
        odometry = self._odometry.pose_at(decoded.frame.stamp_ns, settings.node)
        frame = replace(decoded.frame, odometry=odometry)
        if self._mapper is not None:
            recognition = self._mapper.process(frame, decoded.prepared, settings)
        elif recognizer.map_info is None and not recognizer.loops.enabled:
            recognition = recognizer.quality_only_result(frame)
        else:
            recognition = recognizer.recognize(frame, prepared=decoded.prepared)
        recognized = time.perf_counter()
        if self._stopped.is_set():
            return
        processing = sum(decoded.timings.values()) + recognized - resumed
        waiting = max(0.0, recognized - decoded.arrived - processing)
        answer = self._publishers.publish_answer(
            recognition, recognizer.extractor.model_id, settings, processing, waiting
        )
        self._on_result(answer, decoded.started)
        publishing = time.perf_counter() - recognized
        timings = {'processing': processing + publishing, 'waiting': waiting}
        timings['total'] = timings['processing'] + waiting
        timings |= decoded.timings
        for stage, seconds in recognition.timings.items():
            if stage != 'total':
                timings[stage] = timings.get(stage, 0.0) + seconds
        timings['publish'] = publishing
        self._monitor.answered(recognition, timings)
        try:
            self._publishers.publish_visualization(frame, recognition, recognizer, settings)
        except FolVprError as error:
            self._node.get_logger().warning(
                f'the markers or the debug image were not published: {error}',
                throttle_duration_sec=5.0,
            )

    def _wake_executor(self) -> None:
        """Let the executor notice that the queue has room again."""
        executor = self._node.executor
        if self._replay and executor is not None and not self._stopped.is_set():
            executor.wake()
