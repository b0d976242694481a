"""Mutual nearest neighbours by products of 8 bit integers; see matching.py.

Processors with AMX or VNNI multiply 8 bit integers many times as fast as float32. The products of
rounded rows tell which pairs can be over the threshold, because rounding changes a product by a
limited amount. With q = s (a + e) a row of the query, a in integers and no number of e over 1/2,
and r = f t (b + d) a row of the candidate, no number of d over D (0 where r was in 8 bits before,
else 1/2):

    |q · r - s f t (a · b)| <= s f t (|b|₁ / 2 + D |a|₁ + 128 D / 2)

Those pairs, and of them those that could be the nearest ones so far, get their cosine from all
numbers in float32. The matches are therefore those of cpu_matching.py.
"""

from __future__ import annotations

from types import ModuleType
from typing import NamedTuple

import numpy as np

from fol_vpr import compiled

MAX_SHARE = 0.05
"""Largest share of all pairs whose cosine may be computed."""

LEVELS = 127
"""Steps from 0 to the largest code."""


class _Codes(NamedTuple):
    """Rows in 8 bits.

    Attributes:
        codes: [M, C] int8.
        numbers: the rows as they were given.
        steps: [M] float32, what one step of a code of each row is worth.
        error: of a number, in steps; 0 where they were given as int8.
    """

    codes: np.ndarray
    numbers: np.ndarray
    steps: np.ndarray
    error: float


class Int8Matcher:
    """Matches one query with candidates; thread-safe.

    Args:
        query: [N, 128] float32, unit length.
        threshold: cosine that a match must exceed, over 0.
        module: `compiled_int8`.
    """

    def __init__(self, query: np.ndarray, threshold: float, module: ModuleType) -> None:
        self._query, self._threshold = query, np.float32(threshold)
        self._module = module
        # VNNI multiplies numbers without a sign with others.
        self._tiles = module.instruction_sets()[0] == 'amx'
        shift = 0 if self._tiles else 128
        self._packed, self._step, self._largest = module.packed_rows(query, shift)

    def match(self, candidate: np.ndarray) -> np.ndarray | None:
        """Matches [K, 2] of one candidate; None where more than `MAX_SHARE` of the pairs count.

        Args:
            candidate: [M, 128] float32 of unit length, or int8 of which only the direction counts.
        """
        rows = _encoded(candidate)
        found, enough = self._module.match(
            self._query, self._packed, self._step, self._largest,
            compiled.read_only(rows.codes), compiled.read_only(rows.numbers), rows.steps,
            rows.error, self._threshold, MAX_SHARE, self._tiles,
        )  # fmt: skip
        return found if enough else None


def int8_matcher(query: np.ndarray, threshold: float) -> Int8Matcher | None:
    """A matcher where the processor, Numba and the descriptors allow it, else None."""
    module = compiled.ready('fol_vpr.retrieval.compiled_int8')
    if module is None or threshold <= 0 or query.shape[1] != module.NUMBERS:
        return None
    if not np.isfinite(query).all():
        return None
    return Int8Matcher(query, threshold, module)


def _encoded(rows: np.ndarray) -> _Codes:
    if rows.dtype == np.int8:
        return _Codes(rows, rows, np.ones(len(rows), np.float32), 0.0)
    largest = np.abs(rows).max(axis=1, initial=0)
    steps = np.maximum(largest / LEVELS, np.finfo(np.float32).tiny).astype(np.float32)
    return _Codes(np.rint(rows / steps[:, None]).astype(np.int8), rows, steps, 0.5)
