"""A map grows beside its file: at once for new readers, safely, and by one process at a time."""

import os
import shutil
import signal
import sqlite3
from pathlib import Path

import numpy as np
import pytest
from helpers.small_maps import add_place, assert_content, build, features, jpeg

from fol_vpr.database import FEEDBACK, MapEditor, MapReader, MapWriter, check_map, read_info
from fol_vpr.database.storage.changes import changes_path
from fol_vpr.datatypes import Features, GeoPosition, Place, Pose
from fol_vpr.errors import AccessError, InputError, MapBusyError, MapError, NotInMapError

COUNT = 6


@pytest.fixture
def path(tmp_path) -> Path:
    path = tmp_path / 'm.folmap'
    build(path, COUNT)
    return path


def add(editor: MapEditor, number: int, **changes) -> Place:
    values = {
        'session_id': 'later',
        'stamp_ns': 7 + number,
        'uri': f'{number}.jpg',
        'image_jpeg': jpeg(number),
        **changes,
    }
    return add_place(editor, features(number), **values)


def names(path: Path) -> list[str]:
    with MapReader(path) as reader:
        assert [place.index for place in reader.places] == list(range(len(reader.places)))
        return [place.place_id for place in reader.places]


def files(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def assert_is(path: Path, index: int, number: int) -> None:
    """The place of this index holds what `features` makes of this number."""
    with MapReader(path) as reader:
        expected = features(number)
        descriptor = reader.global_descriptors()[index]
        np.testing.assert_allclose(descriptor, expected.global_descriptor, atol=1e-3)
        local = reader.local_features(index)
        np.testing.assert_array_equal(local.positions, expected.local.positions)
        assert reader.image(index) == jpeg(number)


def test_what_is_added_is_there_for_new_readers_and_the_file_stays_as_it_is(path):
    before = path.read_bytes()
    pose = Pose(np.arange(3.0), np.array([0, 0, 0.6, 0.8]), np.eye(6))
    with MapReader(path) as old, MapEditor(path) as editor:
        first = add(editor, 20, pose=pose, geo=GeoPosition(48.5, 9.25))
        second = add(editor, 21, place_id='the gate')
        assert (first.place_id, second.place_id) == ('later/000006', 'the gate')
        assert names(path)[-2:] == ['later/000006', 'the gate']
        assert len(old.places) == COUNT
        info = read_info(path)
        assert (info.places, info.added, info.removed, info.sessions) == (COUNT + 2, 2, 0, 2)
        assert info.georeferenced
    assert path.read_bytes() == before
    assert_is(path, COUNT, 20)
    assert_is(path, COUNT + 1, 21)
    with MapReader(path) as reader:
        place = reader.places[COUNT]
        np.testing.assert_array_equal(place.pose.covariance, np.eye(6))
        assert (place.geo.latitude, place.stamp_ns) == (48.5, 27)
    with MapReader(path, changes=False) as reader:
        assert len(reader.places) == COUNT
    assert check_map(path) == []


def test_changes_stay_when_the_editor_is_closed_and_go_on_with_the_next(path):
    with MapEditor(path) as editor:
        add(editor, 20)
    with MapEditor(path) as editor:
        assert add(editor, 21).place_id == 'later/000007'
    assert len(names(path)) == COUNT + 2


def test_removing_places_of_the_file_and_added_ones(path):
    with MapEditor(path) as editor:
        add(editor, 20)
        add(editor, 21, session_id='other')
        assert editor.remove(['drive-0/000001', 'later/000006']) == (
            'drive-0/000001',
            'later/000006',
        )
        assert editor.remove(session_ids=['other']) == ('other/000007',)
        add(editor, 22, place_id='drive-0/000001')
        left = names(path)
        assert left == [*(f'drive-0/{i:06d}' for i in (0, 2, 3, 4, 5)), 'drive-0/000001']
        assert_is(path, 1, 2)
        assert_is(path, 5, 22)
        assert check_map(path) == []
        info = editor.save()
    assert (info.places, info.added, info.removed) == (6, 0, 0)
    assert names(path) == left
    assert_is(path, 5, 22)


def test_a_removed_place_leaves_no_trace(path):
    with MapEditor(path) as editor:
        add(editor, 20, image_jpeg=b'a face that must go' * 20)
        editor.remove(['later/000006'])
    with sqlite3.connect(changes_path(path)) as connection:
        connection.execute('PRAGMA wal_checkpoint(TRUNCATE)')
    assert b'a face that must go' not in changes_path(path).read_bytes()


@pytest.mark.parametrize(
    ('places', 'sessions', 'error'),
    [
        (['drive-0/000001', 'none'], [], NotInMapError),
        ([], ['none'], NotInMapError),
        ([], ['drive-0'], InputError),
    ],
)
def test_all_or_none_are_removed_and_never_the_last(path, places, sessions, error):
    with MapEditor(path) as editor, pytest.raises(error, match=r'none|all 6 places'):
        editor.remove(places, sessions)
    assert len(names(path)) == COUNT
    assert not changes_path(path).exists()


def test_saving_makes_one_file_and_keeps_the_identity(path):
    before = read_info(path)
    with MapEditor(path) as editor:
        assert editor.save() == before
        add(editor, 20)
        info = editor.save()
        assert files(path.parent) == ['m.folmap']
        add(editor, 21)
        assert len(names(path)) == COUNT + 2
        editor.save()
    assert (info.places, info.map_id) == (COUNT + 1, before.map_id)
    assert info.content_id != before.content_id
    assert files(path.parent) == ['m.folmap']
    with MapReader(path) as reader:
        assert reader.header.name == 'small'
    assert_content_of_first(path)
    assert check_map(path) == []


def assert_content_of_first(path: Path) -> None:
    for index in range(COUNT):
        assert_is(path, index, index)


def test_saving_elsewhere_makes_another_map(path):
    other = path.with_name('other.folmap')
    with MapEditor(path) as editor:
        add(editor, 20)
        info = editor.save(other)
        assert info.map_id != read_info(path).map_id
        with pytest.raises(MapError, match='exists already'):
            editor.save(other)
        assert editor.save(other, overwrite=True).places == COUNT + 1
    assert names(other) == names(path)
    assert changes_path(path).exists() and not changes_path(other).exists()


def test_a_place_id_is_given_once(path):
    with MapEditor(path) as editor:
        for taken in ('drive-0/000003', add(editor, 20).place_id):
            with pytest.raises(InputError, match='unique'):
                add(editor, 21, place_id=taken)
        assert len(names(path)) == COUNT + 1


def test_features_that_do_not_fit_leave_no_trace(path):
    with MapEditor(path) as editor:
        with pytest.raises(InputError, match='global descriptor'):
            add_place(
                editor,
                Features(np.ones(7, np.float32), features(1).local, (9, 9)),
                session_id='new',
            )
        add(editor, 20)
    with MapReader(path) as reader:
        assert {place.session_id for place in reader.places} == {'drive-0', 'later'}
    assert check_map(path) == []


# ---- who else is there


def test_a_second_editor_is_refused_until_the_first_lets_go(path):
    with MapEditor(path) as editor:
        with pytest.raises(MapBusyError, match='being changed by another process'):
            MapEditor(path)
        add(editor, 20)
        editor.save()
        with pytest.raises(MapBusyError):
            MapEditor(path)
    MapEditor(path).close()


def test_the_lock_goes_with_the_process(path):
    ready, ack = os.pipe()
    child = os.fork()
    if child == 0:
        add(MapEditor(path), 20)
        os.write(ack, b'+')
        signal.pause()
    assert os.read(ready, 1) == b'+'
    with pytest.raises(MapBusyError):
        MapEditor(path)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    with MapEditor(path) as editor:
        add(editor, 21)
    assert len(names(path)) == COUNT + 2


def test_a_map_that_is_being_changed_is_not_overwritten(path):
    with MapEditor(path) as editor:
        add(editor, 20)
        with pytest.raises(MapBusyError):
            build(path, 2, overwrite=True)
    assert len(names(path)) == COUNT + 1
    build(path, 2, overwrite=True)
    assert files(path.parent) == ['m.folmap']
    assert_content(path, 2)


def test_a_reader_sees_the_map_as_it_was_when_it_was_opened(path):
    with MapEditor(path) as editor:
        add(editor, 20)
        with MapReader(path) as reader:
            editor.remove(['later/000006', 'drive-0/000000'])
            add(editor, 21)
            editor.save()
            add(editor, 22)
            assert len(reader.places) == COUNT + 1
            assert len(reader.global_descriptors()) == COUNT + 1
            np.testing.assert_array_equal(
                reader.local_features(COUNT).positions, features(20).local.positions
            )
        # Its end leaves alone what lies there under the same names by now.
        add(editor, 23)
        assert len(names(path)) == COUNT + 2
    assert len(names(path)) == COUNT + 2
    assert check_map(path) == []


def test_changes_can_be_read_where_nothing_can_be_written(path, unprivileged):
    with MapEditor(path) as editor:
        add(editor, 20)
    for file in path.parent.iterdir():
        file.chmod(0o444)
    path.parent.chmod(0o555)
    with unprivileged():
        assert len(names(path)) == COUNT + 1
        assert check_map(path) == []
        with MapEditor(path) as editor, pytest.raises(AccessError, match='permissions'):
            add(editor, 21)
    path.parent.chmod(0o755)


# ---- changes that do not belong there


def test_a_save_that_was_killed_before_its_end_is_recognised(path):
    with MapEditor(path) as editor:
        add(editor, 20)
        kept = path.with_name('kept')
        shutil.copy(changes_path(path), kept)
        shutil.copy(f'{changes_path(path)}-wal', f'{kept}-wal')
        editor.save()
    os.replace(kept, changes_path(path))
    os.replace(f'{kept}-wal', f'{changes_path(path)}-wal')
    assert len(names(path)) == COUNT + 1
    assert check_map(path) == []
    with MapEditor(path) as editor:
        add(editor, 21)
    assert len(names(path)) == COUNT + 2
    assert check_map(path) == []


def test_changes_to_another_map_are_refused_and_kept(path, tmp_path):
    other = tmp_path / 'other.folmap'
    build(other, 2)
    with MapEditor(other) as editor:
        add(editor, 20)
    os.replace(changes_path(other), changes_path(path))
    for opened in (MapReader, MapEditor, read_info):
        with pytest.raises(MapError, match='another map'):
            opened(path)
    assert 'another map' in check_map(path)[0]
    assert changes_path(path).exists()


@pytest.mark.parametrize('content', [b'', b'not a database' * 1000])
def test_a_file_in_the_way(path, content):
    changes_path(path).write_bytes(content)
    if content:
        with pytest.raises(MapError, match='not a database'):
            MapReader(path)
        with pytest.raises(MapError):
            MapEditor(path)
    else:
        # What a kill leaves right after the file was made.
        with MapEditor(path) as editor:
            add(editor, 20)
        assert len(names(path)) == COUNT + 1


def test_a_log_of_changes_that_are_gone_is_not_replayed(path):
    with MapEditor(path) as editor:
        add(editor, 20)
        log = Path(f'{changes_path(path)}-wal').read_bytes()
        editor.discard()
        Path(f'{changes_path(path)}-wal').write_bytes(log)
        assert len(names(path)) == COUNT
        add(editor, 21)
    assert len(names(path)) == COUNT + 1
    assert_is(path, COUNT, 21)


@pytest.mark.parametrize(
    'statement',
    [
        "UPDATE removed SET place_id = 'drive-0/000002'",
        'DELETE FROM removed',
        'DELETE FROM places',
        'UPDATE places SET stamp_ns = 1',
        "UPDATE meta SET value = 'x' WHERE key = 'changes_id'",
        "UPDATE sessions SET session_id = 'x'",
        "UPDATE local_features SET features = x'00'",
        "UPDATE global_descriptors SET descriptor = x'00'",
        "UPDATE images SET jpeg = x'00'",
    ],
)
def test_damaged_changes_are_found(path, statement):
    with MapEditor(path) as editor:
        add(editor, 20)
        editor.remove(['drive-0/000001'])
    with sqlite3.connect(changes_path(path)) as connection:
        connection.execute('PRAGMA foreign_keys = OFF')
        connection.execute(statement)
    connection.close()
    assert check_map(path)


def test_an_unfinished_build_is_no_map_to_change(tmp_path):
    from helpers.small_maps import add as build_one
    from helpers.small_maps import header

    path = tmp_path / 'm.folmap'
    with MapWriter(path, header(), source_id='test') as writer:
        build_one(writer, 0)
    with pytest.raises(MapError, match='not finished'):
        MapEditor(path)


def test_a_calibration_replaces_the_one_before_and_keeps_what_the_map_is(path):
    with MapReader(path) as reader:
        before = reader.info
    assert not before.calibrated
    with MapEditor(path) as editor:
        first = editor.set_calibration({'decision': '{"a": 1}'})
        second = editor.set_calibration({'decision': '{"a": 2}'})
    assert first.calibrated and (first.map_id, first.places) == (before.map_id, before.places)
    assert len({before.content_id, first.content_id, second.content_id}) == 3
    with MapReader(path) as reader:
        assert reader.calibration() == {'decision': '{"a": 2}'}
    assert not path.with_name(path.name + '.changes').exists()
    assert check_map(path) == []


def test_a_calibration_saves_the_changes_beside_the_map_with_it(path):
    with MapEditor(path) as editor:
        add(editor, 100)
        info = editor.set_calibration({'decision': '{}'})
        assert (info.places, info.added, info.calibrated) == (COUNT + 1, 0, True)
        add(editor, 101)
        info = editor.save()
    assert (info.places, info.calibrated) == (COUNT + 2, True)


def test_a_note_is_kept_with_the_changes_and_after_saving(path):
    with MapEditor(path) as editor:
        editor.annotate(FEEDBACK, '{"rejected": 1}')
        editor.annotate(FEEDBACK, '{"rejected": 2}')
        with MapReader(path) as reader:
            assert reader.calibration() == {FEEDBACK: '{"rejected": 2}'}
            assert not reader.info.calibrated, 'what a back-end said is no calibration'
    assert check_map(path) == []
    with MapEditor(path) as editor:
        add(editor, 50)
        editor.annotate('other', '{}')
        editor.save()
    assert check_map(path) == []
    with MapReader(path) as reader:
        assert reader.calibration() == {FEEDBACK: '{"rejected": 2}', 'other': '{}'}
        assert not reader.info.calibrated, 'nor is what nobody knows'
    with MapEditor(path) as editor:
        editor.set_calibration({'decision': '{}'})
    with MapReader(path) as reader:
        assert reader.calibration() == {FEEDBACK: '{"rejected": 2}', 'decision': '{}'}
    changed = sqlite3.connect(path)
    changed.execute("UPDATE calibration SET parameters = '{}'")
    changed.commit()
    changed.close()
    assert any('have changed' in problem for problem in check_map(path))
