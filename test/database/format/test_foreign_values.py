"""Values of other types and claims that cannot be, with digests that are right: named damage."""

from pathlib import Path

import pytest
from helpers.foreign_maps import change, retype
from helpers.small_maps import CAMERA, add, build, header

from fol_vpr.cli.main import main
from fol_vpr.database import MapReader, MapWriter, check_map, read_info, repair_map
from fol_vpr.errors import MapError


@pytest.fixture
def sound(tmp_path) -> Path:
    path = tmp_path / 'm.folmap'
    with MapWriter(path, header()) as writer:
        for index in range(2):
            add(writer, index, camera=CAMERA)
        writer.finish()
    return path


def meta(key: str, value: object) -> tuple[str, ...]:
    return ('UPDATE meta SET value = ? WHERE key = ?', value, key)


DEEP = '[' * 100_000
# Types are checked by SQLite when a row is written, not when it is read: `RETYPED` writes others.
CLAIMS = {
    'deep datum': meta('datum', DEEP),
    'datum of another length': meta('datum', '[1, 2]'),
    'datum of texts': meta('datum', '["1", "2", "3"]'),
    'datum that is true': meta('datum', '[true, 1, 2]'),
    'datum beyond the pole': meta('datum', '[100, 0, 0]'),
    'datum without end': meta('datum', '[1, 2, Infinity]'),
    'many places': meta('places', '9' * 18),
    'places of hundreds of digits': meta('places', '9' * 5000),
    'places in words': meta('places', 'two'),
    'a negative number of places': meta('places', '-2'),
    'descriptors of a trillion numbers': meta('descriptor_dim', '9' * 12),
    'descriptors of other digits': meta('descriptor_dim', '\N{ARABIC-INDIC DIGIT NINE}6'),
    'descriptors of no numbers': meta('local_dim', '0'),
    'a dimension of hundreds of digits': meta('local_dim', '9' * 5000),
    'a map id that is a path': meta('map_id', '../x'),
    'a name without end': meta('name', 'x' * 100_000),
    'weights without end': meta('weights_name', 'x' * 100_000),
    'an image without pixels': ('UPDATE places SET image_width = 0',),
    'an image of a trillion pixels': ('UPDATE places SET image_width = ?', 2**62),
    'a session that is missing': ('UPDATE places SET session = 9',),
    'an id without end': ('UPDATE places SET place_id = ? WHERE place = 1', 'x' * 100_000),
    'a position that is none': ('UPDATE places SET x = NULL',),
    'an infinite position': ('UPDATE places SET x = 9e999',),
    'a latitude of 100': ('UPDATE places SET latitude = 100, longitude = 0',),
    'a camera of one side': ('UPDATE cameras SET width = -1',),
    'a camera of few bytes': ("UPDATE cameras SET matrix = x'00'",),
    'a mount of few bytes': ("UPDATE cameras SET mount = x'0000'",),
}


@pytest.mark.parametrize('kind', CLAIMS)
def test_a_claim_that_cannot_be_is_damage(sound, kind, capsys):
    change(sound, CLAIMS[kind])
    with pytest.raises(MapError, match='damaged'):
        MapReader(sound)
    assert check_map(sound)
    assert main(['map', 'info', str(sound)]) in (0, 2)
    assert all(len(line) < 1000 for line in capsys.readouterr().err.splitlines())


RETYPED = {
    'place_id': ('places', 'place_id', b'X'),
    'image_uri': ('places', 'image_uri', b'5'),
    'sensor_frame': ('places', 'sensor_frame', b'\xff'),
    'stamp_ns': ('places', 'stamp_ns', 'now'),
    'image_width': ('places', 'image_width', 1.5),
    'x': ('places', 'x', 'north'),
    'covariance': ('places', 'covariance', 'x'),
    'latitude': ('places', 'latitude', b'\x00'),
    'model': ('cameras', 'model', b'x'),
    'width': ('cameras', 'width', 'wide'),
    'session_id': ('sessions', 'session_id', b'x'),
    'value': ('meta', 'value', b'7'),
    'descriptor': ('global_descriptors', 'descriptor', 'x'),
}


@pytest.mark.parametrize('column', RETYPED)
def test_a_value_of_another_type_is_damage(sound, column):
    """The file has our schema, and rows that were written while it had another one."""
    table, name, value = RETYPED[column]
    strict = ') STRICT, WITHOUT ROWID' if table == 'meta' else ') STRICT'
    loose = ') WITHOUT ROWID' if table == 'meta' else ')'
    retype(sound, table, strict, loose)
    which = " WHERE key = 'name'" if table == 'meta' else ' WHERE rowid = 0'
    change(sound, (f'UPDATE {table} SET {name} = ?{which}', value))
    retype(sound, table, loose, strict)
    assert check_map(sound)
    with pytest.raises(MapError, match='damaged'), MapReader(sound) as reader:
        reader.global_descriptors()


def test_a_map_that_claims_many_places_is_repaired_with_those_that_it_has(sound):
    change(sound, meta('places', '9' * 18))
    assert repair_map(sound).kept == 2
    assert check_map(sound) == []


def test_a_datum_without_altitude_is_read_as_it_was_and_is_now_written(tmp_path, sound):
    change(sound, meta('datum', '[48.0, 11.0, NaN]'))
    old = read_info(sound).datum
    path = tmp_path / 'n.folmap'
    build(path, 1, datum=old)
    new = read_info(path).datum
    assert (new.latitude, new.longitude) == (48, 11)
    assert new.altitude != new.altitude
    with MapReader(path) as reader:
        assert reader.meta['datum'] == '[48.0, 11.0, null]'
