"""What is published on /diagnostics, and when; without the lifecycle of the node."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Iterator
from types import SimpleNamespace

import pytest
from diagnostic_msgs.msg import DiagnosticStatus
from helpers.bench import Bench, bench
from rclpy.clock import Clock
from rclpy.clock_type import ClockType

from fol_vpr.checks.topics.facts import TopicReport
from fol_vpr.config import RecognizerConfig
from fol_vpr.recognizer.map_status import MapStatus
from fol_vpr.ros.node.diagnostics.monitor import Monitor
from fol_vpr.ros.node.diagnostics.publisher import DiagnosticsPublisher

EXTRACTOR = SimpleNamespace(weights_name='w', runs_on='cpu', precision='float32', trained=False)
RECOGNIZER = SimpleNamespace(
    extractor=EXTRACTOR,
    map_info=None,
    map_status=MapStatus(None, None, RecognizerConfig(), 'float32'),
    loops=None,
)


@pytest.fixture
def made() -> Iterator[Bench]:
    with bench(diagnostics_period=0.1) as made:
        made.monitor = Monitor()
        steady = Clock(clock_type=ClockType.STEADY_TIME)
        made.diagnostics = DiagnosticsPublisher(made.context, made.monitor, steady)
        yield made


def test_the_state_of_the_node_is_published_again_and_again(made):
    watch = made.watch
    watch.until(lambda: watch.status('node')[1].startswith('unconfigured: waits'))
    made.context.failure = 'configure failed: no weights'
    watch.until(lambda: watch.status('node') == (2, 'configure failed: no weights'))
    made.context.failure, made.context.map_failure = '', 'damaged'
    made.activate(RECOGNIZER)
    made.pipeline.reports = [TopicReport('/image', 'sensor_msgs/msg/Image')]
    made.publishers.tf_problem = 'no odometry'
    watch.until(lambda: watch.status('node') == (0, 'active'))
    assert watch.status('map') == (2, 'damaged')
    assert 'no images on /image: nobody publishes' in watch.status('images')[1]
    assert 'untrained weights' in watch.status('recognition')[1]
    assert made.diagnostics.facts().odometry_problem == 'no odometry'
    made.context.enabled = False
    watch.until(lambda: watch.status('node') == (0, 'disabled by ~/enable'))


def test_all_transports_are_listened_to_again_after_a_silence(made, monkeypatch):
    made.activate(RECOGNIZER)
    counts = made.monitor.snapshot()

    def resubscribed(**changes) -> int:
        changed = dataclasses.replace(counts, **changes)
        monkeypatch.setattr(made.monitor, 'snapshot', lambda: changed)
        before = made.pipeline.resubscribed
        made.diagnostics._on_timer()
        return made.pipeline.resubscribed - before

    assert resubscribed(image_age=None) == 0
    assert resubscribed(image_age=0.5) == 0
    assert resubscribed(image_age=2.0) == 1
    assert resubscribed(image_age=2.0, waiting=1) == 0


def test_they_go_on_while_a_transition_occupies_the_executor(made):
    made.state = 'configuring'
    with made.diagnostics.keep_alive():
        made.diagnostics.progress = 'warms up'
        # Nothing spins meanwhile.
        time.sleep(1.0)
    assert made.diagnostics.progress == ''
    messages: list[str] = []
    made.watch.until(lambda: messages.append(made.watch.status('node')[1]) or len(messages) > 30)
    assert any(message.startswith('configuring: warms up, for ') for message in messages), messages
    level = made.watch.diagnostics['node'].level
    assert level == DiagnosticStatus.OK
