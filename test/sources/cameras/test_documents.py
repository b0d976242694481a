"""Bounds of what is read of a file: nothing is executed, and nothing grows."""

from __future__ import annotations

import pytest

from fol_vpr.errors import InputError
from fol_vpr.sources.cameras.documents import MAX_DEPTH, MAX_NODES, read_documents

# Each level names the one before nine times: 9^9 words when expanded.
EXPANDING = 'a0: &a0 [x]\n' + ''.join(
    f'a{level}: &a{level} [{", ".join([f"*a{level - 1}"] * 9)}]\n' for level in range(1, 10)
)


def test_numbers_are_decimal() -> None:
    """YAML 1.1 reads 1e-05 as a text, 010 as eight and 1:30 as ninety."""
    text = 'a: 1e-05\nb: 010\nc: -3E+2\nd: .5\ne: 1:30\nf: 0x10\ng: yes\nh: 5.\n'
    (found,) = read_documents(text)
    assert found == {'a': 1e-05, 'b': 10, 'c': -300.0, 'd': 0.5, 'e': '1:30', 'f': '0x10',
                     'g': 'yes', 'h': 5.0}  # fmt: skip


def test_several_documents() -> None:
    assert read_documents('a: 1\n---\nb: 2\n---\n') == [{'a': 1}, {'b': 2}]
    assert read_documents('- 1\n') == []


def test_aliases_do_not_grow() -> None:
    (found,) = read_documents(EXPANDING)
    assert len(found['a9']) == 9
    (merged,) = read_documents('a: &a {x: 1}\nb: {<<: *a}\n')
    assert merged['b'] == {'<<': {'x': 1}}


@pytest.mark.parametrize(
    ('text', 'said'),
    [
        ('[' * (MAX_DEPTH + 1), 'nested deeper'),
        ('{"a":' * (MAX_DEPTH + 2) + '1' + '}' * (MAX_DEPTH + 2), 'nested deeper'),
        ('<a>' * (MAX_DEPTH + 1) + '</a>' * (MAX_DEPTH + 1), 'nested deeper'),
        ('a: [' + '1,' * MAX_NODES + '1]', 'more than 20000 values'),
        ('a: &a [*a]\n', 'is no YAML'),
        ('a: !!python/name:os.getcwd\n', 'is no YAML'),
        ('a: 1\na: 2\n', 'a stands there twice'),
        ('{"a": 1, "a": 2}', 'a stands there twice'),
        ('? [1]\n: 2\n', 'is no YAML'),
        ('a: ' + '9' * 500, '500 digits'),
        ('<!DOCTYPE a [<!ENTITY b "c">]><opencv_storage>&b;</opencv_storage>', 'document type'),
        ('<html><body>x</body></html>', 'not of OpenCV'),
        ('<opencv_storage>', 'is no XML'),
    ],
)
def test_what_is_refused(text: str, said: str) -> None:
    with pytest.raises(InputError, match=said) as caught:
        read_documents(text)
    assert len(str(caught.value)) < 300
