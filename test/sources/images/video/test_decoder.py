"""Video streams as they are recorded: begun in the middle, with losses, B-frames, other sizes."""

from __future__ import annotations

import importlib
from collections import Counter
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from benchmarks.robustness.image_transport import mosaic, scene
from benchmarks.robustness.video_streams import (
    HEIGHT,
    Packet,
    encode_video,
    ffmpeg_message,
    foxglove_message,
    number_of,
)
from fol_vpr.errors import InputError
from fol_vpr.sources.images.video.decoder import (
    AFTER_LOSS,
    BEFORE_KEYFRAME,
    DAMAGED,
    VideoDecoder,
)
from fol_vpr.sources.images.video.packets import packet_of

pytest.importorskip('av', reason='PyAV is not installed')
COUNT = 20
CODECS = ('h264', 'hevc')
STREAMS = [(codec, b_frames) for codec in CODECS for b_frames in (0, 2)]


@pytest.fixture(scope='module')
def streams() -> dict[tuple[str, int], list[Packet]]:
    return {
        (codec, b_frames): encode_video(codec, COUNT, b_frames=b_frames)
        for codec, b_frames in [*STREAMS, ('vp9', 0), ('av1', 0)]
    }


def new_decoder(dropped: Counter[str] | None = None) -> VideoDecoder[Any]:
    counted = Counter() if dropped is None else dropped
    return VideoDecoder(lambda _, reason: counted.update([reason]))


def shown(packets: list[Packet], messages: list[Any]) -> tuple[list[int], Counter[str]]:
    """The views that come out, each checked against the packet that it came with."""
    dropped: Counter[str] = Counter()
    decoder = new_decoder(dropped)
    pictures = []
    for packet, message in zip(packets, messages, strict=True):
        pictures += decoder.decode(packet_of(message), packet)
    pictures += decoder.flush()
    found = [number_of(picture.rgb(), COUNT) for picture in pictures]
    assert found == [picture.token.pts for picture in pictures]
    assert len(found) + dropped.total() == len(packets)
    return found, dropped


@pytest.mark.parametrize(('codec', 'b_frames'), [*STREAMS, ('vp9', 0), ('av1', 0)])
@pytest.mark.parametrize('kind', ['ffmpeg', 'foxglove'])
def test_every_picture_comes_with_its_own_packet(
    streams: Any, codec: str, b_frames: int, kind: str
) -> None:
    packets = streams[codec, b_frames]
    make = ffmpeg_message if kind == 'ffmpeg' else foxglove_message
    assert (sorted(p.pts for p in packets) != [p.pts for p in packets]) == bool(b_frames)
    found, dropped = shown(packets, [make(packet, codec) for packet in packets])
    assert found == list(range(COUNT))
    assert dropped.total() == 0


@pytest.mark.parametrize(('codec', 'b_frames'), [*STREAMS, ('vp9', 0), ('av1', 0)])
def test_a_stream_that_begins_in_the_middle(streams: Any, codec: str, b_frames: int) -> None:
    packets = streams[codec, b_frames][3:]
    found, dropped = shown(packets, [foxglove_message(each, codec) for each in packets])
    assert found == list(range(8, COUNT))
    assert dropped.total() == 5
    assert dropped[BEFORE_KEYFRAME] >= 4


@pytest.mark.parametrize(('codec', 'b_frames'), STREAMS)
@pytest.mark.parametrize('lost', range(9, 15))
def test_nothing_wrong_is_shown_after_a_lost_packet(
    streams: Any, codec: str, b_frames: int, lost: int
) -> None:
    packets = [each for index, each in enumerate(streams[codec, b_frames]) if index != lost]
    found, _ = shown(packets, [foxglove_message(each, codec) for each in packets])
    assert set(found) >= {*range(9), *range(16, COUNT)}
    assert found == sorted(found)


@pytest.mark.parametrize('codec', ['vp9', 'av1'])
def test_a_lost_packet_of_other_codecs_is_found_by_the_pts(streams: Any, codec: str) -> None:
    packets = [each for index, each in enumerate(streams[codec, 0]) if index != 10]
    found, dropped = shown(packets, [ffmpeg_message(each, codec) for each in packets])
    assert found == [*range(10), *range(16, COUNT)]
    assert dropped[AFTER_LOSS] == 5


@pytest.mark.parametrize('codec', CODECS)
def test_damaged_packets_are_counted(streams: Any, codec: str) -> None:
    packets = list(streams[codec, 0])
    packets[10] = packets[10]._replace(data=packets[10].data[: len(packets[10].data) // 3])
    dropped: Counter[str] = Counter()
    decoder = new_decoder(dropped)
    found = []
    for packet in packets:
        pictures = decoder.decode(packet_of(foxglove_message(packet, codec)), packet.pts)
        found += [picture.token for picture in pictures]
    assert set(found) >= {*range(10), *range(16, COUNT)}
    assert dropped[DAMAGED] + dropped[AFTER_LOSS] in range(7)


def test_the_size_may_change_at_a_keyframe(streams: Any) -> None:
    wide = encode_video('h264', 4, width=224)
    packets = [*streams['h264', 0][:4], *wide, *streams['h264', 0][:2]]
    decoder = new_decoder()
    images = []
    for index, packet in enumerate(packets):
        for picture in decoder.decode(packet_of(foxglove_message(packet)), index):
            assert picture.token == len(images)
            images.append(picture.rgb())
    assert [image.shape for image in images] == [
        (HEIGHT, width, 3) for width in [160] * 4 + [224] * 4 + [160] * 2
    ]


def test_the_codec_may_change(streams: Any) -> None:
    packets = [*streams['h264', 2][:8], *streams['hevc', 2][:7]]
    names = ['h264'] * 8 + ['h265'] * 7
    messages = [foxglove_message(*pair) for pair in zip(packets, names, strict=True)]
    decoder = new_decoder()
    found = []
    for index, message in enumerate(messages):
        found += decoder.decode(packet_of(message), packets[index].pts)
    found += decoder.flush()
    assert [picture.token for picture in found] == [*range(8), *range(7)]


def test_a_mosaic_that_was_encoded_as_a_grey_picture() -> None:
    import av

    context: Any = av.CodecContext.create('libx264', 'w')
    context.width, context.height, context.pix_fmt = 64, 48, 'gray'
    context.options = {'crf': '0', 'preset': 'ultrafast'}
    frame = av.VideoFrame.from_ndarray(mosaic(scene(), 'rggb'), 'gray')
    (packet, *_) = [*context.encode(frame), *context.encode(None)]
    message = SimpleNamespace(
        encoding='libx264;gray;bayer_rggb8;bayer_rggb8', pts=0, flags=1, data=bytes(packet)
    )
    decoder = new_decoder()
    (picture,) = [*decoder.decode(packet_of(message), 0), *decoder.flush()]
    assert np.abs(picture.rgb().astype(int) - scene()).mean() < 3


def test_without_pyav_the_error_names_it(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> None:
        raise ImportError(f'No module named {name!r}')

    monkeypatch.setattr(importlib, 'import_module', missing)
    with pytest.raises(InputError, match=r'PyAV, which is not installed: `pip install av`'):
        new_decoder()
