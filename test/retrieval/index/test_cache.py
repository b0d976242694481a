"""Cache files of arrays: reading returns what was written, or is refused."""

from __future__ import annotations

import hashlib
import json

import numpy as np
import pytest

from fol_vpr.retrieval.index.cache import (
    LETTERS,
    Pieces,
    UnusableCacheError,
    read_cache,
    write_cache,
)

ARRAYS = {
    'lists': np.arange(100, dtype=np.uint8),
    'sizes': np.array([3, 0, 2], np.int64),
    'centroids': np.ones((3, 4), np.float32),
}


@pytest.fixture
def path(tmp_path):
    path = tmp_path / 'c.index'
    write_cache(path, {'format': 1, 'content': 'x'}, ARRAYS)
    return path


def test_what_is_read_is_what_was_written(path):
    meta, found = read_cache(path, {'format': 1})
    assert meta == {'format': 1, 'content': 'x'} and list(found) == list(ARRAYS)
    for name, array in ARRAYS.items():
        assert found[name].dtype == array.dtype
        np.testing.assert_array_equal(found[name], array)
    assert [entry.name for entry in path.parent.iterdir()] == [path.name]


def test_pieces_are_put_together(tmp_path):
    halves = iter([ARRAYS['lists'][:70], ARRAYS['lists'][70:]])
    write_cache(tmp_path / 'p', {}, {'a': Pieces((10, 10), halves)})
    found = read_cache(tmp_path / 'p', {})[1]['a']
    np.testing.assert_array_equal(found, ARRAYS['lists'].reshape(10, 10))


def test_every_flipped_bit_and_truncation_is_detected(path):
    whole = path.read_bytes()
    assert len(whole) > 100
    for position in range(0, len(whole), 3):
        broken = bytearray(whole)
        broken[position] ^= 1 << position % 8
        path.write_bytes(broken)
        with pytest.raises(UnusableCacheError):
            read_cache(path, {'format': 1})
    for length in range(0, len(whole), 7):
        path.write_bytes(whole[:length])
        with pytest.raises(UnusableCacheError):
            read_cache(path, {'format': 1})


def test_a_failed_write_leaves_the_old_file_alone(path):
    before = path.read_bytes()

    def pieces():
        yield ARRAYS['lists']
        raise OSError(28, 'No space left on device')

    with pytest.raises(OSError, match='No space'):
        write_cache(path, {}, {'a': Pieces((100,), pieces())})
    assert path.read_bytes() == before and len(list(path.parent.iterdir())) == 1


def sealed(body: bytes, described: object) -> bytes:
    """A file with a valid digest and a hostile description."""
    text = json.dumps(described).encode()
    signed = body + text + len(text).to_bytes(8, 'little')
    return signed + hashlib.sha256(signed).digest() + LETTERS


@pytest.mark.parametrize(
    'entry',
    [
        {'offset': 0, 'dtype': '|u1', 'shape': [10**9]},
        {'offset': 0, 'dtype': '<i8', 'shape': [2**62, 8]},
        {'offset': -64, 'dtype': '|u1', 'shape': [8]},
        {'offset': 0, 'dtype': '|O', 'shape': [1]},
        {'offset': 0, 'dtype': '|u1', 'shape': [-1]},
        {'offset': 64, 'dtype': '|u1', 'shape': [64]},
        {'offset': 0, 'dtype': '|u1'},
        17,
    ],
)
def test_what_lies_outside_of_the_file_is_not_read(path, entry):
    path.write_bytes(sealed(bytes(64), {'meta': {}, 'arrays': {'a': entry}}))
    with pytest.raises(UnusableCacheError):
        read_cache(path, {})


@pytest.mark.parametrize('described', [[], {'meta': {}}, {'meta': 3, 'arrays': {}}, None])
def test_another_description_is_refused(path, described):
    path.write_bytes(sealed(bytes(64), described))
    with pytest.raises(UnusableCacheError):
        read_cache(path, {})


@pytest.mark.parametrize('kind', [{'sizes': ('<f4', 1)}, {'sizes': ('<i8', 2)}, {'b': ('|u1', 1)}])
def test_arrays_of_another_kind_are_refused(path, kind):
    with pytest.raises(UnusableCacheError):
        read_cache(path, {}, kind)
