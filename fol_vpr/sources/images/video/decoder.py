"""Decodes the packets of one video stream."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any, Generic, NamedTuple, TypeVar

import numpy as np

from fol_vpr.errors import InputError
from fol_vpr.sources.images.levels import Levels
from fol_vpr.sources.images.raw_image import to_rgb
from fol_vpr.sources.images.stored_image import MAX_PIXELS, StoredImage, check_size
from fol_vpr.sources.images.video.h264 import FrameCounter
from fol_vpr.sources.images.video.packets import VideoPacket

Token = TypeVar('Token')

NO_PYAV = (
    'video needs the Python package PyAV, which is not installed: `pip install av`, or on Ubuntu '
    '`apt install python3-av`'
)
BEFORE_KEYFRAME = 'come before the first keyframe'
AFTER_LOSS = 'come between a lost or damaged packet and the next keyframe'
DAMAGED = 'could not be decoded'
# FFmpeg's own decoder of AV1 needs a GPU.
_DECODERS = {'av1': 'libdav1d'}
_MOST_PENDING = 64
"""More than the 16 pictures by which the codecs reorder."""
_CANNOT_TELL_LOSSES = ('vp8', 'vp9', 'av1', 'mpeg4')


class Picture(NamedTuple, Generic[Token]):
    """A decoded picture.

    Attributes:
        token: what was given with its packet.
        rgb: gives its pixels, [H, W, 3] uint8; raises InputError where they are too many.
    """

    token: Token
    rgb: Callable[[], np.ndarray]


class VideoDecoder(Generic[Token]):
    """Decodes a stream from its first keyframe on, without pictures that losses have spoilt.

    Pictures come out in the order of presentation. With B-frames they come later than their
    packets, and in another order; each carries the token of its own packet.

    Args:
        on_dropped: called with the token of each packet that gives no picture, and the reason.

    Raises:
        InputError: PyAV is not installed.
    """

    def __init__(self, on_dropped: Callable[[Token, str], None]) -> None:
        self._av: Any = load_pyav()
        self._on_dropped = on_dropped
        self._codec = ''
        self._context: Any = None
        self._waits_for_key = BEFORE_KEYFRAME
        self._counter = FrameCounter()
        self._pts: tuple[int, int] | None = None
        self._pending: dict[int, tuple[Token, str]] = {}
        self._next = 0

    @property
    def notice(self) -> str:
        """What the codec cannot do; empty for codecs that tell lost packets."""
        if self._codec in _CANNOT_TELL_LOSSES:
            return (
                f'{self._codec} does not number its pictures: packets that were lost are found '
                'by the pts of FFMPEGPacket alone, and pictures after others may be wrong'
            )
        return ''

    @property
    def pending(self) -> int:
        """Number of packets whose picture has not come out yet."""
        return len(self._pending)

    def decode(self, packet: VideoPacket, token: Token) -> list[Picture[Token]]:
        """Decode the next packet; the pictures that are complete now, perhaps none.

        Args:
            packet: the packet.
            token: comes back with its picture.
        """
        found: list[Picture[Token]] = []
        if packet.codec != self._codec:
            found = self.flush()
            self._waits_for_key = BEFORE_KEYFRAME
            self._start(packet.codec)
        if self._is_loss(packet):
            self.lose()
        if self._waits_for_key and not packet.is_key:
            self._on_dropped(token, self._waits_for_key)
            return found
        if self._waits_for_key == AFTER_LOSS:
            # A new decoder, because pictures that come before a keyframe in time and after it in
            # the stream would be decoded from those that are missing.
            found += self.flush()
            self._start(packet.codec)
            self._is_loss(packet)
        self._waits_for_key = ''
        number, self._next = self._next, self._next + 1
        self._pending[number] = token, packet.layout
        if len(self._pending) > _MOST_PENDING:
            # The decoder leaves some out, such as those before a keyframe that it cannot decode.
            self._drop(min(self._pending))
        return found + self._run(packet.data, number)

    def lose(self) -> None:
        """Note that a packet is missing: nothing is decoded until the next keyframe."""
        self._waits_for_key = self._waits_for_key or AFTER_LOSS

    def flush(self) -> list[Picture[Token]]:
        """The pictures that are still to come at the end of the stream."""
        found: list[Picture[Token]] = []
        if self._context is not None:
            found = self._run(None, -1)
        for number in list(self._pending):
            self._drop(number)
        self._context, self._codec = None, ''
        return found

    def _start(self, codec: str) -> None:
        context = self._av.CodecContext.create(_DECODERS.get(codec, codec), 'r')
        # With several threads pictures would come later, and after an error others with it.
        context.thread_count = 1
        context.options = {'err_detect': 'explode', 'max_pixels': str(MAX_PIXELS)}
        self._context, self._codec = context, codec
        self._counter = FrameCounter()
        self._pts = None

    def _is_loss(self, packet: VideoPacket) -> bool:
        if packet.codec == 'h264':
            return self._counter.is_gap(packet.data)
        if packet.codec not in _CANNOT_TELL_LOSSES or packet.pts is None:
            return False
        last, step = self._pts or (packet.pts - 1, 1)
        taken = packet.pts - last
        self._pts = packet.pts, min(step, taken) if taken > 0 else step
        return step == 1 and taken > 1

    def _run(self, data: bytes | None, number: int) -> list[Picture[Token]]:
        packet = None
        if data is not None:
            packet = self._av.Packet(data)
            packet.pts = packet.dts = number
        try:
            frames = self._context.decode(packet)
        except self._av.FFmpegError:
            if number in self._pending:
                self._drop(number)
                self.lose()
            return []
        pictures = (self._picture(frame) for frame in frames)
        return [picture for picture in pictures if picture is not None]

    def _drop(self, number: int) -> None:
        token, _ = self._pending.pop(number)
        self._on_dropped(token, DAMAGED)

    def _picture(self, frame: Any) -> Picture[Token] | None:
        kept = self._pending.pop(frame.pts, None)
        if kept is None:
            return None
        token, layout = kept
        if frame.is_corrupt:
            self._on_dropped(token, DAMAGED)
            return None
        return Picture(token, lambda: _rgb(frame, layout))


def _rgb(frame: Any, layout: str) -> np.ndarray:
    check_size(frame.width, frame.height, 'a picture of the video')
    if layout == 'rgb8' or frame.format.components[0].bits != 8:
        pixels: np.ndarray = frame.to_ndarray(format='rgb24')
        return pixels
    # Brightness as it was encoded: FFmpeg's conversions stretch it from 16 to 235.
    plane = frame.planes[0]
    grey = np.frombuffer(plane, np.uint8).reshape(plane.height, plane.line_size)
    return to_rgb(StoredImage(grey[:, : plane.width], layout, 'a mosaic of the video'), Levels())


def load_pyav() -> Any:
    """The package PyAV, which is loaded where video is decoded only.

    Raises:
        InputError: it is not installed.
    """
    try:
        av = importlib.import_module('av')
    except ImportError as error:
        raise InputError(f'{NO_PYAV} ({error})') from error
    # FFmpeg prints what it finds to standard error; what matters is counted.
    av.logging.set_level(av.logging.PANIC)
    return av
