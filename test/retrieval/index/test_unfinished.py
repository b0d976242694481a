"""A build of the large index that was interrupted goes on, and needs neither memory nor luck.

Processes are killed by SIGKILL in mid-build, and disks are real and small.
"""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from helpers.descriptors import places, structured
from helpers.disk_limits import small_disk

from fol_vpr.retrieval.index import ArraySource, LargeIndex, protocol, unfinished

COUNT, DIM, BLOCK = 4000, 256, 400


class CountingSource(ArraySource):
    """Counts how many descriptors were read."""

    count = 0

    def read(self, ids: np.ndarray) -> np.ndarray:
        self.count += len(ids)
        return super().read(ids)


@pytest.fixture(scope='module')
def data() -> tuple[np.ndarray, np.ndarray]:
    return structured(COUNT // 4, 4, DIM)


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch):
    monkeypatch.setattr(protocol, 'BLOCK_BYTES', 4 * DIM * BLOCK)


@pytest.fixture
def cache(tmp_path) -> Path:
    return tmp_path / 'm.folmap.index'


def build(
    rows: np.ndarray, cache: Path | None, progress: Callable[[int, int], None] | None = None
) -> tuple[LargeIndex, int]:
    """An index, and how many descriptors were read for it."""
    source = CountingSource(rows)
    index = LargeIndex(source, places(len(rows)), content='a', cache=cache, progress=progress)
    return index, source.count


def answers(index: LargeIndex, queries: np.ndarray) -> list[list[tuple[int, float]]]:
    found = [index.search(query, 10) for query in queries[:40]]
    return [[(one.index, one.similarity) for one in row] for row in found]


# Says each block, and waits from so many references on until it is told to go on.
CHILD = """
import sys
from pathlib import Path

import numpy as np
from helpers.descriptors import places

from fol_vpr.retrieval.index import ArraySource, LargeIndex, protocol

rows, cache, stop, protocol.BLOCK_BYTES = np.load(sys.argv[1]), *sys.argv[2:4], int(sys.argv[4])

def progress(done, total):
    print(done, flush=True)
    if done >= int(stop):
        sys.stdin.readline()

source = ArraySource(rows)
LargeIndex(source, places(len(rows)), content='a', cache=Path(cache), progress=progress)
"""


def started(rows: np.ndarray, cache: Path, stop: int) -> subprocess.Popen[str]:
    """A process that builds, once it has said that `stop` references are done."""
    given = cache.parent.parent / f'{cache.parent.name}.npy'
    np.save(given, rows)
    process = subprocess.Popen(
        [sys.executable, '-c', CHILD, given, cache, str(stop), str(protocol.BLOCK_BYTES)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, 'PYTHONPATH': os.pathsep.join(sys.path)},
    )
    assert process.stdout is not None
    for line in process.stdout:
        if int(line) >= stop:
            return process
    raise AssertionError(f'it ended with {process.wait()}')


def killed(rows: np.ndarray, cache: Path, stop: int) -> None:
    process = started(rows, cache, stop)
    process.kill()
    process.communicate()
    assert process.returncode == -signal.SIGKILL
    assert not cache.exists()


def test_a_killed_build_goes_on_where_it_was(data, cache, caplog):
    rows, queries = data
    caplog.set_level(logging.INFO)
    killed(rows, cache, 1200)
    said: list[int] = []
    index, read = build(rows, cache, lambda done, total: said.append(done))
    assert read == COUNT - 1200 and said == list(range(1600, COUNT + 1, BLOCK))
    assert 'going on after 1200 of 4000 references' in caplog.text
    assert [path.name for path in cache.parent.iterdir()] == [cache.name]
    assert answers(index, queries) == answers(build(rows, None)[0], queries)
    assert build(rows, cache)[1] == 0


def test_killed_again_and_again_it_comes_to_its_end(data, cache):
    rows, queries = data
    for stop in (1200, 4000):
        killed(rows, cache, stop)
    index, read = build(rows, cache)
    assert read == 0 and answers(index, queries) == answers(build(rows, None)[0], queries)


@pytest.mark.parametrize('place', ['first block', 'last block', 'cut', 'learned', 'no learned'])
def test_what_has_changed_on_the_disk_is_computed_again(data, cache, place):
    rows, queries = data
    killed(rows, cache, 1200)
    partial, learned = unfinished.partial_path(cache), unfinished.learned_path(cache)
    whole = bytearray(partial.read_bytes())
    if place == 'cut':
        partial.write_bytes(whole[:-7])
    elif place == 'no learned':
        learned.unlink()
    elif place == 'learned':
        changed = bytearray(learned.read_bytes())
        changed[1000] ^= 1
        learned.write_bytes(changed)
    else:
        whole[100 if place == 'first block' else -100] ^= 1
        partial.write_bytes(whole)
    index, read = build(rows, cache)
    left = {'first block': COUNT, 'last block': COUNT - 800, 'cut': COUNT - 800}
    assert read == left.get(place, read) and read >= COUNT - 800
    assert answers(index, queries) == answers(build(rows, None)[0], queries)


@pytest.mark.parametrize('change', ['network', 'order'])
def test_the_unfinished_build_of_another_map_is_not_used(data, cache, change):
    rows, _ = data
    killed(rows, cache, 1200)
    of = places(COUNT)
    source = CountingSource(rows)
    if change == 'order':
        of[5], of[6] = of[6], of[5]
    LargeIndex(source, of, content='b' if change == 'network' else 'a', cache=cache)
    assert source.count > COUNT


def test_a_second_process_waits_and_takes_what_the_first_has_built(data, cache):
    rows, queries = data
    process = started(rows, cache, 1200)
    found: list[tuple[LargeIndex, int]] = []
    second = threading.Thread(target=lambda: found.append(build(rows, cache)))
    second.start()
    process.communicate(10 * 'go on\n')
    second.join()
    index, read = found[0]
    assert read == 0 and process.returncode == 0
    assert answers(index, queries) == answers(build(rows, None)[0], queries)


def test_a_second_process_goes_on_where_the_first_was_killed(data, cache):
    rows, _ = data
    process = started(rows, cache, 1200)
    found: list[tuple[LargeIndex, int]] = []
    second = threading.Thread(target=lambda: found.append(build(rows, cache)))
    second.start()
    process.kill()
    process.communicate()
    second.join()
    assert found[0][1] == COUNT - 1200


def test_a_process_that_does_not_go_on_holds_nobody_up(data, cache, monkeypatch):
    rows, queries = data
    monkeypatch.setattr(unfinished, 'PATIENCE', 0.5)
    process = started(rows, cache, 1200)
    index, read = build(rows, cache)
    assert read > COUNT and process.poll() is None
    assert answers(index, queries) == answers(build(rows, None)[0], queries)
    process.kill()
    process.communicate()


@pytest.mark.parametrize('size', [100_000, 1_200_000, 2_200_000])
def test_a_full_disk_costs_the_file_alone(data, tmp_path, caplog, size):
    """Too small for what was learned; for the codes; for the codes twice."""
    rows, queries = data
    with small_disk(tmp_path / 'disk', size):
        cache = tmp_path / 'disk' / 'm.folmap.index'
        index, _ = build(rows, cache)
        assert answers(index, queries) == answers(build(rows, None)[0], queries)
        assert 'it is built in memory' in caplog.text and 'No space left' in caplog.text
        left = [path.name for path in cache.parent.iterdir()]
        assert left == [] or index.description
        assert sum(path.stat().st_size for path in cache.parent.iterdir()) < 4096
        del index


def test_a_build_holds_no_codes_in_memory(data, cache):
    """What is in memory while references are read does not grow with their number."""
    rows, _ = data
    held: list[int] = []
    index = LargeIndex.__new__(LargeIndex)

    def progress(done: int, total: int) -> None:
        held.append(len(index._codes))

    index.__init__(ArraySource(rows), places(COUNT), content='a', cache=cache, progress=progress)
    assert held == [0] * (COUNT // BLOCK) and len(index._codes) == COUNT


def test_a_link_in_the_way_is_not_followed(data, cache):
    other = cache.parent / 'other'
    other.write_bytes(b'of somebody else')
    unfinished.partial_path(cache).symlink_to(other)
    index, _ = build(data[0][:600], cache)
    assert other.read_bytes() == b'of somebody else' and len(index) == 600
    assert build(data[0][:600], cache)[1] == 0
