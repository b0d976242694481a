#!/usr/bin/env bash
# qdrant-client 1.20.0 (PyPI), local mode: a Range over stamps in nanoseconds takes points of up to 128
# ns beside it, and finds none of ten that lie within 100 ns.
#
# Expected by most: stamps are stored as whole numbers, MatchValue finds each, and so does a Range.
# Seen: the bounds of models.Range are floats; 1700000000123456989 becomes 1700000000123457024, as
# floats of that size are 256 apart. Of 60 points 10 ns apart, the range of 100 ns that holds ten
# finds none. A range from the stamp of a pose on leaves out that very pose as often as not; the
# stored number itself comes back whole.
# Matters for: place recognition that must leave out the recent past, or look within one drive, by the
# stamps of the messages. The remedy is to store microseconds, or seconds and nanoseconds apart.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q --disable-pip-version-check qdrant-client==1.20.0 numpy==2.2.6
"$folder/venv/bin/python" - <<'PY'
from qdrant_client import QdrantClient
from qdrant_client.models import (
    Distance,
    FieldCondition,
    Filter,
    MatchValue,
    PointStruct,
    Range,
    VectorParams,
)

START, STEP = 1700000000123456789, 10
client = QdrantClient(':memory:')
client.create_collection('drive', VectorParams(size=2, distance=Distance.COSINE))
stamps = [START + STEP * i for i in range(60)]
client.upsert(
    'drive',
    [PointStruct(id=i, vector=[1, i], payload={'stamp': s}) for i, s in enumerate(stamps)],
)


def count(**condition):
    where = Filter(must=[FieldCondition(key='stamp', **condition)])
    return client.count('drive', count_filter=where).count


bounds = Range(gte=stamps[20], lt=stamps[30])
print(f'asked for {stamps[20]} to {stamps[30]}, Range holds {bounds.gte:.0f} to {bounds.lt:.0f}')
print('found with the range:', count(range=bounds), 'of 10')
own = sum(count(range=Range(gte=s)) == 60 - i for i, s in enumerate(stamps))
print(f'a range from a stamp on begins with that point for {own} of 60')
assert client.retrieve('drive', [7])[0].payload['stamp'] == stamps[7]
assert all(count(match=MatchValue(value=s)) == 1 for s in stamps)
assert count(range=bounds) == 0 and own < 20
PY
