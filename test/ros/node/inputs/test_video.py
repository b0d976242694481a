"""Live video: every packet is decoded, in order, and its picture keeps its stamp."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from helpers.bench import RecordingPublishers, bench, recognizer_with_map
from helpers.images.video_messages import message_class
from rclpy.time import Time

from benchmarks.robustness.video_streams import (
    encode_video,
    ffmpeg_message,
    foxglove_message,
    number_of,
)
from fol_vpr.config import NodeConfig
from fol_vpr.errors import FolVprError, InputError
from fol_vpr.ros.node.diagnostics.monitor import Monitor
from fol_vpr.ros.node.image_pipeline import ImagePipeline
from fol_vpr.ros.node.inputs.images import TRANSPORTS, ImageInputs
from fol_vpr.ros.node.inputs.video import LiveVideo, VideoPicture

pytest.importorskip('av', reason='PyAV is not installed')
COUNT = 12
TYPES = {'ffmpeg': TRANSPORTS['ffmpeg'].type_name, 'video': TRANSPORTS['video'].type_name}


class Watched:
    """A `LiveVideo` and what came of the packets."""

    def __init__(self) -> None:
        self.pictures: list[VideoPicture] = []
        self.dropped: list[str] = []
        self.bad: list[Exception] = []
        self.video = LiveVideo(
            lambda picture, _: self.pictures.append(picture),
            self.dropped.append,
            self.bad.append,
            lambda: None,
        )

    def numbers(self) -> list[int]:
        """The views of the pictures, which their stamps must name as well."""
        self.video.wait_idle()
        found = [number_of(picture.frame('/x').image, COUNT) for picture in self.pictures]
        assert found == [picture.stamp_ns // 10**9 for picture in self.pictures]
        return found


def stamped(message: SimpleNamespace, seconds: int) -> SimpleNamespace:
    stamp = SimpleNamespace(sec=seconds, nanosec=0)
    if hasattr(message, 'pts'):
        message.header = SimpleNamespace(stamp=stamp, frame_id='/camera')
    else:
        message.timestamp, message.frame_id = stamp, '/camera'
    return message


@pytest.mark.parametrize('make', [ffmpeg_message, foxglove_message])
@pytest.mark.parametrize('b_frames', [0, 2])
def test_pictures_with_their_own_stamps(make: Any, b_frames: int) -> None:
    watched = Watched()
    for packet in encode_video('h264', COUNT, b_frames=b_frames):
        watched.video.put(stamped(make(packet, 'h264'), packet.pts), '/x', 0)
    found = watched.numbers()
    assert found == list(range(len(found)))
    assert {picture.frame_id for picture in watched.pictures} == {'camera'}
    assert len(found) + watched.video.discard() == COUNT
    assert len(found) == COUNT if not b_frames else len(found) >= COUNT - 4
    watched.video.stop(1.0)


def test_losses_and_damage_are_counted_and_the_next_keyframe_is_shown() -> None:
    watched = Watched()
    packets = encode_video('h264', COUNT, gop=4)
    messages = [stamped(foxglove_message(each), each.pts) for each in packets]
    messages[9].data = b'none'
    for number, message in enumerate(messages):
        # The publisher says that one before number 2 did not arrive.
        watched.video.put(message, '/x', int(number == 2))
    assert watched.numbers() == [0, 1, 4, 5, 6, 7, 8]
    assert len(watched.dropped) == 4
    assert [isinstance(error, FolVprError) for error in watched.bad] == [True]
    watched.video.stop(1.0)


@pytest.mark.parametrize('transport', TYPES)
def test_without_the_message_package_the_error_names_it(transport: str) -> None:
    package = TYPES[transport].split('/', maxsplit=1)[0]
    pytest.importorskip('rclpy')
    try:
        __import__(package)
    except ImportError:
        pass
    else:
        pytest.skip(f'{package} is installed here')
    inputs = ImageInputs(
        SimpleNamespace(resolve_topic_name=str),  # type: ignore[arg-type]
        NodeConfig(image_transport=transport),
        lambda *_: None,
        lambda: False,
    )
    with pytest.raises(InputError, match=f'package {package} is not installed') as caught:
        inputs.subscribe()
    assert f'ros-jazzy-{package.replace("_", "-")}' in str(caught.value)


@pytest.mark.ros
@pytest.mark.parametrize('transport', TYPES)
def test_a_video_topic_is_answered(tmp_path: Path, transport: str) -> None:
    topic = f'/{TRANSPORTS[transport].topic}'
    with (
        message_class(TYPES[transport]) as kind,
        recognizer_with_map(tmp_path, 2) as recognizer,
        bench(replay=True) as made,
    ):
        publishers, monitor = RecordingPublishers(), Monitor()
        pipeline = ImagePipeline(
            made.node,
            recognizer=recognizer,
            publishers=publishers,  # type: ignore[arg-type]
            settings=made.context.live_settings,
            decoder=made.context.decoder,
            camera=made.context.camera,
            odometry=made.context.odometry.track,
            monitor=monitor,
            on_result=lambda *_: None,
        )
        pipeline.subscribe()
        sender = made.watch.publisher(kind, topic)
        for packet in encode_video('h264', 8, gop=4)[1:]:
            message = kind()
            stamp = Time(seconds=100 + packet.pts).to_msg()
            if transport == 'ffmpeg':
                message.header.stamp, message.header.frame_id = stamp, 'camera'
                message.encoding, message.pts, message.flags = 'libx264', packet.pts, 0
                message.flags = int(packet.is_key)
            else:
                message.timestamp, message.frame_id, message.format = stamp, 'camera', 'h264'
            message.data = packet.data
            sender.publish(message)
        made.watch.until(lambda: len(publishers.answers) == 4)
        assert [each.stamp_ns // 10**9 for each in publishers.answers] == [104, 105, 106, 107]
        assert {each.frame_id for each in publishers.answers} == {'camera'}
        counts = monitor.snapshot()
        assert (counts.received, counts.dropped, counts.bad) == (7, 3, 0)
        pipeline.unsubscribe()
        pipeline.stop()
