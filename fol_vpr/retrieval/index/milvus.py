"""Search in Milvus, for maps that are too large for one machine or shared by a fleet."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np

from fol_vpr.datatypes import Candidate, Place, Prior
from fol_vpr.errors import InputError, MapError
from fol_vpr.retrieval.index.milvus_filter import MAX_TEXT, prior_filter, session_text
from fol_vpr.retrieval.index.protocol import (
    DescriptorSource,
    Progress,
    best_candidates,
    checked_query,
    checked_rows,
)
from fol_vpr.retrieval.index.references import ReferenceMetadata, fingerprints

log = logging.getLogger(__name__)

CONSISTENCY = 'Session'
"""Consistency level: a client sees its own writes at once, those of others after a moment. With
`Strong`, every search would wait for the writes of all clients of the cluster."""
# Rows per insertion: about 8 MB of descriptors; the limit of a message is 64 MB.
BATCH = 256
SCHEMA = 1


class MilvusIndex:
    """Search in a collection of a Milvus cluster, or of Milvus Lite; see `PlaceIndex`.

    The collection belongs to one map and is named after it. Opening synchronises it with the map:
    references that the map no longer has are deleted, missing ones are inserted in batches.
    Sessions and positions are columns, so that the server itself applies a prior.

    Searches are exact in Milvus Lite (index FLAT). A cluster chooses its own index (AUTOINDEX),
    which determines recall and latency.

    Args:
        uri: `http://HOST:19530` of a cluster, with `?token=USER:PASSWORD` where it requires one,
            or a path that ends in .db for Milvus Lite.
        source: where missing descriptors are read from.
        places: the references of the source.
        content: identifies map and network.
        progress: called with references done and in all while missing ones are inserted.

    Raises:
        InputError: pymilvus is not installed, or the URI is invalid.
        MapError: the server cannot be reached, fails, or has a collection that does not fit.
    """

    def __init__(
        self,
        uri: str,
        source: DescriptorSource,
        places: Sequence[Place],
        *,
        content: str,
        progress: Progress | None = None,
    ) -> None:
        self._dim = source.dim
        self._references = ReferenceMetadata(places)
        self._uri, token = _parts(uri)
        self._lite = '://' not in self._uri
        self.collection = f'fol_vpr_{content}'
        self._keys = dict(zip(self._references.ids.tolist(), _keys(places), strict=True))
        self._ids = {key: number for number, key in self._keys.items()}
        self._client = _connected(self._uri, token)
        try:
            with self._as_map_errors():
                self._open()
                self._synchronise(source, places, progress)
        except BaseException:
            self.close()
            raise

    def __len__(self) -> int:
        return len(self._references)

    @property
    def description(self) -> str:
        """See `PlaceIndex.description`."""
        kind = 'Milvus Lite, exact search' if self._lite else 'a Milvus cluster'
        return (
            f'milvus: {len(self)} references in the collection {self.collection} of {self._uri} '
            f'({kind}, consistency level {CONSISTENCY})'
        )

    # ---- the collection

    def _open(self) -> None:
        if not self._client.has_collection(self.collection):
            self._create()
        described = self._client.describe_collection(self.collection)
        dims = [
            int(field['params']['dim'])
            for field in described['fields']
            if field['name'] == 'descriptor'
        ]
        if dims != [self._dim]:
            raise MapError(
                f'the collection {self.collection} of {self._uri} does not fit the map: it has '
                f'descriptors of {dims} numbers, expected {self._dim}; drop the collection'
            )
        self._client.load_collection(self.collection)

    def _create(self) -> None:
        from pymilvus import DataType

        schema = self._client.create_schema(
            auto_id=False, description=f'places of a fol_vpr map, schema {SCHEMA}'
        )
        schema.add_field('key', DataType.INT64, is_primary=True)
        schema.add_field('descriptor', DataType.FLOAT_VECTOR, dim=self._dim)
        schema.add_field('session', DataType.VARCHAR, max_length=MAX_TEXT)
        for name in ('x', 'y', 'latitude', 'longitude'):
            schema.add_field(name, DataType.DOUBLE)
        for name in ('has_position', 'has_geo'):
            schema.add_field(name, DataType.BOOL)
        index = self._client.prepare_index_params()
        kind = 'FLAT' if self._lite else 'AUTOINDEX'
        index.add_index('descriptor', index_type=kind, metric_type='IP')
        self._client.create_collection(
            self.collection, schema=schema, index_params=index, consistency_level=CONSISTENCY
        )

    def _synchronise(
        self, source: DescriptorSource, places: Sequence[Place], progress: Progress | None
    ) -> None:
        stored = self._stored_keys()
        surplus = sorted(stored - self._ids.keys())
        self._delete(surplus)
        missing = [place for place in places if self._keys[place.index] not in stored]
        if surplus or missing:
            log.info(
                '%s: %d references are deleted, %d inserted',
                self.collection, len(surplus), len(missing),
            )  # fmt: skip
        for first in range(0, len(missing), BATCH):
            batch = missing[first : first + BATCH]
            ids = np.array([place.index for place in batch], np.int64)
            self._insert(batch, checked_rows(source.read(ids), self._dim))
            if progress is not None:
                progress(first + len(batch), len(missing))

    def _stored_keys(self) -> set[int]:
        """Keys of all rows, read page by page: Milvus refuses queries without a limit."""
        found: set[int] = set()
        pages = self._client.query_iterator(
            self.collection, batch_size=10_000, filter='key >= 0', output_fields=['key'],
            consistency_level='Strong',
        )  # fmt: skip
        while page := pages.next():
            found.update(int(row['key']) for row in page)
        pages.close()
        return found

    def _insert(self, places: Sequence[Place], descriptors: np.ndarray) -> None:
        rows = []
        for place, descriptor in zip(places, descriptors, strict=True):
            pose, geo = place.pose, place.geo
            x, y = (0.0, 0.0) if pose is None else pose.position[:2].tolist()
            rows.append(
                {
                    'key': self._keys[place.index],
                    'descriptor': descriptor,
                    'session': session_text(place.session_id),
                    'has_position': pose is not None, 'x': x, 'y': y,
                    'has_geo': geo is not None,
                    'latitude': 0.0 if geo is None else geo.latitude,
                    'longitude': 0.0 if geo is None else geo.longitude,
                }
            )  # fmt: skip
        for first in range(0, len(rows), BATCH):
            self._client.insert(self.collection, rows[first : first + BATCH])

    def _delete(self, keys: Sequence[int]) -> None:
        for first in range(0, len(keys), 10_000):
            self._client.delete(self.collection, ids=list(keys[first : first + 10_000]))

    # ---- changes

    def add(self, places: Sequence[Place], descriptors: np.ndarray) -> None:
        """See `PlaceIndex.add`."""
        rows = checked_rows(descriptors, self._dim)
        keys = dict(zip((place.index for place in places), _keys(places), strict=True))
        self._references.add(places)
        self._keys.update(keys)
        try:
            with self._as_map_errors():
                self._insert(places, rows)
        except BaseException:
            self._references.remove(list(keys))
            for number in keys:
                del self._keys[number]
            raise
        self._ids.update({key: number for number, key in keys.items()})

    def remove(self, ids: Sequence[int]) -> None:
        """See `PlaceIndex.remove`."""
        self._references.remove(ids)
        keys = [self._keys.pop(int(number)) for number in ids]
        for key in keys:
            del self._ids[key]
        with self._as_map_errors():
            self._delete(keys)

    # ---- search

    def search(
        self, descriptor: np.ndarray, k: int, prior: Prior | None = None
    ) -> list[Candidate]:
        """See `PlaceIndex.search`.

        Raises:
            InputError: see `PlaceIndex.search`.
            MapError: the server fails.
        """
        query = checked_query(descriptor, self._dim)
        k = max(0, min(k, len(self)))
        if k == 0:
            return []
        rows = self._references.allowed(prior)
        allowed = None if rows is None else set(self._references.ids[rows].tolist())
        total = len(self) if allowed is None else len(allowed)
        asked, wanted = k, min(k, total)
        while True:
            # The server filters by a box around the region; what is outside the region is removed
            # here.
            found = self._search(query, asked, prior)
            kept = [hit for hit in found if allowed is None or hit[0] in allowed]
            if len(kept) >= wanted or len(found) < asked or asked >= len(self):
                break
            asked = min(2 * asked, len(self))
        ids = np.array([number for number, _ in kept], np.int64)
        return best_candidates(ids, np.array([similarity for _, similarity in kept]), k)

    def _search(self, query: np.ndarray, k: int, prior: Prior | None) -> list[tuple[int, float]]:
        with self._as_map_errors():
            (hits,) = self._client.search(
                self.collection, [query], limit=k, filter=prior_filter(prior),
                anns_field='descriptor', search_params={'metric_type': 'IP'},
                consistency_level=CONSISTENCY,
            )  # fmt: skip
        pairs = [(self._ids.get(int(hit['key'])), float(hit['distance'])) for hit in hits]
        return [(number, similarity) for number, similarity in pairs if number is not None]

    @contextmanager
    def _as_map_errors(self) -> Iterator[None]:
        """Turn pymilvus' exceptions into MapErrors."""
        from pymilvus.exceptions import MilvusException

        try:
            yield
        except MilvusException as error:
            raise MapError(
                f'Milvus at {self._uri} failed ({error}): check that it runs and has free space, '
                f'or set retrieval.index to another index'
            ) from error

    def close(self) -> None:
        """See `PlaceIndex.close`. The collection stays."""
        self._client.close()


def _keys(places: Sequence[Place]) -> list[int]:
    return [int(key) for key in fingerprints(places)]


def _parts(uri: str) -> tuple[str, str]:
    """Address and token of a URI; raises InputError where it is invalid."""
    address, _, token = uri.partition('?token=')
    if not address.startswith(('http://', 'https://', 'tcp://', 'unix:')) and (
        '://' in address or not address.endswith('.db')
    ):
        raise InputError(
            f'retrieval.index_uri is {uri!r}, expected http://HOST:19530 of a Milvus cluster, or '
            'a file that ends in .db for Milvus Lite'
        )
    return address, token


def _connected(uri: str, token: str) -> Any:
    try:
        from pymilvus import MilvusClient
        from pymilvus.exceptions import MilvusException
    except ImportError as error:
        raise InputError(
            f'retrieval.index is milvus, but pymilvus cannot be imported ({error}): '
            'pip install fol_vpr[milvus]'
        ) from error
    try:
        return MilvusClient(uri, token=token)
    except (MilvusException, OSError, ValueError) as error:
        raise MapError(
            f'Milvus cannot be reached at {uri} ({error}): check that it runs, and its address'
        ) from error
