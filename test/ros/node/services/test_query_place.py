"""The service ~/query_place, without the lifecycle of the node."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from helpers.bench import Bench, bench, recognizer_with_map
from helpers.messages import picture

from fol_vpr.errors import MapError
from fol_vpr.recognizer import PlaceRecognizer
from fol_vpr.ros.node.services.query_place import QueryPlaceService
from fol_vpr_msgs.srv import QueryPlace

PLACES = 3
Response = QueryPlace.Response


@pytest.fixture(scope='module')
def recognizer(tmp_path_factory) -> Iterator[PlaceRecognizer]:
    with recognizer_with_map(tmp_path_factory.mktemp('query_place'), PLACES) as made:
        yield made


@pytest.fixture
def made(recognizer) -> Iterator[Bench]:
    with bench() as made:
        QueryPlaceService(made.context)
        made.activate(recognizer)
        yield made


def query(made: Bench, **fields) -> Response:
    request = QueryPlace.Request(**{'image': picture(2, stamp=77), **fields})
    return made.watch.call(QueryPlace, 'query_place', request)


def test_one_image_is_recognized_by_the_parameters_of_now(made):
    response = query(made)
    assert response.result == Response.OK, response.message
    assert response.places.header.stamp.sec == 77
    assert response.places.header.frame_id == 'map'
    assert len(response.places.hypotheses) == PLACES
    assert response.places.hypotheses[0].place_id.endswith('000002')
    assert made.set('map_frame', 'site') == ''
    limited = query(made, max_hypotheses=2).places
    assert (limited.header.frame_id, len(limited.hypotheses)) == ('site', 2)


def test_what_it_refuses(made):
    assert query(made, image=picture(), session_ids=['night']).result == Response.BAD_REQUEST
    nothing = made.watch.call(QueryPlace, 'query_place', QueryPlace.Request())
    assert nothing.result == Response.BAD_REQUEST and 'one image' in nothing.message
    elsewhere = QueryPlace.Request().prior
    elsewhere.header.frame_id = 'odom'
    refused = query(made, has_prior=True, prior=elsewhere)
    assert refused.result == Response.BAD_REQUEST and "frame 'odom'" in refused.message
    made.state = 'inactive'
    assert query(made).result == Response.NOT_READY


def test_a_cleanup_meanwhile_explains_the_error(made, monkeypatch, recognizer):
    def recognize(*_args, **_options):
        made.context.runtime = None
        raise MapError('no map is loaded')

    monkeypatch.setattr(recognizer, 'recognize', recognize)
    response = query(made)
    assert response.result == Response.NOT_READY
    assert 'cleaned up meanwhile' in response.message
