"""Files that name the positives of queries: CSV, and the NumPy arrays of VPR-Bench and others."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from fol_vpr.errors import InputError
from fol_vpr.files import open_file, printable

COLUMNS = ('query_index', 'ref_indices')
log = logging.getLogger(__name__)

NO_PLACE = -1
"""What arrays have instead of the references of a query whose place the map does not have."""
_WINDOW_COLUMNS = 3


class GroundTruthRow(NamedTuple):
    """The positives of one query.

    Attributes:
        where: the line or row, for messages.
        query: its number.
        references: numbers of its positives, as the file has them.
        is_window: whether they are all from a first to a last one, which may lie outside the map.
    """

    where: str
    query: int
    references: list[int]
    is_window: bool = False


def is_array(path: str | Path) -> bool:
    """Whether a file is a NumPy array.

    Raises:
        InputError: the file cannot be read.
    """
    # Here, so that --help does not load the libraries that read bags.
    from fol_vpr.sources.object_array import MAGIC

    with open_file(path, 'a ground truth') as file:
        return file.read(len(MAGIC)) == MAGIC


# ---- CSV


def csv_rows(path: Path) -> Iterator[GroundTruthRow]:
    """The rows of a CSV with the columns `query_index,ref_indices`.

    Raises:
        InputError: the file cannot be read, or a line does not fit; its number is named.
    """
    # Here, so that --help does not load the libraries that read bags.
    from fol_vpr.sources.tables import read_table

    try:
        names, rows = read_table(path, COLUMNS)
    except InputError as error:
        if 'has no rows' not in str(error):
            raise InputError(f'the ground truth {path} cannot be read: {error}') from error
        names = []
    columns = [name for name, _ in names]
    if any(columns.count(name) != 1 for name in COLUMNS):
        found = ', '.join(columns) or 'nothing'
        raise InputError(
            f'the ground truth {path} needs a header with the columns {", ".join(COLUMNS)}; '
            f'its first line holds {printable(found)}'
        )
    query, references = map(columns.index, COLUMNS)
    is_empty = True
    for place, cells in rows:
        is_empty = False
        where = f'{place.removeprefix(f"{path}, ")} of the ground truth {path}'
        yield GroundTruthRow(
            where,
            _whole(cells[query], 'query_index', where),
            [
                _whole(text, 'ref_indices', where)
                for text in re.split(r'[\s,]+', _unbracketed(cells[references]))
                if text
            ],
        )
    if is_empty:
        raise InputError(f'the ground truth {path} has a header but no lines')


def _unbracketed(text: str) -> str:
    """The content of a list as Python writes it, which pandas leaves in CSV files."""
    text = text.strip()
    return text[1:-1].strip() if text.startswith('[') and text.endswith(']') else text


def _whole(text: str, column: str, where: str) -> int:
    if not re.fullmatch(r'[+-]?\d{1,18}', text.strip(), re.ASCII):
        raise InputError(
            f'{where}: {column} holds {printable(text)!r}, expected whole numbers from 0'
        )
    return int(text)


# ---- NumPy


def array_rows(path: Path) -> Iterator[GroundTruthRow]:
    """The rows of an array in one of the layouts that data sets have.

    They are: objects [Q, 2], the number of the query and a list of references (VPR-Bench's
    ground_truth_new.npy); objects [Q], a list of references or an array of them for each query;
    numbers [Q, 3], the number of the query and the first and last of its references (VPR-Bench's
    ground_truth.npy).

    Raises:
        InputError: the file cannot be read, or holds something else.
    """
    # Here, so that --help does not load the libraries that read bags.
    from fol_vpr.sources.object_array import read_array

    array = read_array(path)
    if array.dtype != np.dtype(object):
        if array.ndim != 2 or array.shape[1] != _WINDOW_COLUMNS or array.dtype.kind not in 'iuf':
            raise InputError(
                f'the ground truth {path} is an array {list(array.shape)} of {array.dtype}, '
                'expected the number of a query, the first and the last of its references in '
                'each row, or objects; write it as a CSV with query_index,ref_indices'
            )
        log.warning('%s is read as query, first and last reference in each row', path)
        for number, row in enumerate(array.tolist()):
            where = f'row {number} of the ground truth {path}'
            query, first, last = (_index(item, where) for item in row)
            if not 0 <= last - first <= 1_000_000:
                raise InputError(f'{where}: the references {first} to {last} are no range')
            yield GroundTruthRow(where, query, list(range(first, last + 1)), is_window=True)
        return
    pairs = array.tolist() if array.ndim == 2 else _as_pairs(list(array), path)
    if array.ndim > 2 or any(len(pair) != 2 for pair in pairs):
        raise InputError(
            f'the ground truth {path} is an array of objects {list(array.shape)}, expected a '
            'query and a list of references in each row'
        )
    for number, (query, references) in enumerate(pairs):
        where = f'row {number} of the ground truth {path}'
        yield GroundTruthRow(where, _index(query, where), _indices(references, where))


def _as_pairs(items: list[Any], path: Path) -> list[tuple[Any, Any]]:
    """Pairs of a query and its references, of an array with one object for each query."""
    if not all(isinstance(item, (list, tuple, range, np.ndarray)) for item in items):
        raise InputError(
            f'the ground truth {path} holds other things than lists of references for each query'
        )
    paired = [len(item) == 2 and not np.isscalar(item[1]) for item in items]
    if all(paired):
        return [(item[0], item[1]) for item in items]
    return list(enumerate(items))


def _indices(references: Any, where: str) -> list[int]:
    if isinstance(references, np.ndarray):
        references = references.tolist()
    if not isinstance(references, (list, tuple, range)):
        references = [references]
    found = [_index(item, where) for item in references]
    return [] if found == [NO_PLACE] else found


def _index(item: Any, where: str) -> int:
    """A whole number, which arrays may have as a float."""
    is_number = isinstance(item, (int, float)) and not isinstance(item, bool)
    if not is_number or item != item or abs(item) > 10**18 or item != int(item):
        raise InputError(f'{where} holds {printable(repr(item))[:80]}, expected whole numbers')
    return int(item)
