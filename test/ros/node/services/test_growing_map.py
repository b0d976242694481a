"""The map of a running node grows, shrinks and is saved, while images are answered."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from geometry_msgs.msg import PoseWithCovarianceStamped
from helpers import live, scenes
from helpers.messages import picture
from sensor_msgs.msg import Image

from fol_vpr.database import MapReader, check_map
from fol_vpr_msgs.srv import AddPlace, QueryPlace, RemovePlaces, SaveMap

PLACES = 4


@pytest.fixture
def path(tmp_path) -> Path:
    return live.small_map(scenes.write_folder(tmp_path / 'images', PLACES), tmp_path / 'm.folmap')


@pytest.fixture
def node(path, tmp_path) -> Iterator[live.Localizer]:
    with live.localizer(tmp_path / 'node.log', {'map': path, 'autostart': True}) as process:
        yield process


def add(watch: live.Observer, place: int, **fields) -> AddPlace.Response:
    request = AddPlace.Request(image=picture(place, shift=0))
    for name, value in fields.items():
        setattr(request, name, value)
    return watch.call(AddPlace, 'add_place', request)


def first(watch: live.Observer, place: int) -> str:
    request = QueryPlace.Request(image=picture(place, shift=3), max_hypotheses=1)
    response = watch.call(QueryPlace, 'query_place', request)
    assert response.result == QueryPlace.Response.OK, response.message
    return response.places.hypotheses[0].place_id


def remove(watch: live.Observer, *places: str) -> RemovePlaces.Response:
    request = RemovePlaces.Request(place_ids=list(places))
    return watch.call(RemovePlaces, 'remove_places', request)


def test_a_map_grows_is_saved_and_survives_a_kill(node, watch, path, tmp_path):
    request = AddPlace.Request(image=picture(8, shift=0), session_id='patrol', has_pose=True)
    request.pose.header.frame_id = 'map'
    request.pose.pose.pose.position.x = 80.0
    request.pose.pose.pose.orientation.w = 1.0
    added = watch.call(AddPlace, 'add_place', request)
    assert added.result == AddPlace.Response.OK, added.message
    assert (added.place_id, added.places) == ('patrol/000004', PLACES + 1)
    assert first(watch, 8) == 'patrol/000004'
    watch.until(lambda: watch.maps and watch.maps[-1].places == PLACES + 1)

    other = tmp_path / 'other.folmap'
    saved = watch.call(SaveMap, 'save_map', SaveMap.Request(path=str(other)))
    assert (saved.result, saved.info.places) == (SaveMap.Response.OK, PLACES + 1), saved.message
    oldest = id_of_first(path)
    assert first(watch, 0) == oldest
    gone = remove(watch, oldest)
    assert (gone.result, gone.removed, gone.places) == (RemovePlaces.Response.OK, 1, PLACES)
    assert first(watch, 0) != oldest
    saved = watch.call(SaveMap, 'save_map', SaveMap.Request())
    assert (saved.result, saved.info.places) == (SaveMap.Response.OK, PLACES), saved.message
    assert not path.with_name('m.folmap.changes').exists()
    assert first(watch, 8) == 'patrol/000004'

    assert add(watch, 9, place_id='the gate').place_id == 'the gate'
    node.stop(signal.SIGKILL)
    assert check_map(path) == []
    with MapReader(path) as reader:
        assert [place.place_id for place in reader.places[-2:]] == ['patrol/000004', 'the gate']
        assert reader.places[-2].pose.position[0] == 80.0
        assert reader.places[-1].session_id.startswith('live-')
        assert reader.places[-1].stamp_ns == 109 * 10**9


def id_of_first(path: Path) -> str:
    with MapReader(path) as reader:
        return next(p.place_id for p in reader.places if p.image_uri.endswith('view000.jpg'))


def test_bad_calls_say_what_is_wrong_and_change_nothing(watch, path, tmp_path):
    bad = AddPlace.Response.BAD_REQUEST
    taken = id_of_first(path)
    odom = AddPlace.Request(image=picture(8), has_pose=True)
    odom.pose.header.frame_id = 'odom'
    nowhere = AddPlace.Request(image=picture(8), has_position=True)
    nowhere.position.latitude = 123.0
    unturned = AddPlace.Request(image=picture(8), has_pose=True)
    unturned.pose.header.frame_id = 'map'
    unturned.pose.pose.pose.orientation.w = 0.0
    for request, word in (
        (AddPlace.Request(), 'one image is needed'),
        (AddPlace.Request(image=Image(data=b'123')), 'encoding'),
        (AddPlace.Request(image=picture(8), place_id=taken), 'unique'),
        (odom, "in the frame 'odom'"),
        (nowhere, 'latitude'),
        (unturned, 'quaternion'),
    ):
        response = watch.call(AddPlace, 'add_place', request)
        assert (response.result, response.places) == (bad, PLACES), response.message
        assert word in response.message
    assert remove(watch).result == RemovePlaces.Response.BAD_REQUEST
    unknown = remove(watch, taken, 'nobody')
    assert (unknown.result, unknown.places) == (RemovePlaces.Response.NOT_FOUND, PLACES)
    assert "'nobody'" in unknown.message
    for target, result in (
        (str(path), SaveMap.Response.BAD_REQUEST),
        ('notes.txt', SaveMap.Response.BAD_REQUEST),
        (str(tmp_path / 'no' / 'm.folmap'), SaveMap.Response.NOT_FOUND),
    ):
        response = watch.call(SaveMap, 'save_map', SaveMap.Request(path=target))
        assert response.result == result, response.message
    assert watch.change('deactivate')
    assert add(watch, 8).result == AddPlace.Response.NOT_READY
    assert watch.change('cleanup')
    assert remove(watch, taken).result == RemovePlaces.Response.NOT_READY
    assert check_map(path) == []
    assert not path.with_name('m.folmap.changes').exists()


def test_what_is_known_of_the_place_narrows_the_search(watch):
    def ask(**fields) -> QueryPlace.Response:
        request = QueryPlace.Request(image=picture(3, shift=3))
        for name, value in fields.items():
            setattr(request, name, value)
        return watch.call(QueryPlace, 'query_place', request)

    for number, east in ((8, 80.0), (9, 90.0)):
        near = PoseWithCovarianceStamped()
        near.header.frame_id = 'map'
        near.pose.pose.position.x = east
        near.pose.pose.orientation.w = 1.0
        added = add(
            watch, number, place_id=f'at {east:.0f}', session_id='patrol', has_pose=True, pose=near
        )
        assert added.result == AddPlace.Response.OK, added.message
    everywhere = ask().places.hypotheses
    assert len(everywhere) == PLACES + 2
    patrol = ask(session_ids=['patrol']).places.hypotheses
    assert {place.place_id for place in patrol} == {'at 80', 'at 90'}
    close = ask(has_prior=True, prior=near, prior_radius=5.0, session_ids=['patrol'])
    assert [place.place_id for place in close.places.hypotheses] == ['at 90']
    near.pose.covariance[0] = near.pose.covariance[7] = 16.0
    wide = ask(has_prior=True, prior=near, prior_radius=0.0, session_ids=['patrol'])
    assert len(wide.places.hypotheses) == 2


def test_a_prior_that_means_nothing_is_refused(watch):
    def refusal(**fields) -> str:
        request = QueryPlace.Request(image=picture(3))
        for name, value in fields.items():
            setattr(request, name, value)
        response = watch.call(QueryPlace, 'query_place', request)
        assert response.result == QueryPlace.Response.BAD_REQUEST
        return response.message

    assert "no session 'night'" in refusal(session_ids=['night'])
    elsewhere = PoseWithCovarianceStamped()
    elsewhere.header.frame_id = 'odom'
    elsewhere.pose.pose.orientation.w = 1.0
    assert "frame 'odom'" in refusal(has_prior=True, prior=elsewhere, prior_radius=5.0)
    elsewhere.header.frame_id = 'map'
    assert 'radius' in refusal(has_prior=True, prior=elsewhere)
    elsewhere.pose.pose.position.x = float('nan')
    assert 'needs metres within' in refusal(has_prior=True, prior=elsewhere, prior_radius=5.0)
