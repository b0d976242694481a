"""References, queries and ground truth of what is validated on."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from helpers.training.datasets import benchmark, drive, grouped, pixels, video

from fol_vpr.errors import InputError
from training.data import open_validation, open_validation_sets
from training.data.config import (
    DrivesSource,
    FoldersSource,
    PairSource,
    ValidationConfig,
    VideosSource,
    VprSource,
)


def test_the_layout_of_benchmarks_goes_by_position(tmp_path):
    root = benchmark(tmp_path / 'val', 5, apart=20)
    found = open_validation(VprSource(str(root)))
    assert found.name == 'val'
    # Queries lie 10 m east of their reference, the next one is 10 m further.
    assert found.positives == [{0, 1}, {1, 2}, {2, 3}, {3, 4}, {4}]
    position, frame = next(found.queries.frames(2))
    assert position == 2
    assert np.array_equal(frame.image, pixels(sorted((root / 'queries').iterdir())[2]))
    with pytest.raises(InputError, match='no queries'):
        open_validation(VprSource(str(root / 'database')))


def test_a_pair_of_folders_goes_by_its_csv(tmp_path):
    root = benchmark(tmp_path / 'val', 4)
    truth = tmp_path / 'truth.csv'
    truth.write_text('query_index,ref_indices\n0,0 1\n2,2\n')
    source = PairSource(str(root / 'database'), str(root / 'queries'), str(truth))
    assert open_validation(source).positives == [{0, 1}, set(), {2}, set()]
    subsampled = open_validation(source, 2)
    assert len(subsampled.queries) == 2 and subsampled.positives == [{0, 1}, set()]
    truth.write_text('query_index,ref_indices\n1,1\n')
    with pytest.raises(InputError, match='none of the 2 queries has a positive'):
        open_validation(source, 2)
    truth.write_text('query_index,ref_indices\n0,\n')
    with pytest.raises(InputError, match='none of the 4 queries has a positive'):
        open_validation(source)


def test_places_have_their_middle_image_as_reference(tmp_path):
    found = open_validation(FoldersSource(str(grouped(tmp_path, 3))))
    assert [item.uri for item in found.references.items] == [
        f'place{p:03d}/2.jpg' for p in range(3)
    ]
    assert len(found.queries) == 9
    assert found.positives == [{0}] * 3 + [{1}] * 3 + [{2}] * 3


def test_a_frame_of_two_places_is_right_with_either(tmp_path):
    source = VideosSource(str(video(tmp_path, 'a', 7)), window=3, stride=2)
    found = open_validation(source)
    numbers = {
        int(item.uri[-10:-4]): p
        for item, p in zip(found.queries.items, found.positives, strict=True)
    }
    assert numbers == {1: {0}, 3: {0, 1}, 5: {1, 2}, 7: {2}}


def test_of_several_drives_the_first_is_the_map_that_the_others_ask(tmp_path):
    bags = [drive(tmp_path, 'map', 8), drive(tmp_path, 'asks', 8, aside=1.0)]
    source = DrivesSource(
        paths=tuple(map(str, bags)), pose_topic='/pose', radius=2.2, step=0.9
    )  # fmt: skip
    found = open_validation(source)
    assert all('map' in item.uri for item in found.references.items)
    assert all('asks' in item.uri for item in found.queries.items)
    assert found.positives == [set(range(8)) & {k - 1, k, k + 1} for k in range(8)]


def test_sets_in_one_map_with_distractors(tmp_path):
    roots = [grouped(tmp_path / name, places) for name, places in (('a', 3), ('b', 2), ('c', 4))]
    sources = [FoldersSource(str(root)) for root in roots]
    config = ValidationConfig(sets=tuple(sources[:2]), together=True, distractors=(sources[2],))
    [found] = open_validation_sets(config, 3)
    assert len(found.references) == 3 + 2 + 4
    assert found.references.items[3].load().shape == found.references.items[-1].load().shape
    assert len(found.queries) == 3 + 3
    first, second = found.positives[:3], found.positives[3:]
    assert all(shown <= {0, 1, 2} and len(shown) == 1 for shown in first)
    assert all(shown <= {3, 4} and len(shown) == 1 for shown in second)
    apart = open_validation_sets(replace(config, together=False, distractors=()), 3)
    assert [len(each.references) for each in apart] == [3, 2]
    assert [{place + 3 for place in shown} for shown in apart[1].positives] == second


def test_distractors_need_one_map(tmp_path):
    source = FoldersSource(str(grouped(tmp_path, 3)))
    with pytest.raises(InputError, match='fill one map'):
        open_validation_sets(ValidationConfig(sets=(source,), distractors=(source,)), 0)
