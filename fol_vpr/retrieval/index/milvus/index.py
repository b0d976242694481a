"""Search in Milvus, for maps that are too large for one machine or shared by a fleet."""

from __future__ import annotations

import logging
import math
import time
from collections import deque
from collections.abc import Callable, Sequence

import numpy as np

from fol_vpr.config import RetrievalConfig
from fol_vpr.datatypes import Candidate, Place, Prior
from fol_vpr.errors import FolVprError, MapError
from fol_vpr.retrieval.index.milvus.address import MilvusAddress
from fol_vpr.retrieval.index.milvus.collection import (
    CONSISTENCY,
    MAX_RESULTS,
    SCHEMA,
    MilvusCollection,
)
from fol_vpr.retrieval.index.milvus.connection import Connection, MilvusError, UnfitMilvusError
from fol_vpr.retrieval.index.milvus.filters import prior_filter
from fol_vpr.retrieval.index.milvus.keeper import COMPARED_EVERY, CollectionKeeper
from fol_vpr.retrieval.index.milvus.references import WantedRows
from fol_vpr.retrieval.index.protocol import (
    DescriptorSource,
    PlaceIndex,
    Progress,
    best_candidates,
    checked_query,
    checked_rows,
)
from fol_vpr.retrieval.index.references import ReferenceMetadata

log = logging.getLogger(__name__)

LocalIndex = Callable[[Sequence[Place]], PlaceIndex | None]
"""Opens an index on this machine of the references that the map has; None where there is none."""

# References that a search lacks and that are compared here instead.
MAX_FILLED = 1024
# Seconds after which everybody sees a row that was written.
VISIBLE_AFTER = 10.0
# Seconds between two comparisons of the collection with the map because a search lacked rows.
LACK_INTERVAL = 60.0


class MilvusIndex:
    """Search in a collection of a Milvus server, or of Milvus Lite; see `PlaceIndex`.

    The collection belongs to one map and is named after it. Opening writes the references that it
    lacks, in batches. Sessions and positions are columns, so that the server itself applies a
    prior. Rows of others, such as those of a robot with a newer state of the map, stay; what is
    removed here is deleted there.

    Searches are exact in Milvus Lite (index FLAT). A server chooses its own index (AUTOINDEX),
    which determines recall and latency.

    Each call of the server has a time limit. Where the server does not answer in time, or fails,
    the index continues with a local one, where there is one, and connects again in the background:
    then it writes what was added, and deletes what was removed, in the meantime.

    Args:
        uri: `http://HOST:19530` of a server, with `?token=USER:PASSWORD` where it requires one,
            or a path that ends in .db for Milvus Lite.
        source: where missing descriptors are read from, also in the background.
        places: the references of the source.
        content: identifies map and network.
        progress: called with references done and in all while missing ones are inserted.
        timeout: seconds that a search, an addition or a removal may take.
        load_timeout: seconds that each call may take by which the collection is opened and filled.
        local: opens the local index, with ids as here; called at the first failure. None: failures
            of the server are errors of `MilvusIndex` and `search`.

    Raises:
        InputError: pymilvus is not installed, or the URI is invalid.
        MapError: the server is too old or has a collection that does not fit; without `local` also
            where it cannot be reached or fails.
    """

    def __init__(
        self,
        uri: str,
        source: DescriptorSource,
        places: Sequence[Place],
        *,
        content: str,
        progress: Progress | None = None,
        timeout: float = RetrievalConfig.index_timeout,
        load_timeout: float = RetrievalConfig.index_load_timeout,
        local: LocalIndex | None = None,
    ) -> None:
        self._dim = source.dim
        self._references = ReferenceMetadata(places)
        self._address = MilvusAddress.parse(uri)
        self.collection = f'fol_vpr_{SCHEMA}_{content}'
        self._timeout = timeout
        self._load_timeout = load_timeout
        self._open_local = local
        self._local: PlaceIndex | None = None
        self._wanted = WantedRows(source, places)
        # Ids of references that were written a moment ago, and when.
        self._fresh: deque[tuple[float, int]] = deque()
        self._foreign = 0
        self._lack_noticed = -math.inf
        self._problem = ''
        self._server: MilvusCollection | None = None
        try:
            self._server = self._opened(progress)
        except UnfitMilvusError as error:
            raise MapError(f'Milvus at {self._address.uri}: {error}') from error
        except MilvusError as error:
            if local is None:
                raise MapError(self._failure(str(error))) from error
            self._lose(str(error))
        self._keeper = CollectionKeeper(
            self._opened, None if self._address.is_lite else COMPARED_EVERY
        )
        if self._server is None:
            self._keeper.ask()

    def __len__(self) -> int:
        return len(self._references)

    @property
    def description(self) -> str:
        """See `PlaceIndex.description`."""
        kind = 'Milvus Lite, exact search' if self._address.is_lite else 'a Milvus server'
        text = (
            f'milvus: {len(self)} references in the collection {self.collection} of '
            f'{self._address.uri} ({kind}, consistency level {CONSISTENCY})'
        )
        return f'{text}; {self._problem}' if self._problem else text

    @property
    def problem(self) -> str:
        """See `PlaceIndex.problem`."""
        return self._problem

    # ---- the server

    def _opened(self, progress: Progress | None = None) -> MilvusCollection:
        """The collection, with all references and without removed ones; on any thread.

        Raises:
            MilvusError, UnfitMilvusError, MapError
        """
        limit = self._load_timeout
        connection = Connection(self._address, limit)
        try:
            server = MilvusCollection(
                connection, self.collection, self._dim, lite=self._address.is_lite, limit=limit
            )
            self._synchronise(server, progress)
        except BaseException:
            connection.close()
            raise
        return server

    def _synchronise(self, server: MilvusCollection, progress: Progress | None) -> None:
        doomed = self._wanted.doomed()
        server.delete(sorted(doomed), self._load_timeout)
        self._wanted.deleted(doomed)
        stored = server.stored(self._load_timeout)
        wanted = self._wanted.keys()
        missing = [key for key in wanted if stored.doubled or key not in stored.keys]
        foreign = len(stored.keys - wanted.keys() - doomed)
        if stored.doubled:
            log.warning(
                '%s: some references are there twice, all are written again', self.collection
            )
        elif missing:
            log.info('%s: %d references are inserted', self.collection, len(missing))
        if foreign > max(100, len(wanted)):
            log.warning(
                '%s of %s holds %d references that this map does not have, more than it has: '
                'searches take longer. If no robot needs them, drop the collection; it is '
                'filled again when a map is loaded.',
                self.collection, self._address.uri, foreign,
            )  # fmt: skip
        self._foreign = foreign
        done = 0
        for keys, places, rows in self._wanted.batches(missing, server.batch):
            server.upsert(keys, places, rows, self._load_timeout)
            done += len(keys)
            if progress is not None:
                progress(done, len(missing))
        self._wanted.written(wanted)

    def _adopt(self) -> None:
        """Take over a collection that was opened in the background."""
        server = self._keeper.take()
        if server is None:
            if self._server is None and self._keeper.failure not in self._problem:
                self._lose(self._keeper.failure)
            return
        if self._server is not None:
            self._server.close()
        self._server = server
        self._write_changes()
        if self._server is not None and self._problem:
            log.info('Milvus at %s answers: it is searched from now on', self._address.uri)
            self._problem = ''

    def _write_changes(self) -> None:
        """Write what was added and delete what was removed; what fails is done later."""
        if self._server is None:
            return
        try:
            for keys, places, rows in self._wanted.batches(
                self._wanted.unwritten(), self._server.batch
            ):
                self._server.upsert(keys, places, rows, self._timeout)
                self._wanted.written(keys)
            doomed = self._wanted.doomed()
            self._server.delete(sorted(doomed), self._timeout)
            self._wanted.deleted(doomed)
        except MilvusError as error:
            self._lose(str(error))
            self._keeper.ask()

    def _lose(self, reason: str) -> None:
        """Go on without the server; say with what."""
        if self._server is not None:
            self._server.close()
            self._server = None
        problem = f'{self._failure(reason)}. {self._local_in_words()}; Milvus is tried again'
        if problem != self._problem:
            log.warning('%s', problem)
            self._problem = problem

    def _local_in_words(self) -> str:
        """Open the local index where it is not open yet, and say what is searched."""
        if self._local is None and self._open_local is not None:
            try:
                self._local = self._open_local(self._wanted.original())
                if self._local is not None and (added := self._wanted.added()):
                    self._local.add(self._wanted.places(added), self._wanted.descriptors(added))
            except (FolVprError, OSError) as error:
                self._local = None
                return f'Nothing is searched instead, as a local index cannot be opened: {error}'
        if self._local is None:
            return 'Nothing is searched instead, as there is no local index' + (
                ''
                if self._open_local is None
                else '; to have one, load the map once with retrieval.index set to large'
            )
        return f'A local index is searched instead, {self._local.description}'

    def _failure(self, reason: str) -> str:
        return (
            f'Milvus cannot be reached at {self._address.uri}, or fails ({reason}): check that it '
            'runs and has free space, and retrieval.index_uri, or set retrieval.index to another '
            'index'
        )

    # ---- changes

    def add(self, places: Sequence[Place], descriptors: np.ndarray) -> None:
        """See `PlaceIndex.add`. What cannot be written to the server now is written later."""
        rows = checked_rows(descriptors, self._dim)
        self._references.add(places)
        self._wanted.add(places, rows)
        now = time.monotonic()
        self._fresh.extend((now, place.index) for place in places)
        if self._local is not None:
            self._local.add(places, rows)
        self._write_changes()

    def remove(self, ids: Sequence[int]) -> None:
        """See `PlaceIndex.remove`. What cannot be deleted on the server now is deleted later."""
        self._references.remove(ids)
        self._wanted.remove(ids)
        if self._local is not None:
            self._local.remove(ids)
        self._write_changes()

    # ---- search

    def search(
        self, descriptor: np.ndarray, k: int, prior: Prior | None = None
    ) -> list[Candidate]:
        """See `PlaceIndex.search`.

        Raises:
            InputError: see `PlaceIndex.search`.
            MapError: the server fails, and there is no local index.
        """
        query = checked_query(descriptor, self._dim)
        rows = self._references.allowed(prior)
        ids = self._references.ids if rows is None else self._references.ids[rows]
        k = max(0, min(k, len(ids)))
        if k == 0:
            return []
        self._adopt()
        if self._server is not None:
            try:
                return self._search_server(self._server, query, k, prior, set(ids.tolist()))
            except MilvusError as error:
                self._lose(str(error))
                self._keeper.ask()
        if self._local is None:
            raise MapError(self._problem)
        return self._local.search(query, k, prior)

    def _search_server(
        self,
        server: MilvusCollection,
        query: np.ndarray,
        k: int,
        prior: Prior | None,
        allowed: set[int],
    ) -> list[Candidate]:
        """The `k` most similar of the allowed references, of which there are as many."""
        expression = prior_filter(prior)
        # As many more as there are rows of others among those of this map.
        asked = min(k + k * self._foreign // len(self), MAX_RESULTS)
        while True:
            hits = server.search(query, asked, expression, self._timeout)
            # Rows of others, and removed ones that the server still shows, are none of this map.
            # The server filters by a box around the region, and by hashes of sessions.
            found = {
                number: similarity
                for key, similarity in hits
                if (number := self._wanted.id_of(key)) is not None and number in allowed
            }
            if len(found) >= k or len(hits) < asked or asked >= MAX_RESULTS:
                break
            asked = min(2 * asked, MAX_RESULTS)
        missing = sorted(self._fresh_ids() & allowed - found.keys())
        if len(found) + len(missing) < k:
            missing = self._lacked(allowed - found.keys(), len(found), k - len(found))
        if missing:
            # Row by row: a matrix product may round equal rows differently.
            products = (self._wanted.descriptors(missing) * query).sum(axis=1)
            found.update(zip(missing, products.tolist(), strict=True))
        numbers = np.array(list(found), np.int64)
        return best_candidates(numbers, np.array(list(found.values())), k)

    def _fresh_ids(self) -> set[int]:
        """References that were written so lately that the server may not find them yet."""
        while self._fresh and time.monotonic() - self._fresh[0][0] > VISIBLE_AFTER:
            self._fresh.popleft()
        return {number for _, number in self._fresh}

    def _lacked(self, missing: set[int], found: int, count: int) -> list[int]:
        """References that are compared here, as the server gave too few.

        It does so where another client has deleted rows, or where its index is approximate.

        Args:
            missing: ids of all that it did not give.
            found: how many it gave.
            count: how many more were asked for.

        Raises:
            MilvusError: it gave less than half, and too many to be compared here are missing.
        """
        now = time.monotonic()
        if now - self._lack_noticed > LACK_INTERVAL:
            self._lack_noticed = now
            log.warning(
                'a search in the collection %s of %s returned %d candidates too few: the '
                'collection is compared with the map', self.collection, self._address.uri, count,
            )  # fmt: skip
            self._keeper.ask()
        if len(missing) <= MAX_FILLED:
            return sorted(missing)
        if found < count:
            raise MilvusError(f'searches return too few candidates, {count} of those asked for')
        return []

    def close(self) -> None:
        """See `PlaceIndex.close`. The collection stays."""
        self._keeper.close()
        if self._server is not None:
            self._server.close()
        if self._local is not None:
            self._local.close()
