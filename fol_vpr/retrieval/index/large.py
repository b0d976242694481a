"""The search in a map whose descriptors do not fit into memory, or take too long to scan."""

from __future__ import annotations

import logging
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import faiss
import numpy as np

from fol_vpr.datatypes import Candidate, Place, Prior
from fol_vpr.retrieval.index import lists
from fol_vpr.retrieval.index.cache import UnusableCacheError, read_cache, write_cache
from fol_vpr.retrieval.index.protocol import (
    DescriptorSource,
    Progress,
    block_rows,
    checked_query,
    checked_rows,
    ranked,
)
from fol_vpr.retrieval.index.reduction import Reduction
from fol_vpr.retrieval.index.references import References, fingerprints

log = logging.getLogger(__name__)

FORMAT = 1
"""Of the cache file; another number makes it be built again."""
REDUCED_DIM = 512
# References that the reduction is learned from: eight times its dimensions and more.
REDUCTION_SAMPLE = 8192
# References that a query looks at: a share of all, and so many at least (51 MB of codes). Up to
# that number nothing is missed but by rounding.
SEARCHED_SHARE = 1 / 32
LEAST_SEARCHED = 100_000
# Candidates whose exact similarity is computed; a quarter more than asked for where that is more.
SHORTLIST = 128
# Beyond this share of changed references lists and reduction are learned anew.
WORN = 0.25
SEED = 1
KINDS = {**lists.KINDS, 'mean': ('<f4', 1), 'basis': ('<f4', 2), 'names': ('<i8', 1)}


class LargeIndex:
    """Search in inverted lists of reduced and quantised descriptors; see `PlaceIndex`.

    Descriptors are projected to the principal components of the map, sorted into lists by
    k-means, and kept there in 8 bits for each dimension. A query looks into the nearest lists, and
    the shortlist that comes out is compared by the exact descriptors, which are read from the map:
    similarities are exact, and what can be missing is a reference that did not make the shortlist.
    `benchmarks/search.py` measures this against other structures.

    The lists lie in a cache file. They are mapped from there until something is added or removed.

    Args:
        source: exact descriptors of the references.
        places: the references of the source.
        content: tells maps apart, and networks; a cache of another one is not taken.
        cache: the file to take the lists from, or to write them to; None keeps them in memory.
        progress: called while the lists are built.

    Raises:
        MapError: a descriptor cannot be read.
        InputError: a descriptor is not finite.
    """

    def __init__(
        self,
        source: DescriptorSource,
        places: Sequence[Place],
        *,
        content: str = '',
        cache: Path | None = None,
        progress: Progress | None = None,
    ) -> None:
        self._source = source
        self._references = References(places)
        self._added: dict[int, np.ndarray] = {}
        self._mapped = False
        self._key = {'format': FORMAT, 'content': content, 'dim': source.dim, 'to': REDUCED_DIM}
        names = fingerprints(places)
        if cache is not None and self._taken_from(cache, names, progress):
            return
        self._build(progress)
        if cache is not None:
            self._save(cache, names)

    def __len__(self) -> int:
        return len(self._references)

    @property
    def description(self) -> str:
        """See `PlaceIndex.description`."""
        size = 1e-6 * len(self) * (self._index.code_size + 8)
        where = 'mapped from its cache' if self._mapped else 'in memory'
        return (
            f'large: {len(self)} references in {self._index.nlist} lists, {self._index.d} of '
            f'{self._source.dim} dimensions at 8 bits, {size:.0f} MB {where}; the first '
            f'{SHORTLIST} are compared exactly'
        )

    @staticmethod
    def reduced_dim(dim: int) -> int:
        """Numbers, of 8 bits each, that a descriptor of `dim` numbers is kept by."""
        return min(dim, REDUCED_DIM)

    # ---- building

    def _build(self, progress: Progress | None) -> None:
        ids, count = self._references.ids, len(self)
        rng = np.random.default_rng(SEED)
        drawn = rng.permutation(ids)
        sample = checked_rows(self._source.read(np.sort(drawn[:REDUCTION_SAMPLE])))
        self._reduction = Reduction.learned(sample, REDUCED_DIM, SEED)
        del sample
        number = lists.list_count(count)
        drawn = np.sort(drawn[: number * lists.TRAINING_ROWS])
        self._index = lists.train(self._reduced(drawn), number, SEED)
        self._extend(ids, progress)

    def _reduced(self, ids: np.ndarray) -> np.ndarray:
        """Reduced descriptors [len(ids), d] of references, read block by block."""
        size = block_rows(self._source.dim)
        blocks = [
            self._reduction.references(checked_rows(self._source.read(ids[first : first + size])))
            for first in range(0, len(ids), size)
        ]
        return np.concatenate(blocks)

    def _extend(self, ids: np.ndarray, progress: Progress | None) -> None:
        size = block_rows(self._source.dim)
        for first in range(0, len(ids), size):
            block = ids[first : first + size]
            self._index.add_with_ids(self._reduced(block), block)
            if progress is not None:
                progress(first + len(block), len(ids))

    # ---- the cache

    def _taken_from(self, path: Path, names: np.ndarray, progress: Progress | None) -> bool:
        """Take the lists from a cache, brought to what the map has now; whether that was possible.

        A cache lists its references by fingerprint, so that what the map has lost or got since is
        told apart from what it only numbers otherwise.
        """
        try:
            before = _identity(path)
            _, found = read_cache(path, self._key, KINDS)
            new_ids, missing = self._compared(found['names'], names)
            self._reduction = _reduction(found, self._source.dim)
            self._index, kept = lists.mapped(path, found, len(found['names']))
            if self._index.d != self._reduction.dim or len(kept) != len(found['names']):
                raise UnusableCacheError('its parts do not fit each other')
            if _identity(path) != before:
                raise UnusableCacheError('another process replaced it meanwhile')
        except (UnusableCacheError, OSError) as error:
            log.info('the search index %s is built: %s', path, error)
            return False
        if new_ids is None:
            self._mapped = True
            return True
        lists.to_memory(self._index, new_ids)
        self._extend(missing, progress)
        self._save(path, names)
        return True

    def _compared(self, old: np.ndarray, new: np.ndarray) -> tuple[np.ndarray | None, np.ndarray]:
        """The present ids of a cache's references, -1 for lost ones, and the ids it has not got.

        The former are None where the cache has exactly the references of the map, in its order.

        Raises:
            UnusableCacheError: too much has changed.
        """
        ids = self._references.ids
        if np.array_equal(old, new) and np.array_equal(ids, np.arange(len(ids))):
            return None, ids[:0]
        order = np.argsort(new)
        place = order[np.minimum(np.searchsorted(new, old, sorter=order), len(new) - 1)]
        new_ids = np.where(new[place] == old, ids[place], -1)
        missing = np.setdiff1d(ids, new_ids)
        changed = len(missing) + int((new_ids < 0).sum())
        if changed > WORN * len(new) or len(np.unique(old)) != len(old):
            raise UnusableCacheError(f'{changed} of {len(new)} references have changed')
        return new_ids, missing

    def _save(self, path: Path, names: np.ndarray) -> None:
        """Write the cache; where that cannot be, say so and go on without."""
        ids = self._references.ids
        if not np.array_equal(ids, np.arange(len(ids))):
            log.warning('the search index is not kept in %s: the map has gaps in its order', path)
            return
        parts = {
            **lists.arrays(self._index),
            'mean': self._reduction.mean,
            'basis': self._reduction.basis,
            'names': np.ascontiguousarray(names),
        }
        try:
            write_cache(path, self._key, parts)
        except OSError as error:
            log.warning(
                'the search index cannot be kept in %s (%s): it will be built again for the next '
                'start', path, error.strerror,
            )  # fmt: skip

    # ---- changes

    def add(self, places: Sequence[Place], descriptors: np.ndarray) -> None:
        """See `PlaceIndex.add`. The exact descriptors are kept in memory, in float16."""
        rows = checked_rows(descriptors, self._source.dim)
        self._references.add(places)
        self._make_writable()
        ids = np.array([place.index for place in places], np.int64)
        self._index.add_with_ids(self._reduction.references(rows), ids)
        self._added.update(zip(ids.tolist(), rows.astype(np.float16), strict=True))

    def remove(self, ids: Sequence[int]) -> None:
        """See `PlaceIndex.remove`."""
        self._references.remove(ids)
        self._make_writable()
        self._index.remove_ids(np.asarray(ids, np.int64))
        for number in ids:
            self._added.pop(int(number), None)

    def _make_writable(self) -> None:
        if self._mapped:
            lists.to_memory(self._index)
            self._mapped = False

    # ---- search

    def search(
        self, descriptor: np.ndarray, k: int, prior: Prior | None = None
    ) -> list[Candidate]:
        """See `PlaceIndex.search`."""
        query = checked_query(descriptor, self._source.dim)
        rows = self._references.allowed(prior)
        allowed = None if rows is None else self._references.ids[rows]
        total = len(self) if allowed is None else len(allowed)
        k = max(0, min(k, total))
        if k == 0:
            return []
        asked = min(total, max(SHORTLIST, k + k // 4))
        if asked == total:
            found = self._references.ids if allowed is None else allowed
        else:
            found = self._shortlist(query, asked, k, allowed)
        # Row by row: a product with a matrix may round equal rows differently.
        return ranked(found, (self._exact(found) * query).sum(axis=1), k)

    def _shortlist(
        self, query: np.ndarray, asked: int, least: int, allowed: np.ndarray | None
    ) -> np.ndarray:
        """Ids of `asked` references that seem nearest; fewer, but `least`, where lists end."""
        reduced = self._reduction.query(query)[None]
        index = self._index
        searched = max(SEARCHED_SHARE * len(self), LEAST_SEARCHED)
        params = faiss.SearchParametersIVF()
        # With a prior as many references are looked at as without, in as many more lists.
        probes = math.ceil(
            searched / (len(self) if allowed is None else len(allowed)) * index.nlist
        )
        if allowed is not None:
            bits = np.zeros(int(self._references.ids.max()) + 1, bool)
            bits[allowed] = True
            selector = faiss.IDSelectorBitmap(np.packbits(bits, bitorder='little'))
            params = faiss.SearchParametersIVF(sel=selector)
        while True:
            params.nprobe = min(index.nlist, probes)
            _, ids = index.search(reduced, asked, params=params)
            found: np.ndarray = ids[0][ids[0] >= 0]
            if len(found) >= least or params.nprobe == index.nlist:
                return found
            probes *= 2

    def _exact(self, ids: np.ndarray) -> np.ndarray:
        """Exact descriptors [len(ids), D] float32."""
        if not self._added:
            return self._source.read(ids)
        rows = np.empty((len(ids), self._source.dim), np.float32)
        fresh = np.array([number in self._added for number in ids.tolist()], bool)
        if not fresh.all():
            rows[~fresh] = self._source.read(ids[~fresh])
        for row in np.flatnonzero(fresh):
            rows[row] = self._added[int(ids[row])]
        return rows

    def close(self) -> None:
        """See `PlaceIndex.close`."""
        # A mapping ends with the last reference to it.
        del self._index
        self._added.clear()


def _identity(path: Path) -> tuple[int, ...]:
    """Tells a file from another one of the same name; FAISS opens it by its name again."""
    try:
        status = path.stat()
    except FileNotFoundError as error:
        raise UnusableCacheError('there is none yet') from error
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns


def _reduction(found: dict[str, Any], dim: int) -> Reduction:
    mean, basis = np.array(found['mean']), np.array(found['basis'])
    if mean.shape != (dim,) or len(basis) != dim:
        raise UnusableCacheError('its reduction is of another dimension')
    if not (np.isfinite(mean).all() and np.isfinite(basis).all()):
        raise UnusableCacheError('its reduction is not finite')
    return Reduction(mean, basis)
