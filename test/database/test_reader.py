"""What is written is read back, and what cannot be used is refused by name."""

import math
import os
import re
import shutil
import sqlite3
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from helpers.small_maps import GLOBAL_DIM, add, assert_content, build, features, header, jpeg

from fol_vpr.database import SCHEMA_VERSION, MapReader, MapWriter, check_map, read_info
from fol_vpr.database.format.records import COLUMNS, place_digest
from fol_vpr.database.format.schema import CHECK_HINT, digest, meta_digest
from fol_vpr.datatypes import GeoPosition, Pose
from fol_vpr.errors import InputError, MapError


@pytest.fixture(scope='module')
def sound(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp('maps') / 'sound.folmap'
    build(path, 25)
    return path


@pytest.fixture
def copy(sound, tmp_path) -> Path:
    return Path(shutil.copy(sound, tmp_path / 'copy.folmap'))


def edit(path: Path, *statements: str) -> None:
    """Change a map and keep its digest of the meta table right."""
    connection = sqlite3.connect(path)
    for statement in statements:
        connection.execute(statement)
    connection.execute(
        "UPDATE meta SET value = ? WHERE key = 'digest'", (meta_digest(connection),)
    )
    connection.commit()
    connection.close()


def test_info_and_places(sound):
    with MapReader(sound) as reader:
        info = reader.info
        assert info == read_info(sound)
        assert (info.name, info.path, info.schema_version) == ('small', str(sound), SCHEMA_VERSION)
        assert (info.places, info.sessions, info.descriptor_dim) == (25, 3, GLOBAL_DIM)
        assert (info.model_id, info.weights_name) == ('model-1', 'untrained-vits14')
        assert info.bytes == sound.stat().st_size
        assert len(info.map_id) == 32
        assert not info.georeferenced
        assert not info.calibrated
        assert reader.header == header()
        place = reader.places[12]
        assert (place.index, place.place_id) == (12, 'drive-1/000012')
        assert place.stamp_ns == 1_305_031_452_791_720_012
        assert (place.sensor_frame, place.image_size) == ('camera', (960, 540))
        np.testing.assert_array_equal(place.pose.position, [12, 0, 0.5])
        np.testing.assert_allclose(place.pose.orientation, [0, 0, 0.6, 0.8])
        assert place.pose.covariance is None
        assert place.geo is None
    assert_content(sound, 25)
    assert check_map(sound) == []


@pytest.mark.parametrize(('codec', 'error'), [('float32', 0), ('float16', 2**-11)])
def test_codecs_keep_what_they_promise(tmp_path, codec, error):
    path = tmp_path / 'm.folmap'
    build(path, 2, codec=codec)
    with MapReader(path) as reader:
        assert reader.info.codec == codec
        local, expected = reader.local_features(1), features(1).local
        np.testing.assert_allclose(
            local.descriptors, expected.descriptors, rtol=error, atol=error / 1000
        )
        np.testing.assert_array_equal(local.positions, expected.positions)
        np.testing.assert_array_equal(local.weights, expected.weights)
        arrays = (local.descriptors, local.positions, local.weights)
        assert {array.dtype for array in arrays} == {np.dtype(np.float32)}


def test_an_image_without_local_features_is_a_place_too(tmp_path):
    path = tmp_path / 'm.folmap'
    build(path, 1, rows=0)
    with MapReader(path) as reader:
        assert reader.local_features(0).descriptors.shape == (0, 16)
    assert check_map(path) == []


def test_positions_on_earth_and_covariances(tmp_path):
    path = tmp_path / 'm.folmap'
    covariance = np.ones((6, 6)) + np.diag(np.arange(6.0))
    pose = Pose(np.zeros(3), np.array([0, 0, 0, 1]), covariance)
    with MapWriter(path, header(), source_id='test') as writer:
        add(writer, 0, pose=pose, geo=GeoPosition(-33, 18, -0.0))
        add(writer, 1, pose=None, geo=GeoPosition(48.5, 9.25))
        add(writer, 2, image_jpeg=None, place_id='the gate')
        info = writer.finish()
    assert info.georeferenced
    assert read_info(path) == info
    with MapReader(path) as reader:
        first, second, third = reader.places
        np.testing.assert_array_equal(first.pose.covariance, covariance)
        assert first.geo == GeoPosition(-33.0, 18.0, 0.0)
        assert second.pose is None
        assert (second.geo.latitude, math.isnan(second.geo.altitude)) == (48.5, True)
        assert (third.place_id, third.geo) == ('the gate', None)
        assert (reader.image(1), reader.image(2)) == (jpeg(1), None)
    assert check_map(path) == []


def test_a_datum_makes_a_map_georeferenced(tmp_path):
    datum = GeoPosition(48.5, 9.25, 400.0)
    info = build(tmp_path / 'm.folmap', 1, datum=datum)
    assert (info.georeferenced, info.datum) == (True, datum)
    datum = GeoPosition(48.5, 9.25)
    info = build(tmp_path / 'n.folmap', 1, datum=datum)
    assert (info.datum.latitude, math.isnan(info.datum.altitude)) == (48.5, True)


def test_several_threads_read_at_once(sound):
    with MapReader(sound) as reader, ThreadPoolExecutor(8) as pool:
        indices = [index % 25 for index in range(400)]
        for index, local in zip(indices, pool.map(reader.local_features, indices), strict=True):
            np.testing.assert_array_equal(local.positions, features(index).local.positions)


def test_a_folder_that_cannot_be_written_is_enough(copy, unprivileged):
    copy.chmod(0o444)
    copy.parent.chmod(0o555)
    with unprivileged():
        assert not os.access(copy.parent, os.W_OK, effective_ids=True)
        assert_content(copy, 25)
        assert check_map(copy) == []
    copy.parent.chmod(0o755)
    assert [path.name for path in copy.parent.iterdir()] == ['copy.folmap']


def test_a_map_that_is_replaced_stays_readable(copy):
    with MapReader(copy) as reader:
        build(copy, 3, rows=7, overwrite=True)
        assert reader.info.places == 25
        np.testing.assert_array_equal(
            reader.local_features(20).positions, features(20).local.positions
        )


def test_indices_outside_and_use_after_closing(sound):
    reader = MapReader(sound)
    for index in (-1, 25):
        with pytest.raises(InputError, match='0 to 24'):
            reader.local_features(index)
    reader.close()
    reader.close()
    with pytest.raises(MapError, match='closed'):
        reader.local_features(0)


def test_the_info_is_read_without_places_and_descriptors(copy):
    edit(copy, 'UPDATE places SET qw = 7', "UPDATE global_descriptors SET descriptor = x'00'")
    assert read_info(copy).places == 25
    refused(copy)


def test_local_features_are_verified_once_while_a_map_is_open(copy):
    """Hashing them takes longer than reading them, and a finished map does not change."""
    with MapReader(copy) as reader:
        before = reader.local_features(5)
        edit(copy, "UPDATE local_features SET digest = x'00' WHERE place IN (5, 6)")
        np.testing.assert_array_equal(reader.local_features(5).positions, before.positions)
        with pytest.raises(MapError, match='place 6 have changed'):
            reader.local_features(6)
        with pytest.raises(MapError, match='place 6 have changed'):
            reader.local_features(6)


# ---- what is refused


def refused(path: Path) -> str:
    """The reason, which a check gives as well."""
    with pytest.raises(MapError) as caught, MapReader(path) as reader:
        reader.global_descriptors()
    if os.path.isfile(path):  # noqa: PTH113 Path.is_file raises where it may not look
        assert str(caught.value).replace(CHECK_HINT, '') in check_map(path)
    else:
        with pytest.raises(MapError, match=re.escape(str(caught.value))):
            check_map(path)
    assert str(path) in str(caught.value)
    return str(caught.value)


def test_missing(tmp_path):
    assert 'does not exist' in refused(tmp_path / 'none.folmap')


def test_a_folder(tmp_path):
    assert 'single file' in refused(tmp_path)


@pytest.mark.parametrize('content', [b'', b'SQLite', b'name,x,y\n' * 100])
def test_not_a_database(tmp_path, content):
    path = tmp_path / 'm.folmap'
    path.write_bytes(content)
    assert 'not a map' in refused(path)


def test_another_database(tmp_path):
    path = tmp_path / 'm.folmap'
    connection = sqlite3.connect(path)
    connection.execute('CREATE TABLE topics (name TEXT)')
    connection.close()
    assert 'another program' in refused(path)


@pytest.mark.parametrize('share', [0.02, 0.5, 0.999])
def test_cut(copy, share):
    size = copy.stat().st_size
    os.truncate(copy, int(size * share))
    assert f'cut to {int(size * share)} of {size} bytes' in refused(copy)


def test_a_newer_schema(copy):
    edit(copy, f'PRAGMA user_version = {SCHEMA_VERSION + 4}')
    reason = refused(copy)
    assert f'schema version {SCHEMA_VERSION + 4}' in reason
    assert 'newer fol_vpr' in reason


def test_an_unknown_codec(copy):
    edit(copy, "UPDATE meta SET value = 'pq8' WHERE key = 'codec'")
    assert "codec 'pq8'" in refused(copy)


def test_no_places(copy):
    tables = ('global_descriptors', 'local_features', 'images', 'places')
    edit(
        copy,
        *(f'DELETE FROM {table}' for table in tables),
        "UPDATE meta SET value = '0' WHERE key = 'places'",
    )
    assert 'no places' in refused(copy)


@pytest.mark.parametrize(
    ('statement', 'reason'),
    [
        ('DELETE FROM places WHERE place = 24', '24 of 25 places'),
        ('DELETE FROM global_descriptors WHERE place = 3', 'global descriptor of place 3'),
        ('DELETE FROM global_descriptors WHERE place = 24', '24 global descriptors'),
        ('UPDATE global_descriptors SET descriptor = x"00" WHERE place = 3', 'place 3'),
        ("DELETE FROM meta WHERE key = 'model_id'", 'model_id'),
        ("UPDATE meta SET value = 'many' WHERE key = 'descriptor_dim'", 'many'),
        ("UPDATE meta SET value = '95' WHERE key = 'descriptor_dim'", 'place 0'),
        ('DELETE FROM sessions WHERE session = 1', 'damaged'),
        ('UPDATE places SET qw = 7 WHERE place = 2', 'record of place 2'),
        ('DROP TABLE calibration', 'calibration'),
    ],
)
def test_missing_or_impossible_content(copy, statement, reason):
    edit(copy, statement.replace('"', "'"))
    assert reason in refused(copy)


@pytest.mark.parametrize('value', [math.nan, math.inf])
def test_descriptors_that_are_no_numbers(copy, value):
    descriptor = np.full(GLOBAL_DIM, 0.1, '<f2')
    descriptor[17] = value
    blob = descriptor.tobytes()
    edit(
        copy,
        f"UPDATE global_descriptors SET descriptor = x'{blob.hex()}', "
        f"digest = x'{digest(blob).hex()}' WHERE place = 8",
    )
    assert 'place 8 has NaN or infinity' in refused(copy)


def test_descriptors_of_some_places_in_any_order(copy):
    with MapReader(copy) as reader:
        every = reader.global_descriptors()
        np.testing.assert_array_equal(reader.descriptors([7, 0, 24, 7]), every[[7, 0, 24, 7]])
        assert reader.descriptors([]).shape == (0, GLOBAL_DIM)
        with pytest.raises(InputError, match='place 25 is asked for'):
            reader.descriptors([3, 25])
        edit(
            copy,
            "UPDATE global_descriptors SET descriptor = x'00' WHERE place = 3",
            'DELETE FROM global_descriptors WHERE place = 4',
        )
        np.testing.assert_array_equal(reader.descriptors([5]), every[5:6])
        for place, what in ((3, 'has changed'), (4, 'is missing')):
            with pytest.raises(MapError, match=f'descriptor of place {place} {what}'):
                reader.descriptors([5, place])


@pytest.mark.parametrize(('column', 'size'), [('image_width', 0), ('image_height', -5)])
def test_images_without_pixels(copy, column, size):
    """As somebody would write it who keeps the digests right."""
    connection = sqlite3.connect(copy)
    connection.execute(f'UPDATE places SET {column} = {size} WHERE place = 7')
    row = connection.execute(f'SELECT {COLUMNS} FROM places WHERE place = 7').fetchone()
    connection.execute('UPDATE places SET digest = ? WHERE place = 7', (place_digest(row),))
    connection.commit()
    connection.close()
    assert 'the image of place 7 has' in refused(copy)


@pytest.mark.parametrize('offset', [0, 8 * 40, 12 * 40])
def test_local_features_that_are_no_numbers(copy, offset):
    """Positions, weights and descriptors lie in this order; see PlainCodec."""
    with MapReader(copy) as reader:
        count = len(reader.local_features(5).weights)
    assert count == 40
    connection = sqlite3.connect(copy)
    (blob,) = connection.execute('SELECT features FROM local_features WHERE place = 5').fetchone()
    nan = np.array(math.nan, '<f2' if offset == 12 * 40 else '<f4').tobytes()
    blob = blob[:offset] + nan + blob[offset + len(nan) :]
    connection.execute(
        'UPDATE local_features SET features = ?, digest = ? WHERE place = 5', (blob, digest(blob))
    )
    connection.commit()
    connection.close()
    with MapReader(copy) as reader, pytest.raises(MapError, match='place 5 hold NaN'):
        reader.local_features(5)
    assert any('place 5 hold NaN' in problem for problem in check_map(copy))


def test_an_unfinished_map(tmp_path):
    path = tmp_path / 'm.folmap'
    with MapWriter(path, header(), source_id='test') as writer:
        add(writer, 0)
    assert 'not finished' in refused(path)
    assert 'unfinished' in refused(tmp_path / 'm.folmap.partial')


def test_no_permission(copy, unprivileged):
    copy.chmod(0)
    with unprivileged():
        assert 'permissions' in refused(copy)


def test_a_folder_that_cannot_be_searched(copy, unprivileged):
    copy.parent.chmod(0)
    with unprivileged():
        assert 'permissions' in refused(copy)
        with pytest.raises(MapError, match='permissions'):
            read_info(copy)
    copy.parent.chmod(0o755)


def test_a_name_that_is_too_long(tmp_path):
    assert 'too long' in refused(tmp_path / ('x' * 300))


def test_local_features_that_changed_are_not_given_out(copy):
    edit(copy, "UPDATE local_features SET features = x'00' WHERE place = 5")
    with MapReader(copy) as reader:
        with pytest.raises(MapError, match='local features of place 5 have changed'):
            reader.local_features(5)
        assert len(reader.local_features(6).weights) == 40
    assert any('local features of place 5' in problem for problem in check_map(copy))


def test_damaged_pages_are_an_error_that_names_the_file(copy):
    with copy.open('r+b') as file:
        file.seek(16384)
        file.write(os.urandom(copy.stat().st_size - 2 * 16384))
    refused(copy)
