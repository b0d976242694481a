"""Search for maps whose descriptors do not fit into memory or take too long to scan."""

from __future__ import annotations

import hashlib
import logging
import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np

from fol_vpr.datatypes import Candidate, Place, Prior
from fol_vpr.retrieval.index import codes
from fol_vpr.retrieval.index.cache import (
    Pieces,
    UnusableCacheError,
    forget_pages,
    read_cache,
    write_cache,
)
from fol_vpr.retrieval.index.protocol import (
    DescriptorSource,
    Progress,
    best_candidates,
    block_rows,
    checked_query,
    checked_rows,
)
from fol_vpr.retrieval.index.reduction import Reduction
from fol_vpr.retrieval.index.references import ReferenceMetadata, fingerprints
from fol_vpr.retrieval.index.unfinished import (
    PartialCodes,
    exclusive_build,
    read_learned,
    remove_unfinished,
    write_learned,
)

log = logging.getLogger(__name__)

FORMAT = 3
"""Version of the cache file; a file of another version is built again."""
# Dimensions after reduction.
REDUCED_DIM = 512
# References that the reduction is learned from.
REDUCTION_SAMPLE = 8192
# References that levels and centroids of the codes are learned from.
CODES_SAMPLE = 32_768
# Fewest candidates whose exact similarity is computed; at least a quarter more than are asked for.
SHORTLIST = 128
# Fraction of changed references beyond which reduction and codes are learned again.
MAX_CHANGED = 0.25
SEED = 1
ARRAY_KINDS = {**codes.ARRAY_KINDS, 'mean': ('<f4', 1), 'basis': ('<f4', 2), 'names': ('<i8', 1)}
# What the codes of a reference depend on, beside its descriptor.
LEARNED = ('mean', 'basis', 'span', 'centroids')


class LargeIndex:
    """Search in reduced and quantised descriptors; see `PlaceIndex`.

    Descriptors are projected to the principal components of the map and stored in two codes (see
    codes.py), of which the coarse one is scanned for every query. The resulting shortlist is
    compared by the exact descriptors, which are read from the map. So all similarities are exact,
    but a reference may be missing because it is not on the shortlist.
    `benchmarks/speed/search.py` compares this index with others.

    The codes are stored in a cache file, from which the fine ones are mapped.

    Args:
        source: exact descriptors of the references.
        places: the references of the source.
        content: identifies map and network; a cache with another value is not used.
        cache: file to read the codes from, or to write them to; None keeps them in memory.
        progress: called with references done and in all while the codes are computed.

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
        names = self._prepare(source, places, content)
        if cache is None:
            self._build(progress)
        elif not self._read_cache(cache, names, progress):
            self._build_cached(cache, names, progress)

    @classmethod
    def cached(
        cls, source: DescriptorSource, places: Sequence[Place], *, content: str, cache: Path
    ) -> LargeIndex | None:
        """The index of a cache file; None where it cannot be used, as building takes long.

        Raises:
            MapError: a descriptor cannot be read.
        """
        index = cls.__new__(cls)
        names = index._prepare(source, places, content)
        return index if index._read_cache(cache, names, None) else None

    def _prepare(
        self, source: DescriptorSource, places: Sequence[Place], content: str
    ) -> np.ndarray:
        """Set all but the codes, and give the fingerprints of the places."""
        self._source = source
        self._references = ReferenceMetadata(places)
        self._added: dict[int, np.ndarray] = {}
        self._mapped = False
        self._key = {'format': FORMAT, 'content': content, 'dim': source.dim, 'to': REDUCED_DIM}
        return fingerprints(places)

    problem = ''
    _codes: codes.Codes
    _reduction: Reduction

    def __len__(self) -> int:
        return len(self._references)

    @property
    def description(self) -> str:
        """See `PlaceIndex.description`."""
        size = 1e-6 * self.memory(len(self), self._source.dim)
        where = 'mapped from its cache' if self._mapped else 'in memory'
        return (
            f'large: {len(self)} references, {self._reduction.dim} of {self._source.dim} '
            f'dimensions in a coarse and a fine code, {size:.0f} MB {where}; the best {SHORTLIST} '
            'are compared exactly'
        )

    @staticmethod
    def memory(references: int, dim: int) -> int:
        """Bytes of the codes of so many references with descriptors of `dim` numbers."""
        reduced = min(dim, REDUCED_DIM)
        # The coarse code is read twice: as stored, and as FAISS scans it.
        return references * (sum(codes.code_widths(reduced)) + reduced // 8 + 8)

    # ---- building

    def _build(self, progress: Progress | None) -> None:
        """Build the codes in memory."""
        self._learn()
        self._codes = codes.Codes.empty(**self._codes.learned)
        self._ids = self._references.ids[:0]
        self._extend(self._references.ids, progress)
        self._codes.pack()

    def _learn(self) -> None:
        """Learn the reduction, and what codes depend on, of a sample of the references."""
        rng = np.random.default_rng(SEED)
        drawn = rng.permutation(self._references.ids)
        log.info('search index: learning from %d descriptors', min(len(drawn), CODES_SAMPLE))
        sample = np.empty((min(len(drawn), REDUCTION_SAMPLE), self._source.dim), np.float32)
        size = block_rows(self._source.dim)
        for number, rows in enumerate(self._blocks(np.sort(drawn[: len(sample)]))):
            sample[number * size : number * size + len(rows)] = rows
        self._reduction = Reduction.fit(sample, REDUCED_DIM, SEED)
        del sample
        blocks = self._blocks(np.sort(drawn[:CODES_SAMPLE]))
        reduced = np.concatenate([self._reduction.references(rows) for rows in blocks])
        self._codes = codes.Codes.fit(reduced, SEED)

    def _blocks(self, ids: np.ndarray) -> Iterator[np.ndarray]:
        """Descriptors [n, D] of references, checked, in blocks; the next one is read meanwhile."""
        size = block_rows(self._source.dim)
        parts = [ids[first : first + size] for first in range(0, len(ids), size)]

        def read(part: np.ndarray) -> np.ndarray:
            return checked_rows(self._source.read(part))

        with ThreadPoolExecutor(1, 'search index') as reader:
            ahead = reader.submit(read, parts[0]) if parts else None
            for part in parts[1:]:
                assert ahead is not None
                rows = ahead.result()
                ahead = reader.submit(read, part)
                yield rows
            if ahead is not None:
                yield ahead.result()

    def _extend(self, ids: np.ndarray, progress: Progress | None) -> None:
        """Append the codes of references in memory."""
        done = 0
        for rows in self._blocks(ids):
            self._codes.append(*self._codes.encode(self._reduction.references(rows)))
            done += len(rows)
            if progress is not None:
                progress(done, len(ids))
        self._ids = np.concatenate([self._ids, ids])

    def _build_cached(self, cache: Path, names: np.ndarray, progress: Progress | None) -> None:
        """Build the cache file and map it; without it where it cannot be written."""
        with exclusive_build(cache, lambda: self._read_cache(cache, names, progress)) as file:
            if self._mapped:
                return
            if file is None or not self._build_by_parts(cache, file, names, progress):
                if file is None:
                    self._build(progress)
                self._save(cache, names)

    def _build_by_parts(
        self, cache: Path, file: int, names: np.ndarray, progress: Progress | None
    ) -> bool:
        """Build the cache by way of an unfinished file, or go on with one.

        Returns:
            False where the disk does not allow it; the codes are in memory then.
        """
        ids = self._references.ids
        partial: PartialCodes | None = None
        try:
            partial = self._unfinished(cache, file, names)
            if partial.done:
                log.info(
                    'search index %s: going on after %d of %d references',
                    cache, partial.done, len(ids),
                )  # fmt: skip
            for rows in self._blocks(ids[partial.done :]):
                partial.append(*self._codes.encode(self._reduction.references(rows)))
                if progress is not None:
                    progress(partial.done, len(ids))
            fine, coarse = codes.code_widths(self._reduction.dim)
            parts: dict[str, np.ndarray | Pieces] = {
                'fine': Pieces((len(ids), fine), (block[0] for block in partial.blocks())),
                'coarse': Pieces((len(ids), coarse), (block[1] for block in partial.blocks())),
                **self._learned(),
                'names': np.ascontiguousarray(names),
            }
            write_cache(cache, self._key, parts)
            remove_unfinished(cache)
            if self._read_cache(cache, names, progress):
                return True
        except OSError as error:
            log.warning(
                'the search index cannot be written to %s (%s): it is built in memory', cache,
                error.strerror,
            )  # fmt: skip
        if partial is None:
            remove_unfinished(cache)
            self._build(progress)
            return False
        self._ids = ids[: partial.done]
        self._codes = codes.Codes.empty(**self._codes.learned)
        for block in partial.blocks():
            self._codes.append(*block)
        remove_unfinished(cache)
        self._extend(ids[partial.done :], progress)
        self._codes.pack()
        return False

    def _learned(self) -> dict[str, np.ndarray]:
        reduction = {'mean': self._reduction.mean, 'basis': self._reduction.basis}
        return {**reduction, **self._codes.learned}

    def _unfinished(self, cache: Path, file: int, names: np.ndarray) -> PartialCodes:
        """The build that was interrupted, or a new one; what it has learned is in use then."""
        # The order of the references counts as well: the blocks follow it.
        key = {**self._key, 'references': hashlib.sha256(names.tobytes()).hexdigest()}
        kinds = {name: kind for name, kind in ARRAY_KINDS.items() if name in LEARNED}
        try:
            found = read_learned(cache, key, kinds)
            self._reduction = _reduction(found, self._source.dim)
            self._codes = codes.Codes.empty(found['span'], found['centroids'])
        except UnusableCacheError:
            self._learn()
            os.ftruncate(file, 0)
            write_learned(cache, key, self._learned())
        size = block_rows(self._source.dim)
        widths = codes.code_widths(self._reduction.dim)
        return PartialCodes(cache, file, len(self._references), size, widths)

    # ---- the cache

    def _read_cache(self, path: Path, names: np.ndarray, progress: Progress | None) -> bool:
        """Read the codes from a cache and update them to the map; False where it cannot be used.

        A cache lists its references by fingerprint, so that added and removed references are
        recognised even where the map numbers its references differently.
        """
        try:
            _, found = read_cache(path, self._key, ARRAY_KINDS)
            kept, missing = self._compared(found['names'], names)
            self._reduction = _reduction(found, self._source.dim)
            if len(found['fine']) != len(kept):
                raise UnusableCacheError('its arrays have different numbers of references')
            self._codes = codes.Codes.from_arrays(found, self._reduction.dim)
        except (UnusableCacheError, OSError) as error:
            log.info('building the search index %s: %s', path, error)
            return False
        self._ids, self._mapped = kept, True
        if len(missing) or (kept < 0).any():
            self._extend(missing, progress)
            self._save(path, names)
        self._codes.pack()
        forget_pages(found['coarse'])
        return True

    def _compared(self, old: np.ndarray, new: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Compare the references of a cache with those of the map, by fingerprint.

        Args:
            old: [P'] fingerprints of the references in the cache.
            new: [P] fingerprints of the references of the map.

        Returns:
            [P'] the present ids of the cache's references, -1 for removed ones, and the ids that
            the cache does not have.

        Raises:
            UnusableCacheError: too many references have changed.
        """
        ids = self._references.ids
        order = np.argsort(new)
        place = order[np.minimum(np.searchsorted(new, old, sorter=order), len(new) - 1)]
        new_ids = np.where(new[place] == old, ids[place], -1)
        missing = np.setdiff1d(ids, new_ids)
        changed = len(missing) + int((new_ids < 0).sum())
        if changed > MAX_CHANGED * len(new) or len(np.unique(old)) != len(old):
            raise UnusableCacheError(f'{changed} of {len(new)} references have changed')
        return new_ids, missing

    def _save(self, path: Path, names: np.ndarray) -> None:
        """Write the cache; where that fails, log a warning and continue without it."""
        order = np.argsort(self._ids, kind='stable')
        rows = order[np.searchsorted(self._ids, self._references.ids, sorter=order)]
        parts = {
            **self._codes.arrays(rows),
            **self._learned(),
            'names': np.ascontiguousarray(names),
        }
        try:
            write_cache(path, self._key, parts)
        except OSError as error:
            log.warning(
                'the search index cannot be written to %s (%s): it will be built again at the '
                'next start', path, error.strerror,
            )  # fmt: skip

    # ---- changes

    def add(self, places: Sequence[Place], descriptors: np.ndarray) -> None:
        """See `PlaceIndex.add`. The exact descriptors are kept in memory, in float16."""
        rows = checked_rows(descriptors, self._source.dim)
        self._references.add(places)
        ids = np.array([place.index for place in places], np.int64)
        self._codes.add(self._reduction.references(rows))
        self._ids = np.concatenate([self._ids, ids])
        self._added.update(zip(ids.tolist(), rows.astype(np.float16), strict=True))

    def remove(self, ids: Sequence[int]) -> None:
        """See `PlaceIndex.remove`. The codes stay, and the search ignores them."""
        self._references.remove(ids)
        self._ids = np.where(np.isin(self._ids, np.asarray(ids, np.int64)), -1, self._ids)
        for number in ids:
            self._added.pop(int(number), None)

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
            found = self._shortlist(query, asked, allowed)
        # Row by row: a matrix product may round equal rows differently.
        return best_candidates(found, np.einsum('ij,j->i', self._exact(found), query), k)

    def _shortlist(self, query: np.ndarray, asked: int, allowed: np.ndarray | None) -> np.ndarray:
        """Ids of the `asked` nearest references by the codes."""
        usable: np.ndarray | None = None
        if allowed is not None:
            usable = np.isin(self._ids, allowed)
        elif len(self._ids) != len(self):
            usable = self._ids >= 0
        rows = self._codes.nearest(self._reduction.query(query), asked, usable)
        found: np.ndarray = self._ids[rows]
        return found

    def _exact(self, ids: np.ndarray) -> np.ndarray:
        """Exact descriptors [len(ids), D] float32, from the map or of added references."""
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
        # The file is unmapped when nothing refers to the arrays any more.
        del self._codes
        self._added.clear()


def _reduction(found: dict[str, Any], dim: int) -> Reduction:
    mean, basis = np.array(found['mean']), np.array(found['basis'])
    if mean.shape != (dim,) or len(basis) != dim:
        raise UnusableCacheError('its reduction has another dimension')
    if not (np.isfinite(mean).all() and np.isfinite(basis).all()):
        raise UnusableCacheError('its reduction is not finite')
    return Reduction(mean, basis)
