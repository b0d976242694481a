"""Sets of places: MSLS, Nordland, VPR-Bench, and those named by their position."""

from __future__ import annotations

import logging
from pathlib import Path

import numpy as np
import pytest
from helpers.data_sets import layouts
from helpers.data_sets.object_arrays import write_object_array

from fol_vpr.errors import InputError
from fol_vpr.sources import open_source
from fol_vpr.sources.datasets import READERS, frame_number, open_dataset, recognise


def test_msls_by_key_without_panoramas(tmp_path: Path, caplog) -> None:
    folder = layouts.msls(tmp_path)
    assert recognise(folder) == 'msls'
    with caplog.at_level(logging.WARNING):
        source = open_dataset('msls', folder)
    assert source.files == ['2Nmwh-w.jpg', 'aB_9x.jpg', 'zZzzz.jpg']
    assert not source.selects_keyframes
    assert source.frame_id == 'utm'
    assert source.session_id == 'cph_query'
    first, second, _ = source.captures()
    assert first.pose is not None
    assert second.pose is not None
    assert first.geo is not None
    np.testing.assert_array_equal(first.pose.position, [342491.5, 6164398.25, 0])
    # The compass: north is a quarter turn from east, east is none.
    np.testing.assert_allclose(first.pose.orientation, [0, 0, 0.5**0.5, 0.5**0.5])
    np.testing.assert_allclose(second.pose.orientation, [0, 0, 0, 1], atol=1e-12)
    assert (first.geo.latitude, first.geo.longitude) == (55.6, 12.5)
    assert '1 panoramas are left out' in caplog.text
    assert 'takes 2 of these 4 images: --dataset msls:all' in caplog.text


@pytest.mark.parametrize(
    ('name', 'files'),
    [('msls:all', ['2Nmwh-w.jpg', 'zZzzz.jpg']), ('MSLS:w2s', ['zZzzz.jpg'])],
)
def test_subtasks_of_msls(tmp_path: Path, name: str, files: list[str]) -> None:
    assert open_dataset(name, layouts.msls(tmp_path)).files == files


@pytest.mark.parametrize(
    ('name', 'change', 'said'),
    [
        ('msls:x2y', '', "the subtask is 'x2y', expected one of all, s2w"),
        ('msls:s2w', '', 'no image of the subtask s2w'),
        ('msls', 'postprocessed.csv', 'the cities of test/ are published without'),
        ('msls', 'raw.csv', 'raw.csv is missing'),
        ('msls', 'images', 'images_vol'),
        ('tum:x', '', 'tum has no variants'),
    ],
)
def test_what_msls_lacks(tmp_path: Path, name: str, change: str, said: str) -> None:
    folder = layouts.msls(tmp_path)
    if change:
        (folder / change).rename(tmp_path / 'elsewhere')
    with pytest.raises(InputError, match=said):
        open_dataset(name, folder)


def test_a_city_of_msls_has_two_parts(tmp_path: Path) -> None:
    folder = layouts.msls(tmp_path)
    with pytest.raises(InputError, match=r'several parts .*give one of them: .*query'):
        open_dataset('msls', folder.parent)


@pytest.mark.parametrize('name', ['pitts30k', 'Tokyo 24/7', 'SF-XL'])
def test_names_with_positions(tmp_path: Path, name: str, caplog) -> None:
    folder = layouts.named(tmp_path)
    with caplog.at_level(logging.WARNING):
        source = open_dataset(name, folder)
    by_east = {round(c.pose.position[0]): c.pose for c in source.captures() if c.pose}
    assert set(by_east) == {584517, 584686}
    # The ninth field is the heading, 90 degrees: east. The third, 17, is the zone.
    assert by_east[584686].has_orientation
    np.testing.assert_allclose(by_east[584686].orientation, [0, 0, 0, 1], atol=1e-12)
    assert not by_east[584517].has_orientation
    assert '1 of 2 names have a heading' in caplog.text
    with pytest.raises(InputError, match=r'several parts .*database'):
        open_dataset(name, tmp_path)
    layouts.image(folder / 'other.jpg')
    with pytest.raises(InputError, match=r'1 of 3 images .* are not named.*other\.jpg'):
        open_dataset(name, folder)


def test_seasons_of_nordland(tmp_path: Path) -> None:
    folder = layouts.nordland(tmp_path, 'summer', [1, 2, 10])
    layouts.nordland(tmp_path, 'winter', [1, 2, 10])
    source = open_dataset('nordland', folder)
    assert [frame_number(name) for name in source.files] == [1, 2, 10]
    with pytest.raises(InputError, match=r'several parts .*summer, .*winter'):
        open_dataset('nordland', tmp_path)
    layouts.image(folder / 'poster.png')
    with pytest.raises(InputError, match=r'1 of 4 images .* no number in their name.*poster'):
        open_dataset('nordland', folder)


def test_vpr_bench_brings_its_ground_truth(tmp_path: Path) -> None:
    for part in ('query', 'ref'):
        for number in (0, 2, 10):
            layouts.image(tmp_path / part / f'{number}.jpg', number)
    rows = np.empty((3, 2), dtype=object)
    for number in range(3):
        rows[number] = [number, [number, number + 1]]
    truth = write_object_array(tmp_path / 'ground_truth_new.npy', rows)
    source = open_dataset('vpr-bench', tmp_path / 'query')
    assert source.files == ['0.jpg', '2.jpg', '10.jpg']
    assert source.ground_truth == truth
    with pytest.raises(InputError, match='several parts'):
        open_dataset('vpr_bench', tmp_path)


def test_names_that_are_none(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no data set 'imagenet' here, expected one of tum"):
        open_dataset('imagenet', tmp_path)
    with pytest.raises(InputError, match='is no folder, expected one of tum'):
        open_dataset('tum', tmp_path / 'nowhere')
    for name in READERS:
        with pytest.raises(InputError, match=str(tmp_path)):
            open_dataset(name, tmp_path)
    assert recognise(tmp_path) == ''


def test_topics_and_tables_do_not_go_with_a_data_set(tmp_path: Path) -> None:
    folder = layouts.tum(tmp_path / 'fr1')
    for options in (
        {'image_topic': '/image'},
        {'positions_csv': 'p.csv'},
        {'stamps': 'reception'},
    ):
        with pytest.raises(InputError, match='tum has no topics'):
            open_source(folder, dataset='tum', **options)
