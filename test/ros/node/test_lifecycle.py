"""The lifecycle node in the process of the test, where its threads can be blocked and counted."""

from __future__ import annotations

import contextlib
import statistics
import threading
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from builtin_interfaces.msg import Duration
from helpers import live, scenes
from helpers.messages import covered_picture, picture
from helpers.nodes.in_process import InProcess
from nav_msgs.msg import Odometry
from rclpy.publisher import Publisher
from sensor_msgs.msg import Image

from fol_vpr_msgs.msg import LoopClosureFeedback, PlaceHypothesisArray
from fol_vpr_msgs.srv import QueryPlace, Relocalize

PLACES = 4


@pytest.fixture(scope='module')
def path(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp('in_process')
    return live.small_map(scenes.write_folder(folder / 'images', PLACES), folder / 'm.folmap')


@pytest.fixture
def in_process(path) -> Iterator[InProcess]:
    with live.observer() as watch, contextlib.closing(InProcess(watch, map=str(path))) as made:
        made.change('configure', 'activate')
        yield made


def test_a_deactivation_while_it_forgets_ends_relocalize_too(in_process):
    """The call waits for the current image, which may take seconds."""
    watch, recognizer = in_process.watch, in_process.node.node_context.recognizer
    client = watch.client(Relocalize, 'relocalize')
    with held(recognizer._lock):
        future = client.call_async(Relocalize.Request(timeout=Duration(sec=50)))
        watch.until(lambda: any(t.name == 'service' for t in threading.enumerate()))
        in_process.change('deactivate')
    watch.until(future.done, 20)
    assert future.result().result == Relocalize.Response.NOT_READY
    assert 'inactive' in future.result().message


@contextlib.contextmanager
def held(lock: threading.RLock) -> Iterator[None]:
    """A lock that another thread holds for the length of a block."""
    taken, let_go = threading.Event(), threading.Event()

    def hold() -> None:
        with lock:
            taken.set()
            let_go.wait(live.PATIENCE)

    thread = threading.Thread(target=hold)
    thread.start()
    try:
        assert taken.wait(live.PATIENCE)
        yield
    finally:
        let_go.set()
        thread.join()


def test_a_query_uses_the_current_parameters(in_process):
    """Though no image has come since they were set."""
    in_process.set({'retrieval.hypotheses': 2, 'map_frame': 'site'})
    request = QueryPlace.Request(image=picture(1, stamp=5))
    response = in_process.watch.call(QueryPlace, 'query_place', request)
    assert response.result == QueryPlace.Response.OK, response.message
    assert len(response.places.hypotheses) == 2
    assert response.places.header.frame_id == 'site'


def test_without_a_map_an_answer_has_the_image_quality(path):
    with live.observer() as watch, contextlib.closing(InProcess(watch)) as made:
        made.set({'network.weights': 'untrained-vits14', 'network.input_size': 126})
        made.change('configure', 'activate')
        images = watch.publisher(Image, '/image')
        images.publish(covered_picture(stamp=9))
        answer = watch.until(lambda: watch.answers)[0]
        assert (answer.state, answer.image_quality) == (PlaceHypothesisArray.UNKNOWN, 0.0)
        assert (answer.map_id, answer.hypotheses) == ('', [])
        assert answer.model_id and answer.p_not_in_map != answer.p_not_in_map
        assert (answer.header.stamp.sec, answer.sensor_frame) == (9, 'camera')


def test_feedback_with_an_unknown_status_is_not_a_rejection(in_process):
    received = []
    in_process.node._feedback._on_feedback = lambda *values: received.append(values) or ''
    feedback = in_process.watch.publisher(LoopClosureFeedback, 'loop_closure_feedback')
    for status in (7, LoopClosureFeedback.REJECTED, LoopClosureFeedback.ACCEPTED):
        feedback.publish(LoopClosureFeedback(candidate_id=status, status=status))
    in_process.watch.until(lambda: len(received) >= 2)
    in_process.watch.spin(0.3)
    assert received == [(1, False, ''), (0, True, '')]


def test_a_deactivation_forgets_the_odometry(in_process):
    """It may begin anew elsewhere by the time that the node goes on."""
    track = in_process.node.node_context.odometry.track
    in_process.watch.publisher(Odometry, '/odom').publish(Odometry())
    in_process.watch.until(lambda: track._messages)
    in_process.change('deactivate')
    assert not track._messages and in_process.node.node_context.runtime is not None
    in_process.change('activate')


def test_ten_lifecycles_leave_no_threads_publishers_or_subscriptions(in_process):
    """With images and odometry in between."""
    watch, node = in_process.watch, in_process.node
    images = watch.publisher(Image, '/image')
    odometry = watch.publisher(Odometry, '/odom')

    def run_once(number: int) -> None:
        odometry.publish(Odometry())
        answered(watch, images, number)
        in_process.change('deactivate', 'cleanup')
        assert node.node_context.runtime is None
        in_process.change('configure', 'activate')
        watch.until(images.get_subscription_count)
        watch.spin(0.2)

    def remaining() -> tuple[list[str], int, int, int]:
        names = sorted(thread.name for thread in threading.enumerate())
        # What rclpy itself keeps of a node is counted too.
        owned = len(list(node.publishers)), len(list(node.subscriptions)), len(list(node.timers))
        return names, *owned

    run_once(0)
    before = remaining()
    for number in range(1, 10):
        run_once(number)
    assert remaining() == before


def test_twenty_lifecycles_do_not_leak_memory(path, tmp_path):
    """In a process of its own: what else a process did moves its memory too."""
    with (
        live.observer() as watch,
        live.localizer(tmp_path / 'log', {'map': path, 'autostart': True}) as node,
    ):
        watch.until(lambda: watch.state() == 'active')
        images = watch.publisher(Image, '/image')
        process, memory = psutil.Process(node.process.pid), []
        for number in range(24):
            answered(watch, images, number)
            for label in ('deactivate', 'cleanup', 'configure', 'activate'):
                assert watch.change(label), label
            watch.until(images.get_subscription_count)
            memory.append(process.memory_info().rss)
    early, late = memory[4:14], memory[14:]
    assert statistics.median(late) - statistics.median(early) < 10e6, memory


def answered(watch: live.Observer, images: Publisher, number: int) -> None:
    """Have the node answer an image."""
    images.publish(picture(number % PLACES, stamp=100 + number))
    watch.until(lambda: any(a.header.stamp.sec == 100 + number for a in watch.answers))
