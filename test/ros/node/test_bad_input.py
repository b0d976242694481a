"""Faulty messages of cameras and bags: none of them ends the node."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from helpers import live, scenes
from helpers.messages import picture
from sensor_msgs.msg import CameraInfo, CompressedImage, Image


@pytest.fixture(scope='module')
def node(tmp_path_factory) -> Iterator[live.Localizer]:
    folder = tmp_path_factory.mktemp('bad')
    map_path = live.small_map(scenes.write_folder(folder / 'images', 3), folder / 'm.folmap')
    # Reliable, so that the test can count on every message to arrive.
    parameters = {'map': map_path, 'autostart': True, 'replay': True}
    with live.localizer(folder / 'node.log', parameters) as process:
        yield process


def changed(**fields) -> Image:
    message = picture(1)
    for name, value in fields.items():
        setattr(message, name, value)
    return message


BAD = {
    'zero size': (changed(height=0, width=0, step=0, data=b''), '0 x 0'),
    'unknown encoding': (changed(encoding='rgb9'), 'rgb9'),
    'no encoding': (changed(encoding=''), 'encoding'),
    'step too small': (changed(step=scenes.WIDTH), 'step'),
    'too few bytes': (changed(data=b'\0' * 100), '100'),
    'absurd size': (changed(height=2**31, width=2**31), '2147483648'),
}


@pytest.mark.parametrize('name', BAD)
def test_a_bad_image_is_counted_with_its_reason(watch, name):
    message, word = BAD[name]
    publisher = watch.publisher(Image, '/image')
    before = watch.until(lambda: watch.count('received') >= 0 and watch.count('bad') + 1) - 1
    publisher.publish(message)
    watch.until(lambda: watch.count('bad') == before + 1)
    level, reason = watch.status('images')
    assert level == 1
    assert word in reason
    publisher.publish(picture(1))
    assert watch.until(lambda: watch.answers)[0].hypotheses


def test_a_truncated_jpeg_is_a_bad_image(watch, node):
    encoded = (node.log.parent / 'images' / 'view000.jpg').read_bytes()
    # As soon as the publisher of raw images has gone, compressed ones are listened to again.
    publisher = watch.publisher(CompressedImage, '/image/compressed')
    before = watch.until(lambda: watch.count('received') >= 0 and watch.count('bad') + 1) - 1
    publisher.publish(CompressedImage(format='jpeg', data=encoded[: len(encoded) // 2]))
    publisher.publish(CompressedImage(format='jpeg', data=b''))
    publisher.publish(CompressedImage(format='jpeg2000', data=b'\0\0\0\1abc'))
    watch.until(lambda: watch.count('bad') == before + 3)
    publisher.publish(CompressedImage(format='jpeg', data=encoded))
    watch.until(lambda: watch.answers)
    assert node.process.poll() is None


def test_a_message_cut_short_on_the_wire_does_not_end_the_node(watch, node):
    from rclpy.serialization import serialize_message

    publisher = watch.publisher(Image, '/image')
    publisher.publish(serialize_message(picture(1))[:60])
    publisher.publish(picture(1, stamp=9))
    answer = watch.until(lambda: watch.answers)[0]
    assert answer.header.stamp.sec == 9
    assert node.process.poll() is None


def test_stamps_that_run_backwards_are_answered_and_named(watch):
    publisher = watch.publisher(Image, '/image')
    for stamp in (100, 101, 50, 51):
        publisher.publish(picture(1, stamp))
    watch.until(lambda: len(watch.answers) == 4)
    assert [answer.header.stamp.sec for answer in watch.answers] == [100, 101, 50, 51]
    watch.until(lambda: 'jumped back by 51.000 s' in watch.status('stamps')[1])


def test_a_camera_info_of_another_camera_is_named(watch):
    images = watch.publisher(Image, '/image')
    info = watch.publisher(CameraInfo, '/camera_info')
    info.publish(CameraInfo(width=1920, height=1080))
    images.publish(picture(1))
    expected = f'the calibration is for 1920x1080 pixels, but the images have {scenes.WIDTH}x'
    watch.until(lambda: expected in str(watch.status('images')) or images.publish(picture(1)))
