"""Maps whose tables are not the plain ones of a map are refused, wherever a map is opened."""

import sqlite3
from contextlib import closing, suppress
from pathlib import Path

import pytest
from helpers.foreign_maps import change, retype
from helpers.small_maps import add_place, build, features

from fol_vpr.cli.main import main
from fol_vpr.database import (
    MapEditor,
    MapReader,
    MapWriter,
    can_be_repaired,
    check_map,
    export_map,
    merge_maps,
    read_info,
    repair_map,
    split_by_session,
)
from fol_vpr.database.format.allowed_schema import check_map_schema
from fol_vpr.database.format.schema import TABLES, migrate
from fol_vpr.database.storage.changes import changes_path
from fol_vpr.database.storage.hits import HitCounter, hits_path, read_hits
from fol_vpr.errors import MapError

VERSION_1 = Path(__file__).parent / 'version_1' / 'map.sql'


@pytest.fixture
def sound(tmp_path) -> Path:
    path = tmp_path / 'm.folmap'
    build(path, 2)
    return path


def as_view(path: Path, table: str) -> None:
    """The table under another name, and a view with the same rows in its place."""
    with closing(sqlite3.connect(path)) as connection:
        connection.execute('PRAGMA legacy_alter_table = ON')
        connection.execute(f'ALTER TABLE {table} RENAME TO other_{table}')
        connection.execute(f'CREATE VIEW {table} AS SELECT * FROM other_{table}')


FOREIGN = {
    'a view for places': lambda path: as_view(path, 'places'),
    'a view for meta': lambda path: as_view(path, 'meta'),
    'a view for sessions': lambda path: as_view(path, 'sessions'),
    'another view': lambda path: change(path, 'CREATE VIEW notes AS SELECT 1'),
    'another table': lambda path: change(path, 'CREATE TABLE notes (text)'),
    'a trigger': lambda path: change(
        path, 'CREATE TRIGGER t AFTER INSERT ON images BEGIN DELETE FROM images; END'
    ),
    'an index': lambda path: change(path, 'CREATE INDEX stamps ON places (stamp_ns)'),
    'an index of an expression': lambda path: change(
        path, 'CREATE INDEX low ON places (lower(image_uri))'
    ),
    'a virtual table': lambda path: change(path, 'CREATE VIRTUAL TABLE area USING rtree(i, a, b)'),
    'a generated column': lambda path: change(
        path, 'ALTER TABLE sessions ADD COLUMN twice INTEGER AS (2 * session)'
    ),
    'one column more': lambda path: change(path, 'ALTER TABLE images ADD COLUMN note TEXT'),
    'a default': lambda path: retype(path, 'images', 'jpeg BLOB NOT NULL', "jpeg BLOB DEFAULT ''"),
    'a check': lambda path: retype(path, 'images', 'jpeg BLOB', 'jpeg BLOB CHECK (1)'),
    'another type': lambda path: retype(path, 'places', 'stamp_ns INTEGER', 'stamp_ns ANY'),
    'a collation': lambda path: retype(path, 'sessions', 'TEXT NOT', 'TEXT COLLATE NOCASE NOT'),
    'no strict types': lambda path: retype(path, 'images', ') STRICT', ')'),
    'statistics': lambda path: change(path, 'ANALYZE'),
}


@pytest.mark.parametrize('kind', FOREIGN)
def test_a_map_with_other_tables_is_refused_by_name(sound, kind):
    FOREIGN[kind](sound)
    with pytest.raises(MapError, match='refused'):
        MapReader(sound)
    with pytest.raises(MapError, match='refused'):
        read_info(sound)
    (problem,) = check_map(sound)
    assert 'is refused: the' in problem
    assert not can_be_repaired(sound)


OPENED_BY = {
    'editor': MapEditor,
    'merge': lambda path: merge_maps([path, path], path.with_name('n.folmap')),
    'split': lambda path: split_by_session(path, path.parent / 'parts'),
    'export': lambda path: export_map(path, path.parent / 'out'),
    'repair': repair_map,
}


@pytest.mark.parametrize('way', OPENED_BY)
def test_it_is_refused_by_whatever_opens_maps(sound, way):
    as_view(sound, 'places')
    before = {path.name for path in sound.parent.iterdir()}
    with pytest.raises(MapError, match='refused'):
        OPENED_BY[way](sound)
    assert {path.name for path in sound.parent.iterdir()} == before


def test_the_command_line_ends_with_the_reason(sound, capsys):
    as_view(sound, 'places')
    assert main(['map', 'info', str(sound)]) == 2
    said = capsys.readouterr().err
    assert "is refused: the table 'other_places' is not one of fol_vpr" in said


def test_a_missing_table_is_damage(sound):
    change(sound, 'DROP TABLE images')
    with pytest.raises(MapError, match='damaged: the table images is missing'):
        MapReader(sound)


@pytest.fixture
def changes(sound) -> Path:
    with MapEditor(sound) as editor:
        add_place(editor, features(9), session_id='live', stamp_ns=9, uri='live')
    return changes_path(sound)


@pytest.mark.parametrize('kind', ['a view for places', 'a trigger', 'another table'])
def test_changes_with_other_tables_are_refused(changes, sound, kind):
    FOREIGN[kind](changes)
    for opened in (MapReader, MapEditor):
        with pytest.raises(MapError, match='changes is refused'):
            opened(sound)
    assert any('changes is refused' in problem for problem in check_map(sound))


def test_an_unfinished_build_with_other_tables_is_not_gone_on_with(tmp_path):
    path = tmp_path / 'm.folmap'
    with suppress(KeyboardInterrupt), MapWriter(path, header()) as writer:
        add_place(writer, features(0), session_id='s', source_position=1)
        raise KeyboardInterrupt
    partial = path.with_name('m.folmap.partial')
    change(partial, 'CREATE TRIGGER t AFTER INSERT ON images BEGIN DELETE FROM images; END')
    with pytest.raises(MapError, match='is refused: the trigger'):
        MapWriter(path, header())
    with MapWriter(path, header(), overwrite=True) as writer:
        assert writer.resumed == 0


def header():
    from helpers.small_maps import header as of_small_maps

    return of_small_maps()


def test_hits_with_other_tables_are_refused(sound):
    hits = HitCounter(sound)
    hits.count('drive-0/000000')
    hits.write()
    assert read_hits(sound) == {'drive-0/000000': 1}
    with closing(sqlite3.connect(hits_path(sound))) as connection:
        connection.execute('CREATE TRIGGER t AFTER UPDATE ON hits BEGIN DELETE FROM hits; END')
    with pytest.raises(MapError, match='refused'):
        read_hits(sound)
    hits.count('drive-0/000000')
    with pytest.raises(MapError, match='refused'):
        hits.write()


def test_the_tables_of_all_versions_are_known(tmp_path):
    old = tmp_path / 'old.folmap'
    with closing(sqlite3.connect(old, isolation_level=None)) as connection:
        connection.executescript(VERSION_1.read_text())
        connection.execute('PRAGMA user_version = 1')
        check_map_schema(old, connection)
        migrate(connection)
        check_map_schema(old, connection)
        # As other programs may write the same.
        with closing(sqlite3.connect(':memory:')) as new:
            new.executescript(' '.join(TABLES.split()))
            new.execute('PRAGMA user_version = 2')
            check_map_schema(old, new)
