"""The service ~/relocalize, without the lifecycle of the node and without images."""

from __future__ import annotations

import time
from collections.abc import Iterator
from types import SimpleNamespace

import pytest
from builtin_interfaces.msg import Duration
from helpers.bench import Bench, bench

from fol_vpr.checks.topics.facts import TopicReport
from fol_vpr.ros.node.services.relocalize import RelocalizeService
from fol_vpr_msgs.msg import PlaceHypothesis, PlaceHypothesisArray
from fol_vpr_msgs.srv import Relocalize

Response = Relocalize.Response
LOCALIZED = PlaceHypothesisArray(
    state=PlaceHypothesisArray.LOCALIZED, hypotheses=[PlaceHypothesis(place_id='gate')]
)
AMBIGUOUS = PlaceHypothesisArray(state=PlaceHypothesisArray.AMBIGUOUS)


class Recognizer(SimpleNamespace):
    """Counts how often it is told to forget the past images."""

    def __init__(self, **attributes) -> None:
        super().__init__(map_info='a map', resets=0, **attributes)

    def reset_sequence(self) -> None:
        self.resets += 1


@pytest.fixture
def made() -> Iterator[Bench]:
    with bench() as made:
        made.service = RelocalizeService(made.context)
        made.recognizer = Recognizer()
        made.activate(made.recognizer)
        yield made


def ask(made: Bench, seconds: float):
    """The future of a call that has begun to wait for answers."""
    client = made.watch.client(Relocalize, 'relocalize')
    timeout = Duration(sec=int(seconds), nanosec=int(seconds % 1 * 1e9))
    future = client.call_async(Relocalize.Request(timeout=timeout))
    made.watch.until(lambda: future.done() or made.service._pending is not None)
    return future


def answered(made: Bench, future) -> Response:
    made.watch.until(future.done)
    return future.result()


def test_it_waits_for_the_answer_that_is_localized(made):
    future = ask(made, 600)
    assert made.recognizer.resets == 1
    # That image was taken up before the call.
    made.service.on_result(LOCALIZED, time.perf_counter() - 60)
    made.service.on_result(AMBIGUOUS, time.perf_counter())
    made.watch.spin(0.2)
    assert not future.done()
    made.service.on_result(LOCALIZED, time.perf_counter())
    response = answered(made, future)
    assert (response.result, response.message) == (Response.OK, 'localized at gate')
    assert response.places == LOCALIZED


def test_out_of_time_it_returns_the_last_answer(made):
    future = ask(made, 0.5)
    made.service.on_result(AMBIGUOUS, time.perf_counter())
    response = answered(made, future)
    assert response.result == Response.NOT_LOCALIZED and 'AMBIGUOUS' in response.message
    assert response.places == AMBIGUOUS


def test_without_answers_it_names_who_publishes_images(made):
    response = answered(made, ask(made, 0.1))
    assert response.result == Response.NO_IMAGES and 'see ~/enable' in response.message
    made.pipeline.reports = [TopicReport('/image', 'sensor_msgs/msg/Image', ['/camera'])]
    message = answered(made, ask(made, 0.1)).message
    assert message.endswith('/image is published by /camera')


def test_a_deactivation_ends_the_call(made):
    future = ask(made, 600)
    made.service.interrupt('the node was deactivated meanwhile')
    response = answered(made, future)
    assert (response.result, response.message) == (
        Response.NOT_READY,
        'the node was deactivated meanwhile',
    )


def test_without_a_timeout_it_only_forgets(made):
    response = answered(made, ask(made, 0))
    assert response.result == Response.OK and made.recognizer.resets == 1


def test_what_it_refuses(made):
    assert answered(made, ask(made, -1)).result == Response.BAD_REQUEST
    made.recognizer.map_info = None
    assert answered(made, ask(made, 1)).result == Response.NOT_FOUND
    made.state = 'inactive'
    assert answered(made, ask(made, 1)).result == Response.NOT_READY
    assert made.recognizer.resets == 0
