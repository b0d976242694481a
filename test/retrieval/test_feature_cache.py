"""The cache of local features: what it keeps, and what it drops."""

import threading

import numpy as np
import pytest

from fol_vpr.datatypes import LocalFeatures
from fol_vpr.errors import MapError
from fol_vpr.retrieval import FeatureCache

BYTES = 10 * 8 + 10 * 2 * 4 + 10 * 4


class Loader:
    """Features by number, which records what was loaded."""

    def __init__(self) -> None:
        self.loaded: list[int] = []

    def __call__(self, number: int) -> LocalFeatures:
        self.loaded.append(number)
        return LocalFeatures(
            np.full((10, 8), number, np.int8), np.zeros((10, 2), 'f4'), np.ones(10, 'f4')
        )


def test_what_was_used_last_is_kept_within_the_limit():
    load = Loader()
    cache = FeatureCache(load, 3 * BYTES)
    for number in (1, 2, 3, 1, 4, 1, 2):
        assert (cache.get(number).descriptors == number).all()
    assert load.loaded == [1, 2, 3, 4, 2]  # 4 dropped 2, which was used before 3 and 1
    assert cache.bytes == 3 * BYTES
    cache.clear()
    assert cache.bytes == 0
    assert cache.get(1) is cache.get(1)
    assert load.loaded == [1, 2, 3, 4, 2, 1]


def test_a_limit_below_one_reference_keeps_none():
    load = Loader()
    cache = FeatureCache(load, BYTES - 1)
    assert (cache.get(5).descriptors == cache.get(5).descriptors).all()
    assert (load.loaded, cache.bytes) == ([5, 5], 0)


def test_errors_are_raised_and_not_remembered():
    load = Loader()

    def damaged_once(number: int) -> LocalFeatures:
        local = load(number)
        if load.loaded == [7]:
            raise MapError('damaged')
        return local

    cache = FeatureCache(damaged_once, 3 * BYTES)
    with pytest.raises(MapError, match='damaged'):
        cache.get(7)
    assert (cache.get(7).descriptors == 7).all()


def test_many_threads_count_each_reference_once():
    cache = FeatureCache(Loader(), 4 * BYTES)

    def work(seed: int) -> None:
        for number in np.random.default_rng(seed).integers(8, size=300):
            assert (cache.get(int(number)).descriptors == number).all()

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert cache.bytes == 4 * BYTES
