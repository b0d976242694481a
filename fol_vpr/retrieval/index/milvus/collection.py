"""The collection of a map on a Milvus server."""

from __future__ import annotations

import itertools
import re
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from fol_vpr.datatypes import Place
from fol_vpr.retrieval.index.milvus.connection import Connection, MilvusError, UnfitMilvusError
from fol_vpr.retrieval.index.milvus.filters import session_number

SCHEMA = 2
CONSISTENCY = 'Session'
"""Consistency level: a client sees its own writes at once, those of others after a moment. With
`Strong`, every search would wait for the writes of all clients of the cluster."""
MAX_RESULTS = 16_384
"""Largest number of rows that a search may ask a server for."""
# Rows that a query for keys is expected to give.
PAGE = 4096
# Keys are less than this.
KEYS = 2**63 - 1
# Rows per insertion, and bytes of descriptors; the limit of a message is 64 MB.
BATCH = 256
BATCH_BYTES = 16 << 20
# The first server with upsert, by which robots that fill a collection at once do not double it.
OLDEST_SERVER = (2, 3)
POSITIONS = ('x', 'y', 'latitude', 'longitude')
KNOWN = ('has_position', 'has_geo')
COLUMNS = {'id', 'descriptor', 'session', *POSITIONS, *KNOWN}


class Stored(NamedTuple):
    """What is in a collection.

    Attributes:
        keys: of the rows.
        doubled: whether a key has several rows, by which a search returns fewer than it is asked.
    """

    keys: set[int]
    doubled: bool


class MilvusCollection:
    """The collection of one map: created where it is missing, checked, and loaded.

    A row is written once and never changed: its key is a hash of all that it says. So robots with
    different states of one map can share the collection, and writing a row again changes nothing.

    The primary key is named `id`, which is what the client calls it in hits of servers that do not
    send its name. Positions are DOUBLE: FLOAT columns are compared in float32 by servers and in
    float64 by Milvus Lite.

    Args:
        connection: closed by `close`.
        name: of the collection.
        dim: length of a descriptor.
        lite: whether the server is Milvus Lite.
        limit: seconds that each call may take.

    Raises:
        MilvusError: the server fails.
        UnfitMilvusError: it is too old, or has another collection of that name.
    """

    def __init__(
        self, connection: Connection, name: str, dim: int, *, lite: bool, limit: float
    ) -> None:
        self._connection = connection
        self.name = name
        self.dim = dim
        self._lite = lite
        self.batch = max(1, min(BATCH, BATCH_BYTES // (4 * dim)))
        if not lite:
            self._check_version(limit)
        if not connection.call('has_collection', name, within=limit):
            self._create(limit)
        self._check_columns(limit)
        self._index(limit)
        connection.call('load_collection', name, within=limit)

    def _check_version(self, limit: float) -> None:
        version = str(self._connection.call('get_server_version', within=limit))
        found = re.search(r'(\d+)\.(\d+)', version)
        if found and tuple(map(int, found.groups())) < OLDEST_SERVER:
            raise UnfitMilvusError(
                f'it is Milvus {version}, expected {".".join(map(str, OLDEST_SERVER))} or newer: '
                'update the server'
            )

    def _create(self, limit: float) -> None:
        from pymilvus import DataType, MilvusClient

        schema = MilvusClient.create_schema(
            auto_id=False, description=f'places of a fol_vpr map, schema {SCHEMA}'
        )
        schema.add_field('id', DataType.INT64, is_primary=True)
        schema.add_field('descriptor', DataType.FLOAT_VECTOR, dim=self.dim)
        schema.add_field('session', DataType.INT64)
        for name in POSITIONS:
            schema.add_field(name, DataType.DOUBLE)
        for name in KNOWN:
            schema.add_field(name, DataType.BOOL)
        try:
            self._connection.call(
                'create_collection', self.name, schema=schema, consistency_level=CONSISTENCY,
                within=limit,
            )  # fmt: skip
        except MilvusError:
            # Another robot may have been faster.
            if not self._connection.call('has_collection', self.name, within=limit):
                raise

    def _check_columns(self, limit: float) -> None:
        fields = {
            field['name']: field.get('params', {})
            for field in self._connection.call('describe_collection', self.name, within=limit)[
                'fields'
            ]
        }
        dim = int(fields.get('descriptor', {}).get('dim', 0))
        if dim != self.dim or not fields.keys() >= COLUMNS:
            found = f'columns {", ".join(sorted(fields))}' if dim == self.dim else (
                f'descriptors of {dim} numbers, expected {self.dim}'
            )  # fmt: skip
            raise UnfitMilvusError(
                f'the collection {self.name} does not fit the map, it has {found}: drop the '
                'collection, and load the map again'
            )

    def _index(self, limit: float) -> None:
        """Declare the index of the descriptors, which another robot may do at the same time."""
        from pymilvus import MilvusClient

        if self._connection.call('list_indexes', self.name, 'descriptor', within=limit):
            return
        index = MilvusClient.prepare_index_params()
        kind = 'FLAT' if self._lite else 'AUTOINDEX'
        index.add_index('descriptor', index_type=kind, metric_type='IP')
        try:
            self._connection.call('create_index', self.name, index, within=limit)
        except MilvusError:
            if not self._connection.call('list_indexes', self.name, 'descriptor', within=limit):
                raise

    def stored(self, limit: float) -> Stored:
        """Read the keys of all rows.

        Servers answer a query with no more than `MAX_RESULTS` rows, in no order, and the iterator
        of the client reads what older ones had at the time of its own clock, which may be wrong
        on a robot. But keys are hashes: equal ranges of them hold about equally many rows.
        """
        count = self._count(limit)
        ranges = 1 + count // PAGE
        bounds = [number * KEYS // ranges for number in range(ranges + 1)]
        keys: set[int] = set()
        for low, high in itertools.pairwise(bounds):
            keys |= self._keys(low, high, limit)
        return Stored(keys, doubled=count > len(keys) and self._count(limit) > len(keys))

    def _count(self, limit: float) -> int:
        (row,) = self._connection.call(
            'query', self.name, filter='', output_fields=['count(*)'],
            consistency_level='Strong', within=limit,
        )  # fmt: skip
        return int(row['count(*)'])

    def _keys(self, low: int, high: int, limit: float) -> set[int]:
        """Keys from `low` to less than `high`."""
        found = self._connection.call(
            'query', self.name, filter=f'id >= {low} and id < {high}', output_fields=['id'],
            limit=MAX_RESULTS, consistency_level='Strong', within=limit,
        )  # fmt: skip
        if len(found) < MAX_RESULTS:
            return {int(row['id']) for row in found}
        middle = (low + high) // 2
        return self._keys(low, middle, limit) | self._keys(middle, high, limit)

    def upsert(
        self, keys: Sequence[int], places: Sequence[Place], rows: np.ndarray, limit: float
    ) -> None:
        """Write rows; those that are there stay as they are.

        Args:
            keys: of the rows.
            places: their references.
            rows: descriptors [len(places), D] float32.
            limit: seconds for each `batch` of rows.
        """
        for first in range(0, len(keys), self.batch):
            part = slice(first, first + self.batch)
            data = [
                _row(key, place, row)
                for key, place, row in zip(keys[part], places[part], rows[part], strict=True)
            ]
            self._connection.call('upsert', self.name, data, within=limit)

    def delete(self, keys: Sequence[int], limit: float) -> None:
        """Delete rows; those that are not there do no harm."""
        for first in range(0, len(keys), 10_000):
            part = list(keys[first : first + 10_000])
            self._connection.call('delete', self.name, ids=part, within=limit)

    def search(
        self, query: np.ndarray, count: int, expression: str, limit: float
    ) -> list[tuple[int, float]]:
        """Key and similarity of the rows of largest inner product, best first."""
        (hits,) = self._connection.call(
            'search', self.name, [query], limit=count, filter=expression,
            anns_field='descriptor', search_params={'metric_type': 'IP'},
            consistency_level=CONSISTENCY, within=limit,
        )  # fmt: skip
        return [(int(hit['id']), float(hit['distance'])) for hit in hits]

    def close(self) -> None:
        """Close the connection; the collection stays."""
        self._connection.close()


def _row(key: int, place: Place, descriptor: np.ndarray) -> dict[str, Any]:
    pose, geo = place.pose, place.geo
    x, y = (0.0, 0.0) if pose is None else pose.position[:2].tolist()
    return {
        'id': key,
        'descriptor': descriptor,
        'session': session_number(place.session_id),
        'has_position': pose is not None, 'x': x, 'y': y,
        'has_geo': geo is not None,
        'latitude': 0.0 if geo is None else geo.latitude,
        'longitude': 0.0 if geo is None else geo.longitude,
    }  # fmt: skip
