"""The services that change and save the map, without the lifecycle of the node."""

from __future__ import annotations

import shutil
from collections.abc import Iterator

import pytest
from helpers.bench import Bench, bench, recognizer_with_map
from helpers.messages import picture
from std_srvs.srv import Trigger

from fol_vpr import errors
from fol_vpr.database import MapReader
from fol_vpr.recognizer import PlaceRecognizer
from fol_vpr.ros.node.services.calls import NotReady
from fol_vpr.ros.node.services.common import NoMap
from fol_vpr.ros.node.services.map_changes import (
    MapChangeServices,
    map_change_result,
    writable_map_path,
)
from fol_vpr_msgs.srv import AddPlace, RemovePlaces, SaveMap

PLACES = 3


@pytest.fixture(scope='module')
def recognizer(tmp_path_factory) -> Iterator[PlaceRecognizer]:
    with recognizer_with_map(tmp_path_factory.mktemp('map_changes'), PLACES) as made:
        yield made


@pytest.fixture(scope='module')
def original(recognizer) -> str:
    """Path of the map that the recognizer comes with."""
    return recognizer.map_info.path


@pytest.fixture
def made(recognizer, original, tmp_path) -> Iterator[Bench]:
    """With a map of its own."""
    recognizer.load_map(shutil.copy(original, tmp_path / 'm.folmap'))
    with bench() as made:
        MapChangeServices(made.context)
        made.activate(recognizer)
        yield made


def add(made: Bench, **fields) -> AddPlace.Response:
    request = AddPlace.Request(**{'image': picture(8), 'place_id': 'gate', **fields})
    return made.watch.call(AddPlace, 'add_place', request)


@pytest.mark.parametrize('field', ['place_id', 'session_id'])
@pytest.mark.parametrize('name', ['x' * 513, 'a\x1b[2Jb', 'a\nb', 'a\u202eb'])
def test_ids_without_end_or_with_control_characters_are_refused(made, field, name):
    answer = add(made, **{field: name})
    assert answer.result == AddPlace.Response.BAD_REQUEST
    assert field in answer.message and answer.message.isprintable()
    assert len(answer.message) < 200
    request = RemovePlaces.Request(place_ids=['x' * 513])
    assert 'at most 512' in made.watch.call(RemovePlaces, 'remove_places', request).message


def test_maps_are_saved_within_map_folder_only(recognizer, original, tmp_path):
    inside, outside = tmp_path / 'maps', tmp_path / 'other'
    inside.mkdir()
    outside.mkdir()
    (inside / 'out').symlink_to(outside)
    (inside / 'link.folmap').symlink_to(outside / 'm.folmap')
    recognizer.load_map(shutil.copy(original, inside / 'm.folmap'))
    with bench(map_folder=str(inside)) as made:
        MapChangeServices(made.context)
        made.activate(recognizer)

        def save(path) -> SaveMap.Response:
            request = SaveMap.Request(path=str(path), overwrite=True)
            return made.watch.call(SaveMap, 'save_map', request)

        for given in (outside / 'm.folmap', '../other/m.folmap', 'out/m.folmap', 'link.folmap'):
            answer = save(given)
            assert answer.result == SaveMap.Response.BAD_REQUEST
            assert 'map_folder' in answer.message
        assert save('new.folmap').result == SaveMap.Response.OK
        assert (inside / 'new.folmap').is_file() and not list(outside.iterdir())


def test_each_change_is_published_and_counted(made, tmp_path):
    added = add(made)
    assert added.result == AddPlace.Response.OK, added.message
    assert (added.place_id, added.places) == ('gate', PLACES + 1)
    request = RemovePlaces.Request(place_ids=['gate'])
    removed = made.watch.call(RemovePlaces, 'remove_places', request)
    assert (removed.result, removed.removed, removed.places) == (removed.OK, 1, PLACES)
    other = tmp_path / 'other.folmap'
    saved = made.watch.call(SaveMap, 'save_map', SaveMap.Request(path=str(other)))
    assert (saved.result, saved.info.places) == (SaveMap.Response.OK, PLACES), saved.message
    assert [info.places for info in made.publishers.maps] == [PLACES + 1, PLACES, PLACES]
    with MapReader(other) as reader:
        assert len(reader.places) == PLACES


def test_what_it_refuses_changes_and_publishes_nothing(made):
    request = AddPlace.Request(image=picture(8), has_pose=True)
    request.pose.header.frame_id = 'odom'
    refused = made.watch.call(AddPlace, 'add_place', request)
    assert (refused.result, refused.places) == (refused.BAD_REQUEST, PLACES)
    nothing = made.watch.call(RemovePlaces, 'remove_places', RemovePlaces.Request())
    assert nothing.result == nothing.BAD_REQUEST
    made.state = 'inactive'
    assert add(made).result == AddPlace.Response.NOT_READY
    made.context.runtime = None
    missing = add(made)
    assert (missing.result, missing.places) == (AddPlace.Response.NOT_READY, 0)
    assert made.publishers.maps == []


def test_a_session_that_is_not_recorded_cannot_be_saved(made):
    response = made.watch.call(Trigger, 'save_session', Trigger.Request())
    assert not response.success and 'loops.enabled' in response.message
    made.context.runtime = None
    response = made.watch.call(Trigger, 'save_session', Trigger.Request())
    assert not response.success and 'configure it first' in response.message


@pytest.mark.parametrize(
    ('kind', 'name'),
    [
        (NotReady, 'NOT_READY'),
        (errors.NotInMapError, 'NOT_FOUND'),
        (errors.MapBusyError, 'FAILED'),
        (errors.StorageError, 'NO_SPACE'),
        (errors.AccessError, 'NO_PERMISSION'),
    ],
)
def test_files_that_cannot_be_written_have_results_of_their_own_where_the_service_has(kind, name):
    assert map_change_result(kind('x'), SaveMap.Response()) == getattr(SaveMap.Response, name)
    if name in ('NO_SPACE', 'NO_PERMISSION'):
        assert map_change_result(kind('x'), AddPlace.Response()) == AddPlace.Response.FAILED


def test_paths_that_no_map_can_be_saved_to(tmp_path):
    there = tmp_path / 'm.folmap'
    there.touch()
    assert writable_map_path(str(there), True) == there
    with pytest.raises(errors.InputError, match='overwrite'):
        writable_map_path(str(there), False)
    with pytest.raises(errors.InputError, match='folmap'):
        writable_map_path(str(tmp_path / 'm.db'), True)
    with pytest.raises(NoMap, match='create it'):
        writable_map_path(str(tmp_path / 'none' / 'm.folmap'), True)
    with pytest.raises(errors.AccessError, match='cannot be written'):
        writable_map_path(str(tmp_path / f'{"x" * 300}.folmap'), True)
