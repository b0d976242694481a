"""Video in bags: the pictures, their stamps, and where reading may begin."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helpers.images.video import sent_ffmpeg, sent_foxglove, stamp_of
from helpers.source_files import SECOND, Sent, bag, camera_info, header, pose, types
from rosbags.convert import convert
from rosbags.rosbag1 import Writer
from rosbags.typesys import Stores, get_types_from_msg, get_typestore

from benchmarks.robustness.video_streams import encode_video, number_of
from fol_vpr.config import MappingConfig
from fol_vpr.errors import FolVprError, InputError
from fol_vpr.mapping import KeyframeSelector
from fol_vpr.sources import open_source

pytest.importorskip('av', reason='PyAV is not installed')
COUNT = 20
STREAMS = {
    (codec, b_frames): encode_video(codec, COUNT, b_frames=b_frames)
    for codec in ('h264', 'hevc')
    for b_frames in (0, 2)
}


def shown(source: Any, start: int = 0, stop: int | None = None) -> list[tuple[int, int]]:
    """Position and view of each frame; its stamp must be that of its view."""
    found = []
    for position, frame in source.frames(start, stop=stop):
        number = number_of(frame.image, COUNT)
        assert frame.stamp_ns == SECOND + number * SECOND // 10
        assert frame.frame_id == 'camera'
        found.append((position, number))
    return found


@pytest.mark.parametrize('storage', ['sqlite3', 'mcap'])
@pytest.mark.parametrize('kind', ['ffmpeg', 'foxglove'])
@pytest.mark.parametrize(('codec', 'b_frames'), STREAMS)
def test_pictures_in_order_of_presentation_with_their_stamps(
    tmp_path: Path, codec: str, b_frames: int, kind: str, storage: str
) -> None:
    make = sent_ffmpeg if kind == 'ffmpeg' else sent_foxglove
    source = open_source(bag(tmp_path / 'drive', make(STREAMS[codec, b_frames], codec), storage))
    assert shown(source) == [(number, number) for number in range(COUNT)]
    assert len(source) == COUNT
    stamps = [capture.stamp_ns for capture in source.captures()]
    assert stamps == [SECOND + number * SECOND // 10 for number in range(COUNT)]
    assert source.warnings == []


@pytest.mark.parametrize(('codec', 'b_frames'), STREAMS)
@pytest.mark.parametrize('start', [0, 1, 7, 8, 9, 15, 16, 19])
def test_frames_do_not_depend_on_where_reading_starts(
    tmp_path: Path, codec: str, b_frames: int, start: int
) -> None:
    path = bag(tmp_path / 'drive', sent_foxglove(STREAMS[codec, b_frames], codec))
    whole = {position: frame.image for position, frame in open_source(path).frames()}
    source = open_source(path)
    part = dict(source.frames(start, stop=start + 3))
    assert list(part) == list(range(start, min(start + 3, COUNT)))
    for position, frame in part.items():
        np.testing.assert_array_equal(frame.image, whole[position])
    assert source.warnings == []


@pytest.mark.parametrize('b_frames', [0, 2])
def test_keyframes_of_a_map_and_a_build_that_is_resumed(tmp_path: Path, b_frames: int) -> None:
    poses = [pose(t * SECOND, (2.0 * t, 0, 0)) for t in (1, 2, 3)]
    sends = sorted(
        [*poses, *sent_ffmpeg(STREAMS['h264', b_frames])], key=lambda each: each.receive_ns
    )
    path = bag(tmp_path / 'drive', sends)
    config = MappingConfig(keyframe_distance=0.55, max_pose_gap=2)

    def chosen(start: int) -> dict[int, np.ndarray]:
        source = open_source(path, pose_topic='/pose', max_pose_gap=2)
        return {p: f.image for p, f in source.keyframes(KeyframeSelector(config), start)}

    whole = chosen(0)
    assert list(whole) == list(range(0, COUNT, 3))
    resumed = chosen(9)
    assert list(resumed) == list(range(9, COUNT, 3))
    for position, image in resumed.items():
        np.testing.assert_array_equal(image, whole[position])


def test_what_cannot_be_decoded_is_left_out_and_counted(tmp_path: Path) -> None:
    packets = STREAMS['h264', 0][5:10] + STREAMS['h264', 0][11:]
    source = open_source(bag(tmp_path / 'drive', sent_foxglove(packets)))
    # Positions count all packets.
    assert shown(source) == [(3, 8), (4, 9), *((n - 6, n) for n in range(16, COUNT))]
    assert len(source.warnings) == 2
    assert '3 of 14 packets on /camera/video come before the first keyframe' in source.warnings[0]
    assert '5 of 14 packets on /camera/video come between a lost' in source.warnings[1]


def test_a_damaged_message_is_a_bad_item_and_the_next_keyframe_is_used(tmp_path: Path) -> None:
    sends = sent_foxglove(STREAMS['h264', 0])
    sends[3] = Sent(sends[3].topic, sends[3].msgtype, sends[3].receive_ns, b'\0\1\0\0cut')
    source = open_source(bag(tmp_path / 'drive', sends))
    bad: list[tuple[int, FolVprError]] = []
    found = [position for position, _ in source.frames(on_bad=lambda *item: bad.append(item))]
    assert found == [0, 1, 2, *range(8, COUNT)]
    assert [position for position, _ in bad] == [3]
    with pytest.raises(InputError, match='image 3 of /camera/video'):
        list(source.frames())


def test_an_unknown_codec_is_named(tmp_path: Path) -> None:
    source = open_source(bag(tmp_path / 'drive', sent_foxglove(STREAMS['h264', 0], 'h266')))
    with pytest.raises(InputError, match=r'image 0 .* unknown codec, expected h264'):
        list(source.frames())


def test_video_in_a_compressed_image(tmp_path: Path) -> None:
    kind = 'sensor_msgs/msg/CompressedImage'
    sends = [
        Sent(
            '/camera/image/compressed',
            kind,
            each.receive_ns,
            types(kind)(header(stamp_of(packet), 'camera'), 'h264', each.message.data),
        )
        for packet, each in zip(STREAMS['h264', 2], sent_foxglove(STREAMS['h264', 2]), strict=True)
    ]
    source = open_source(bag(tmp_path / 'drive', sends))
    assert shown(source) == [(number, number) for number in range(COUNT)]


# As in daniilidis-group/ffmpeg_image_transport_msgs 7e99956, for ROS 1.
ROS1_PACKET = """Header header
uint8[] data
int32 img_width
int32 img_height
string encoding
uint64 pts
uint8 flags
================================================================================
MSG: std_msgs/Header
uint32 seq
time stamp
string frame_id
"""


@pytest.mark.parametrize('converted', [False, True])
def test_packets_of_ros_1(tmp_path: Path, converted: bool) -> None:
    name = 'ffmpeg_image_transport_msgs/msg/FFMPEGPacket'
    store = get_typestore(Stores.ROS1_NOETIC)
    store.register(get_types_from_msg(ROS1_PACKET, name))
    path = tmp_path / 'drive.bag'
    with Writer(path) as writer:
        connection = writer.add_connection('/camera/image/ffmpeg', name, typestore=store)
        for packet, each in zip(STREAMS['h264', 0], sent_ffmpeg(STREAMS['h264', 0]), strict=True):
            stamp = store.types['builtin_interfaces/msg/Time'](*divmod(stamp_of(packet), SECOND))
            message = store.types[name](
                header=store.types['std_msgs/msg/Header'](0, stamp, 'camera'),
                data=each.message.data,
                img_width=160,
                img_height=96,
                encoding='libx264',
                pts=packet.pts,
                flags=int(packet.is_key),
            )
            data = bytes(store.serialize_ros1(message, name))
            writer.write(connection, each.receive_ns, data)
    if converted:
        convert(
            [path],
            tmp_path / 'drive',
            dst_storage='sqlite3',
            dst_version=9,
            compress=None,
            compress_mode='none',
            default_typestore=None,
            typestore=get_typestore(Stores.ROS2_JAZZY),
            exclude_topics=[],
            include_topics=[],
            exclude_msgtypes=[],
            include_msgtypes=[],
        )
        path = tmp_path / 'drive'
    assert shown(open_source(path)) == [(number, number) for number in range(COUNT)]


def test_the_calibration_goes_with_the_pictures(tmp_path: Path) -> None:
    info = camera_info(SECOND // 2, '/camera/camera_info', width=160, height=96)
    sends = [info, *sent_foxglove(STREAMS['h264', 0])]
    source = open_source(bag(tmp_path / 'drive', sends))
    assert all(frame.camera is not None for _, frame in source.frames())


def test_stamps_that_are_none_do_not_reorder_the_pictures(tmp_path: Path) -> None:
    sends = sent_ffmpeg(STREAMS['h264', 0], keep_ns=False)
    source = open_source(bag(tmp_path / 'drive', sends))
    found = [(p, number_of(frame.image, COUNT)) for p, frame in source.frames()]
    assert found == [(number, number) for number in range(COUNT)]
    assert any('have a header stamp of 0' in warning for warning in source.warnings)


def test_a_clock_that_jumps_back_does_not_mix_two_drives(tmp_path: Path) -> None:
    packets = STREAMS['h264', 0]
    later = sent_ffmpeg(packets, first_ns=100 * SECOND)
    sends = [
        *later,
        *(
            each._replace(receive_ns=each.receive_ns + 200 * SECOND)
            for each in sent_ffmpeg(packets)
        ),
    ]
    source = open_source(bag(tmp_path / 'drive', sends))
    found = [(position, frame.stamp_ns) for position, frame in source.frames()]
    stamps = [stamp_of(each, 100 * SECOND) for each in packets] + [stamp_of(p) for p in packets]
    assert found == list(enumerate(stamps))
