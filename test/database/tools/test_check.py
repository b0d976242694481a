"""Damage is found wherever it is."""

import shutil
from pathlib import Path

import numpy as np
import pytest
from helpers.small_maps import assert_content, build, features, jpeg

from fol_vpr.database import check_map

ROWS = 1500


@pytest.fixture(scope='module')
def sound(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp('maps') / 'sound.folmap'
    build(path, 12, ROWS)
    return path


def test_a_sound_map_has_no_problems(sound):
    assert check_map(sound) == []


def test_flipped_bits_are_found_where_they_matter(sound, tmp_path):
    rng = np.random.default_rng(0)
    content = np.fromfile(sound, np.uint8)
    found = 0
    for _ in range(60):
        damaged = content.copy()
        damaged[rng.integers(len(damaged))] ^= 1 << rng.integers(8)
        path = tmp_path / 'm.folmap'
        damaged.tofile(path)
        if check_map(path):
            found += 1
        else:
            assert_content(path, 12, ROWS)
    assert found > 40


def test_flipped_bits_in_features_are_always_found(sound, tmp_path):
    rng = np.random.default_rng(1)
    path = Path(shutil.copy(sound, tmp_path / 'm.folmap'))
    content = sound.read_bytes()
    for index in (0, 5, 11):
        local = features(index, ROWS).local
        for part in (local.weights.tobytes(), local.positions.tobytes(), jpeg(index)):
            position = content.find(part[:200])
            assert position > 0
            damaged = bytearray(content)
            damaged[position + int(rng.integers(200))] ^= 1 << int(rng.integers(8))
            path.write_bytes(damaged)
            problems = check_map(path)
            assert any(f'place {index} changed' in problem for problem in problems), problems


def test_bytes_at_the_end_are_noticed(sound, tmp_path):
    path = Path(shutil.copy(sound, tmp_path / 'm.folmap'))
    with path.open('ab') as file:
        file.write(b'more')
    assert any('its header says' in problem for problem in check_map(path))


def test_many_problems_are_summed_up(sound, tmp_path):
    path = Path(shutil.copy(sound, tmp_path / 'm.folmap'))
    content = np.fromfile(path, np.uint8)
    content[3 * 16384 :: 97] ^= 4
    content.tofile(path)
    problems = check_map(path)
    assert 1 <= len(problems) < 70
