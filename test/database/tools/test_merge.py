"""Merged maps: places stay as they are, and maps that do not fit together are refused."""

from pathlib import Path

import numpy as np
import pytest
from helpers.small_maps import (
    add,
    add_place,
    assert_same_places,
    build,
    features,
    header,
    place_ids,
)

from fol_vpr.database import (
    MapEditor,
    MapReader,
    MapWriter,
    Region,
    check_map,
    merge_maps,
    split_by_region,
    split_by_session,
)
from fol_vpr.datatypes import GeoPosition, Pose
from fol_vpr.datatypes.utm import UtmZone, utm_from_geo
from fol_vpr.errors import InputError, MapError, MapMismatchError

COUNT = 25


@pytest.fixture(scope='module')
def whole(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp('maps') / 'whole.folmap'
    build(path, COUNT)
    return path


def test_split_and_merged_again(whole, tmp_path):
    parts = split_by_session(whole, tmp_path)
    assert [part.places for part in parts] == [10, 10, 5]
    assert [Path(part.path).name for part in parts] == [
        f'whole-drive-{number}.folmap' for number in range(3)
    ]
    assert all(check_map(part.path) == [] for part in parts)
    merged = merge_maps([part.path for part in parts], tmp_path / 'merged.folmap')
    assert (merged.places, merged.sessions, merged.name) == (COUNT, 3, 'merged')
    assert place_ids(tmp_path / 'merged.folmap') == place_ids(whole)
    assert_same_places(whole, tmp_path / 'merged.folmap')
    assert check_map(merged.path) == []


def test_what_two_maps_share_is_taken_once(whole, tmp_path):
    grown = tmp_path / 'grown.folmap'
    split_by_region(whole, Region(0, -1, 14, 1), grown)
    with MapEditor(grown) as editor:
        add_place(editor, features(70), session_id='new', stamp_ns=5, uri='x')
    info = merge_maps([whole, grown], tmp_path / 'merged.folmap')
    assert info.places == COUNT + 1


def test_maps_that_do_not_belong_together(whole, tmp_path):
    def made(name: str, number: int = 50, **changes) -> Path:
        path = tmp_path / f'{name}.folmap'
        with MapWriter(path, header(**changes, name=name), source_id='t') as writer:
            add(writer, number, session_id='drive-0', place_id='drive-0/000001')
            writer.finish()
        return path

    target = tmp_path / 'merged.folmap'
    for change in ({'model_id': 'other'}, {'codec': 'float32'}):
        with pytest.raises(MapMismatchError, match=next(iter(change))):
            merge_maps([whole, made('other', **change)], target, overwrite=True)
        (tmp_path / 'other.folmap').unlink()
    with pytest.raises(MapMismatchError, match='different frames'):
        merge_maps([whole, made('frame', frame_id='odom')], target)
    clash = made('clash')
    with pytest.raises(InputError, match=r"both have a place 'drive-0/000001'.*--qualify"):
        merge_maps([whole, clash], target)
    assert merge_maps([whole, clash], target, qualify=True).places == COUNT + 1
    assert place_ids(target)[-1] == 'clash/drive-0/000001'
    with pytest.raises(MapError, match='exists already'):
        merge_maps([whole, clash], target, qualify=True)
    with pytest.raises(InputError, match='at least two'):
        merge_maps([whole], target)


# ---- pruning


def test_utm_coordinates_of_two_zones_are_not_merged(tmp_path):
    """Both maps call their frame utm, and Greenwich lies at 708 km in one, 292 km in the other."""
    maps = []
    for number in (30, 31):
        path = tmp_path / f'{number}.folmap'
        xy = utm_from_geo(np.array([[51.5, 0.0]]), UtmZone(number, True))[0]
        pose = Pose(np.array([*xy, 0.0]), np.array([0.0, 0, 0, 1]))
        with MapWriter(path, header(frame_id='utm'), source_id='t') as writer:
            add(writer, number, pose=pose, geo=GeoPosition(51.5, 0.0))
            writer.finish()
        maps.append(path)
    with pytest.raises(MapMismatchError, match=r'of the zone 30N, and .* of 31N'):
        merge_maps(maps, tmp_path / 'both.folmap')


def test_sessions_keep_what_they_were_built_from(tmp_path):
    sources = tuple((f'drive-{number}', f'bag {number}') for number in range(3))
    with MapWriter(tmp_path / 'm.folmap', header(sources=sources), source_id='test') as writer:
        for index in range(COUNT):
            add(writer, index)
        writer.finish()
    parts = [part.path for part in split_by_session(tmp_path / 'm.folmap', tmp_path)]
    with MapReader(parts[1]) as reader:
        assert reader.header.sources == sources[1:2]
    merge_maps(parts, tmp_path / 'whole.folmap')
    with MapReader(tmp_path / 'whole.folmap') as reader:
        assert reader.header.sources == sources
    merge_maps(parts[:2], tmp_path / 'named.folmap', qualify=True)
    with MapReader(tmp_path / 'named.folmap') as reader:
        assert dict(reader.header.sources)['small drive-1/drive-1'] == 'bag 1'
