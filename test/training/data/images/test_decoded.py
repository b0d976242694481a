"""Decoded images: the same pixels, made once, bounded, made again where an image changes."""

from __future__ import annotations

import pickle
import shutil

import numpy as np
import pytest
from helpers.training.datasets import grouped, write

from fol_vpr.errors import StorageError
from training.data.config import FoldersSource
from training.data.folders import GroupedFolders
from training.data.images.decoded import DecodedPlaces
from training.data.opening import open_places

MUCH = 2**30


def test_pixels_are_those_of_the_files_and_are_decoded_once(tmp_path):
    plain = GroupedFolders(FoldersSource(str(grouped(tmp_path / 'p', 3))))
    cached = DecodedPlaces(plain, tmp_path / 'cache', MUCH)
    assert len(cached) == 3 and cached.images(1) == plain.images(1)
    expected = {(p, n): plain.load(p, n) for p in range(3) for n in range(4)}
    files = sorted((tmp_path / 'cache').iterdir())
    assert len(files) == 2
    written = files[0].stat().st_mtime_ns
    again = DecodedPlaces(plain, tmp_path / 'cache', MUCH)
    assert files[0].stat().st_mtime_ns == written

    # The files are not opened any more, nor by a worker that is started anew.
    shutil.rmtree(tmp_path / 'p')
    for data in (cached, again, pickle.loads(pickle.dumps(again))):
        for (place, number), pixels in expected.items():
            assert np.array_equal(data.load(place, number), pixels)


def test_what_there_is_no_room_for_is_decoded_each_time(tmp_path):
    plain = GroupedFolders(FoldersSource(str(grouped(tmp_path / 'p', 2))))
    size = plain.load(0, 0).nbytes
    cached = DecodedPlaces(plain, tmp_path / 'cache', 3 * size + 1)
    (pixels,) = (tmp_path / 'cache').glob('*.pixels')
    assert pixels.stat().st_size == 3 * size
    for place in range(2):
        for number in range(4):
            assert np.array_equal(cached.load(place, number), plain.load(place, number))
    assert len(DecodedPlaces(plain, tmp_path / 'none', 0)) == 2


def test_a_changed_image_is_decoded_anew(tmp_path):
    source = (FoldersSource(str(grouped(tmp_path / 'p', 2))),)
    before = open_places(source, str(tmp_path / 'cache'), 1.0).load(1, 2).copy()
    write(tmp_path / 'p' / 'place001' / '2.jpg', 77)
    after = open_places(source, str(tmp_path / 'cache'), 1.0).load(1, 2)
    assert not np.array_equal(before, after)
    assert np.array_equal(after, open_places(source).load(1, 2))


def test_a_damaged_file_is_told(tmp_path):
    plain = GroupedFolders(FoldersSource(str(grouped(tmp_path / 'p', 2))))
    DecodedPlaces(plain, tmp_path / 'cache', MUCH)
    (pixels,) = (tmp_path / 'cache').glob('*.pixels')
    pixels.write_bytes(pixels.read_bytes()[:-5])
    with pytest.raises(StorageError, match='is damaged: delete it'):
        DecodedPlaces(plain, tmp_path / 'cache', MUCH)
