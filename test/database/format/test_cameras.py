"""Cameras in maps: what goes in comes out, wherever a map is copied, and damage is noticed."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from helpers.small_maps import CAMERA, add, add_place, features, header

from fol_vpr.database import (
    MapEditor,
    MapReader,
    MapWriter,
    check_map,
    export_map,
    import_map,
    merge_maps,
    repair_map,
    split_by_session,
)
from fol_vpr.datatypes import Camera
from fol_vpr.errors import InputError, MapError

UNMOUNTED = replace(CAMERA, mount=None, model='', distortion=np.zeros(0))
CAMERAS = [CAMERA, None, UNMOUNTED, CAMERA]


@pytest.fixture
def filmed(tmp_path) -> Path:
    """Four places in one session, of two cameras, one of them unknown."""
    path = tmp_path / 'filmed.folmap'
    with MapWriter(path, header()) as writer:
        for index, camera in enumerate(CAMERAS):
            # An equal camera, not the same object: sources make one for each frame.
            add(writer, index, camera=None if camera is None else replace(camera))
        writer.finish()
    return path


def assert_same(found: Camera | None, expected: Camera | None) -> None:
    if expected is None or found is None:
        assert found is expected
        return
    assert (found.size, found.model) == (expected.size, expected.model)
    np.testing.assert_array_equal(found.matrix, expected.matrix)
    np.testing.assert_array_equal(found.distortion, expected.distortion)
    if expected.mount is None or found.mount is None:
        assert found.mount is expected.mount
    else:
        np.testing.assert_array_equal(found.mount.position, expected.mount.position)
        np.testing.assert_array_equal(found.mount.orientation, expected.mount.orientation)


def assert_cameras(path: Path, *expected: Camera | None) -> None:
    assert check_map(path) == []
    with MapReader(path) as reader:
        assert len(reader.places) == len(expected)
        for place, camera in zip(reader.places, expected, strict=True):
            assert_same(place.camera, camera)
            assert_same(reader.record(place.index).place.camera, camera)


def rows(path: Path) -> int:
    with closing(sqlite3.connect(path)) as connection:
        return int(connection.execute('SELECT count(*) FROM cameras').fetchone()[0])


def test_cameras_are_stored_once_and_given_back(filmed):
    assert_cameras(filmed, *CAMERAS)
    assert rows(filmed) == 2


def test_changes_and_what_is_saved_of_them(filmed):
    other = replace(CAMERA, size=(640, 480))
    with MapEditor(filmed) as editor:
        for index, camera in ((4, CAMERA), (5, other)):
            add_place(editor, features(index), session_id='live', stamp_ns=index, camera=camera)
        editor.remove(['drive-0/000002'])
        assert_cameras(filmed, CAMERA, None, CAMERA, CAMERA, other)
        editor.save()
    assert_cameras(filmed, CAMERA, None, CAMERA, CAMERA, other)
    # That of the removed place is gone with it.
    assert rows(filmed) == 2


def test_merged_and_split_maps(filmed, tmp_path):
    with MapWriter(tmp_path / 'other.folmap', header()) as writer:
        add(writer, 10, camera=CAMERA)
        writer.finish()
    merge_maps([filmed, tmp_path / 'other.folmap'], tmp_path / 'merged.folmap')
    assert_cameras(tmp_path / 'merged.folmap', *CAMERAS, CAMERA)
    assert rows(tmp_path / 'merged.folmap') == 2
    parts = split_by_session(tmp_path / 'merged.folmap', tmp_path)
    assert_cameras(Path(parts[0].path), *CAMERAS)
    assert_cameras(Path(parts[1].path), CAMERA)


def test_as_a_folder_and_back(filmed, tmp_path):
    export_map(filmed, tmp_path / 'exported')
    import_map(tmp_path / 'exported', tmp_path / 'back.folmap')
    assert_cameras(tmp_path / 'back.folmap', *CAMERAS)
    assert len(json.loads((tmp_path / 'exported/map.json').read_text())['cameras']) == 2


def test_a_folder_of_format_1(filmed, tmp_path):
    export_map(filmed, tmp_path / 'exported')
    common = json.loads((tmp_path / 'exported/map.json').read_text())
    del common['cameras']
    (tmp_path / 'exported/map.json').write_text(json.dumps({**common, 'format': 1}))
    lines = (tmp_path / 'exported/places.csv').read_text().splitlines()
    kept = '\n'.join(line.rpartition(',')[0] for line in lines)
    (tmp_path / 'exported/places.csv').write_text(kept)
    import_map(tmp_path / 'exported', tmp_path / 'back.folmap')
    assert_cameras(tmp_path / 'back.folmap', *[None] * 4)


@pytest.mark.parametrize(
    ('changes', 'said'),
    [
        ({'matrix': [0] * 9}, 'is the camera calibrated'),
        ({'model': 'fisheye'}, "distortion model is 'fisheye'"),
        ({'mount': [0, 0, 0]}, 'unit quaternion'),
        ({'size': [960]}, 'ValueError'),
    ],
)
def test_a_folder_with_a_camera_that_is_none(filmed, tmp_path, changes, said):
    export_map(filmed, tmp_path / 'exported')
    path = tmp_path / 'exported/map.json'
    common = json.loads(path.read_text())
    common['cameras'][0].update(changes)
    path.write_text(json.dumps(common))
    with pytest.raises(InputError, match=rf'(?s)map\.json cannot be used.*{said}'):
        import_map(tmp_path / 'exported', tmp_path / 'back.folmap')


def test_a_folder_that_names_a_camera_it_lacks(filmed, tmp_path):
    export_map(filmed, tmp_path / 'exported')
    path = tmp_path / 'exported/places.csv'
    path.write_text(path.read_text().rstrip()[:-1] + '7\n')
    with pytest.raises(InputError, match=r'line 5: camera 7, map\.json has 2'):
        import_map(tmp_path / 'exported', tmp_path / 'back.folmap')


def damage(path: Path, statement: str) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.execute(statement)
        connection.commit()


@pytest.mark.parametrize(
    ('statement', 'what', 'problem'),
    [
        (
            'UPDATE cameras SET width = 961 WHERE camera = 1',
            'camera 1 has changed',
            'camera 1 has changed',
        ),
        ('UPDATE places SET camera = 1 WHERE place = 0', 'record of place 0', 'of place 0 has'),
        ('UPDATE places SET camera = NULL WHERE place = 3', 'record of place 3', 'of place 3 has'),
        (
            'DELETE FROM cameras WHERE camera = 0',
            'camera 0 of place 0 is missing',
            'row 0 of places refers to a missing row of cameras',
        ),
    ],
)
def test_damage_is_noticed(filmed, statement, what, problem):
    damage(filmed, statement)
    with pytest.raises(MapError, match=what):
        MapReader(filmed)
    assert any(problem in found for found in check_map(filmed))


def test_a_damaged_camera_is_dropped_without_its_places(filmed):
    damage(filmed, "UPDATE cameras SET matrix = x'00' WHERE camera = 0")
    repair = repair_map(filmed)
    assert repair.kept == 4
    assert [what.partition(':')[0] for what in repair.dropped] == [
        'the camera of drive-0/000000', 'the camera of drive-0/000003'
    ]  # fmt: skip
    assert_cameras(filmed, None, None, UNMOUNTED, None)
