"""Priors as filters of Milvus."""

from __future__ import annotations

import pytest

from fol_vpr.datatypes import GeoPosition, Prior
from fol_vpr.retrieval.index.milvus.filters import prior_filter, session_number

EVERY = [
    Prior(sessions=frozenset({'a', 'b "c"', 'día'})),
    Prior(position=(1.0, -2.0), radius=3),
    Prior(position=(1e9, -1e9), radius=3, stddev=1e9),
    Prior(geo=GeoPosition(45.0, 7.0), radius=3, sessions=frozenset({'a'})),
]


def test_a_box_covers_the_region_everywhere_on_earth():
    assert prior_filter(None) == prior_filter(Prior()) == ''
    at_the_date_line = prior_filter(Prior(geo=GeoPosition(0, 179.9999), radius=100))
    at_the_pole = prior_filter(Prior(geo=GeoPosition(89.9999, 0), radius=100))
    assert 'longitude' not in at_the_date_line + at_the_pole and 'latitude' in at_the_pole


@pytest.mark.parametrize('prior', EVERY)
def test_a_filter_is_plain_ascii_without_quotes_and_bare_columns(prior):
    text = prior_filter(prior)
    assert text.isascii() and not set(text) & set('"\'\\')
    for column in ('has_position', 'has_geo'):
        assert text.count(column) == text.count(f'{column} == false')
    assert 'not ' not in text and 'e+' not in text


def test_many_sessions_are_left_to_the_index():
    assert prior_filter(Prior(sessions=frozenset(f's{n}' for n in range(1001)))) == ''


def test_a_filter_of_a_whole_world_excludes_nothing():
    assert prior_filter(Prior(position=(0.0, 0.0), radius=1e300)) == ''


def test_sessions_have_different_numbers():
    names = ['', 'a', 'A', 'á', 'a\u0301', '\udcff', 'n' * 2000, 'n' * 1999]
    numbers = [session_number(name) for name in names]
    assert len(set(numbers)) == len(names) and all(0 <= n < 2**63 for n in numbers)
