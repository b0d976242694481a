"""Arrays of objects are read without executing what they say."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helpers.data_sets.object_arrays import write_object_array, write_pickle_as_array

from fol_vpr.errors import InputError
from fol_vpr.sources.object_array import read_array


def objects(items: list[Any]) -> np.ndarray:
    array = np.empty(len(items), dtype=object)
    for number, item in enumerate(items):
        array[number] = item
    return array


@pytest.mark.parametrize('protocol', [2, 3, 4, 5])
def test_objects_of_every_protocol(tmp_path: Path, protocol: int) -> None:
    items = [
        1, -5, 2**40, 2**70, 1.5, True, None, 'text', b'bytes', b'', [1, [2]], (1, 2, 3, 4), (),
        np.int16(7), np.float64(2.5), range(3),
    ]  # fmt: skip
    path = write_object_array(tmp_path / 'a.npy', objects(items), protocol)
    assert read_array(path).tolist() == items


@pytest.mark.parametrize('protocol', [2, 4])
def test_arrays_in_arrays(tmp_path: Path, protocol: int) -> None:
    items = [
        np.arange(6, dtype='>i4').reshape(2, 3),
        np.asfortranarray(np.arange(6.0).reshape(2, 3)),
        np.zeros(0, np.uint8),
        objects([1, [2]]),
    ]
    found = read_array(write_object_array(tmp_path / 'a.npy', objects(items), protocol))
    for one, other in zip(found, items, strict=True):
        assert one.tolist() == other.tolist()
        assert one.dtype == other.dtype


def test_objects_that_are_named_several_times_are_one(tmp_path: Path) -> None:
    shared = objects([1, 2])
    found = read_array(write_object_array(tmp_path / 'a.npy', objects([shared, shared])))
    assert found[0] is found[1]


def test_numbers_without_a_pickle(tmp_path: Path) -> None:
    for number, array in enumerate([np.arange(6.0).reshape(2, 3), np.arange(4, dtype='>i2')]):
        path = tmp_path / f'{number}.npy'
        np.save(path, array)
        np.testing.assert_array_equal(read_array(path), array)


class _Calls:
    """Pickled as a call of a function."""

    def __init__(self, function: Any, *arguments: Any) -> None:
        self.call = function, arguments

    def __reduce__(self) -> Any:
        return self.call


@pytest.mark.parametrize('protocol', [2, 4])
@pytest.mark.parametrize(
    ('content', 'named'),
    [
        (_Calls(len, 'abc'), r'_*builtin\w*\.len'),
        (_Calls(Path, 'a'), 'pathlib.Path'),
        (_Calls(np.arange, 3), 'numpy.*arange'),
        (Path, 'pathlib.Path'),
    ],
)
def test_what_is_named_beyond_arrays_is_refused(
    tmp_path: Path, content: Any, named: str, protocol: int
) -> None:
    for what in (content, objects([content])):
        path = write_pickle_as_array(tmp_path / 'a.npy', what, (1,), protocol)
        with pytest.raises(InputError, match=f'names {named}, which no array needs'):
            read_array(path)


@pytest.mark.parametrize('content', [[1, 2], 'text', {'a': 1}, None, {1, 2}])
def test_pickles_that_are_no_arrays(tmp_path: Path, content: Any) -> None:
    with pytest.raises(InputError, match='its pickle'):
        read_array(write_pickle_as_array(tmp_path / 'a.npy', content, (1,)))


def test_shapes_that_are_not_true(tmp_path: Path) -> None:
    array = objects([1, 2])
    with pytest.raises(InputError, match=r'the shape \(2,\), though its header says \(3,\)'):
        read_array(write_pickle_as_array(tmp_path / 'a.npy', array, (3,)))
    for shape in ((10**12,), (10**6, 10**6), (1, 5)):
        path = tmp_path / 'b.npy'
        with path.open('wb') as file:
            header = {'descr': '<f8', 'fortran_order': False, 'shape': shape}
            np.lib.format.write_array_header_1_0(file, header)
            file.write(b'\0' * 8)
        with pytest.raises(InputError, match='shape'):
            read_array(path)


def test_damage_is_named(tmp_path: Path) -> None:
    whole = write_object_array(tmp_path / 'a.npy', objects([[1, 2], [3]])).read_bytes()
    path = tmp_path / 'b.npy'
    for size in range(len(whole)):
        path.write_bytes(whole[:size])
        with pytest.raises(InputError, match=r'b\.npy cannot be read'):
            read_array(path)
    for position in range(len(whole)):
        path.write_bytes(whole[:position] + b'\xff' + whole[position + 1 :])
        try:
            read_array(path)
        except InputError:
            continue
