"""Damage of any kind: found, or harmless; and what is sound can be saved."""

import random
import shutil
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from helpers.small_maps import add_place, assert_content, build, features, jpeg

from fol_vpr.database import MapEditor, MapReader, check_map, repair_map
from fol_vpr.database.storage.changes import changes_path
from fol_vpr.errors import FolVprError, MapError

COUNT, ROWS = 8, 200


@pytest.fixture(scope='module')
def sound(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp('maps') / 'sound.folmap'
    build(path, COUNT, ROWS)
    return path


def assert_subset(path: Path) -> int:
    """Every place of a map holds what was built into it; how many they are."""
    with MapReader(path) as reader:
        descriptors = reader.global_descriptors()
        for place in reader.places:
            number = int(place.image_uri[7:11])
            expected = features(number, ROWS)
            np.testing.assert_allclose(
                descriptors[place.index], expected.global_descriptor, atol=1e-3
            )
            local = reader.local_features(place.index)
            np.testing.assert_array_equal(local.positions, expected.local.positions)
            assert reader.image(place.index) in (jpeg(number), None)
        return len(reader.places)


def flipped(content: bytes, dice: random.Random) -> bytes:
    damaged = bytearray(content)
    damaged[dice.randrange(len(damaged))] ^= 1 << dice.randrange(8)
    return bytes(damaged)


def survive(sound: Path, folder: Path, flips: int) -> None:
    """A flipped bit is found, or changes nothing; reading and repairing never break down."""
    dice = random.Random(11)
    content = sound.read_bytes()
    path = folder / 'm.folmap'
    found = repaired = 0
    for _ in range(flips):
        path.write_bytes(flipped(content, dice))
        problems = check_map(path)
        if not problems:
            assert_content(path, COUNT, ROWS)
            continue
        found += 1
        with suppress(FolVprError, AssertionError):
            assert_subset(path)
        try:
            repair = repair_map(path)
        except MapError:
            continue
        repaired += 1
        assert check_map(path) == []
        assert assert_subset(path) == repair.kept
        assert repair.kept + sum('image' not in what for what in repair.dropped) == COUNT
    assert found > flips / 8
    assert repaired > found / 2


def test_flipped_bits_are_found_or_change_nothing(sound, tmp_path):
    survive(sound, tmp_path, 60)


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_a_thousand_flipped_bits(sound, tmp_path):
    survive(sound, tmp_path, 1000)


def test_flipped_bits_in_changes_are_found_or_change_nothing(sound, tmp_path):
    path = Path(shutil.copy(sound, tmp_path / 'm.folmap'))
    with MapEditor(path) as editor:
        for number in range(20, 23):
            add_place(
                editor,
                features(number, ROWS),
                session_id='later',
                stamp_ns=1,
                uri=f'images/{number:04d}.jpg',
                image_jpeg=jpeg(number),
            )
        editor.remove(['drive-0/000002'])
    content, dice = changes_path(path).read_bytes(), random.Random(12)
    found = 0
    for _ in range(40):
        changes_path(path).write_bytes(flipped(content, dice))
        if check_map(path):
            found += 1
        else:
            assert assert_subset(path) == COUNT + 2
    assert found > 1
    assert changes_path(path).exists()


def damage(path: Path, *parts: bytes) -> None:
    content = bytearray(path.read_bytes())
    for part in parts:
        position = bytes(content).find(part)
        assert position > 0
        content[position + 7] ^= 16
    path.write_bytes(content)


def test_what_is_damaged_goes_and_all_else_stays(sound, tmp_path):
    path = Path(shutil.copy(sound, tmp_path / 'm.folmap'))
    with MapEditor(path) as editor:
        editor.remove(['drive-0/000001'])
        add_place(
            editor,
            features(30, ROWS),
            session_id='later',
            stamp_ns=1,
            uri='images/0030.jpg',
            image_jpeg=jpeg(30),
        )
    descriptor = features(3, ROWS).global_descriptor.astype('<f2').tobytes()
    damage(path, descriptor, features(5, ROWS).local.weights.tobytes(), jpeg(6))
    before = path.read_bytes()
    repair = repair_map(path)
    assert len(repair.dropped) == 3
    for what, number in zip(sorted(repair.dropped), (3, 5, 6), strict=True):
        assert str(number) in what
    assert repair.kept == COUNT - 1 - 2 + 1
    assert repair.original.read_bytes() == before
    assert repair.info.places == repair.kept
    assert assert_subset(path) == repair.kept
    assert check_map(path) == []
    with MapReader(path) as reader:
        assert reader.places[-1].place_id.startswith('later')
        assert reader.image(3) is None


def test_damaged_changes_do_not_keep_the_map_from_repair(sound, tmp_path):
    path = Path(shutil.copy(sound, tmp_path / 'm.folmap'))
    changes_path(path).write_bytes(b'no database' * 500)
    repair = repair_map(path)
    assert (repair.kept, len(repair.dropped)) == (COUNT, 1)
    assert 'm.folmap.changes' in repair.dropped[0]
    assert check_map(path) == []


def test_a_map_that_does_not_say_how_it_is_read_cannot_be_repaired(sound, tmp_path):
    path = Path(shutil.copy(sound, tmp_path / 'm.folmap'))
    content = bytearray(path.read_bytes())
    position = bytes(content).find(b'fixed-322-imagenet')
    content[position] ^= 1
    path.write_bytes(content)
    with pytest.raises(MapError, match='cannot be repaired'):
        repair_map(path)
    assert path.read_bytes() == content
    assert [file.name for file in tmp_path.iterdir()] == ['m.folmap']


def test_a_repaired_map_stays_calibrated(sound, tmp_path):
    path = Path(shutil.copy(sound, tmp_path / 'm.folmap'))
    with MapEditor(path) as editor:
        editor.annotate('decision', '{"weights": 1}')
        editor.save()
        editor.annotate('feedback', '{"counts": 2}')
    damage(path, jpeg(6))
    assert repair_map(path).info.calibrated
    with MapReader(path) as reader:
        assert reader.calibration() == {
            'decision': '{"weights": 1}', 'feedback': '{"counts": 2}',
        }  # fmt: skip
