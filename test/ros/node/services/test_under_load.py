"""Many calls at once: each gets an answer or an error, also from a node that is taken down."""

from __future__ import annotations

import signal
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from helpers import live, scenes
from helpers.messages import picture
from rclpy.task import Future
from sensor_msgs.msg import Image

from fol_vpr.ros.service_qos import SERVICE_QOS
from fol_vpr_msgs.srv import LoadMap, QueryPlace

CLIENTS = 20
Response = QueryPlace.Response


@pytest.fixture(scope='module')
def path(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp('load')
    return live.small_map(scenes.write_folder(folder / 'images', 4), folder / 'm.folmap')


@pytest.fixture
def node(path, tmp_path) -> Iterator[live.Localizer]:
    with live.localizer(tmp_path / 'node.log', {'map': path, 'autostart': True}) as process:
        yield process


class Crowd:
    """Many clients of one service, which call it at the same time."""

    def __init__(self, watch: live.Observer, kind: type, name: str) -> None:
        self.watch = watch
        create = watch.node.create_client
        self.clients = [
            create(kind, f'localizer/{name}', qos_profile=SERVICE_QOS) for _ in range(CLIENTS)
        ]
        watch.until(lambda: all(client.service_is_ready() for client in self.clients))
        watch.spin(0.5)

    def call(self, request: object) -> list[Future]:
        return [client.call_async(request) for client in self.clients]

    def results(self, calls: list[Future]) -> Counter[int]:
        self.watch.until(lambda: all(call.done() for call in calls))
        return Counter(call.result().result for call in calls)


def query() -> QueryPlace.Request:
    return QueryPlace.Request(image=picture(2, stamp=7))


def test_twenty_clients_beside_a_camera(node, watch):
    watch.until(lambda: watch.status('node')[1] == 'active')
    camera = watch.publisher(Image, 'image', reliable=False)
    stamps = iter(range(200, 100_000))
    timer = watch.node.create_timer(0.1, lambda: camera.publish(picture(1, next(stamps))))
    crowd = Crowd(watch, QueryPlace, 'query_place')
    for _ in range(2):
        assert crowd.results(crowd.call(query())) == {Response.OK: CLIENTS}
    watch.until(lambda: watch.answers)
    watch.node.destroy_timer(timer)


def test_calls_that_wait_while_the_node_is_cleaned_up(node, watch, path):
    watch.until(lambda: watch.status('node')[1] == 'active')
    queries, loads = Crowd(watch, QueryPlace, 'query_place'), Crowd(watch, LoadMap, 'load_map')
    waiting = queries.call(query())
    loading = loads.call(LoadMap.Request(path=str(path)))
    watch.until(waiting[0].done)
    assert watch.change('deactivate') and watch.change('cleanup')
    answered = queries.results(waiting)
    assert set(answered) <= {Response.OK, Response.NOT_READY}, answered
    assert sum(answered.values()) == CLIENTS
    assert set(loads.results(loading)) <= {LoadMap.Response.OK, LoadMap.Response.NOT_READY}


def test_calls_that_wait_when_the_process_is_stopped(node, watch):
    watch.until(lambda: watch.status('node')[1] == 'active')
    crowd = Crowd(watch, QueryPlace, 'query_place')
    waiting = crowd.call(query())
    watch.until(waiting[0].done)
    node.process.send_signal(signal.SIGTERM)
    answered = crowd.results(waiting)
    assert set(answered) <= {Response.OK, Response.NOT_READY, Response.FAILED}, answered
    assert sum(answered.values()) == CLIENTS
    assert node.process.wait(live.PATIENCE) == 0
