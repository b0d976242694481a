"""The node in this process, where its threads can be held and counted."""

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
from nav_msgs.msg import Odometry
from rclpy.parameter import Parameter
from rclpy.publisher import Publisher
from sensor_msgs.msg import Image

from fol_vpr.ros.node.lifecycle import Localizer
from fol_vpr_msgs.msg import LoopClosureFeedback, PlaceHypothesisArray
from fol_vpr_msgs.srv import QueryPlace, Relocalize

PLACES = 4


@pytest.fixture(scope='module')
def path(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp('inside')
    return live.small_map(scenes.write_folder(folder / 'images', PLACES), folder / 'm.folmap')


class Inside:
    """A node and who watches it, on one executor."""

    def __init__(self, watch: live.Observer, **parameters: object) -> None:
        self.watch = watch
        self.node = Localizer()
        watch.executor.add_node(self.node)
        self.set({**live.QUICK, **parameters})

    def set(self, parameters: dict[str, object]) -> None:
        changes = [Parameter(name, value=value) for name, value in parameters.items()]
        for result in self.node.set_parameters(changes):
            assert result.successful, result.reason

    def change(self, *labels: str) -> None:
        for label in labels:
            assert self.watch.change(label), label

    def close(self) -> None:
        self.node.close()
        self.node.trigger_shutdown()
        self.watch.executor.remove_node(self.node)
        self.node.destroy_node()


@pytest.fixture
def inside(path) -> Iterator[Inside]:
    with live.observer() as watch, contextlib.closing(Inside(watch, map=str(path))) as made:
        made.change('configure', 'activate')
        yield made


def test_a_deactivation_while_it_forgets_ends_relocalize_too(inside):
    """What is waited for here is the image at hand, which may take seconds."""
    watch, recognizer = inside.watch, inside.node.node_context.recognizer
    client = watch.node.create_client(Relocalize, 'localizer/relocalize')
    watch.until(client.service_is_ready)
    with held(recognizer._lock):
        future = client.call_async(Relocalize.Request(timeout=Duration(sec=50)))
        watch.until(lambda: any(t.name == 'service' for t in threading.enumerate()))
        inside.change('deactivate')
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


def test_a_single_query_goes_by_the_parameters_as_they_are(inside):
    """Though no image has come since they were set."""
    inside.set({'retrieval.hypotheses': 2, 'map_frame': 'site'})
    request = QueryPlace.Request(image=picture(1, stamp=5))
    response = inside.watch.call(QueryPlace, 'query_place', request)
    assert response.result == QueryPlace.Response.OK, response.message
    assert len(response.places.hypotheses) == 2
    assert response.places.header.frame_id == 'site'


def test_without_a_map_an_answer_still_says_how_good_the_image_is(path):
    with live.observer() as watch, contextlib.closing(Inside(watch)) as made:
        made.set({'network.weights': 'untrained-vits14', 'network.input_size': 126})
        made.change('configure', 'activate')
        images = watch.publisher(Image, '/image')
        images.publish(covered_picture(stamp=9))
        answer = watch.until(lambda: watch.answers)[0]
        assert (answer.state, answer.image_quality) == (PlaceHypothesisArray.UNKNOWN, 0.0)
        assert (answer.map_id, answer.hypotheses) == ('', [])
        assert answer.model_id and answer.p_not_in_map != answer.p_not_in_map
        assert (answer.header.stamp.sec, answer.sensor_frame) == (9, 'camera')


def test_feedback_that_says_neither_yes_nor_no_is_no_rejection(inside):
    received = []
    inside.node._feedback._on_feedback = lambda *values: received.append(values) or ''
    feedback = inside.watch.publisher(LoopClosureFeedback, 'loop_closure_feedback')
    for status in (7, LoopClosureFeedback.REJECTED, LoopClosureFeedback.ACCEPTED):
        feedback.publish(LoopClosureFeedback(candidate_id=status, status=status))
    inside.watch.until(lambda: len(received) >= 2)
    inside.watch.spin(0.3)
    assert received == [(1, False, ''), (0, True, '')]


def test_odometry_of_before_a_deactivation_is_forgotten(inside):
    """It may begin anew elsewhere by the time that the node goes on."""
    track = inside.node.node_context.odometry.track
    inside.watch.publisher(Odometry, '/odom').publish(Odometry())
    inside.watch.until(lambda: track._messages)
    inside.change('deactivate')
    assert not track._messages and inside.node.node_context.runtime is not None
    inside.change('activate')


def test_ten_lives_leave_no_threads_publishers_or_subscriptions(inside):
    """With images and odometry in between."""
    watch, node = inside.watch, inside.node
    images = watch.publisher(Image, '/image')
    odometry = watch.publisher(Odometry, '/odom')

    def live_once(number: int) -> None:
        odometry.publish(Odometry())
        answered(watch, images, number)
        inside.change('deactivate', 'cleanup')
        assert node.node_context.runtime is None
        inside.change('configure', 'activate')
        watch.until(images.get_subscription_count)
        watch.spin(0.2)

    def left() -> tuple[list[str], int, int, int]:
        names = sorted(thread.name for thread in threading.enumerate())
        # What rclpy itself keeps of a node is counted too.
        owned = len(list(node.publishers)), len(list(node.subscriptions)), len(list(node.timers))
        return names, *owned

    live_once(0)
    before = left()
    for number in range(1, 10):
        live_once(number)
    assert left() == before


def test_twenty_lives_leave_no_memory(path, tmp_path):
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
