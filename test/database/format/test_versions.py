"""Maps of other versions: `version_1/` holds what the first version wrote, as SQL."""

from __future__ import annotations

import sqlite3
import struct
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
from helpers.small_maps import CAMERA, add_place, assert_content, build, features

from fol_vpr.database import SCHEMA_VERSION, MapEditor, MapReader, check_map, read_info, repair_map
from fol_vpr.database.format.schema import APPLICATION_ID, CHANGES_ID, TABLES, migrate
from fol_vpr.errors import MapError

OLD = Path(__file__).parent / 'version_1'


def write(path: Path, script: str, application_id: int) -> Path:
    with closing(sqlite3.connect(path)) as connection:
        connection.execute('PRAGMA page_size = 16384')
        connection.executescript((OLD / script).read_text())
        connection.execute(f'PRAGMA application_id = {application_id}')
        connection.execute('PRAGMA user_version = 1')
    return path


@pytest.fixture
def old(tmp_path) -> Path:
    """A map of version 1 with three places."""
    return write(tmp_path / 'old.folmap', 'map.sql', APPLICATION_ID)


@pytest.fixture
def changed(old) -> Path:
    """The same with changes of version 1: one place more, and `drive-0/000001` removed."""
    changes = write(old.with_name('old.folmap.changes'), 'changes.sql', CHANGES_ID)
    with closing(sqlite3.connect(changes)) as connection:
        connection.execute('PRAGMA journal_mode = WAL')
    return old


def version(path: Path) -> int:
    return int(struct.unpack_from('>i', path.read_bytes(), 60)[0])


def test_an_older_map_is_read_as_it_is(old):
    before = old.read_bytes()
    assert_content(old, 3, rows=4)
    with MapReader(old) as reader:
        assert [place.camera for place in reader.places] == [None] * 3
        assert reader.record(2).place.image_uri == 'images/0002.jpg'
    assert read_info(old).schema_version == 1
    assert check_map(old) == []
    assert old.read_bytes() == before
    assert [path.name for path in old.parent.iterdir()] == [old.name]


def test_an_older_map_is_read_where_nothing_can_be_written(old, unprivileged):
    old.chmod(0o444)
    old.parent.chmod(0o555)
    try:
        with unprivileged():
            assert_content(old, 3, rows=4)
    finally:
        old.parent.chmod(0o755)


def test_damage_in_an_older_map_is_noticed_and_repaired(old):
    with closing(sqlite3.connect(old)) as connection:
        connection.execute("UPDATE places SET image_uri = 'x' WHERE place = 1")
        connection.commit()
    assert check_map(old)[0] == 'the record of place 1 has changed'
    with pytest.raises(MapError, match='record of place 1'):
        MapReader(old)
    repair = repair_map(old)
    assert (repair.kept, version(old)) == (2, SCHEMA_VERSION)
    assert check_map(old) == []


def test_older_changes_are_seen_and_gone_on_with(changed):
    expected = ['drive-0/000000', 'drive-0/000002', 'live/000003']
    with MapReader(changed) as reader:
        assert [place.place_id for place in reader.places] == expected
    assert check_map(changed) == []
    changes = changed.with_name('old.folmap.changes')
    assert version(changes) == 1
    with MapEditor(changed) as editor:
        add_place(
            editor, features(4, 4), session_id='live', stamp_ns=8, uri='live:4', camera=CAMERA
        )
        assert version(changed) == 1
        with MapReader(changed) as reader:
            assert [place.place_id for place in reader.places[:3]] == expected
            assert [place.camera is None for place in reader.places] == [True, True, True, False]
        assert editor.save().schema_version == SCHEMA_VERSION
    assert version(changed) == SCHEMA_VERSION
    assert check_map(changed) == []
    with MapReader(changed) as reader:
        np.testing.assert_array_equal(reader.places[3].camera.matrix, CAMERA.matrix)


def test_saving_brings_an_older_map_to_the_newest_version(old):
    before = read_info(old)
    with MapEditor(old) as editor:
        info = editor.save()
    assert (info.schema_version, info.map_id) == (SCHEMA_VERSION, before.map_id)
    assert_content(old, 3, rows=4)


def columns(connection: sqlite3.Connection, table: str) -> list[tuple[object, ...]]:
    return connection.execute(f'PRAGMA table_info({table})').fetchall()


def test_a_migrated_file_has_the_tables_of_a_new_one(old):
    with closing(sqlite3.connect(old, isolation_level=None)) as connection:
        migrate(connection)
        with closing(sqlite3.connect(':memory:')) as new:
            new.executescript(TABLES)
            tables = [name for (name,) in new.execute('SELECT name FROM sqlite_schema')]
            for table in tables:
                assert columns(connection, table) == columns(new, table)
        migrate(connection)  # another process may have been faster
    assert version(old) == SCHEMA_VERSION
    assert_content(old, 3, rows=4)
    assert check_map(old) == []


def add_notes(connection: sqlite3.Connection) -> None:
    connection.execute('CREATE TABLE notes (place INTEGER PRIMARY KEY, text TEXT)')


def stop(connection: sqlite3.Connection) -> None:
    raise KeyboardInterrupt


def test_an_interrupted_migration_changes_nothing(old):
    connection = sqlite3.connect(old, isolation_level=None)
    with closing(connection), pytest.raises(KeyboardInterrupt):
        migrate(connection, (add_notes, stop))
    assert version(old) == 1
    assert_content(old, 3, rows=4)


@pytest.fixture
def newer(tmp_path) -> Path:
    path = tmp_path / 'newer.folmap'
    build(path, 2)
    with MapEditor(path) as editor:
        editor.remove(['drive-0/000001'])
    return path.with_name('newer.folmap.changes')


def test_newer_changes_are_refused_by_name(newer):
    with closing(sqlite3.connect(newer)) as connection:
        connection.execute(f'PRAGMA user_version = {SCHEMA_VERSION + 1}')
    with pytest.raises(MapError, match=f'schema version {SCHEMA_VERSION + 1}.*that changed it'):
        MapReader(newer.with_name('newer.folmap'))
