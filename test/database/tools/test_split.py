"""Maps of some places of another one, by session and by region."""

from pathlib import Path

import pytest
from helpers.small_maps import add, assert_same_places, build, header, place_ids

from fol_vpr.database import MapWriter, Region, split_by_region, split_by_session
from fol_vpr.datatypes import GeoPosition, Place
from fol_vpr.errors import InputError

COUNT = 25


@pytest.fixture
def whole(tmp_path) -> Path:
    build(tmp_path / 'whole.folmap', COUNT)
    return tmp_path / 'whole.folmap'


def test_names_of_files_come_safely_from_sessions(tmp_path):
    path = tmp_path / 'm.folmap'
    with MapWriter(path, header(), source_id='test') as writer:
        for index, session in enumerate(('../../a b', '..-..-a b', 'A/B', 'a/b', '')):
            add(writer, index, session_id=session)
        writer.finish()
    folder = tmp_path / 'parts'
    folder.mkdir()
    parts = {Path(part.path).name.lower() for part in split_by_session(path, folder)}
    assert len(parts) == 5
    assert {file.name.lower() for file in folder.iterdir()} == parts


def test_split_by_region(whole, tmp_path):
    inside, outside = tmp_path / 'in.folmap', tmp_path / 'out.folmap'
    infos = split_by_region(whole, Region(3, -1, 7, 1), inside, outside)
    assert [info.places for info in infos] == [5, COUNT - 5]
    assert place_ids(inside) == [f'drive-0/{number:06d}' for number in range(3, 8)]
    assert_same_places(inside, whole)
    with pytest.raises(InputError, match='0 of 25 places'):
        split_by_region(whole, Region(3, 5, 7, 9), tmp_path / 'none.folmap')
    with pytest.raises(InputError, match='lower corner'):
        Region(7, 0, 3, 1)


def test_a_region_on_earth():
    place = Place(0, 'a', 's', 1, 'u', (9, 9), geo=GeoPosition(48.5, 9.25))
    assert Region(9, 48, 10, 49, geodetic=True).holds(place)
    assert not Region(48, 9, 49, 10, geodetic=True).holds(place)
    assert not Region(9, 48, 10, 49).holds(place)
