"""Each layout that can be learned from, read from disk."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from helpers.data_sets import layouts
from helpers.training.datasets import drive, grouped, gsv_cities, pixels, video, write

from fol_vpr.errors import InputError
from training.data.config import DrivesSource, FoldersSource, GsvCitiesSource, VideosSource
from training.data.drives import Drives
from training.data.folders import GroupedFolders, Videos
from training.data.gsv_cities import GsvCities
from training.data.places import Places


def test_gsv_cities_finds_every_image_by_the_columns_of_its_row(tmp_path):
    root = gsv_cities(tmp_path, {'Bangkok': 3, 'Madrid': 2})
    data = GsvCities(GsvCitiesSource(str(root)))
    assert len(data) == 5
    for place in range(5):
        assert len(data.images(place)) == 4
        for number, name in enumerate(data.images(place)):
            expected = pixels(root / 'Images' / name)
            assert np.array_equal(data.load(place, number), expected)
    assert len(GsvCities(GsvCitiesSource(str(root), cities=('Madrid',)))) == 2


def test_gsv_cities_leaves_out_small_places_and_names_what_is_missing(tmp_path):
    root = gsv_cities(tmp_path, {'Bangkok': 3}, images=3)
    with pytest.raises(InputError, match='no place with 4 images'):
        GsvCities(GsvCitiesSource(str(root)))
    assert len(GsvCities(GsvCitiesSource(str(root), min_images=3))) == 3
    with pytest.raises(InputError, match='no city Rome; there are Bangkok'):
        GsvCities(GsvCitiesSource(str(root), cities=('Rome',)))
    with pytest.raises(InputError, match='not GSV-Cities'):
        GsvCities(GsvCitiesSource(str(tmp_path / 'Images')))
    (root / 'Dataframes' / 'Bangkok.csv').write_text('place_id,year\n1,2007\n')
    with pytest.raises(InputError, match=r'lacks the columns month'):
        GsvCities(GsvCitiesSource(str(root)))


def test_grouped_folders_take_what_is_chosen(tmp_path):
    root = grouped(tmp_path / 'data', 4)
    write(root / 'lonely' / '0.jpg', 9)
    data = GroupedFolders(FoldersSource(str(root), exclude=('place003',)))
    assert [data.images(place)[0] for place in range(len(data))] == [
        'place000/0.jpg', 'place001/0.jpg', 'place002/0.jpg',
    ]  # fmt: skip
    with pytest.raises(InputError, match='none has 5 images'):
        GroupedFolders(FoldersSource(str(root), min_images=5))


def test_frames_of_one_video_are_places_and_those_near_in_time_no_negatives(tmp_path):
    video(tmp_path / 'hall', 'a', 20)
    video(tmp_path / 'hall', 'b', 5)
    video(tmp_path / 'hall', 'b', 5, first=10)
    data = Videos(VideosSource(str(tmp_path), window=4, stride=2, margin=3))
    first = [data.images(place)[0][-10:-4] for place in range(len(data))]
    assert first == [f'{n:06d}' for n in (1, 3, 5, 7, 9, 11, 13, 15, 17, 1, 10)]
    assert [name[-7:-4] for name in data.images(0)] == ['001', '002', '003', '004']
    # Frames 5 to 8 against 1 to 4, 3 to 6, 7 to 10, ... up to 11 to 14: two frames lie between.
    assert sorted(data.neighbours(2)) == [0, 1, 3, 4, 5]
    assert data.neighbours(9) == []


def test_places_of_drives_agree_in_position_and_heading(tmp_path):
    bags = [drive(tmp_path, 'there', 24), drive(tmp_path, 'again', 24, aside=1.0),
            drive(tmp_path, 'back', 24, aside=2.0, back=True)]  # fmt: skip
    source = DrivesSource(
        paths=tuple(map(str, bags)), pose_topic='/pose', radius=2.2, spacing=4, separation=7,
        step=0.9,
    )  # fmt: skip
    data = Drives(source)

    def name(uri):
        return Path(uri.split(':')[0]).name

    for place in range(len(data)):
        drives = {name(uri) for uri in data.images(place)}
        assert drives in ({'there', 'again'}, {'back'})
    there = [p for p in range(len(data)) if name(data.images(p)[0]) == 'there']
    assert len(there) == 6 and len(data) == 12
    # Anchors are 4 m apart: one on either side is within 7 m, and those of the way back.
    assert set(there[1:4]) & set(data.neighbours(there[2])) == {there[1], there[3]}
    assert data.load(there[0], 0).shape == (240, 320, 3)


def test_drives_of_a_data_set_are_thinned_out_as_bags_are(tmp_path):
    folder = layouts.tum(tmp_path / 'fr1', count=8)
    source = DrivesSource(
        paths=(str(folder),), dataset='tum', radius=2.5, spacing=2.5, step=1.5, separation=3
    )
    data = Drives(source)
    # Of images 1 m apart every second one is taken.
    taken = {Path(uri).name for place in range(len(data)) for uri in data.images(place)}
    assert taken == {f'{1305031452 + number}.000000.png' for number in (0, 2, 4, 6)}
    assert data.load(0, 0).shape == (32, 48, 3)
    with pytest.raises(InputError, match='no data set'):
        Drives(DrivesSource(paths=(str(folder),), dataset='imagenet'))


def test_a_part_of_a_drive_is_learned_from(tmp_path):
    bags = (str(drive(tmp_path, 'there', 24)), str(drive(tmp_path, 'again', 24, aside=1.0)))
    settings = {'pose_topic': '/pose', 'radius': 2.2, 'spacing': 4, 'step': 0.9}
    whole = Drives(DrivesSource(paths=bags, **settings))
    part = Drives(DrivesSource(paths=bags, begin='0.5', end='1.4', **settings))
    assert 0 < len(part) < len(whole)
    with pytest.raises(InputError, match=r'no image lies within begin 1000'):
        Drives(DrivesSource(paths=bags, begin='1000', **settings))


def test_drives_in_frames_of_their_own_are_refused(tmp_path):
    bags = [drive(tmp_path, name, 4) for name in ('one', 'two')]
    source = DrivesSource(paths=tuple(map(str, bags)))
    with pytest.raises(InputError, match='no image has a pose; name pose_topic'):
        Drives(source)
    with pytest.raises(InputError, match='none of 4 images'):
        Drives(DrivesSource(paths=(str(bags[0]),), pose_topic='/pose', radius=0.1))


def test_sources_one_after_the_other_keep_their_places_apart(tmp_path):
    folders = GroupedFolders(FoldersSource(str(grouped(tmp_path / 'f', 3))))
    videos = Videos(VideosSource(str(video(tmp_path / 'v', 'a', 12)), window=3, stride=3))
    data = Places([folders, videos], [1, 2])
    assert len(data) == 7
    assert data.images(3) == videos.images(0) and data.images(2) == folders.images(2)
    assert np.array_equal(data.load(5, 1), videos.load(2, 1))
    assert list(data.neighbours(3)) == [3 + other for other in videos.neighbours(0)]
    assert sorted(data.epoch().tolist()) == [0, 1, 2, 3, 3, 4, 4, 5, 5, 6, 6]


def test_an_image_that_is_damaged_is_named(tmp_path):
    root = grouped(tmp_path, 2)
    (root / 'place001' / '2.jpg').write_bytes(b'no image')
    data = GroupedFolders(FoldersSource(str(root)))
    with pytest.raises(InputError, match=r'place001/2\.jpg'):
        data.load(1, 2)
