"""Decodes the packets of a live video on a thread of its own."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from fol_vpr.datatypes import Frame, bare_frame
from fol_vpr.errors import InputError
from fol_vpr.ros.messages.conversions import stamp_to_ns
from fol_vpr.ros.node.worker import Worker
from fol_vpr.sources.images.video.decoder import Picture, VideoDecoder
from fol_vpr.sources.images.video.packets import packet_of, stamp_and_frame

WAITING = 100
"""Packets that may wait; further ones wait in the middleware."""


class VideoPicture(NamedTuple):
    """A decoded picture, whose pixels are converted when they are needed.

    Attributes:
        stamp_ns: stamp of its own packet in nanoseconds.
        frame_id: of the camera.
        rgb: gives [H, W, 3] uint8.
    """

    stamp_ns: int
    frame_id: str
    rgb: Callable[[], np.ndarray]

    def frame(self, uri: str) -> Frame:
        """The picture as a frame.

        Raises:
            InputError: it has too many pixels.
        """
        return Frame(self.rgb(), stamp_ns=self.stamp_ns, frame_id=self.frame_id, uri=uri)


class _Received(NamedTuple):
    """A packet message, its topic, and whether packets before it were lost."""

    message: Any
    topic: str
    after_loss: bool


class LiveVideo:
    """Decodes every packet, in order, however many pictures the node answers.

    Args:
        on_picture: called on the decoding thread with each picture and its topic.
        on_dropped: called likewise with the reason for each packet that gives no picture.
        on_bad: called likewise with the error of a packet that is none.
        on_taken: called after a packet was taken out of the queue.
    """

    def __init__(
        self,
        on_picture: Callable[[VideoPicture, str], None],
        on_dropped: Callable[[str], None],
        on_bad: Callable[[Exception], None],
        on_taken: Callable[[], None],
    ) -> None:
        self._on_picture = on_picture
        self._on_dropped = on_dropped
        self._on_bad = on_bad
        self._on_taken = on_taken
        self._lock = threading.Lock()
        self._worker: Worker[_Received] | None = None
        self._decoder: VideoDecoder[tuple[Any, str]] | None = None

    def put(self, message: Any, topic: str, lost: int) -> None:
        """Decode a packet on the thread, which starts with the first one.

        Args:
            message: FFMPEGPacket or CompressedVideo.
            topic: of the message.
            lost: how many packets before it did not arrive.
        """
        if self._worker is None:
            self._worker = Worker(
                self._decode, capacity=WAITING, newest_wins=False, on_taken=self._on_taken
            )
        self._worker.put(_Received(message, topic, lost > 0))

    def is_full(self) -> bool:
        """Whether packets have to wait in the middleware."""
        return self._worker is not None and self._worker.is_full()

    def discard(self) -> int:
        """Drop waiting packets and what is in the decoder; how many packets were waiting."""
        discarded = 0 if self._worker is None else self._worker.discard()
        with self._lock:
            decoder, self._decoder = self._decoder, None
            pending = 0 if decoder is None else decoder.pending
        return discarded + pending

    def wait_idle(self) -> None:
        """Wait until no packet is waiting or being decoded."""
        if self._worker is not None:
            self._worker.wait_idle()

    def stop(self, timeout: float) -> None:
        """End the thread after the current packet; see `Worker.stop`."""
        if self._worker is not None:
            self._worker.stop(timeout)

    def _decode(self, received: _Received) -> None:
        message, topic, after_loss = received
        try:
            with self._lock:
                pictures = self._pictures(message, topic, after_loss)
        except Exception as error:  # noqa: BLE001 counted by the caller, and must not end the thread
            self._on_bad(error)
            return
        for picture in pictures:
            (stamp, frame_id), of_topic = picture.token
            found = VideoPicture(stamp_to_ns(stamp), bare_frame(frame_id), picture.rgb)
            self._on_picture(found, of_topic)

    def _pictures(
        self, message: Any, topic: str, after_loss: bool
    ) -> list[Picture[tuple[Any, str]]]:
        if self._decoder is None:
            self._decoder = VideoDecoder(lambda _, reason: self._on_dropped(reason))
        if after_loss:
            self._decoder.lose()
        try:
            packet = packet_of(message)
        except InputError:
            self._decoder.lose()
            raise
        return self._decoder.decode(packet, (stamp_and_frame(message), topic))
