#!/usr/bin/env bash
# pymilvus 3.0.2 with milvus 2.3.5 (the real server) and with milvus-lite 3.2.2 (PyPI): under which name
# a hit carries its primary key depends on the server, not on the schema.
#
# Expected by most: hits of MilvusClient.search carry the primary key under the name of its field, or
# always under `id`.
# Seen: the client takes the name from the answer. Milvus Lite and newer servers send it (since January
# 2025, milvus-io/milvus pull request 39220); older ones do not, and the same client then calls the key
# `id`: hit['number'] is a KeyError. `hit.id` is right with both. Rows of `query` have the field's name.
# Where it matters: what is tested on Milvus Lite fails in every search on a server that is two years
# old, after it has connected and inserted everything. A primary key named `id` avoids it.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q --disable-pip-version-check --no-deps milvus==2.3.5
"$folder/venv/bin/pip" install -q --disable-pip-version-check pymilvus==3.0.2 milvus-lite==3.2.2
cat > "$folder/try.py" <<'PY'
import logging
import sys
from importlib.metadata import version

from milvus import MilvusServer, MilvusServerConfig
from pymilvus import DataType, MilvusClient

logging.disable(logging.CRITICAL)


def first(uri):
    client = MilvusClient(uri)
    schema = client.create_schema(auto_id=False)
    schema.add_field('number', DataType.INT64, is_primary=True)
    schema.add_field('descriptor', DataType.FLOAT_VECTOR, dim=2)
    index = client.prepare_index_params()
    index.add_index('descriptor', index_type='FLAT', metric_type='IP')
    client.create_collection('places', schema=schema, index_params=index)
    client.load_collection('places')
    client.insert('places', [{'number': 7, 'descriptor': [1.0, 0.0]}])
    (hits,) = client.search('places', [[1.0, 0.0]], limit=1, anns_field='descriptor',
                            search_params={'metric_type': 'IP'}, consistency_level='Strong')
    row = client.query('places', filter='number == 7', output_fields=['number'],
                       consistency_level='Strong')[0]
    return client.get_server_version(), dict(hits[0]), hits[0].id, dict(row)


server = MilvusServer(MilvusServerConfig(data_dir='server'))
server.start()
try:
    real = first(f'http://127.0.0.1:{server.listen_port}')
finally:
    server.stop()
lite = first('lite.db')
print(', '.join(f'{name} {version(name)}' for name in ('milvus', 'pymilvus', 'milvus-lite')))
for kind, (number, hit, key, row) in (('server', real), ('Milvus Lite', lite)):
    print(f'{kind} {number}: hit {hit}, hit.id {key}, row of a query {row}')
good = 'number' in lite[1] and 'id' not in lite[1] and real[1].get('id') == 7
good = good and 'number' not in real[1] and real[2] == lite[2] == 7
good = good and real[3]['number'] == lite[3]['number'] == 7
print('The same client names the key by its field, or id, by the server' if good else 'CHANGED')
sys.exit(not good)
PY
cd "$folder"
venv/bin/python try.py
