"""The index in Milvus, tested with Milvus Lite."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from helpers.descriptors import places, structured

from fol_vpr.datatypes import GeoPosition, Prior
from fol_vpr.errors import MapError
from fol_vpr.retrieval.index.milvus import MilvusIndex
from fol_vpr.retrieval.index.milvus_filter import prior_filter
from fol_vpr.retrieval.index.protocol import ArraySource

pytest.importorskip('pymilvus', reason='pymilvus is not installed: pip install fol_vpr[milvus]')
pytest.importorskip('milvus_lite', reason='milvus-lite is not installed')

COUNT = 300


@pytest.fixture(scope='module')
def data():
    rows, queries = structured(COUNT // 3, 3, dim=64)
    return rows.astype(np.float16).astype(np.float32), queries[:10]


@pytest.fixture(scope='module')
def uri(tmp_path_factory):
    return str(tmp_path_factory.mktemp('milvus') / 'fleet.db')


def best(rows, query, k, among):
    among = np.asarray(list(among))
    return among[np.argsort(-(rows[among] @ query), kind='stable')[:k]].tolist()


def ids(index, query, k, prior=None):
    return [candidate.index for candidate in index.search(query, k, prior)]


def test_a_map_is_searched_changed_and_opened_again(data, uri):
    rows, queries = data
    said = []
    index = MilvusIndex(
        uri, ArraySource(rows), places(COUNT), content='one', progress=lambda *at: said.append(at)
    )
    assert len(index) == COUNT and said == [(256, COUNT), (COUNT, COUNT)]
    assert 'consistency level Session' in index.description
    priors = {
        None: range(COUNT),
        Prior(sessions=frozenset({'s1', 'a "quoted" one'})): range(1, COUNT, 2),
        Prior(position=(40.0, 3.0), radius=5): range(36, 45),
        Prior(geo=GeoPosition(45.0, 0.001), radius=0.9): [99, 100, 101],
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
    index = MilvusIndex(
        uri, ArraySource(rows[kept]), of, content='one', progress=lambda *at: said.append(at)
    )
    assert said == [(1, 1)]
    now = rows[kept]
    for query in queries:
        assert ids(index, query, 9) == best(now, query, 9, range(len(now)))
    index.close()


def test_maps_do_not_mix(data, uri):
    rows, queries = data
    index = MilvusIndex(uri, ArraySource(rows[:7]), places(7), content='other')
    assert sorted(ids(index, queries[0], 50)) == list(range(7))
    index.close()
    with pytest.raises(MapError, match=r'descriptors of \[64\] numbers, expected 32'):
        MilvusIndex(uri, ArraySource(rows[:, :32]), places(7), content='other')


def test_a_server_that_is_not_there_is_named(data):
    with pytest.raises(MapError, match='cannot be reached at http://localhost:9'):
        MilvusIndex('http://localhost:9', ArraySource(data[0]), places(COUNT), content='c')


def test_a_box_covers_the_region_everywhere_on_earth():
    assert prior_filter(Prior()) == ''
    at_the_date_line = prior_filter(Prior(geo=GeoPosition(0, 179.9999), radius=100))
    at_the_pole = prior_filter(Prior(geo=GeoPosition(89.9999, 0), radius=100))
    assert 'longitude' not in at_the_date_line + at_the_pole and 'latitude' in at_the_pole
