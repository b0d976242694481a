"""The index for large maps: what it finds, and its cache file."""

from __future__ import annotations

import logging
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from helpers.descriptors import places, structured

from fol_vpr.retrieval.index import LargeIndex, codes, large
from fol_vpr.retrieval.index.protocol import ArraySource

COUNT = 1500


class CountingSource(ArraySource):
    """Counts how many descriptors were read."""

    count = 0

    def read(self, ids: np.ndarray) -> np.ndarray:
        self.count += len(ids)
        return super().read(ids)


@pytest.fixture(scope='module')
def data() -> tuple[np.ndarray, np.ndarray]:
    return structured(COUNT // 3, 3)


@pytest.fixture
def built(data, tmp_path) -> Path:
    path = tmp_path / 'm.folmap.index'
    LargeIndex(ArraySource(data[0]), places(COUNT), content='a', cache=path)
    return path


def answers(index: LargeIndex, queries: np.ndarray) -> list[list[int]]:
    return [[found.index for found in index.search(query, 10)] for query in queries]


def opened(path: Path, rows: np.ndarray, of=None, content='a') -> tuple[LargeIndex, int]:
    """An index, and how many descriptors were read for it."""
    source = CountingSource(rows)
    index = LargeIndex(source, of or places(len(rows)), content=content, cache=path)
    return index, source.count


def test_recall_where_reduction_and_both_codes_lose_something(monkeypatch):
    """12,000 references, of which the coarse code selects a tenth, in 48 of 256 dimensions."""
    monkeypatch.setattr(large, 'REDUCED_DIM', 48)
    monkeypatch.setattr(large, 'REDUCTION_SAMPLE', 2048)
    monkeypatch.setattr(codes, 'MIN_SELECTED', 1200)
    rows, queries = structured(1000, 12)
    rows = rows.astype(np.float16)
    index = LargeIndex(ArraySource(rows), places(len(rows)))
    queries = queries[:100]
    exact = np.argsort(-(queries @ rows.astype(np.float32).T), axis=1)[:, :10]
    found = answers(index, queries)
    recall = np.mean([len({*a} & {*b}) / 10 for a, b in zip(exact.tolist(), found, strict=True)])
    assert recall >= 0.95
    assert np.mean(exact[:, 0] == [row[0] for row in found]) >= 0.98


def test_a_second_start_reads_the_file_and_no_descriptors(built, data):
    rows, queries = data
    fresh = LargeIndex(ArraySource(rows), places(COUNT))
    index, read = opened(built, rows)
    assert read == 0 and 'mapped from its cache' in index.description
    assert answers(index, queries[:50]) == answers(fresh, queries[:50])


def test_a_mapped_index_can_change_and_its_file_stays(built, data):
    rows, queries = data
    before = built.read_bytes()
    index, _ = opened(built, rows[:COUNT])
    index.remove([0, 1, 2])
    index.add(places(1, first=1), rows[1:2])
    fresh = LargeIndex(ArraySource(rows), places(COUNT))
    fresh.remove([0, 2])
    assert answers(index, queries[:50]) == answers(fresh, queries[:50])
    assert built.read_bytes() == before


@pytest.mark.parametrize('content', ['b'])
def test_the_cache_of_another_map_is_not_used(built, data, content, caplog):
    caplog.set_level(logging.INFO)
    _, read = opened(built, data[0], content=content)
    assert read >= COUNT and "its content is 'a', expected 'b'" in caplog.text
    assert opened(built, data[0], content=content)[1] == 0


def test_only_changes_of_a_map_are_computed(built, data):
    """Some references are removed, so that the others are renumbered, and some are new."""
    rows, queries = data
    left = np.setdiff1d(np.arange(COUNT), [3, 700, 1499])
    added = rows[:20][::-1].copy()
    now = np.concatenate([rows[left], added])
    before = places(COUNT)
    kept = [*(before[row] for row in left), *places(20, first=5000)]
    of = [replace(place, index=row) for row, place in enumerate(kept)]
    index, read = opened(built, now, of)
    assert read == 20 and len(index) == len(now)
    exact = np.argsort(-(queries[:50] @ now.T), axis=1, kind='stable')[:, :10]
    found = answers(index, queries[:50])
    same = [len({*a} & {*b}) for a, b in zip(exact.tolist(), found, strict=True)]
    assert np.mean(same) >= 9.8
    index, read = opened(built, now, of)
    assert read == 0 and answers(index, queries[:50]) == found


def test_a_map_that_changed_much_is_learned_again(built, data):
    _, read = opened(built, data[0][:600])
    assert read >= 600


def test_a_damaged_cache_is_detected_and_built_again(built, data):
    rows, queries = data
    whole = built.read_bytes()
    expected = answers(LargeIndex(ArraySource(rows), places(COUNT)), queries[:20])
    rng = np.random.default_rng(5)
    size = len(whole)
    for position in [0, size // 2, size - 1, *rng.integers(0, size, 2)]:
        broken = bytearray(whole)
        broken[position] ^= 1 << rng.integers(8)
        built.write_bytes(broken)
        index, read = opened(built, rows)
        assert read >= COUNT and answers(index, queries[:20]) == expected
    assert opened(built, rows)[1] == 0


def test_it_works_where_no_cache_can_be_written(data, tmp_path, unprivileged, caplog):
    folder = tmp_path / 'closed'
    folder.mkdir()
    folder.chmod(0o555)
    with unprivileged():
        index, _ = opened(folder / 'm.index', data[0])
        assert len(index.search(data[1][0], 5)) == 5
    assert 'cannot be written' in caplog.text and list(folder.iterdir()) == []


def test_building_reports_progress(data, monkeypatch):
    monkeypatch.setattr('fol_vpr.retrieval.index.protocol.BLOCK_BYTES', 4 * 256 * 400)
    said = []
    LargeIndex(ArraySource(data[0]), places(COUNT), progress=lambda *at: said.append(at))
    assert said == [(400, COUNT), (800, COUNT), (1200, COUNT), (COUNT, COUNT)]


@pytest.mark.parametrize('count', [1, 2, 40])
def test_small_maps_work_too(data, count, tmp_path):
    for _ in range(2):
        index, _ = opened(tmp_path / 'c', data[0][:count])
        found = index.search(data[0][0], 50)
        assert len(found) == count and found[0].index == 0
