"""Statements on files that are not what they seem come to an end."""

import os
import sqlite3
from contextlib import closing

import pytest
from helpers.small_maps import build

from fol_vpr.database import MapReader, check_map
from fol_vpr.database.storage import guard
from fol_vpr.database.storage.guard import EndlessDataError, GuardedConnection, reason_of
from fol_vpr.database.storage.hits import HitCounter, hits_path, read_hits
from fol_vpr.errors import MapError

COUNTING = 'WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT {} FROM n'


@pytest.fixture
def guarded(tmp_path, monkeypatch):
    monkeypatch.setattr(guard, 'STEPS_AT_ONCE', 1000)
    monkeypatch.setattr(guard, 'BASE_STEPS', 20_000)
    monkeypatch.setattr(guard, 'BASE_BYTES', 10_000)
    path = tmp_path / 'x.db'
    opened = sqlite3.connect(path, isolation_level=None, factory=GuardedConnection)
    with closing(opened) as connection:
        connection.guard(path)
        yield connection


def test_a_statement_without_end_is_interrupted(guarded):
    with pytest.raises(sqlite3.OperationalError) as caught:
        guarded.execute(COUNTING.format('sum(i)')).fetchall()
    assert 'more steps than a file of its size' in reason_of(caught.value)


def test_rows_of_more_bytes_than_the_file_has_are_refused(guarded):
    with pytest.raises(EndlessDataError, match='more bytes'):
        guarded.execute(COUNTING.format('zeroblob(1000)')).fetchall()


def test_every_statement_begins_anew_and_large_files_get_more(guarded):
    some = COUNTING.format('zeroblob(100)') + ' LIMIT {}'
    for _ in range(5):
        assert len(guarded.execute(some.format(60)).fetchall()) == 60
    guarded.execute('CREATE TABLE kept (value BLOB)')
    guarded.execute(f'INSERT INTO kept {some.format(1000)}')
    assert len(guarded.execute('SELECT * FROM kept').fetchall()) == 1000


def test_the_connection_is_defensive(guarded):
    (trusted,) = guarded.execute('PRAGMA trusted_schema').fetchone()
    assert trusted == 0
    if hasattr(guarded, 'getlimit'):
        assert guarded.getlimit(sqlite3.SQLITE_LIMIT_LENGTH) == guard.MAX_VALUE_BYTES
        with pytest.raises(sqlite3.Error):
            guarded.execute("ATTACH ':memory:' AS other")


@pytest.mark.parametrize('suffix', ['.changes', '.changes-wal', '-journal'])
def test_a_fifo_beside_a_map_does_not_block(tmp_path, suffix):
    path = tmp_path / 'm.folmap'
    build(path, 1)
    if suffix == '.changes-wal':
        path.with_name('m.folmap.changes').touch()
    os.mkfifo(path.with_name('m.folmap' + suffix))
    with pytest.raises(MapError, match='no regular file: move it away'):
        MapReader(path)
    assert any('no regular file' in problem for problem in check_map(path))


def test_places_with_more_bytes_than_the_file_are_not_copied(tmp_path, monkeypatch):
    path = tmp_path / 'm.folmap'
    build(path, 8)
    monkeypatch.setattr(guard, 'BASE_BYTES', 0)
    with MapReader(path) as reader:
        monkeypatch.setattr(guard, '_size_of', lambda _: 2500)
        with pytest.raises(MapError, match='its places have more bytes'):
            [reader.record(index) for index in range(8)]
        with pytest.raises(MapError, match='its places have more bytes'):
            [reader.local_features(index) for index in range(8)]


def test_a_fifo_for_the_hits_does_not_block(tmp_path):
    path = tmp_path / 'm.folmap'
    build(path, 1)
    os.mkfifo(hits_path(path))
    with pytest.raises(MapError, match='no regular file'):
        read_hits(path)
    hits = HitCounter(path)
    hits.count('x')
    with pytest.raises(MapError, match='no regular file'):
        hits.write()


def test_a_journal_that_names_another_file_is_refused(tmp_path):
    path = tmp_path / 'm.folmap'
    build(path, 1)
    hits_path(path).touch()
    journal = hits_path(path).with_name('m.folmap.hits-journal')
    journal.write_bytes(bytes(100) + bytes.fromhex('d9d505f920a163d7'))
    with pytest.raises(MapError, match='not of this database: move it away'):
        read_hits(path)
