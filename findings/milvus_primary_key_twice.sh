#!/usr/bin/env bash
# milvus 2.3.5 (the real server), milvus-lite 3.2.2, pymilvus 3.0.2 (PyPI): a primary key can be inserted
# twice, and every search then returns fewer rows than it is asked for.
#
# Expected by most: inserting rows whose primary keys are there is refused, or replaces them, as in
# Milvus Lite and in databases; at worst a search returns a row twice.
# Seen: the server keeps both. count(*) doubles, and a search for the best k fetches k rows, drops the
# second ones, and returns about half of k, without a word of it. `upsert` of the same rows mends it.
# Where it matters: two robots that load one map at once both find the collection empty and both fill
# it; from then on each of them gets half of the candidates.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q --disable-pip-version-check --no-deps milvus==2.3.5
"$folder/venv/bin/pip" install -q --disable-pip-version-check pymilvus==3.0.2 milvus-lite==3.2.2
cat > "$folder/try.py" <<'PY'
import logging
import math
import sys
from importlib.metadata import version

from milvus import MilvusServer, MilvusServerConfig
from pymilvus import DataType, MilvusClient

logging.disable(logging.CRITICAL)
ROWS = [
    {'number': n, 'descriptor': [math.cos(n / 50), math.sin(n / 50)]} for n in range(60)
]


def answers(uri):
    client = MilvusClient(uri)
    schema = client.create_schema(auto_id=False)
    schema.add_field('number', DataType.INT64, is_primary=True)
    schema.add_field('descriptor', DataType.FLOAT_VECTOR, dim=2)
    index = client.prepare_index_params()
    index.add_index('descriptor', index_type='FLAT', metric_type='IP')
    client.create_collection('places', schema=schema, index_params=index)
    client.load_collection('places')

    def look(what):
        count = client.query('places', filter='', output_fields=['count(*)'],
                             consistency_level='Strong')[0]['count(*)']
        (hits,) = client.search('places', [[1.0, 0.0]], limit=10, anns_field='descriptor',
                                search_params={'metric_type': 'IP'}, consistency_level='Strong')
        keys = [hit.id for hit in hits]
        print(f'{uri[:4]:5} {what:20} count(*) {count:3}, best 10: {keys}')
        return count, keys

    client.insert('places', ROWS)
    once = look('inserted')
    client.insert('places', ROWS)
    twice = look('inserted again')
    client.upsert('places', ROWS)
    return once, twice, look('upserted')


print(', '.join(f'{name} {version(name)}' for name in ('milvus', 'pymilvus', 'milvus-lite')))
server = MilvusServer(MilvusServerConfig(data_dir='server'))
server.start()
try:
    on_server = answers(f'http://127.0.0.1:{server.listen_port}')
finally:
    server.stop()
in_lite = answers('lite.db')
right = (60, list(range(10)))
good = in_lite == (right,) * 3 and on_server == (right, (120, list(range(5))), right)
print('Keys inserted twice halve what a search on a server returns' if good else 'CHANGED')
sys.exit(not good)
PY
cd "$folder"
venv/bin/python try.py
