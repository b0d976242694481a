"""Which queries of two results are the same."""

from __future__ import annotations

import pytest
from helpers.evaluation.results import RIGHT, WRONG, small_result

from fol_vpr.errors import InputError
from fol_vpr.evaluation.comparison.matching import match_queries


def matched(first, second):
    return match_queries(first.evaluation, second.evaluation)


def test_paths_tell():
    found = matched(small_result([RIGHT] * 3), small_result([WRONG] * 3))
    assert found.pairs == ((0, 0), (1, 1), (2, 2))
    assert found.by == 'their paths'


def test_images_of_another_folder_are_told_by_their_paths_below_it():
    names = ['a/1.jpg', 'a/2.jpg', 'b/1.jpg']
    here = small_result([RIGHT] * 3, uris=[f'/home/one/{name}' for name in names])
    there = small_result([RIGHT] * 3, uris=[f'/mnt/x/y/{name}' for name in reversed(names)])
    found = matched(here, there)
    assert found.pairs == ((0, 2), (1, 1), (2, 0))
    assert 'below one folder' in found.by


def test_images_of_one_drive_are_told_by_their_stamps():
    bag = ['drive:/camera'] * 4
    every = small_result([RIGHT] * 4, uris=bag, stamps=[10, 20, 30, 40])
    second = small_result([RIGHT] * 2, uris=['copy:/camera'] * 2, stamps=[20, 40])
    found = matched(every, second)
    assert found.pairs == ((1, 0), (3, 1))
    assert found.by == 'their stamps'
    assert (found.first_only, found.second_only) == (2, 0)


def test_queries_without_an_answer_are_matched_where_the_others_have_their_places():
    first = small_result([RIGHT, None, RIGHT, None])
    second = small_result([RIGHT, RIGHT, None])
    found = matched(first, second)
    assert found.pairs == ((0, 0), (1, 1), (2, 2))
    assert (found.first_only, found.second_only) == (1, 0)


def test_names_that_several_images_have_tell_nothing():
    here = small_result([RIGHT] * 3, uris=['/a/x/1.jpg', '/a/y/1.jpg', '/a/y/2.jpg'])
    there = small_result([RIGHT] * 2, uris=['/b/1.jpg', '/b/2.jpg'])
    found = matched(here, there)
    assert found.pairs == ((2, 1),)
    assert (found.first_only, found.second_only) == (2, 1)


def test_without_names_and_stamps_the_order_tells():
    nameless = small_result([RIGHT] * 2, uris=[''] * 2)
    found = matched(nameless, nameless)
    assert found.pairs == ((0, 0), (1, 1))
    assert 'their order' in found.by


def test_other_queries_are_refused():
    other = small_result([RIGHT] * 2, uris=['/data/night/1.jpg', '/data/night/2.jpg'])
    with pytest.raises(InputError, match=r'of other queries.*000\.jpg.*1\.jpg'):
        matched(small_result([RIGHT] * 3), other)


def test_a_result_without_answers_is_refused():
    with pytest.raises(InputError, match='no answers at all'):
        matched(small_result([RIGHT] * 2), small_result([None, None]))
