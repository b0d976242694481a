"""Small video streams, encoded by PyAV, as the fields of messages."""

from __future__ import annotations

import functools
from fractions import Fraction
from types import SimpleNamespace
from typing import Any, NamedTuple

import cv2
import numpy as np

WIDTH, HEIGHT = 160, 96
ENCODERS = {'h264': 'libx264', 'hevc': 'libx265', 'vp9': 'libvpx-vp9', 'av1': 'libsvtav1'}
_OPTIONS = {
    'h264': {'x264-params': 'scenecut=0', 'preset': 'veryfast', 'crf': '12'},
    'hevc': {
        'x265-params': 'log-level=none:scenecut=0:pools=1',
        'preset': 'veryfast',
        'crf': '12',
    },
    'vp9': {'lag-in-frames': '0', 'deadline': 'realtime', 'crf': '10', 'auto-alt-ref': '0'},
    'av1': {'svtav1-params': 'pred-struct=1:lookahead=0', 'preset': '12', 'crf': '20'},
}


class Packet(NamedTuple):
    """A packet in order of decoding.

    Attributes:
        pts: number of its view.
        is_key: by the encoder.
        data: the bytes.
    """

    pts: int
    is_key: bool
    data: bytes


@functools.cache
def view(number: int, width: int = WIDTH, height: int = HEIGHT) -> np.ndarray:
    """[H, W, 3] RGB: what a camera sees that moves to the right, in soft colours."""
    coarse = np.random.default_rng(7).integers(90, 166, (height // 24, 60, 3), np.uint8)
    wide = cv2.resize(coarse, (60 * 20, height), interpolation=cv2.INTER_CUBIC)
    return np.ascontiguousarray(wide[:, 11 * number :][:, :width])


def encode_video(
    codec: str, count: int = 20, *, gop: int = 8, b_frames: int = 0, width: int = WIDTH
) -> list[Packet]:
    """Views 0 to `count` - 1 as packets."""
    import av

    context: Any = av.CodecContext.create(ENCODERS[codec], 'w')
    context.width, context.height, context.pix_fmt = width, HEIGHT, 'yuv420p'
    context.time_base, context.gop_size = Fraction(1, 30), gop
    context.max_b_frames, context.options = b_frames, _OPTIONS[codec]
    packets: list[Any] = []
    for number in range(count):
        frame = av.VideoFrame.from_ndarray(view(number, width), 'rgb24')
        frame.pts = number
        packets += context.encode(frame)
    packets += context.encode(None)
    return [Packet(each.pts, each.is_keyframe, bytes(each)) for each in packets]


def number_of(image: np.ndarray, count: int) -> int:
    """Which view an image shows; fails where it shows none clearly."""
    width = image.shape[1]
    errors = [float(np.abs(image.astype(int) - view(n, width)).mean()) for n in range(count)]
    best = int(np.argmin(errors))
    assert errors[best] < 4, f'no view: the closest is {best}, mean error {errors[best]:.1f}'
    return best


def ffmpeg_message(packet: Packet, encoding: str = 'libx264') -> SimpleNamespace:
    """The fields of an FFMPEGPacket, without its header."""
    return SimpleNamespace(
        encoding=encoding, pts=packet.pts, flags=int(packet.is_key), data=packet.data
    )


def foxglove_message(packet: Packet, described: str = 'h264') -> SimpleNamespace:
    """The fields of a CompressedVideo, without time and frame."""
    return SimpleNamespace(format=described, data=packet.data)
