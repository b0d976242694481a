"""A map in use grows: found at once, numbered for good, saved while it is searched."""

import threading
from pathlib import Path

import numpy as np
import pytest
from helpers.small_maps import build, features

from fol_vpr.config import RetrievalConfig, StorageConfig
from fol_vpr.database import MapEditor, MapReader, Store, check_map, read_hits
from fol_vpr.datatypes import Frame, PlaceHypothesis, Verification
from fol_vpr.errors import InputError, MapBusyError, MapError, NotInMapError
from fol_vpr.mapping import LiveMap

COUNT = 6


@pytest.fixture
def path(tmp_path) -> Path:
    build(tmp_path / 'm.folmap', COUNT)
    return tmp_path / 'm.folmap'


def opened(path: Path, **changes) -> LiveMap:
    return LiveMap(MapReader(path), StorageConfig(**changes), RetrievalConfig())


def frame(number: int) -> Frame:
    return Frame(np.full((54, 96, 3), number, np.uint8), stamp_ns=number, uri=f'{number}')


def add(live: LiveMap, number: int, **changes):
    return live.add(frame(number), features(number), session_id='new', **changes)


def first(live: LiveMap, number: int) -> str:
    found = live.search(features(number), 3)
    assert len({candidate.index for candidate in found}) == len(found)
    return live.place(found[0].index).place_id


def test_what_is_added_is_found_at_once_and_after_loading_again(path):
    live = opened(path)
    place = add(live, 20)
    assert (place.index, place.place_id) == (COUNT, 'new/000006')
    assert first(live, 20) == 'new/000006'
    np.testing.assert_array_equal(
        live.local_features(COUNT).positions, features(20).local.positions
    )
    assert live.image(COUNT)[:2] == b'\xff\xd8'
    assert (live.info.places, live.info.added, live.info.sessions) == (COUNT + 1, 1, 2)
    assert len(live.places) == COUNT + 1
    live.close()
    again = opened(path)
    assert first(again, 20) == 'new/000006'
    assert again.info.places == COUNT + 1
    assert add(again, 21).index == COUNT + 1
    again.close()


def test_what_is_removed_is_found_no_more_and_others_keep_their_number(path):
    live = opened(path)
    add(live, 20)
    assert live.remove(['drive-0/000002', 'new/000006'], []) == 2
    assert first(live, 2) != 'drive-0/000002'
    assert len(live.search(features(20), 100)) == COUNT - 1
    assert add(live, 21).index == COUNT + 1
    assert first(live, 4) == 'drive-0/000004'
    assert [place.index for place in live.places] == [0, 1, 3, 4, 5, 7]
    assert (live.info.places, live.info.removed) == (COUNT, 2)
    with pytest.raises(NotInMapError):
        live.remove(['new/000006'], [])
    with pytest.raises(InputError, match='all 6'):
        live.remove([], ['drive-0', 'new'])
    live.close()


def test_local_features_are_decoded_once_and_stay_those_of_their_place(path, monkeypatch):
    read = []
    original = MapReader.local_features

    def watched(reader, index):
        read.append(index)
        return original(reader, index)

    monkeypatch.setattr(MapReader, 'local_features', watched)
    live = opened(path)

    def holds(number: int, of: int) -> bool:
        positions = live.local_features(number).positions
        return np.allclose(positions, features(of).local.positions, atol=0.1)

    for _ in range(3):
        assert all(holds(number, number) for number in range(COUNT))
    assert sorted(read) == list(range(COUNT))
    add(live, 20)
    live.remove(['drive-0/000002'], [])
    add(live, 21)
    for _ in range(2):
        assert holds(COUNT, 20)
        assert holds(COUNT + 1, 21)
        assert holds(3, 3)
    assert len(read) == COUNT
    live.save()
    saved = live.reopened()
    live.close()
    with pytest.raises(MapError, match='closed'):
        live.local_features(0)
    live = saved  # without drive-0/000002, so later places have other numbers
    expected = [number for number in range(COUNT) if number != 2] + [20, 21]
    assert len(saved.places) == len(expected)
    assert all(holds(number, of) for number, of in enumerate(expected))
    saved.close()


def test_a_tight_budget_leaves_less_for_decoded_features(path, monkeypatch):
    live = opened(path)
    monkeypatch.setattr('fol_vpr.mapping.live.CACHED_BYTES', 0)
    without = opened(path)
    assert live.local_features(0) is live.local_features(0)
    assert without.local_features(0) is not without.local_features(0)
    live.close()
    without.close()


@pytest.mark.parametrize('removing', [False, True])
def test_a_saved_map_goes_on(path, removing):
    live = opened(path)
    add(live, 20)
    if removing:
        live.remove(['drive-0/000001'], [])
    assert live.save().places == COUNT + 1 - removing
    # Until the map as it is now takes over, this one answers as before.
    assert first(live, 20) == 'new/000006'
    assert len(live.local_features(COUNT).positions) == 40
    grown = live.reopened()
    live.close()
    assert first(grown, 20) == 'new/000006'
    assert (grown.info.added, grown.info.removed) == (0, 0)
    assert len(grown.local_features(COUNT - removing).positions) == 40
    add(grown, 21)
    with pytest.raises(MapBusyError):
        MapEditor(path)
    grown.close()
    assert check_map(path) == []
    with MapReader(path) as reader:
        assert len(reader.places) == COUNT + 2 - removing


def test_a_map_that_somebody_else_changed_is_not_changed_blindly(path):
    live = opened(path)
    with MapEditor(path) as editor:
        with pytest.raises(MapBusyError, match='being changed'):
            add(live, 20)
        editor.remove(['drive-0/000000'])
    with pytest.raises(MapBusyError, match='load it again'):
        add(live, 20)
    assert first(live, 0) == 'drive-0/000000'
    live.close()


def test_places_are_read_once_for_all_changes_and_once_for_a_save(path, monkeypatch):
    """A map of 200,000 places takes a quarter of a minute to read."""
    read = []
    places = Store.places
    monkeypatch.setattr(Store, 'places', lambda store: read.append(store.path) or places(store))
    live = opened(path)
    add(live, 20)
    live.remove(['drive-0/000001'], [])
    live.annotate('remark', '{}')
    assert read == [path]
    live.save()
    assert read.count(path) == 2
    live.close()


def test_a_place_that_another_process_exchanged_is_noticed(path):
    """As many places as before, in a file of changes whose meta table says the same."""
    with MapEditor(path) as editor:
        editor.add(frame(20), features(20), session_id='new', place_id='a')
    live = opened(path)
    with MapEditor(path) as editor:
        editor.add(frame(21), features(21), session_id='new', place_id='b')
        editor.remove(['a'])
    with pytest.raises(MapBusyError, match='load it again'):
        add(live, 22)
    live.close()


def test_searching_goes_on_while_the_map_grows(path):
    live = opened(path)
    wrong, done = [], threading.Event()

    def search():
        while not done.is_set():
            wrong.extend(
                number for number in range(COUNT) if first(live, number) != f'drive-0/{number:06d}'
            )

    searcher = threading.Thread(target=search)
    searcher.start()
    for number in range(20, 40):
        add(live, number, store_image=False)
    done.set()
    searcher.join()
    assert wrong == []
    assert all(first(live, number).startswith('new/') for number in range(20, 40))
    live.close()


@pytest.mark.parametrize('held', ['file', 'memory'])
def test_local_features_are_the_same_wherever_they_are_held(path, held):
    live = opened(path, local_features=held)
    assert live.plan.hold_local_features == (held == 'memory')
    np.testing.assert_array_equal(live.local_features(3).positions, features(3).local.positions)
    live.close()


def test_hits_are_counted_only_where_they_are_wanted(path):
    for wanted in (False, True):
        live = opened(path, record_hits=wanted)
        verified, doubtful = (
            PlaceHypothesis(live.place(number), 0, 0.9, verification=verification)
            for number, verification in ((2, Verification.GEOMETRY), (1, Verification.LOCAL))
        )
        live.count_hits([verified, doubtful])
        live.close()
        assert read_hits(path) == ({'drive-0/000002': 1} if wanted else {})
    with MapReader(path) as reader:
        assert reader.info.added == 0
