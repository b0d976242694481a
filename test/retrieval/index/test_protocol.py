"""Properties of every index: flat, bytes, large, and gpu, which runs on the CPU here."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pytest
from helpers.descriptors import places, structured, unit

from fol_vpr.datatypes import GeoPosition, Place, Prior
from fol_vpr.errors import InputError
from fol_vpr.retrieval import FlatIndex, PlaceIndex
from fol_vpr.retrieval.index import ArraySource, ByteIndex, LargeIndex
from fol_vpr.retrieval.index.gpu import GpuIndex

COUNT = 1200
Make = Callable[[np.ndarray, Sequence[Place]], PlaceIndex]
MAKERS: dict[str, Make] = {
    'flat': lambda rows, of: FlatIndex.read(ArraySource(rows), of),
    'bytes': lambda rows, of: ByteIndex.read(ArraySource(rows), of),
    'large': lambda rows, of: LargeIndex(ArraySource(rows), of),
    'gpu': lambda rows, of: GpuIndex(ArraySource(rows), of, 'cpu'),
}


@pytest.fixture(scope='module', params=list(MAKERS))
def kind(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


@pytest.fixture(scope='module')
def make(kind: str) -> Make:
    return MAKERS[kind]


@pytest.fixture(scope='module')
def data(kind: str) -> tuple[np.ndarray, np.ndarray]:
    """Descriptors that the index stores without further rounding, and queries."""
    rows, queries = structured(COUNT // 4, 4)
    if kind == 'bytes':
        return in_bytes(rows), in_bytes(queries[:25])
    # Rounded to float16, as a map stores them.
    return rows.astype(np.float16).astype(np.float32), queries[:25]


def in_bytes(rows: np.ndarray) -> np.ndarray:
    step = np.abs(rows).max(axis=1, keepdims=True) / 127
    return np.rint(rows / step) * step


@pytest.fixture
def index(make: Make, data: tuple[np.ndarray, np.ndarray]) -> PlaceIndex:
    return make(data[0], places(COUNT))


def ids(index: PlaceIndex, query: np.ndarray, k: int, prior: Prior | None = None) -> list[int]:
    return [candidate.index for candidate in index.search(query, k, prior)]


def best(rows: np.ndarray, query: np.ndarray, k: int) -> list[int]:
    return np.argsort(-(rows @ query), kind='stable')[:k].tolist()


def test_the_answers_are_those_of_numpy(index, data):
    rows, queries = data
    for query in queries:
        found = index.search(query, 20)
        assert [candidate.index for candidate in found] == best(rows, query, 20)
        np.testing.assert_allclose(
            [candidate.similarity for candidate in found],
            np.sort(rows @ query)[::-1][:20],
            atol=1e-6,
        )


def test_equal_references_come_by_id_also_at_the_end(make, data):
    rows = data[0][:300].copy()
    rows[100:140] = rows[50]
    index = make(rows, places(300))
    for k in (1, 7, 41):
        assert ids(index, rows[50], k) == [50, *range(100, 140)][:k]


def test_a_changed_index_answers_as_a_new_one(make, data):
    rows, queries = data
    all_places = places(COUNT)
    index = make(rows[:900], all_places[:900])
    index.add(all_places[900:], rows[900:])
    gone = [0, 5, 899, 900, 1199, *range(300, 400)]
    index.remove(gone)
    assert len(index) == COUNT - len(gone)
    left = np.setdiff1d(np.arange(COUNT), gone)
    for query in queries:
        expected = left[best(rows[left], query, 10)].tolist()
        assert ids(index, query, 10) == expected
    index.add([all_places[i] for i in gone], rows[gone])
    for query in queries:
        assert ids(index, query, 10) == best(rows, query, 10)


def test_ids_need_not_be_rows(make, data):
    rows = data[0]
    index = make(rows[:2], places(2))
    index.add(places(3, first=500), rows[500:503])
    index.remove([1])
    assert ids(index, rows[501], 1) == [501]
    assert sorted(ids(index, rows[501], 9)) == [0, 500, 501, 502]


def test_nothing_changes_where_a_change_is_refused(index, data):
    rows, queries = data
    before = index.search(queries[0], 10)
    with pytest.raises(InputError, match='reference 7 is already in the index'):
        index.add(places(2, first=COUNT - 1)[1:] + places(1, first=7), rows[:2])
    with pytest.raises(InputError, match=f'reference {COUNT} cannot be removed'):
        index.remove([3, COUNT])
    with pytest.raises(InputError, match='NaN or infinity'):
        index.add(places(1, first=COUNT), np.full((1, rows.shape[1]), np.nan))
    with pytest.raises(InputError, match=r'expected global descriptors \[P, 256\]'):
        index.add(places(1, first=COUNT), unit(np.ones((1, 8))))
    assert len(index) == COUNT and index.search(queries[0], 10) == before


def test_all_can_be_removed_and_one_added(make, data):
    index = make(data[0][:10], places(10))
    index.remove(range(10))
    assert len(index) == 0 and index.search(data[1][0], 5) == []
    index.add(places(1, first=3), data[0][3:4])
    assert ids(index, data[1][0], 5) == [3]


@pytest.mark.parametrize(
    ('prior', 'allowed'),
    [
        (Prior(sessions=frozenset({'s1', 'unknown'})), range(1, COUNT, 2)),
        (Prior(sessions=frozenset({'unknown'})), []),
        (Prior(position=(200.0, 3.0), radius=5), range(196, 205)),
        (Prior(position=(200.0, 0.0), radius=400), range(601)),
        (Prior(position=(200.0, 0.0), radius=1, stddev=2), range(193, 208)),
        (Prior((9.0, 0.0), radius=2, sessions=frozenset({'s0'})), [8, 10]),
        (Prior(geo=GeoPosition(45.0, 0.001), radius=0.9), [99, 100, 101]),
        (Prior(), range(COUNT)),
    ],
)
def test_a_prior_gives_the_best_allowed_references(index, data, prior, allowed):
    rows, queries = data
    allowed = np.array(allowed, np.int64)
    for query in queries[:8]:
        expected = allowed[best(rows[allowed], query, 12)].tolist() if len(allowed) else []
        assert ids(index, query, 12, prior) == expected


def test_a_region_does_not_exclude_references_without_position(make, data):
    index = make(data[0][:20], places(20, located=False))
    prior = Prior(position=(1e6, 0.0), radius=1)
    assert ids(index, data[1][0], 5, prior) == ids(index, data[1][0], 5)


@pytest.mark.parametrize(
    'query',
    [np.zeros(8), np.zeros((1, 256)), *(np.full(256, one) for one in (np.nan, -np.inf, 1e30))],
)
def test_queries_of_another_network_are_refused(index, query):
    with pytest.raises(InputError, match='256 finite numbers'):
        index.search(query, 5)


def test_the_description_names_kind_and_size(index):
    kind, _, what = index.description.partition(': ')
    assert kind in MAKERS and f'{COUNT} references' in what


@pytest.mark.parametrize(
    ('wrong', 'says'),
    [
        ({'position': (0.0, np.nan), 'radius': 1}, 'metres within'),
        ({'radius': -1}, 'the radius of a prior is -1'),
        ({'position': (0.0, 0.0)}, 'a radius or a stddev'),
        ({'position': (0.0, 0.0), 'geo': GeoPosition(0, 0), 'radius': 1}, 'got both'),
    ],
)
def test_an_invalid_prior_is_refused(wrong, says):
    with pytest.raises(InputError, match=says):
        Prior(**wrong)
