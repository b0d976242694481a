"""What every index of references can do, and what it needs of a map."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

import numpy as np

from fol_vpr.datatypes import Candidate, Place, Prior
from fol_vpr.errors import InputError

Progress = Callable[[int, int], None]
"""Called with the references done and those there are while an index is built."""

# Descriptors of a map that are held at a time while an index reads all of them, in bytes.
BLOCK_BYTES = 128 << 20


class PlaceIndex(Protocol):
    """Finds references by their global descriptors.

    References go by their id, which is `Place.index`: a number from 0 that belongs to one
    reference for as long as the index is open. The caller gives ids; they need be neither
    consecutive nor ascending. Adding and removing others never changes the id of one that stays,
    and an id that became free may be given again.

    Not for several threads at once.
    """

    @property
    def description(self) -> str:
        """What it is and what it takes, in words for a log."""
        ...

    def search(
        self, descriptor: np.ndarray, k: int, prior: Prior | None = None
    ) -> list[Candidate]:
        """The `k` references of largest similarity to a descriptor [D], best first.

        Equal similarities come in the order of ids. Where there are fewer than `k` references,
        or the prior allows fewer, all of them are returned.

        Args:
            descriptor: [D], unit length.
            k: how many.
            prior: searches only the references that it allows; None searches all.

        Raises:
            InputError: the descriptor has another length, or is not finite.
        """
        ...

    def add(self, places: Sequence[Place], descriptors: np.ndarray) -> None:
        """Add references, all or none of them.

        Args:
            places: whose `index` is the id, and whose session and position a prior is about.
            descriptors: [len(places), D], unit length.

        Raises:
            InputError: an id is taken, or the descriptors have another shape or are not finite.
        """
        ...

    def remove(self, ids: Sequence[int]) -> None:
        """Remove references, all or none of them.

        Raises:
            InputError: one of them is not there.
        """
        ...

    def __len__(self) -> int:
        """How many references there are."""
        ...

    def close(self) -> None:
        """Let go of memory, device and connections."""
        ...


class DescriptorSource(Protocol):
    """Gives the exact global descriptors of a map, such as the map file itself."""

    @property
    def dim(self) -> int:
        """Length D of a descriptor."""
        ...

    def read(self, ids: np.ndarray) -> np.ndarray:
        """Descriptors [len(ids), D] float32 of references by their ids [K] int64.

        Raises:
            MapError: one of them cannot be read.
        """
        ...


class ArraySource:
    """Descriptors [P, D] in memory or in a mapped file; ids are their rows."""

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
    """How many descriptors are held at a time while all are read."""
    return max(1, BLOCK_BYTES // (4 * dim))


def checked_rows(descriptors: np.ndarray, dim: int | None = None) -> np.ndarray:
    """Descriptors [P, D] as float32.

    Raises:
        InputError: another shape, no rows, or numbers that are not finite.
    """
    rows = np.ascontiguousarray(descriptors, dtype=np.float32)
    if rows.ndim != 2 or 0 in rows.shape or (dim is not None and rows.shape[1] != dim):
        wanted = 'D' if dim is None else dim
        raise InputError(f'global descriptors [P, {wanted}] are needed, got shape {rows.shape}')
    if not np.isfinite(rows).all():
        raise InputError('the global descriptors hold NaN or infinity')
    return rows


def checked_query(descriptor: np.ndarray, dim: int) -> np.ndarray:
    """A query's descriptor [D] as float32.

    Raises:
        InputError: it has another length, or is not finite.
    """
    query = np.ascontiguousarray(descriptor, dtype=np.float32)
    if query.shape != (dim,) or not np.isfinite(query).all():
        raise InputError(
            f'a global descriptor of {dim} finite numbers is needed, got shape {query.shape}: '
            'the map is of another network, or the image is bad'
        )
    return query


def best_candidates(ids: np.ndarray, similarities: np.ndarray, k: int) -> list[Candidate]:
    """The `k` best of some references, equal ones in the order of ids."""
    order = np.lexsort((ids, -similarities))[:k]
    return [Candidate(int(ids[row]), float(similarities[row])) for row in order]
