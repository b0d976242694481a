"""Messages with one packet of a video stream: its codec, and whether decoding can start there."""

from __future__ import annotations

import re
from typing import Any, NamedTuple

from fol_vpr.errors import InputError
from fol_vpr.files import printable
from fol_vpr.sources.images.stored_image import MAX_ENCODED_BYTES
from fol_vpr.sources.images.video.h264 import nal_units

FFMPEG_PACKET = 'ffmpeg_image_transport_msgs/msg/FFMPEGPacket'
COMPRESSED_VIDEO = 'foxglove_msgs/msg/CompressedVideo'
VIDEO_TOPIC = '/camera/image/ffmpeg'
"""Topic of FFMPEG_PACKET by the convention of ffmpeg_image_transport."""
COMPRESSED_IMAGE = 'sensor_msgs/msg/CompressedImage'
VIDEO_DEFINITIONS = {
    FFMPEG_PACKET: (
        'std_msgs/Header header\nint32 width\nint32 height\nstring encoding\nuint64 pts\n'
        'uint8 flags\nbool is_bigendian\nuint8[] data\n'
    ),
    COMPRESSED_VIDEO: (
        'builtin_interfaces/Time timestamp\nstring frame_id\nuint8[] data\nstring format\n'
    ),
}
"""Types of messages with video, with their fields; no distribution of ROS has them built in."""

# By codec, what its encoders and decoders in FFmpeg, and the formats of Foxglove, are called.
_NAMES = (
    ('h264', re.compile(r'(lib)?(x|open)?h?264(rgb)?(_.*)?|avc1?')),
    ('hevc', re.compile(r'(lib)?(x|h)265(_.*)?|hevc(_.*)?')),
    ('vp9', re.compile(r'(libvpx-)?vp9(_.*)?')),
    ('vp8', re.compile(r'(libvpx|vp8)(_.*)?')),
    ('av1', re.compile(r'av1(_.*)?|libaom-av1|libsvtav1|libdav1d|librav1e')),
    ('mpeg4', re.compile(r'mpeg4(_.*)?|libxvid')),
    ('mjpeg', re.compile(r'mjpeg(_.*)?')),
)
_BAYER = re.compile(r'bayer_(rggb|bggr|gbrg|grbg)(8|16)')
_KEY_FLAG = 1
"""AV_PKT_FLAG_KEY."""
_H264_IDR = 5
_HEVC_KEYS = range(16, 22)
_AV1_SEQUENCE = 1


class VideoPacket(NamedTuple):
    """One packet.

    Attributes:
        codec: h264, hevc, vp8, vp9, av1, mpeg4 or mjpeg.
        data: what the encoder gave out, for h264 and hevc in Annex B format.
        is_key: whether decoding can start at it.
        pts: number of the picture in order of presentation; None if the message has none.
        layout: rgb8, or the encoding of the mosaic that was encoded as a grey picture.
    """

    codec: str
    data: bytes
    is_key: bool
    pts: int | None
    layout: str


def is_video(msgtype: str) -> bool:
    """Whether messages of a type hold packets of a video stream."""
    return msgtype in VIDEO_DEFINITIONS


def is_video_format(text: str) -> bool:
    """Whether the format of a CompressedImage names a codec of video.

    Encoders of hardware publish H.264 in this type, one packet a message.
    """
    codec = _codec(text.partition(';')[0].strip().lower())
    return codec is not None and codec != 'mjpeg'


def _codec(name: str) -> str | None:
    return next((codec for codec, names in _NAMES if names.fullmatch(name)), None)


def stamp_and_frame(msg: Any) -> tuple[Any, str]:
    """The builtin_interfaces/Time and the frame id of an image or video message."""
    if hasattr(msg, 'header'):
        return msg.header.stamp, str(msg.header.frame_id)
    return msg.timestamp, str(msg.frame_id)


def packet_of(msg: Any) -> VideoPacket:
    """The packet of an FFMPEGPacket, a CompressedVideo, or a CompressedImage with a video.

    rclpy's and rosbags' classes both do.

    Raises:
        InputError: the codec is unknown, or the packet is empty or not in Annex B format.
    """
    is_ffmpeg = hasattr(msg, 'pts')
    described = str(msg.encoding if is_ffmpeg else msg.format)
    what = f'{"FFMPEGPacket" if is_ffmpeg else "video"} with {printable(described)!r}'
    # As 'libx264', or in newer versions 'h264;yuv420p;bgr8;rgb8': codec, pixel format of the
    # encoder, what the image was converted to before, and the encoding of the camera.
    parts = [part.strip().lower() for part in described.split(';')]
    codec = _codec(parts[0])
    if codec is None:
        raise InputError(f'{what} is of an unknown codec, expected {_codecs()}')
    data = bytes(msg.data)
    if not data:
        raise InputError(f'{what} is empty (0 bytes)')
    if len(data) > MAX_ENCODED_BYTES:
        raise InputError(f'{what} has {len(data)} bytes, expected at most {MAX_ENCODED_BYTES}')
    if codec in ('h264', 'hevc') and b'\0\0\1' not in data[:5]:
        raise InputError(
            f'{what} does not begin with a start code, expected Annex B format: let the encoder '
            'repeat its parameter sets in the stream (h264_mp4toannexb of FFmpeg converts)'
        )
    flagged = is_ffmpeg and bool(int(msg.flags) & _KEY_FLAG)
    mosaic = _BAYER.fullmatch(parts[2]) if len(parts) > 2 else None
    return VideoPacket(
        codec,
        data,
        flagged or _is_key(codec, data),
        int(msg.pts) if is_ffmpeg else None,
        f'bayer_{mosaic[1]}8' if mosaic else 'rgb8',
    )


def _codecs() -> str:
    return ', '.join(name for name, _ in _NAMES)


def _is_key(codec: str, data: bytes) -> bool:
    if codec == 'h264':
        return any(unit[0] & 31 == _H264_IDR for unit in nal_units(data))
    if codec == 'hevc':
        return any(unit[0] >> 1 & 63 in _HEVC_KEYS for unit in nal_units(data))
    if codec == 'vp9':
        return _is_vp9_key(data[0])
    if codec == 'vp8':
        return not data[0] & 1
    if codec == 'av1':
        return _has_av1_sequence(data)
    return codec == 'mjpeg'


def _is_vp9_key(first: int) -> bool:
    """By the uncompressed header of VP9, 6.2: marker, profile, show_existing_frame, frame_type."""
    profile = first >> 5 & 1 | first >> 3 & 2
    shift = 2 if profile == 3 else 3
    return not first >> shift & 1 and not first >> (shift - 1) & 1


def _has_av1_sequence(data: bytes) -> bool:
    """Whether a temporal unit of AV1 has a sequence header, which every keyframe must have."""
    at = 0
    while at < len(data):
        header = data[at]
        if header >> 3 & 15 == _AV1_SEQUENCE:
            return True
        at += 2 if header & 4 else 1
        if not header & 2:
            return False
        size = shift = 0
        while at < len(data):
            byte = data[at]
            size |= (byte & 127) << shift
            shift, at = shift + 7, at + 1
            if not byte & 128:
                break
        at += size
    return False
