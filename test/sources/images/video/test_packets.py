"""Codecs and keyframes by the messages alone."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from benchmarks.robustness.video_streams import ENCODERS, encode_video, foxglove_message
from fol_vpr.errors import InputError
from fol_vpr.sources.images.video.packets import is_video, packet_of, stamp_and_frame

START = b'\0\0\0\1'


def message(encoding: str, data: bytes = START + b'\x41\x9a', flags: int = 0) -> Any:
    return SimpleNamespace(encoding=encoding, pts=3, flags=flags, data=data)


@pytest.mark.parametrize(
    ('encoding', 'codec'),
    [
        ('h264', 'h264'), ('H264', 'h264'), ('libx264', 'h264'), ('libx264rgb', 'h264'),
        ('h264_nvenc', 'h264'), ('h264_vaapi', 'h264'), ('h264_v4l2m2m', 'h264'),
        ('libopenh264', 'h264'), ('h264;yuv420p;bgr8;rgb8', 'h264'), ('avc1', 'h264'),
        ('hevc', 'hevc'), ('hevc_nvenc', 'hevc'), ('libx265', 'hevc'), ('h265', 'hevc'),
        ('x265', 'hevc'), ('hevc;nv12;bgr8;bayer_rggb8', 'hevc'),
        ('vp8', 'vp8'), ('libvpx', 'vp8'), ('vp9', 'vp9'), ('libvpx-vp9', 'vp9'),
        ('av1', 'av1'), ('libsvtav1', 'av1'), ('libaom-av1', 'av1'), ('av1_nvenc', 'av1'),
        ('mjpeg', 'mjpeg'), ('mpeg4', 'mpeg4'),
    ],
)  # fmt: skip
def test_names_of_codecs(encoding: str, codec: str) -> None:
    packet = packet_of(message(encoding))
    assert (packet.codec, packet.pts) == (codec, 3)


@pytest.mark.parametrize('encoding', ['', 'rgb8', 'h266', 'jpeg', '\x1b[31m'])
def test_an_unknown_codec_is_named(encoding: str) -> None:
    with pytest.raises(InputError, match='unknown codec, expected h264, hevc') as caught:
        packet_of(message(encoding))
    assert '\x1b' not in str(caught.value)


@pytest.mark.parametrize(
    ('data', 'said'), [(b'', 'is empty'), (b'\0\0\0\x05\x65\x88', 'expected Annex B')]
)
def test_what_is_no_packet(data: bytes, said: str) -> None:
    with pytest.raises(InputError, match=said):
        packet_of(message('h264', data))


@pytest.mark.parametrize('codec', ENCODERS)
def test_keyframes_by_the_bytes(codec: str) -> None:
    pytest.importorskip('av', reason='PyAV is not installed')
    for packet in encode_video(codec, 12):
        assert packet_of(foxglove_message(packet, codec)).is_key == packet.is_key


def test_keyframes_by_the_flag() -> None:
    assert packet_of(message('h264', flags=1)).is_key
    assert not packet_of(message('h264')).is_key


def test_time_and_frame_of_both_types() -> None:
    header = SimpleNamespace(stamp=5, frame_id='a')
    assert stamp_and_frame(SimpleNamespace(header=header)) == (5, 'a')
    assert stamp_and_frame(SimpleNamespace(timestamp=6, frame_id='b')) == (6, 'b')


def test_types() -> None:
    assert is_video('foxglove_msgs/msg/CompressedVideo')
    assert not is_video('sensor_msgs/msg/CompressedImage')
