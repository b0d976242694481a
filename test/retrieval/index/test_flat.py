"""The exact search, compared with NumPy."""

import numpy as np
import pytest

from fol_vpr.errors import InputError
from fol_vpr.retrieval import FlatIndex


def unit(rows: np.ndarray) -> np.ndarray:
    return (rows / np.linalg.norm(rows, axis=-1, keepdims=True)).astype(np.float32)


@pytest.fixture(scope='module')
def descriptors() -> np.ndarray:
    return unit(np.random.default_rng(0).standard_normal((300, 64)))


def test_the_most_similar_come_first(descriptors):
    index = FlatIndex(descriptors)
    assert len(index) == 300
    for query in unit(np.random.default_rng(1).standard_normal((5, 64))):
        found = index.search(query, 20)
        cosine = descriptors @ query
        assert [candidate.index for candidate in found] == np.argsort(-cosine)[:20].tolist()
        np.testing.assert_allclose(
            [candidate.similarity for candidate in found], np.sort(cosine)[::-1][:20], atol=1e-6
        )
        assert all(np.isnan(candidate.match_score) for candidate in found)


@pytest.mark.parametrize('k', [1, 3, 39, 40, 41, 100])
def test_equal_ones_come_by_index_also_at_the_end(descriptors, k):
    rows = descriptors[:120].copy()
    rows[10:50] = rows[77]
    found = FlatIndex(rows).search(rows[77], k)
    expected = [*range(10, 50), 77][:k]
    assert [candidate.index for candidate in found][:41] == expected


def test_more_than_there_are_gives_all(descriptors):
    index = FlatIndex(descriptors[:3])
    assert sorted(candidate.index for candidate in index.search(descriptors[0], 10)) == [0, 1, 2]
    assert index.search(descriptors[0], 0) == []


def test_what_is_returned_is_plain_python(descriptors):
    (found,) = FlatIndex(descriptors).search(descriptors[5], 1)
    assert (type(found.index), type(found.similarity)) == (int, float)


def test_other_layouts_and_types_give_the_same(descriptors):
    expected = FlatIndex(descriptors).search(descriptors[8], 5)
    assert FlatIndex(np.asfortranarray(descriptors)).search(descriptors[8], 5) == expected
    wide = descriptors.astype(np.float64)
    assert FlatIndex(wide).search(wide[8], 5) == expected


@pytest.mark.parametrize('rows', [np.zeros((0, 4)), np.zeros(4), np.full((2, 4), np.nan)])
def test_unusable_descriptors_are_refused(rows):
    with pytest.raises(InputError):
        FlatIndex(rows)


@pytest.mark.parametrize('query', [np.zeros(63), np.zeros((1, 64)), np.full(64, np.inf)])
def test_unusable_queries_are_refused(descriptors, query):
    with pytest.raises(InputError, match='64 finite numbers'):
        FlatIndex(descriptors).search(query, 5)
