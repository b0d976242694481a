"""SIGINT and SIGTERM end the node cleanly, whatever it is doing.

That takes less than two seconds on an idle machine (benchmarks/results/node.md). The only limit
that is asserted here is the one that tells a hanging process: other load on the machine is no
fault of the node.
"""

from __future__ import annotations

import signal
import time
from pathlib import Path

import pytest
from helpers import live, scenes
from helpers.messages import picture
from sensor_msgs.msg import Image

# A forward pass takes seconds at this size in float32, with AMX too; a stop must not wait for it.
LONG = live.NetworkConfig(input_size=980, threads=1)
SLOW = {'network.precision': 'float32', 'network.threads': 1}
MOMENTS = [0.0, 0.7, 1.4, 2.5, 4.0]


def assert_stops(node: live.Localizer, number: signal.Signals) -> None:
    status, _ = node.stop(number)
    output = node.log.read_text()
    assert status == 0, output[-2000:]
    assert 'Traceback' not in output


def wait_for(condition) -> None:
    deadline = time.monotonic() + live.PATIENCE
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


@pytest.fixture(scope='module')
def images(tmp_path_factory) -> Path:
    return scenes.write_folder(tmp_path_factory.mktemp('images'), 1)


@pytest.mark.parametrize(('turn', 'moment'), list(enumerate(MOMENTS)))
def test_at_any_moment_after_the_start(images, tmp_path, turn, moment):
    """While ROS comes up, while torch is imported, while the map loads, and when all is done."""
    parameters = {'map': live.small_map(images, tmp_path / 'm.folmap'), 'autostart': True}
    log = tmp_path / 'log'
    with live.localizer(log, parameters, '--log-level', 'rcl:=debug') as node:
        # Before its first line of the log, the process is still Python starting.
        wait_for(lambda: log.stat().st_size)
        time.sleep(moment)
        assert_stops(node, (signal.SIGINT, signal.SIGTERM)[turn % 2])


def test_while_it_warms_up(tmp_path):
    log = tmp_path / 'log'
    parameters = {'network.input_size': LONG.input_size, **SLOW, 'autostart': True}
    with live.localizer(log, parameters) as node:
        wait_for(lambda: 'on cpu (float32' in log.read_text())
        time.sleep(0.5)
        assert_stops(node, signal.SIGINT)
        assert 'warmed up' not in log.read_text()


def test_while_it_recognizes_an_image(images, tmp_path):
    large = live.small_map(images, tmp_path / 'm.folmap', LONG)
    parameters = {'map': large, **SLOW, 'autostart': True, 'replay': True}
    with live.observer() as watch, live.localizer(tmp_path / 'log', parameters) as node:
        watch.until(lambda: watch.status('node')[1] == 'active')
        publisher = watch.publisher(Image, '/image')
        publisher.publish(picture())
        watch.until(lambda: watch.count('received') == 1)
        assert_stops(node, signal.SIGTERM)
        watch.spin(0.2)
        assert not watch.answers


def test_it_leaves_the_graph_at_once(images, tmp_path):
    log = tmp_path / 'log'
    parameters = {'map': live.small_map(images, tmp_path / 'm.folmap'), 'autostart': True}
    with live.observer() as watch, live.localizer(log, parameters) as node:
        watch.until(lambda: watch.status('node')[1] == 'active')
        assert node.stop()[0] == 0
        assert 'warmed up in' in log.read_text()
        # A process that does not leave the graph is listed by others for 20 s.
        watch.until(lambda: 'localizer' not in watch.node.get_node_names(), patience=15)
        assert watch.node.count_publishers('/localizer/places') == 0
