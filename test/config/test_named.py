"""Settings by their names."""

from __future__ import annotations

import numpy as np
import pytest

from fol_vpr.config import NetworkConfig, RetrievalConfig, with_values
from fol_vpr.errors import InputError

GROUPS = {'network': NetworkConfig(), 'retrieval': RetrievalConfig()}


def test_values_are_taken_and_others_stay():
    given = {'retrieval.candidates': 7, 'retrieval.match_threshold': 1, 'network.threads': 2}
    changed = with_values(GROUPS, given)
    assert changed['retrieval'] == RetrievalConfig(candidates=7, match_threshold=1.0)
    assert type(changed['retrieval'].match_threshold) is float
    assert changed['network'] == NetworkConfig(threads=2)
    assert with_values(GROUPS, {}) == GROUPS


def test_numbers_of_numpy_are_numbers():
    given = {'retrieval.candidates': np.int64(7), 'retrieval.match_threshold': np.float32(0.5)}
    changed = with_values(GROUPS, given)['retrieval']
    assert changed == RetrievalConfig(candidates=7, match_threshold=0.5)
    assert type(changed.candidates) is int and type(changed.match_threshold) is float


@pytest.mark.parametrize(
    ('name', 'value', 'said'),
    [
        ('candidates', 5, 'did you mean retrieval.candidates?'),
        ('retrieval.candidate', 5, 'did you mean retrieval.candidates'),
        ('nothing.like_it', 5, 'groups are network, retrieval'),
        ('retrieval.candidates', 2.5, 'expected a whole number'),
        ('retrieval.candidates', True, 'expected a whole number'),
        ('retrieval.match_threshold', '0.5', 'expected a number'),
        ('network.weights', 5, 'expected a text'),
        ('retrieval.candidates', 0, 'retrieval.candidates is 0, expected from 1'),
        ('retrieval.index', 'fast', 'expected one of auto'),
    ],
)
def test_what_cannot_be_taken_is_named(name, value, said):
    with pytest.raises(InputError) as caught:
        with_values(GROUPS, {name: value})
    assert said in str(caught.value) and name.rpartition('.')[2] in str(caught.value)
