"""The scale of a map, and its calibration, through everything that makes maps of maps."""

import json
import logging
import sqlite3

import pytest
from helpers.small_maps import add, add_place, build, features, header

from fol_vpr.config import PruningConfig
from fol_vpr.database import (
    MapEditor,
    MapReader,
    MapWriter,
    check_map,
    export_map,
    import_map,
    merge_maps,
    prune_map,
    read_info,
    repair_map,
    split_by_session,
)
from fol_vpr.errors import MapError

COUNT = 12
ROWS = {'decision': json.dumps({'version': 3, 'settings': {'verification.place_radius': 0.4}})}


@pytest.fixture
def room(tmp_path):
    """A calibrated map of the scale room."""
    return make(tmp_path / 'room.folmap', 'room', calibrated=True)


def make(path, scale, *, calibrated=False, first=0):
    with MapWriter(path, header(name=path.stem, scale=scale)) as writer:
        for index in range(first, first + COUNT):
            add(writer, index, session_id=f's{index // 6}')
        writer.finish()
    if calibrated:
        with MapEditor(path) as editor:
            editor.set_calibration(ROWS)
    return path


def test_it_is_stored_and_read(room):
    assert read_info(room).scale == 'room'
    with MapReader(room) as reader:
        assert reader.header.scale == reader.info.scale == 'room'
    assert check_map(room) == []


def test_a_map_without_one_has_none(tmp_path):
    build(tmp_path / 'plain.folmap', 3)
    assert read_info(tmp_path / 'plain.folmap').scale == ''


def test_another_word_is_damage(room):
    with sqlite3.connect(room) as connection:
        connection.execute("UPDATE meta SET value = 'galaxy' WHERE key = 'scale'")
    with pytest.raises(MapError, match='galaxy'):
        read_info(room)


def test_places_that_are_added_and_removed_keep_both(room):
    with MapEditor(room) as editor:
        add_place(editor, features(70), session_id='new', stamp_ns=99, uri='x')
        editor.remove(session_ids=['s0'])
        info = editor.save()
    assert info.scale == 'room' and info.calibrated
    with MapReader(room) as reader:
        assert reader.calibration() == ROWS


def test_saving_can_name_one(room):
    with MapEditor(room) as editor:
        before = editor.info
        info = editor.save(scale='building')
        assert (info.scale, info.calibrated, info.map_id) == ('building', True, before.map_id)
        assert editor.header.scale == 'building'
        assert editor.save().content_id == info.content_id
    assert read_info(room).scale == 'building' and check_map(room) == []


def test_export_and_import_keep_both(room, tmp_path):
    export_map(room, tmp_path / 'folder')
    info = import_map(tmp_path / 'folder', tmp_path / 'again.folmap')
    assert info.scale == 'room' and info.calibrated
    with MapReader(info.path) as reader:
        assert reader.calibration() == ROWS


def test_repair_keeps_both(room):
    with sqlite3.connect(room) as connection:
        connection.execute("UPDATE local_features SET features = x'00' WHERE place = 3")
    repair_map(room)
    info = read_info(room)
    assert info.places == COUNT - 1 and info.scale == 'room' and info.calibrated


def test_parts_keep_the_scale_and_say_that_the_calibration_is_dropped(room, tmp_path, caplog):
    infos = split_by_session(room, tmp_path / 'parts')
    infos.append(prune_map(room, tmp_path / 'pruned.folmap', PruningConfig(redundant=True)))
    assert [info.scale for info in infos] == ['room'] * len(infos)
    assert not any(info.calibrated for info in infos)
    said = [record.getMessage() for record in caplog.records if 'calibrat' in record.getMessage()]
    assert len(said) == len(infos)
    for info, each in zip(infos, said, strict=True):
        assert info.path in each and '`fol_vpr calibrate`' in each


def test_parts_of_a_map_without_calibration_say_nothing_of_it(tmp_path, caplog):
    split_by_session(make(tmp_path / 'a.folmap', 'room'), tmp_path / 'parts')
    assert 'calibrat' not in caplog.text


@pytest.mark.parametrize(
    ('second', 'given', 'expected', 'warned'),
    [
        ('room', '', 'room', False),
        ('', '', 'room', False),
        ('street', '', '', True),
        ('street', 'building', 'building', False),
    ],
)
def test_merged_maps_have_the_scale_that_all_agree_on(
    room, tmp_path, caplog, second, given, expected, warned
):
    other = make(tmp_path / 'other.folmap', second, first=COUNT)
    with caplog.at_level(logging.WARNING):
        info = merge_maps([room, other], tmp_path / 'm.folmap', scale=given)
    assert info.scale == expected and not info.calibrated
    assert ('different scales' in caplog.text) == warned
    assert f'has no calibration, as that of {room}' in caplog.text
