"""Any text is a value or a ValueError that says why not."""

import json
import math

import pytest

from fol_vpr.json_text import MAX_DEPTH, parse_json


@pytest.mark.parametrize(
    'value', [None, [], {}, 0, -1.5, 'ü\x00', {'a': [1, {'b': 'c'}]}, 10**300, [[[]]], 1e308]
)
def test_plain_json_is_read_as_it_is(value):
    assert parse_json(json.dumps(value)) == value
    assert parse_json(json.dumps(value).encode()) == value


REFUSED = {
    'no json': ('{', 'Expecting'),
    'nothing': ('', 'Expecting'),
    'deep lists': ('[' * 100_000, 'nested'),
    'deep lists that are closed': ('[' * 1000 + ']' * 1000, 'nested'),
    'deep objects': ('{"a":' * 50_000, 'nested'),
    'one level too many': ('[' * (MAX_DEPTH + 2) + ']' * (MAX_DEPTH + 2), 'nested'),
    'a long integer': ('9' * 5000, '5000 digits'),
    'a long fraction': ('0.' + '9' * 5000, 'digits'),
    'too large': ('1e999', 'too large'),
    'NaN': ('[NaN]', 'NaN is no number'),
    'Infinity': ('-Infinity', 'Infinity is no number'),
    'a key twice': ('{"a": 1, "b": 2, "a": 3}', "key 'a' is there twice"),
    'no UTF-8': (b'"\xff"', 'utf-8'),
}


@pytest.mark.parametrize('kind', REFUSED)
def test_all_other_texts_are_refused_with_the_reason(kind):
    text, reason = REFUSED[kind]
    with pytest.raises(ValueError, match=reason):
        parse_json(text)


def test_the_largest_depth_is_read():
    assert parse_json('[' * MAX_DEPTH + ']' * MAX_DEPTH)


def test_nan_of_older_maps_is_read_on_request():
    assert math.isnan(parse_json('[1, NaN]', nan=True)[1])
    with pytest.raises(ValueError, match='Infinity'):
        parse_json('[Infinity]', nan=True)
