"""Descriptors rounded to 8 bits: error of the similarities, and memory."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from helpers.descriptors import places, structured

from fol_vpr.retrieval import FlatIndex
from fol_vpr.retrieval.index import ArraySource, ByteIndex


@pytest.fixture(scope='module')
def data() -> tuple[np.ndarray, np.ndarray]:
    rows, queries = structured(400, 4, dim=2048)
    return rows, queries[:30]


def test_similarities_differ_by_the_rounding_error_only(data):
    rows, queries = data
    index = ByteIndex.read(ArraySource(rows), places(len(rows)))
    off = [
        found.similarity - float(rows[found.index] @ query)
        for query in queries
        for found in index.search(query, len(rows))
    ]
    steps = np.array([np.abs(each).max(axis=1).mean() / 127 for each in data])
    expected = np.linalg.norm(steps) / np.sqrt(12)
    assert np.std(off) == pytest.approx(expected, rel=0.1)
    # The rounding error of the query is common to all its similarities.
    assert abs(np.mean(off)) < 0.4 * expected and np.abs(off).max() < 6 * expected


def test_the_first_ten_are_those_of_the_exact_search(data):
    rows, queries = data
    source, known = ArraySource(rows), places(len(rows))
    exact, rounded = FlatIndex.read(source, known), ByteIndex.read(source, known)
    shared = [
        len({c.index for c in exact.search(q, 10)} & {c.index for c in rounded.search(q, 10)})
        for q in queries
    ]
    assert np.mean(shared) >= 9.9


def test_added_one_by_one_it_is_the_same(data):
    rows, queries = data
    whole = ByteIndex.read(ArraySource(rows), places(len(rows)))
    grown = ByteIndex(rows.shape[1])
    for number, place in enumerate(places(len(rows))):
        grown.add([place], rows[number : number + 1])
    for query in queries:
        assert grown.search(query, 20) == whole.search(query, 20)


GROWING = """
import re
from pathlib import Path
import numpy as np
from helpers.descriptors import places, unit
from fol_vpr.retrieval.index import ByteIndex

def peak():
    # ru_maxrss counts the process that started this one.
    return int(re.search(r'VmHWM:\\s*(\\d+) kB', Path('/proc/self/status').read_text())[1])

rows = np.repeat(unit(np.random.default_rng(0).standard_normal((1, 2048))), 100, axis=0)
index = ByteIndex(2048)
index.add(places(100, located=False), rows)
before = peak()
for number in range(100, 40_000, 100):
    index.add(places(100, first=number, located=False), rows)
assert len(index) == 40_000
print(peak() - before)
"""


def test_memory_is_a_byte_per_number_also_while_it_grows():
    """40,000 descriptors of 2,048 numbers take 82 MB, without a copy at any time.

    In a process of its own, as earlier tests leave threads that compile.
    """
    test = Path(__file__).parents[2]
    paths = os.pathsep.join([str(test), str(test.parent), *sys.path])
    done = subprocess.run(
        [sys.executable, '-c', GROWING],
        env={**os.environ, 'PYTHONPATH': paths},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    grown = 1024 * int(done.stdout) / ByteIndex.memory(40_000, 2048)
    assert 0.9 < grown < 1.15


def test_a_descriptor_of_zeros_is_similar_to_nothing():
    index = ByteIndex(8)
    index.add(places(2), np.stack([np.zeros(8), np.eye(8)[3]]))
    found = index.search(np.eye(8)[3], 2)
    assert [candidate.index for candidate in found] == [1, 0]
    np.testing.assert_allclose([candidate.similarity for candidate in found], [1, 0], atol=1e-6)


@pytest.mark.parametrize('dim', [8, 100, 256, 2112, 8448])
def test_products_are_those_of_integers_at_every_length(dim):
    rng = np.random.default_rng(dim)
    rows = rng.integers(-127, 128, (40, dim)).astype(np.float32)
    rows[:, 0] = 127
    query = rng.integers(-127, 128, dim).astype(np.float32)
    query[0] = -127
    index = ByteIndex(dim)
    index.add(places(40), rows / 200)
    found = {c.index: c.similarity for c in index.search(query / 100, 40)}
    expected = rows.astype(np.int64) @ query.astype(np.int64) / 20_000
    np.testing.assert_allclose([found[i] for i in range(40)], expected, rtol=1e-5, atol=1e-3)
