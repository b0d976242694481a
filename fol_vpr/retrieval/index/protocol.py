"""The interface of search indexes, and of what they read descriptors from."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

import numpy as np

from fol_vpr.datatypes import Candidate, Place, Prior
from fol_vpr.errors import InputError

Progress = Callable[[int, int], None]
"""Called with the number of references done and in all while an index is built."""

# Bytes of a block of descriptors while an index reads a whole map; one more is read meanwhile.
# More than 32 MiB, up to which glibc may keep what is freed instead of giving it back.
BLOCK_BYTES = 64 << 20


class PlaceIndex(Protocol):
    """Finds references by their global descriptors.

    References are identified by `Place.index`: a number from 0 that belongs to one reference as
    long as the index is open. The caller chooses the ids; they need not be consecutive or
    ascending. Adding and removing references does not change the ids of others, and an id that is
    no longer used may be used again.

    An index is not thread-safe.
    """

    @property
    def description(self) -> str:
        """Kind, number of references and memory of the index, for the log."""
        ...

    @property
    def problem(self) -> str:
        """What keeps the index from working as it should, and what it does meanwhile; or empty."""
        ...

    def search(
        self, descriptor: np.ndarray, k: int, prior: Prior | None = None
    ) -> list[Candidate]:
        """Find the `k` references most similar to a descriptor, best first.

        Equal similarities are ordered by id. Where there are fewer than `k` references, or the
        prior allows fewer, all of them are returned.

        Args:
            descriptor: [D], unit length.
            k: number of candidates.
            prior: restricts the search to the references that it allows; None searches all.

        Raises:
            InputError: the descriptor has another length, or is not finite.
        """
        ...

    def add(self, places: Sequence[Place], descriptors: np.ndarray) -> None:
        """Add references, all of them or none.

        Args:
            places: their `index` is the id; a prior is applied to session and position.
            descriptors: [len(places), D], unit length.

        Raises:
            InputError: an id is in use, or the descriptors have another shape or are not finite.
        """
        ...

    def remove(self, ids: Sequence[int]) -> None:
        """Remove references by their ids, all of them or none.

        Raises:
            InputError: an id is not in the index.
        """
        ...

    def __len__(self) -> int:
        """Number of references."""
        ...

    def close(self) -> None:
        """Release memory, device and connections; the index cannot be used afterwards."""
        ...


class DescriptorSource(Protocol):
    """Reads the exact global descriptors of a map; the map file is one."""

    @property
    def dim(self) -> int:
        """Length D of a descriptor."""
        ...

    def read(self, ids: np.ndarray) -> np.ndarray:
        """Descriptors [len(ids), D] float32 of references by their ids [K] int64.

        Raises:
            MapError: a descriptor cannot be read.
        """
        ...


class ArraySource:
    """Descriptors [P, D] in memory or in a mapped file; ids are row numbers."""

    def __init__(self, descriptors: np.ndarray) -> None:
        self._descriptors = descriptors

    @property
    def dim(self) -> int:
        """See `DescriptorSource.dim`."""
        return int(self._descriptors.shape[1])

    def read(self, ids: np.ndarray) -> np.ndarray:
        """See `DescriptorSource.read`."""
        rows: np.ndarray = self._descriptors[ids].astype(np.float32)
        return rows


def block_rows(dim: int) -> int:
    """Number of descriptors of `dim` numbers that are read at a time."""
    return max(1, BLOCK_BYTES // (4 * dim))


def checked_rows(descriptors: np.ndarray, dim: int | None = None) -> np.ndarray:
    """Descriptors [P, D] as contiguous float32; D is `dim` where that is given.

    Raises:
        InputError: they have another shape, no rows, or numbers that are not finite.
    """
    rows = np.ascontiguousarray(descriptors, dtype=np.float32)
    if rows.ndim != 2 or 0 in rows.shape or (dim is not None and rows.shape[1] != dim):
        wanted = 'D' if dim is None else dim
        raise InputError(f'expected global descriptors [P, {wanted}], got shape {rows.shape}')
    if not np.isfinite(rows).all():
        raise InputError('the global descriptors contain NaN or infinity')
    return rows


def checked_query(descriptor: np.ndarray, dim: int) -> np.ndarray:
    """A query's descriptor [dim] as contiguous float32.

    Raises:
        InputError: it has another length or is not finite.
    """
    query = np.ascontiguousarray(descriptor, dtype=np.float32)
    # The squared length is finite only where all numbers are, and none so large that a similarity
    # overflows: FAISS would give references with a similarity of infinity, and no error.
    with np.errstate(over='ignore', invalid='ignore'):
        usable = query.shape == (dim,) and np.isfinite(query @ query)
    if not usable:
        raise InputError(
            f'expected a global descriptor of {dim} finite numbers, got shape {query.shape}: '
            'the map may be of another network, or the image damaged'
        )
    return query


def best_candidates(ids: np.ndarray, similarities: np.ndarray, k: int) -> list[Candidate]:
    """The `k` most similar of some references, equal ones ordered by id.

    Args:
        ids: [M].
        similarities: [M].
        k: number of candidates.
    """
    order = np.lexsort((ids, -similarities))[:k]
    return [Candidate(int(ids[row]), float(similarities[row])) for row in order]
