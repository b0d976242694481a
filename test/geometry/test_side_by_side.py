"""Threads for what releases Python's lock."""

from __future__ import annotations

import subprocess
import sys
import threading
import time

import cv2
import pytest

from fol_vpr.geometry.side_by_side import side_by_side

FORKED = """
import multiprocessing, threading, cv2
from fol_vpr.geometry.side_by_side import side_by_side
cv2.setNumThreads(2)
both = threading.Barrier(2)
side_by_side(lambda _: both.wait(), range(2))
child = multiprocessing.get_context('fork').Process(target=side_by_side, args=(abs, [-1, 2]))
child.start()
child.join(30)
print(child.exitcode)
child.kill()
"""


@pytest.fixture(params=[1, 2, 3], autouse=True)
def threads(request):
    before = cv2.getNumThreads()
    cv2.setNumThreads(request.param)
    yield request.param
    cv2.setNumThreads(before)


def test_the_order_is_that_of_the_items():
    assert side_by_side(lambda number: number * number, range(50)) == [n * n for n in range(50)]
    assert side_by_side(abs, []) == []


def test_items_run_at_the_same_time_where_there_are_threads(threads):
    if threads == 1:
        pytest.skip('with one thread they run one after the other')
    both = threading.Barrier(2, timeout=60)
    side_by_side(lambda _: both.wait(), range(2))


def test_one_thread_is_the_own_one(threads):
    names = side_by_side(lambda _: threading.current_thread().name, range(1 if threads > 1 else 4))
    assert set(names) == {threading.current_thread().name}


@pytest.mark.parametrize('items', [[1, 0], [0, 1], [0, 0, 0], [1] * 20 + [0]])
def test_errors_arrive(items):
    with pytest.raises(ZeroDivisionError):
        side_by_side(lambda number: 1 / number, items)
    assert side_by_side(abs, [-1, 2]) == [1, 2]


def test_what_runs_side_by_side_may_do_so_itself(threads):
    """With more items than threads at each level, none of which waits for another one for ever."""

    def below(number: int) -> list[int]:
        return side_by_side(lambda other: number + other, range(5))

    found = side_by_side(below, range(7))
    assert found == [[number + other for other in range(5)] for number in range(7)]


def test_never_more_at_a_time_than_there_are_threads(threads):
    lock, running, most = threading.Lock(), 0, 0

    def count(_: int) -> None:
        nonlocal running, most
        with lock:
            running += 1
            most = max(most, running)
        time.sleep(0.002)
        with lock:
            running -= 1

    side_by_side(count, range(30))
    assert most == threads


@pytest.mark.parametrize('threads', [2], indirect=True)
def test_a_forked_process_starts_threads_of_its_own():
    done = subprocess.run(
        [sys.executable, '-c', FORKED], capture_output=True, text=True, timeout=120, check=True
    )
    assert done.stdout.split() == ['0']
