"""SIGINT and SIGTERM end the node, whatever it is doing."""

from __future__ import annotations

import signal
import time

import pytest

pytestmark = pytest.mark.ros
pytest.importorskip('rclpy')

import live  # noqa: E402
import scenes  # noqa: E402
from sensor_msgs.msg import Image  # noqa: E402

SIGNALS = [signal.SIGINT, signal.SIGTERM]
REPEATS = 5
# The node gives itself 0.7 s; the rest is for a machine that is busy with other things. Without
# the limits in the node, a stop during these images takes ten seconds and more.
LIMIT = 6.0


@pytest.fixture(scope='module')
def slow(tmp_path_factory) -> dict[str, object]:
    """Parameters with which an image takes long."""
    folder = tmp_path_factory.mktemp('slow')
    images = scenes.write_folder(folder / 'images', 3)
    network = live.NetworkConfig(input_size=126, threads=1)
    return {
        'map': live.small_map(images, folder / 'm.folmap', network),
        'autostart': True,
        'replay': True,
    }


@pytest.mark.parametrize('number', SIGNALS)
def test_at_any_moment_after_the_start(slow, tmp_path, number):
    """While ROS comes up, while torch is imported, while the map loads, and when all is done."""
    for turn in range(REPEATS):
        log = tmp_path / f'{turn}.log'
        with live.localizer(log, slow, '--log-level', 'rcl:=debug') as node:
            # Before its first line of the log, the process is still Python starting.
            wait_for(lambda log=log: log.stat().st_size)
            time.sleep(turn * 1.2)
            status, seconds = node.stop(number)
        assert status == 0, log.read_text()[-2000:]
        assert seconds < LIMIT
        assert 'Traceback' not in log.read_text()


@pytest.mark.parametrize('number', SIGNALS)
def test_while_images_are_being_answered(slow, tmp_path, number):
    for turn in range(3):
        log = tmp_path / f'{turn}.log'
        with live.observer() as watch, live.localizer(log, slow) as node:
            watch.until(lambda watch=watch: watch.status('node')[1] == 'active')
            publisher = watch.publisher(Image, '/image')
            for _ in range(10):
                publisher.publish(picture())
            watch.until(lambda watch=watch: watch.answers)
            status, seconds = node.stop(number)
            assert len(watch.answers) < 10
        assert status == 0, log.read_text()[-2000:]
        assert seconds < LIMIT
        assert 'Traceback' not in log.read_text()


def picture() -> Image:
    message = Image(height=scenes.HEIGHT, width=scenes.WIDTH, encoding='rgb8')
    message.step = 3 * scenes.WIDTH
    message.data = scenes.view(1).tobytes()
    return message


def wait_for(condition) -> None:
    deadline = time.monotonic() + live.PATIENCE
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_what_it_leaves_behind(slow, tmp_path):
    log = tmp_path / 'log'
    with live.observer() as watch, live.localizer(log, slow) as node:
        watch.until(lambda: watch.status('node')[1] == 'active')
        assert node.stop()[0] == 0
        assert 'warmed up in' in log.read_text()
        # A process that does not take its leave is listed until DDS gives it up after 20 s.
        watch.until(lambda: 'localizer' not in watch.node.get_node_names(), patience=15)
        assert watch.node.count_publishers('/localizer/places') == 0
