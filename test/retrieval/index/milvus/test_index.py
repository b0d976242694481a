"""The index in Milvus, against a real server and against Milvus Lite."""

from __future__ import annotations

import logging
import threading
from dataclasses import replace

import numpy as np
import pytest
from helpers.descriptors import IDENTITY, places, structured

from fol_vpr.datatypes import GeoPosition, Place, Pose, Prior
from fol_vpr.errors import MapError
from fol_vpr.retrieval.index.milvus import MilvusIndex
from fol_vpr.retrieval.index.protocol import ArraySource

pytest.importorskip(
    'pymilvus', reason='pymilvus is not installed: pip install pymilvus milvus-lite'
)

COUNT = 300


@pytest.fixture(scope='module')
def data():
    rows, queries = structured(COUNT // 3, 3, dim=64)
    return rows.astype(np.float16).astype(np.float32), queries[:10]


@pytest.fixture
def opened():
    """Opens indexes that are closed at the end of the test."""
    indexes = []

    def open_index(*args, **options):
        indexes.append(MilvusIndex(*args, timeout=20, **options))
        return indexes[-1]

    yield open_index
    for index in indexes:
        index.close()


def best(rows, query, k, among=None):
    among = np.arange(len(rows)) if among is None else np.asarray(list(among))
    return among[np.argsort(-(rows[among] @ query), kind='stable')[:k]].tolist()


def ids(index, query, k, prior=None):
    return [candidate.index for candidate in index.search(query, k, prior)]


def count_of(index):
    (row,) = index._server._connection.call(
        'query', index.collection, filter='', output_fields=['count(*)'],
        consistency_level='Strong', within=30,
    )  # fmt: skip
    return row['count(*)']


def test_a_map_is_searched_changed_and_opened_again(data, uri, opened):
    rows, queries = data
    said = []
    index = opened(
        uri, ArraySource(rows), places(COUNT), content='one', progress=lambda *at: said.append(at)
    )
    assert len(index) == COUNT and said == [(256, COUNT), (COUNT, COUNT)]
    assert 'consistency level Session' in index.description and not index.problem
    priors = {
        None: range(COUNT),
        Prior(sessions=frozenset({'s1', 'a "quoted" one'})): range(1, COUNT, 2),
        Prior(position=(40.0, 3.0), radius=5): range(36, 45),
        Prior(geo=GeoPosition(45.0, 0.001), radius=0.9): [99, 100, 101],
        Prior(position=(40.0, 3.0), radius=5, sessions=frozenset({'s0'})): range(36, 45, 2),
        Prior(position=(-900.0, 0.0), radius=5): [],
    }
    for prior, allowed in priors.items():
        for query in queries[:4]:
            expected = best(rows, query, 12, allowed) if len(allowed) else []
            assert ids(index, query, 12, prior) == expected, prior
    found = index.search(queries[0], 5)
    np.testing.assert_allclose(
        [c.similarity for c in found], np.sort(rows @ queries[0])[::-1][:5], atol=1e-5
    )
    index.remove([0, 1, 2])
    index.add(places(1, first=1), rows[1:2])
    left = [1, *range(3, COUNT)]
    assert [ids(index, q, 9) for q in queries] == [best(rows, q, 9, left) for q in queries]
    index.close()

    # The map has lost references 0 and 2, has renumbered the others, and has a new one.
    kept = [*left, 0]
    of = [replace(places(COUNT)[old], index=new) for new, old in enumerate(left)]
    of.append(replace(places(1, first=9000)[0], index=len(left)))
    said.clear()
    index = opened(
        uri, ArraySource(rows[kept]), of, content='one', progress=lambda *at: said.append(at)
    )
    assert said == [(1, 1)]
    now = rows[kept]
    for query in queries:
        assert ids(index, query, 9) == best(now, query, 9)


def test_removed_references_make_room_for_others_at_once(rows, uri, opened):
    index = opened(uri, ArraySource(rows), places(60), content='removed')
    for number in range(0, 30, 3):
        gone = best(rows, rows[number], 3)
        index.remove(gone)
        left = [each for each in range(60) if each not in gone]
        assert ids(index, rows[number], 6) == best(rows, rows[number], 6, left)
        index.add([places(60)[each] for each in gone], rows[gone])
        assert ids(index, rows[number], 6) == best(rows, rows[number], 6)


def test_sessions_may_have_any_name(rows, uri, opened):
    names = [
        'día',
        '昼',
        '"',
        "'",
        '\\',
        '\\"',
        'a\nb',
        '%',
        '{x}',
        '',
        ' ',
        'n' * 2000,
        'n' * 1999,
    ]
    names += ['session in [1]', '\U0001f697', 'e\u0301', '\u00e9']
    of = [replace(place, session_id=names[place.index % len(names)]) for place in places(60)]
    index = opened(uri, ArraySource(rows), of, content='names')
    for number, name in enumerate(names):
        allowed = range(number, 60, len(names))
        prior = Prior(sessions=frozenset({name}))
        assert ids(index, rows[3], 60, prior) == best(rows, rows[3], 60, allowed), name
    every = Prior(sessions=frozenset(names))
    assert ids(index, rows[3], 7, every) == best(rows, rows[3], 7)


def test_places_without_positions_are_never_excluded(rows, uri, opened):
    of = [replace(p, pose=None, geo=None) if p.index % 2 else p for p in places(60)]
    index = opened(uri, ArraySource(rows), of, content='unplaced')
    unknown = set(range(1, 60, 2))
    assert set(ids(index, rows[3], 60, Prior(position=(10.0, 0.0), radius=2))) == (
        unknown | {8, 10, 12}
    )
    assert set(ids(index, rows[3], 60, Prior(geo=GeoPosition(45, 0), radius=1))) == unknown | {0}


def test_positions_are_compared_in_double_precision(rows, uri, opened):
    """A metre counts far from the origin of the map, and the boundary is the prior's own."""
    east, north = 1_234_567.0, -98_765_432.0

    def moved(place: Place) -> Place:
        return replace(place, pose=Pose(np.array([east + place.index, north, 0.0]), IDENTITY))

    index = opened(uri, ArraySource(rows), [moved(p) for p in places(60)], content='far')
    for radius, expected in ((2.0, {8, 9, 10, 11, 12}), (1.999, {9, 10, 11}), (0.001, {10})):
        prior = Prior(position=(east + 10, north), radius=radius)
        assert set(ids(index, rows[3], 60, prior)) == expected
    columns = index._server._connection.call('describe_collection', index.collection, within=30)
    from pymilvus import DataType

    kinds = {field['name']: field['type'] for field in columns['fields']}
    assert {kinds[name] for name in ('x', 'y', 'latitude', 'longitude')} == {DataType.DOUBLE}


def test_robots_that_open_one_map_at_once_do_not_double_it(rows, uri, opened):
    start = threading.Barrier(3)
    failures = []

    def robot() -> None:
        start.wait()
        try:
            MilvusIndex(uri, ArraySource(rows), places(60), content='robots').close()
        except MapError as error:
            failures.append(error)

    robots = [threading.Thread(target=robot) for _ in range(3)]
    for each in robots:
        each.start()
    for each in robots:
        each.join()
    assert not failures
    index = opened(uri, ArraySource(rows), places(60), content='robots')
    assert count_of(index) == 60
    assert ids(index, rows[3], 10) == best(rows, rows[3], 10)


def test_keys_that_are_there_twice_are_mended(rows, milvus_server, opened, caplog):
    index = opened(milvus_server.uri, ArraySource(rows), places(60), content='doubled')
    connection = index._server._connection
    columns = ['*']
    stored = connection.call(
        'query', index.collection, filter='id >= 0', output_fields=columns, limit=100, within=30
    )
    connection.call('insert', index.collection, [dict(row) for row in stored], within=30)
    assert count_of(index) == 120
    later = opened(milvus_server.uri, ArraySource(rows), places(60), content='doubled')
    assert 'there twice' in caplog.text
    assert count_of(later) == 60 and ids(later, rows[3], 10) == best(rows, rows[3], 10)


def test_robots_with_different_states_of_a_map_do_not_disturb_each_other(
    rows, uri, opened, caplog
):
    one = opened(uri, ArraySource(rows[:40]), places(40), content='states')
    one.add(places(10, first=40), rows[40:50])
    # Another robot has an older file, in which the places are elsewhere and some are missing.
    elsewhere = [
        replace(p, pose=Pose(np.array([1000.0 + p.index, 0.0, 0.0]), IDENTITY)) for p in places(30)
    ]
    other = opened(uri, ArraySource(rows[:30]), elsewhere, content='states')
    assert ids(one, rows[45], 9) == best(rows, rows[45], 9, range(50))
    assert ids(one, rows[3], 50, Prior(position=(5.0, 0.0), radius=1)) == best(
        rows, rows[3], 3, [4, 5, 6]
    )
    for k in (5, 30, 60):
        assert ids(other, rows[45], k) == best(rows, rows[45], k, range(30))
    assert ids(other, rows[3], 50, Prior(position=(1005.0, 0.0), radius=1)) == best(
        rows, rows[3], 3, [4, 5, 6]
    )
    # What one removes, the other lacks on the server, and still finds.
    one.remove([4, 5])
    gone = other._server
    gone.delete([key for key, number in other._wanted.keys().items() if number < 3], 30)
    count_of(other)  # with the level Strong: searches see the deletion from now on
    with caplog.at_level(logging.WARNING):
        assert ids(other, rows[3], 30) == best(rows, rows[3], 30, range(30))
    assert 'candidates too few: the collection is compared with the map' in caplog.text


def test_maps_do_not_mix(data, uri, opened):
    rows, queries = data
    index = opened(uri, ArraySource(rows[:7]), places(7), content='other')
    assert sorted(ids(index, queries[0], 50)) == list(range(7))
    index.close()
    with pytest.raises(MapError, match='descriptors of 64 numbers, expected 32: drop the coll'):
        MilvusIndex(uri, ArraySource(rows[:, :32]), places(7), content='other')


def test_a_collection_of_other_columns_is_refused(rows, uri):
    from pymilvus import MilvusClient

    client = MilvusClient(uri)
    client.create_collection('fol_vpr_2_foreign', dimension=16, vector_field_name='descriptor')
    client.close()
    with pytest.raises(MapError, match=r'it has columns descriptor, id: drop the collection'):
        MilvusIndex(uri, ArraySource(rows), places(60), content='foreign')


def test_more_references_than_a_search_may_ask_for(uri, opened, monkeypatch):
    """A prior of one session among rows of others, with a smaller limit than servers have."""
    monkeypatch.setattr('fol_vpr.retrieval.index.milvus.index.MAX_RESULTS', 16)
    monkeypatch.setattr('fol_vpr.retrieval.index.milvus.collection.MAX_RESULTS', 16)
    monkeypatch.setattr('fol_vpr.retrieval.index.milvus.collection.PAGE', 10)
    rows = structured(20, 3, dim=16)[0].astype(np.float16).astype(np.float32)
    index = opened(uri, ArraySource(rows), places(60), content='limits')
    assert len(index._server.stored(30).keys) == 60
    assert ids(index, rows[0], 40) == best(rows, rows[0], 40)
