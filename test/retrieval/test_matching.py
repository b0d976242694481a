"""Matches and scores, compared with simple slow code and with the authors' scores."""

import runpy
import subprocess
import sys
from collections.abc import Iterator

import numpy as np
import pytest
from helpers.processes.compiled_code import INSTRUCTION_SETS, WAYS, matched_by
from hypothesis import given, settings
from hypothesis import strategies as st

from fol_vpr.errors import InputError
from fol_vpr.retrieval import (
    cpu_matching,
    int8_matching,
    match_candidates,
    match_pair,
    match_scores,
    tensor_matching,
    unit_rows,
)
from fol_vpr.retrieval.int8_matching import Int8Matcher


@pytest.fixture(scope='module', params=[*WAYS, *INSTRUCTION_SETS], autouse=True)
def way(request) -> Iterator[str]:
    with matched_by(request.param):
        yield request.param


def unit(rows: np.ndarray) -> np.ndarray:
    return (rows / np.linalg.norm(rows, axis=-1, keepdims=True)).astype(np.float32)


def plain_matches(query: np.ndarray, reference: np.ndarray, threshold: float) -> np.ndarray:
    """Mutual nearest neighbours, the first of equal ones, from all similarities in float64."""
    if 0 in (len(query), len(reference)):
        return np.zeros((0, 2), int)
    cosine = query.astype(np.float64) @ reference.astype(np.float64).T
    best = cosine.argmax(1)
    mutual = cosine.argmax(0)[best] == np.arange(len(query))
    over = cosine.max(1) > threshold
    rows = np.flatnonzero(mutual & over)
    return np.stack([rows, best[rows]], axis=1)


@st.composite
def coarse_rows(draw: st.DrawFn, dim: int) -> np.ndarray:
    """Rows of halves, whose products are exact in any order: full of ties and duplicates."""
    count = draw(st.integers(0, 12))
    values = draw(st.lists(st.integers(-2, 2), min_size=count * dim, max_size=count * dim))
    return np.array(values, np.float32).reshape(count, dim) / 2


@st.composite
def coarse_problem(draw: st.DrawFn) -> tuple[np.ndarray, list[np.ndarray], float]:
    dim = draw(st.integers(1, 3))
    query = draw(coarse_rows(dim))
    candidates = draw(st.lists(coarse_rows(dim), max_size=5))
    return query, candidates, draw(st.sampled_from([-1.0, -0.25, 0.0, 0.25, 0.7]))


@given(
    coarse_problem(),
    st.integers(1, 30),
    st.sampled_from([1, 64, 4096]),
    st.sampled_from([0.0, 0.3, 1.0]),
    st.integers(1, 3),
)
@settings(max_examples=400, deadline=None)
def test_ties_and_sizes_in_tiles_of_all_sizes(problem, batch_rows, tile_bytes, share, cores):
    query, candidates, threshold = problem
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cpu_matching, 'BASIS', 1)
        patch.setattr(cpu_matching, 'MIN_PAIRS', 1)
        patch.setattr(cpu_matching, 'MAX_SHARE', share)
        patch.setattr(cpu_matching, 'TILE_BYTES', tile_bytes)
        patch.setattr(cpu_matching, 'BATCH_ROWS', batch_rows)
        patch.setattr(cpu_matching, '_cores', lambda: cores)
        scores = match_scores(query, candidates, threshold)
        pairs = [match_pair(query, candidate, threshold) for candidate in candidates]
    expected = [plain_matches(query, candidate, threshold) for candidate in candidates]
    assert scores.tolist() == [len(matches) for matches in expected]
    for got, wanted in zip(pairs, expected, strict=True):
        np.testing.assert_array_equal(got, wanted)


@given(
    coarse_problem(),
    st.integers(1, 5),
    st.sampled_from([1, 64, 4096]),
    st.sampled_from([1, 256, 4096]),
)
@settings(max_examples=200, deadline=None)
def test_the_operations_that_a_gpu_runs_find_the_same(problem, block_rows, tile_bytes, group):
    """The products and reductions by torch that a GPU uses, run on the CPU here."""
    query, candidates, threshold = problem
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tensor_matching, 'BLOCK_ROWS', block_rows)
        patch.setattr(tensor_matching, 'TILE_BYTES', tile_bytes)
        patch.setattr(tensor_matching, 'GROUP_BYTES', group)
        found = tensor_matching.match_on_device(query, candidates, threshold, 'cpu')
    expected = [plain_matches(query, candidate, threshold) for candidate in candidates]
    for got, wanted in zip(found, expected, strict=True):
        np.testing.assert_array_equal(got[got[:, 0].argsort()], wanted)


def low_rank(
    rng: np.random.Generator, rows: int, inside: np.ndarray, outside: float
) -> np.ndarray:
    """Unit rows near the subspace of the rows of `inside`, as those of trained networks are."""
    noise = outside * rng.standard_normal((rows, inside.shape[1]))
    return unit(rng.standard_normal((rows, len(inside))) @ inside + noise)


class Ways:
    """Counts which way batches are matched."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.bounded = self.full = 0
        matcher = cpu_matching._Matcher
        match_all = matcher._match_all

        def counted(by_bound):
            def count_bounded(*args):
                found = by_bound(*args)
                self.bounded += found is not None
                return found

            return count_bounded

        def count_full(*args):
            self.full += 1
            return match_all(*args)

        for name in ('_match_bounded', '_match_compiled'):
            monkeypatch.setattr(matcher, name, counted(getattr(matcher, name)))
        monkeypatch.setattr(matcher, '_match_all', count_full)
        monkeypatch.setattr(Int8Matcher, 'match', counted(Int8Matcher.match))


@pytest.mark.parametrize('seed', range(4))
@pytest.mark.parametrize('compressed', [False, True])
def test_descriptors_near_a_subspace_are_matched_by_the_bound(seed, compressed, monkeypatch):
    ways = Ways(monkeypatch)
    monkeypatch.setattr(cpu_matching, 'MIN_PAIRS', 1)
    rng = np.random.default_rng(seed)
    inside = rng.standard_normal((14, 128))
    query = low_rank(rng, 900, inside, 0.3)
    candidates = []
    for size in (700, 0, 1, 450, 169, 169):
        rows = low_rank(rng, size, inside, 0.3)
        shared = size // 2
        rows[:shared] = unit(query[rng.permutation(900)[:shared]] + 0.05 * rows[:shared])
        rows[size // 3 : size // 2] = rows[: size // 2 - size // 3]  # ties
        candidates.append(np.rint(127 * rows).astype(np.int8) if compressed else rows)
    found = match_candidates(query, candidates)
    assert ways.bounded >= 1
    assert ways.full == 0
    for pairs, rows in zip(found, candidates, strict=True):
        np.testing.assert_array_equal(pairs, plain_matches(query, unit_rows(rows), 0.7))
    assert len(found[0]) > 100


def test_descriptors_that_fill_all_dimensions_are_matched_in_full(monkeypatch, way):
    in_int8 = way in INSTRUCTION_SETS
    ways = Ways(monkeypatch)
    query = unit(np.random.default_rng(4).standard_normal((600, 128)))
    alike = unit(query + 2 * query[0])
    for rows in (query, alike):
        assert match_scores(rows, [rows]).tolist() == [600]
    # Products of integers bound the cosines in any number of dimensions.
    assert (ways.bounded, ways.full) == ((2, 0) if in_int8 else (0, 2))
    assert match_scores(query, [query], threshold=-0.5).tolist() == [600]
    assert ways.full == (1 if in_int8 else 3)


def test_rows_that_hardly_differ_are_matched_in_full(monkeypatch):
    ways = Ways(monkeypatch)
    rng = np.random.default_rng(5)
    rows = unit(rng.standard_normal(128) + 2e-3 * rng.standard_normal((600, 128)))
    assert match_scores(rows, [rows]).tolist() == [600]
    assert (ways.bounded, ways.full) == (0, 1)


@given(st.data(), st.sampled_from([0.02, 0.25, 0.7]), st.booleans())
@settings(max_examples=150, deadline=None)
def test_ties_in_rows_of_128_numbers(data, threshold, compressed):
    """Sizes around those of blocks of 32; few values, so that many cosines are equal."""
    seed = data.draw(st.integers(0, 2**32 - 1))
    rng = np.random.default_rng(seed)
    counts = [data.draw(st.sampled_from([1, 2, 15, 31, 32, 33, 47, 64, 65])) for _ in range(2)]
    kinds = data.draw(st.sampled_from([1, 2, 6]))
    query, candidate = (np.zeros((count, 128), np.float32) for count in counts)
    for rows in (query, candidate):
        # Four numbers of a half each make a row of unit length whose products are exact.
        for row in rows:
            places = 4 * rng.integers(0, kinds) + rng.choice(4 * kinds, 4, replace=False)
            row[places] = rng.choice([-0.5, 0.5], 4)
    codes = (2 * candidate).astype(np.int8)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cpu_matching, 'MIN_PAIRS', 1)
        for module in (cpu_matching, int8_matching):
            patch.setattr(module, 'MAX_SHARE', data.draw(st.sampled_from([0.05, 1.0])))
        found = match_pair(query, codes if compressed else candidate, threshold)
    expected = plain_matches(query, candidate, threshold)
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize('scale', [1.0, 1e-3])
def test_values_of_all_sizes_and_rows_of_zeros(scale):
    """One large value makes the steps of all others coarse."""
    rng = np.random.default_rng(11)
    query = rng.standard_normal((130, 128))
    query[::3, 5] = 40 * scale
    query = unit(query)
    candidate = unit(query[rng.permutation(130)] + 0.03 * rng.standard_normal((130, 128)))
    candidate[7] = 0
    codes = np.rint(127 * candidate).astype(np.int8)
    codes[8] = -128
    for rows in (candidate, codes):
        expected = plain_matches(query, unit_rows(rows), 0.7)
        assert len(expected) > 30
        np.testing.assert_array_equal(match_pair(query, rows), expected)


@pytest.mark.parametrize('sizes', [[700], [1, 0, 65, 64, 63, 700, 300], [300] * 30])
def test_real_sizes_need_several_tiles(sizes):
    rng = np.random.default_rng(len(sizes))
    query = unit(rng.standard_normal((500, 128)))
    candidates = []
    for size in sizes:
        rows = unit(rng.standard_normal((size, 128)))
        shared = min(size, 500) // 3
        noise = rng.uniform(0.02, 0.15) * rng.standard_normal((shared, 128))
        rows[:shared] = unit(query[rng.permutation(500)[:shared]] + noise)
        candidates.append(rows[rng.permutation(size)])
    expected = [len(plain_matches(query, rows, 0.7)) for rows in candidates]
    assert match_scores(query, candidates).tolist() == expected
    assert sum(expected) > 0


@pytest.mark.parametrize('seed', [31, 32])
def test_the_authors_scores(golden, seed):
    query, candidates = runpy.run_path(str(golden / 'rule.py'))['matching'](seed)
    expected = np.load(golden / 'vits14.npz')[f'matching_{seed}/scores']
    np.testing.assert_array_equal(match_scores(query, list(candidates)), expected)
    for candidate in candidates:
        np.testing.assert_array_equal(
            match_pair(query, candidate), plain_matches(query, candidate, 0.7)
        )


def test_matches_close_to_the_threshold_survive_the_bound(monkeypatch):
    ways = Ways(monkeypatch)
    rng = np.random.default_rng(3)
    basis = np.linalg.qr(rng.standard_normal((128, 128)))[0]
    coordinates = np.zeros((600, 128))
    coordinates[:, :20] = rng.standard_normal((600, 20))
    coordinates[:, 20:] = 0.05 * rng.standard_normal((600, 108))
    query = unit(coordinates @ basis)
    across = rng.standard_normal((600, 128))
    across = unit(across - (across * query).sum(1, keepdims=True) * query)
    cosine = 0.7 + rng.uniform(-1e-3, 1e-3, (600, 1))
    candidate = unit(cosine * query + np.sqrt(1 - cosine**2) * across)
    expected = plain_matches(query, candidate, 0.7)
    np.testing.assert_array_equal(match_pair(query, candidate), expected)
    assert len(expected) > 100
    assert ways.bounded == 1


def test_one_match_scores_one():
    query = np.eye(4, 8, dtype=np.float32)
    candidate = np.eye(4, 8, k=3, dtype=np.float32)
    assert match_scores(query, [candidate]).tolist() == [1]
    assert match_pair(query, candidate).tolist() == [[3, 0]]


def test_padding_is_never_matched_even_where_everything_is_allowed():
    rng = np.random.default_rng(0)
    query = -unit(np.abs(rng.standard_normal((70, 8))))
    candidates = [-query[:65] * 0.5, -query[:3] * 0.5]
    expected = [len(plain_matches(query, rows, -1.0)) for rows in candidates]
    assert match_scores(query, candidates, threshold=-1.0).tolist() == expected


def test_no_candidates_and_no_rows():
    query = unit(np.random.default_rng(0).standard_normal((5, 8)))
    empty = np.zeros((0, 8), np.float32)
    assert match_scores(query, []).shape == (0,)
    assert match_scores(query, [empty, query]).tolist() == [0, 5]
    assert match_scores(empty, [query]).tolist() == [0]
    assert match_pair(query, empty).shape == (0, 2)


def test_other_layouts_and_types_give_the_same():
    rng = np.random.default_rng(1)
    query = unit(rng.standard_normal((90, 16)))
    expected = match_scores(query, [query[:40]]).tolist()
    assert match_scores(np.asfortranarray(query), [query[:80:2]]).tolist() == expected
    assert match_scores(query.astype(np.float64), [query[::-1][:40]]).tolist() == expected
    query.flags.writeable = False
    assert match_scores(query, [query[:40]]).tolist() == expected


@pytest.mark.parametrize('shape', [(5,), (5, 7), (1, 5, 8)])
def test_shapes_that_do_not_fit_are_named(shape):
    query = np.zeros((5, 8), np.float32)
    with pytest.raises(InputError, match='candidate 1'):
        match_scores(query, [query, np.zeros(shape, np.float32)])


MEMORY_OF_MANY = """
import re, numpy as np
from pathlib import Path
from fol_vpr.retrieval import match_scores

def peak():
    # ru_maxrss counts the process that started this one, too.
    return int(re.search(r'VmHWM:\\s*(\\d+) kB', Path('/proc/self/status').read_text())[1])

rng = np.random.default_rng(0)
rows = rng.standard_normal((1600, 64)).astype('f4')
rows /= np.linalg.norm(rows, axis=1, keepdims=True)
match_scores(rows, [rows[:100]])
before = peak()
scores = match_scores(rows, [rows] * 60)
assert scores.tolist() == [1600] * 60, scores
print(peak() - before)
"""


def test_memory_stays_bounded():
    run = subprocess.run(
        [sys.executable, '-c', MEMORY_OF_MANY], capture_output=True, text=True, check=True
    )
    all_similarities = 60 * 1600 * 1600 * 4 // 1024
    assert 0 < int(run.stdout) < all_similarities / 4


@pytest.mark.parametrize('on_gpu', [False, True])
def test_compressed_rows_match_as_their_directions_do(on_gpu):
    rng = np.random.default_rng(6)
    query = unit(rng.standard_normal((150, 32)))
    candidates = []
    for count in (150, 0, 1, 70):
        noise = 0.1 * rng.standard_normal((count, 32))
        rows = unit(query[rng.permutation(150)[:count]] + noise)
        candidates.append(np.rint(127 * rows).astype(np.int8))
    candidates[0][3] = 0
    directions = [unit_rows(rows) for rows in candidates]
    for mixed in (candidates, [*directions[:2], *candidates[2:]]):
        if on_gpu:
            found = tensor_matching.match_on_device(query, mixed, 0.7, 'cpu')
            found = [pairs[pairs[:, 0].argsort()] for pairs in found]
        else:
            found = match_candidates(query, mixed)
        for pairs, rows in zip(found, directions, strict=True):
            np.testing.assert_array_equal(pairs, plain_matches(query, rows, 0.7))
    assert len(found[0]) > 100
    np.testing.assert_allclose(np.linalg.norm(directions[3], axis=1), 1, atol=1e-6)


WITHOUT_TORCH = """
import sys
sys.modules['torch'] = None  # importing it fails
import numpy as np
from fol_vpr.config import RetrievalConfig
from fol_vpr.database import CODECS
from fol_vpr.datatypes import Candidate, LocalFeatures
from fol_vpr.retrieval import CoarseFeatures, match_pair, rerank
y, x = np.indices((33, 33)).reshape(2, -1)
grid = (np.stack((x, y), 1) * 3.5 + 6.5).astype(np.float32)
rng = np.random.default_rng(0)
def local():
    rows = rng.standard_normal((len(grid), 128)).astype(np.float32)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    return LocalFeatures(rows, grid, np.ones(len(grid), np.float32))
codec = CODECS['fine']
places = [local() for _ in range(8)]
stored = [codec.subsample(place) for place in places]
stored = [codec.decode(codec.encode(place), len(place.weights), 128) for place in stored]
found = [Candidate(number, 0.9 - number / 100) for number in range(8)]
coarse = CoarseFeatures(codec.coarse_query(places[3]), codec.coarse)
config = RetrievalConfig(min_relative_similarity=-100)
ranked = rerank(places[3], found, stored.__getitem__, config, coarse=coarse)
assert ranked[0].index == 3 and ranked[0].match_score == len(stored[3].weights), ranked
assert len(match_pair(places[3].descriptors, stored[3].descriptors)) == len(stored[3].weights)
"""


def test_matching_and_re_ranking_need_no_torch():
    run = subprocess.run(
        [sys.executable, '-c', WITHOUT_TORCH], capture_output=True, text=True, check=False
    )
    assert run.returncode == 0, run.stderr
