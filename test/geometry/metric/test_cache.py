"""A cache that is limited in bytes."""

import threading

from fol_vpr.geometry.metric.cache import ByteCache


def test_the_values_used_last_are_kept_within_the_limit():
    cache: ByteCache[str] = ByteCache(100)
    for name in 'abc':
        cache.put(name, name.upper(), 30)
    assert cache.get('a') == 'A'
    cache.put('d', 'D', 30)
    assert [cache.get(name) for name in 'abcd'] == ['A', None, 'C', 'D']
    assert cache.bytes == 90 and len(cache) == 3


def test_a_replaced_value_counts_once():
    cache: ByteCache[int] = ByteCache(100)
    for size in (10, 90, 40):
        cache.put('a', size, size)
    assert (cache.get('a'), cache.bytes, len(cache)) == (40, 40, 1)


def test_a_value_over_the_limit_is_not_kept():
    cache: ByteCache[int] = ByteCache(100)
    cache.put('a', 1, 101)
    assert (cache.get('a'), cache.bytes, len(cache)) == (None, 0, 0)


def test_threads_share_it():
    cache: ByteCache[int] = ByteCache(500)

    def fill(start: int) -> None:
        for number in range(start, start + 2000):
            cache.put(number % 97, number, 10)
            cache.get((number * 7) % 97)

    threads = [threading.Thread(target=fill, args=(1000 * i,)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert cache.bytes == 10 * len(cache) == 500
