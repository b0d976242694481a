"""The service ~/load_map, without the lifecycle of the node."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from types import SimpleNamespace

import pytest
from helpers import live, scenes
from helpers.bench import Bench, bench, recognizer_with_map

from fol_vpr.config import RecognizerConfig
from fol_vpr.errors import InputError, MapError
from fol_vpr.recognizer import PlaceRecognizer
from fol_vpr.recognizer.map_status import MapStatus
from fol_vpr.ros.node.services.common import NoMap
from fol_vpr.ros.node.services.load_map import MAX_LATE, LoadMapService, readable_map_path
from fol_vpr_msgs.srv import LoadMap

Response = LoadMap.Response


@pytest.fixture(scope='module')
def recognizer(tmp_path_factory) -> Iterator[PlaceRecognizer]:
    with recognizer_with_map(tmp_path_factory.mktemp('load_map'), places=3) as made:
        yield made


def load(made: Bench, path) -> Response:
    return made.watch.call(LoadMap, 'load_map', LoadMap.Request(path=str(path)))


def never() -> None:
    raise AssertionError('the node is configured already')


def test_another_map_is_loaded_published_and_named(recognizer, tmp_path):
    path = live.small_map(scenes.write_folder(tmp_path / 'images', 2), tmp_path / 'o.folmap')
    with bench() as made:
        LoadMapService(made.context, never)
        made.activate(recognizer)
        response = load(made, path)
        assert (response.result, response.info.places) == (Response.OK, 2), response.message
        assert [info.places for info in made.publishers.maps] == [2]
        assert made.context.settings.node.map == str(path)
        damaged = tmp_path / 'damaged.folmap'
        damaged.write_bytes(path.read_bytes()[:1000])
        response = load(made, damaged)
        assert (response.result, response.info.places) == (Response.CORRUPT, 2)
        assert made.context.map_failure == response.message != ''


def test_a_cleanup_during_the_loading_makes_it_fail(tmp_path):
    path = tmp_path / 'm.folmap'
    path.touch()
    go_on = threading.Event()
    slow = SimpleNamespace(load_map=lambda _, **__: go_on.wait(20), map_info=None)
    with bench() as made:
        LoadMapService(made.context, never)
        made.activate(slow)
        client = made.watch.client(LoadMap, 'load_map')
        future = client.call_async(LoadMap.Request(path=str(path)))
        made.watch.until(lambda: any(t.name == 'service' for t in threading.enumerate()))
        made.context.runtime = None
        go_on.set()
        made.watch.until(future.done)
        assert future.result().result == Response.NOT_READY
        assert 'cleaned up meanwhile' in future.result().message
        assert made.publishers.maps == [] and made.context.settings.node.map == ''


def test_a_map_that_is_never_read_is_given_up_and_another_one_is_loaded(recognizer, tmp_path):
    path = live.small_map(scenes.write_folder(tmp_path / 'images', 2), tmp_path / 'o.folmap')
    stuck = tmp_path / 'stuck.folmap'
    stuck.touch()
    go_on = threading.Event()
    wanted: list[bool] = []

    def hang(path, *, is_wanted):
        if path == stuck:
            go_on.wait(60)
            wanted.append(is_wanted())
            return None
        return recognizer.load_map(path, is_wanted=is_wanted)

    one = SimpleNamespace(
        load_map=hang,
        map_info=None,
        config=RecognizerConfig(),
        map_status=MapStatus(None, None, RecognizerConfig(), 'float32'),
    )
    with bench(map_load_timeout=0.1) as made:
        LoadMapService(made.context, never)
        made.activate(one)
        for _ in range(MAX_LATE):
            response = load(made, stuck)
            assert response.result == Response.FAILED
            assert 'was not read within 0.1 s' in response.message
            assert made.context.map_failure == response.message
        assert 'maps that were given up are still being read' in load(made, stuck).message
        go_on.set()
        made.watch.until(lambda: len(wanted) == MAX_LATE)
        assert not any(wanted)
        assert made.set('map_load_timeout', 60.0) == ''
        made.watch.until(lambda: load(made, path).result == Response.OK)
        assert made.context.map_failure == ''


def test_a_map_that_was_read_too_late_is_dropped(recognizer, tmp_path):
    path = live.small_map(scenes.write_folder(tmp_path / 'images', 2), tmp_path / 'o.folmap')
    before = recognizer.map_info
    with pytest.raises(MapError, match='read too late'):
        recognizer.load_map(path, is_wanted=lambda: False)
    assert recognizer.map_info == before


def test_maps_outside_map_folder_are_refused(recognizer, tmp_path):
    inside, outside = tmp_path / 'maps', tmp_path / 'other'
    images = scenes.write_folder(tmp_path / 'images', 2)
    for each in (inside, outside):
        each.mkdir()
        live.small_map(images, each / 'm.folmap')
    (inside / 'link.folmap').symlink_to(outside / 'm.folmap')
    (inside / 'out').symlink_to(outside)
    with bench(map_folder=str(inside)) as made:
        LoadMapService(made.context, never)
        made.activate(recognizer)
        for given in ('m.folmap', inside / 'm.folmap', f'{inside}/../maps/m.folmap'):
            assert load(made, given).result == Response.OK
        for given in (
            outside / 'm.folmap', '../other/m.folmap', 'link.folmap', 'out/m.folmap',
            f'{inside}/../other/m.folmap', '~/m.folmap',
        ):  # fmt: skip
            response = load(made, given)
            assert response.result == Response.BAD_REQUEST
            assert 'map_folder' in response.message


def test_a_node_that_starts_itself_is_brought_up_with_the_map(tmp_path):
    path = live.small_map(scenes.write_folder(tmp_path / 'images', 2), tmp_path / 'm.folmap')
    brought_up: list[str] = []
    with bench(autostart=True) as made:
        LoadMapService(made.context, lambda: brought_up.append(made.context.settings.node.map))
        assert load(made, path).result == Response.OK
        assert brought_up == [str(path)]


def test_why_a_node_does_not_start_with_the_map(tmp_path):
    path = live.small_map(scenes.write_folder(tmp_path / 'images', 2), tmp_path / 'm.folmap')

    def fail() -> None:
        raise MapError('damaged')

    with bench(autostart=True) as made:
        LoadMapService(made.context, fail)
        assert load(made, path).result == Response.CORRUPT
        assert made.context.map_failure == 'damaged'
    with bench() as made:
        LoadMapService(made.context, fail)
        response = load(made, path)
        assert response.result == Response.NOT_READY
        assert 'the node is unconfigured: set the parameter map' in response.message


def test_paths_of_no_map(tmp_path):
    there = tmp_path / 'm.folmap'
    there.touch()
    assert readable_map_path(str(there)) == there
    for given in ('', 'm.db', str(tmp_path)):
        with pytest.raises(InputError, match='folmap'):
            readable_map_path(given)
    for given in (str(tmp_path / 'other.folmap'), f'{"x" * 300}.folmap'):
        with pytest.raises(NoMap, match='not there'):
            readable_map_path(given)
    with pytest.raises(InputError, match='no path'):
        readable_map_path('~nobody-of-that-name/m.folmap')
