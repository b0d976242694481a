"""Mutual nearest neighbours on the CPU; see matching.py.

All pairs of rows have to be compared, which as one matrix product takes most of the time of
re-ranking. Two facts save most of it without changing the result:

- Only pairs over the threshold count, about one pair in a hundred.
- Local descriptors of one image lie close to a subspace of few dimensions. Let V be an
  orthonormal basis of it, and let |q'| and |r'| be the lengths of what of two rows q and r lies
  outside. Then q · r is at most (Vᵀq) · (Vᵀr) + |q'| |r'|, whatever V is.

The right side is a product of rows with one number more than V has columns. Only the pairs where
it is over the threshold are looked at: those that the bound alone does not rule out as nearest
neighbours get their cosine from all numbers. Where more than `MAX_SHARE` of all pairs are over the
threshold, or the descriptors fill all dimensions, the product of all numbers is computed, in tiles
that stay in the processor's cache until they are reduced. The matrix of all similarities is never
in memory.

Where the compiled version is ready (fol_vpr/compiled.py), it takes the place of NumPy after the
product of the bounds: it looks at each tile once and computes the cosines as it meets them. Where
the processor multiplies 8 bit integers fast, products of those take the place of the bounds
(int8_matching.py).

Batches of candidates are matched in threads, in each of which NumPy's BLAS uses one thread: the
products of tiles are too small to be shared out.
"""

from __future__ import annotations

import functools
import os
from collections.abc import Iterator, Sequence

import numpy as np
from threadpoolctl import ThreadpoolController

from fol_vpr import compiled
from fol_vpr.retrieval.int8_matching import int8_matcher
from fol_vpr.threads import shared_out

BASIS = 24
"""Dimensions of the subspace."""
MAX_SHARE = 0.05
"""Largest share of all pairs that may be over the bound."""
MIN_PAIRS = 200_000
"""Fewer pairs of rows of a query and a batch are compared by the product of all numbers."""
BATCH_ROWS = 2048
"""Most rows of the candidates that one thread matches at a time, where they are several."""
TILE_BYTES = 1 << 20
MAX_THREADS = 8

_SAMPLE = 600
"""About as many rows of the query determine the subspace."""
_ITERATIONS = 2
_SQUARED_ROUNDING = 1e-6
"""Error of a squared length, as a fraction of it, in float32."""


def match_on_cpu(
    query: np.ndarray, candidates: Sequence[np.ndarray], threshold: float
) -> list[np.ndarray]:
    """Matches of the query with each candidate; see `matching.match_candidates`.

    Args:
        query: [N, C] float32, unit length.
        candidates: [Mi, C] float32 of unit length, or int8 of which only the direction counts.
        threshold: cosine that a match must exceed.

    Returns:
        For each candidate [K, 2] int64, row of the query and row of the candidate, in no order.
    """
    if not len(query):
        return [np.zeros((0, 2), np.int64) for _ in candidates]
    threads = min(len(candidates), _cores(), MAX_THREADS)
    in_int8 = int8_matcher(query, threshold)
    if in_int8 is not None:
        quick = shared_out(in_int8.match, candidates, threads, 'matching')
        found = [pairs for pairs in quick if pairs is not None]
        if len(found) == len(candidates):
            return found
        # The descriptors are alike: more pairs are over the threshold than cosines are worth.
    share = sum(map(len, candidates)) // max(1, threads)
    batches = list(_batches(candidates, min(share, BATCH_ROWS)))
    with _blas().limit(limits=1):
        matcher = _Matcher(query, threshold)
        matched = shared_out(matcher.match, batches, threads, 'matching')
        return [pairs for found in matched for pairs in found]


def unit_rows(rows: np.ndarray) -> np.ndarray:
    """Rows [N, C] as float32: int8 rows normalised to unit length, others unchanged."""
    if rows.dtype != np.int8:
        return rows
    numbers = rows.astype(np.float32)
    numbers /= np.sqrt(np.einsum('ij,ij->i', numbers, numbers)).clip(1)[:, None]
    return numbers


@functools.cache
def _blas() -> ThreadpoolController:
    return ThreadpoolController().select(user_api='blas')


def _cores() -> int:
    return len(os.sched_getaffinity(0))


def _batches(candidates: Sequence[np.ndarray], limit: int) -> Iterator[list[np.ndarray]]:
    """Consecutive candidates of up to `limit` rows, at least one in a batch."""
    batch: list[np.ndarray] = []
    size = 0
    for candidate in candidates:
        if batch and size + len(candidate) > limit:
            yield batch
            batch, size = [], 0
        batch.append(candidate)
        size += len(candidate)
    if batch:
        yield batch


class _Matcher:
    """Matches one query with batches of candidates; thread-safe.

    Args:
        query: [N, C] float32, N at least 1.
        threshold: cosine that a match must exceed.
    """

    def __init__(self, query: np.ndarray, threshold: float) -> None:
        self._query = query
        self._threshold = np.float32(threshold)
        self._bound = _Bound(query) if threshold > 0 and query.shape[1] > 2 * BASIS else None
        self._compiled = compiled.ready('fol_vpr.retrieval.compiled_matching')

    def match(self, batch: Sequence[np.ndarray]) -> list[np.ndarray]:
        """Matches [K, 2] of each candidate of a batch."""
        sizes = [len(candidate) for candidate in batch]
        rows = np.concatenate([unit_rows(candidate) for candidate in batch])
        bound = self._bound
        if bound is not None and len(rows) * len(self._query) >= MIN_PAIRS:
            by_bound = self._match_bounded if self._compiled is None else self._match_compiled
            found = by_bound(bound, rows, sizes)
            if found is not None:
                return found
            # The other candidates of this query will hardly differ.
            self._bound = None
        ends = np.cumsum(sizes)
        return [
            self._match_all(rows[end - size : end]) for end, size in zip(ends, sizes, strict=True)
        ]

    def _tiles(self, rows: np.ndarray, columns: np.ndarray) -> Iterator[tuple[int, np.ndarray]]:
        """First row and product of rows [M, K] with columns [K, N]; overwritten by the next."""
        step = max(1, min(len(rows), TILE_BYTES // (4 * columns.shape[1])))
        product = np.empty((step, columns.shape[1]), np.float32)
        for start in range(0, len(rows), step):
            part = rows[start : start + step]
            yield start, np.matmul(part, columns, out=product[: len(part)])

    # ---- by the bound

    def _match_compiled(
        self, bound: _Bound, rows: np.ndarray, sizes: list[int]
    ) -> list[np.ndarray] | None:
        """Matches [K, 2] of each candidate; None where too many pairs are over the threshold."""
        assert self._compiled is not None
        reduced, slack = bound.reduced(rows)
        found, start, pairs, computed = [], 0, 0, 0
        for size in sizes:
            candidate = rows[start : start + size]
            row_best, column_best = (
                np.full(count, self._threshold) for count in (size, len(self._query))
            )
            row_column, column_row = (np.full(count, -1) for count in (size, len(self._query)))
            for first, tile in self._tiles(reduced[start : start + size], bound.columns):
                computed += self._compiled.update_nearest(
                    tile, first, self._query, candidate, self._threshold, slack,
                    row_best, row_column, column_best, column_row,
                )  # fmt: skip
                pairs += tile.size
                if computed > MAX_SHARE * pairs:
                    return None
            found.append(self._compiled.mutual(row_column, column_row))
            start += size
        return found

    def _match_bounded(
        self, bound: _Bound, rows: np.ndarray, sizes: list[int]
    ) -> list[np.ndarray] | None:
        """The same by NumPy."""
        over = self._over_bound(bound, rows)
        if over is None:
            return None
        owner = np.repeat(np.arange(len(sizes)), sizes)
        column, row = self._nearest(rows, owner, *over).T
        starts = np.cumsum([0, *sizes])
        return [
            np.stack((column, row - starts[number]), axis=1)[owner[row] == number]
            for number in range(len(sizes))
        ]

    def _over_bound(
        self, bound: _Bound, rows: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray] | None:
        """Pairs whose bound is over the threshold: rows, columns and bounds, [P] in order.

        None where they are too many.
        """
        reduced, slack = bound.reduced(rows)
        floor = self._threshold - slack
        count = len(self._query)
        places, values, total = [], [], 0
        for start, tile in self._tiles(reduced, bound.columns):
            place = np.flatnonzero(tile > floor)
            total += len(place)
            if total > MAX_SHARE * (start + len(tile)) * count:
                return None
            values.append(tile.reshape(-1)[place] + slack)
            places.append(place + start * count)
        place = np.concatenate(places)
        row = place // count
        return row, place - row * count, np.concatenate(values)

    def _nearest(
        self, rows: np.ndarray, owner: np.ndarray, row: np.ndarray, column: np.ndarray,
        bounds: np.ndarray,
    ) -> np.ndarray:  # fmt: skip
        """Mutual nearest neighbours [K, 2], query row and row of the batch, among some pairs.

        Args:
            rows: [M, C] of all candidates of the batch.
            owner: [M], number of the candidate that each row belongs to.
            row, column: [P], all pairs that may be over the threshold, ordered by row, then
                column.
            bounds: [P], at least the cosine of each pair.
        """

        def cosines(of: np.ndarray) -> np.ndarray:
            left, right = rows.take(row[of], axis=0), self._query.take(column[of], axis=0)
            products: np.ndarray = np.einsum('ij,ij->i', left, right)
            return products

        # The largest cosine of a row is at least that of its pair of largest bound.
        highest = np.full(len(rows), self._threshold)
        likely = np.flatnonzero(bounds == _largest_of_runs(row, bounds))
        highest[row[likely]] = np.maximum(cosines(likely), self._threshold)
        left = np.flatnonzero(bounds >= highest[row])
        cosine = cosines(left)
        nearest = (cosine == _largest_of_runs(row[left], cosine)) & (cosine > self._threshold)
        cosine, left = cosine[nearest], left[nearest]
        first = _first_of_runs(row[left])
        best, best_row, best_column = cosine[first], row[left[first]], column[left[first]]
        # Of rows with the same nearest column, the most similar one is left, of equal ones the
        # first: of several assignments to one element, the last counts.
        order = np.lexsort((-best_row, best))
        slot = owner[row] * len(self._query) + column
        best_slot = (owner[best_row] * len(self._query) + best_column)[order]
        slots = (int(owner[-1]) + 1) * len(self._query)
        to_beat = np.full(slots, np.inf, np.float32)
        to_beat[best_slot] = best[order]
        holder = np.full(slots, -1)
        holder[best_slot] = best_row[order]
        # It matches unless another row, whose own nearest column is another, is nearer.
        rival = np.flatnonzero((bounds >= to_beat[slot]) & (row != holder[slot]))
        cosine, at = cosines(rival), slot[rival]
        nearer = (cosine > to_beat[at]) | ((cosine == to_beat[at]) & (row[rival] < holder[at]))
        holder[at[nearer]] = -1
        kept = np.flatnonzero(holder >= 0)
        return np.stack((kept % len(self._query), holder[kept]), axis=1)

    # ---- by all similarities

    def _match_all(self, rows: np.ndarray) -> np.ndarray:
        """Matches [K, 2] of one candidate [M, C]."""
        best = np.full(len(self._query), -np.inf, np.float32)
        best_tile = np.zeros(len(self._query), np.int64)
        found = [np.zeros((3, 0), np.int64)]
        for start, tile in self._tiles(rows, self._query.T):
            tile_best = tile.max(axis=0)
            better = tile_best > best
            best[better] = tile_best[better]
            best_tile[better] = start
            column = tile.argmax(axis=1)  # the first one
            value = tile[np.arange(len(tile)), column]
            row = np.flatnonzero((value > self._threshold) & (value == tile_best[column]))
            row = row[tile[:, column[row]].argmax(axis=0) == row]
            found.append(np.stack((column[row], row + start, np.full(len(row), start))))
        column, row, tile_of = np.concatenate(found, axis=1)
        matches: np.ndarray = np.stack((column, row), axis=1)[best_tile[column] == tile_of]
        return matches


class _Bound:
    """Bounds the products of a query's rows with others, from few numbers of each.

    Args:
        query: [N, C] float32.

    Attributes:
        columns: [BASIS + 1, N], to be multiplied with what `reduced` returns.
    """

    def __init__(self, query: np.ndarray) -> None:
        # Orthogonal iteration towards the principal directions of a sample.
        sample = query[:: max(1, len(query) // _SAMPLE)]
        moments = sample.T @ sample
        start = np.random.default_rng(0).standard_normal((query.shape[1], BASIS))
        self._basis = np.linalg.qr(moments @ start.astype(np.float32))[0]
        for _ in range(_ITERATIONS):
            self._basis = np.linalg.qr(moments @ self._basis)[0]
        numbers, self._length = self._numbers(query)
        self.columns = numbers.T

    def reduced(self, rows: np.ndarray) -> tuple[np.ndarray, np.float32]:
        """Rows [M, C] as [M, BASIS + 1], and the rounding error of their products."""
        numbers, length = self._numbers(rows)
        # Rounding of sums of C products, far below it.
        return numbers, np.float32(1e-5 * self._length * length)

    def _numbers(self, rows: np.ndarray) -> tuple[np.ndarray, float]:
        """The coordinates of rows in the subspace and their distance to it; their largest norm."""
        numbers = np.empty((len(rows), BASIS + 1), np.float32)
        inside = np.matmul(rows, self._basis, out=numbers[:, :-1])
        squares = np.einsum('ij,ij->i', rows, rows)
        outside = squares * (1 + _SQUARED_ROUNDING) - np.einsum('ij,ij->i', inside, inside)
        np.sqrt(outside.clip(0), out=numbers[:, -1])
        return numbers, float(np.sqrt(squares.max(initial=0)))


def _first_of_runs(labels: np.ndarray) -> np.ndarray:
    """Indices of the first element of each run of equal labels."""
    return np.flatnonzero(np.concatenate(([True], labels[1:] != labels[:-1]))[: len(labels)])


def _largest_of_runs(labels: np.ndarray, values: np.ndarray) -> np.ndarray:
    """For each element [K] the largest value in its run of equal labels."""
    if not len(labels):
        return values
    starts = _first_of_runs(labels)
    sizes = np.diff(np.append(starts, len(labels)))
    return np.repeat(np.maximum.reduceat(values, starts), sizes)
