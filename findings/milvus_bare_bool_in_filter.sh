#!/usr/bin/env bash
# milvus 2.3.5 (the real server), milvus-lite 3.2.2, pymilvus 3.0.2 (PyPI): a BOOL column by itself is a
# filter in Milvus Lite, and an error on a server.
#
# Expected by most: `not has_position or (x >= 3 and x <= 4)` means the same in a file of Milvus Lite and
# on a server, as the same client sends the same text to both.
# Seen: Milvus Lite evaluates it; the server refuses every filter in which a BOOL column stands without
# a comparison. `has_position == false` works on both. By the source of milvus-io/milvus (its parser at
# 00339c24, its test of operands at 5ce06431) servers of the 3.0 line refuse it too.
# Where it matters: a search that narrows by position, and keeps rows of unknown position, passes all
# tests on Milvus Lite and fails with the first position on the server.
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
from pymilvus.exceptions import MilvusException

logging.disable(logging.CRITICAL)
FILTERS = {
    'has_position': {1, 3, 5},
    'not has_position': {0, 2, 4},
    'not has_position or (x >= 3 and x <= 4)': {0, 2, 3, 4},
    'has_position == false or (x >= 3 and x <= 4)': {0, 2, 3, 4},
}


def answers(uri):
    client = MilvusClient(uri)
    schema = client.create_schema(auto_id=False)
    schema.add_field('number', DataType.INT64, is_primary=True)
    schema.add_field('descriptor', DataType.FLOAT_VECTOR, dim=4)
    schema.add_field('has_position', DataType.BOOL)
    schema.add_field('x', DataType.DOUBLE)
    index = client.prepare_index_params()
    index.add_index('descriptor', index_type='FLAT', metric_type='IP')
    client.create_collection('places', schema=schema, index_params=index)
    client.load_collection('places')
    client.insert('places', [
        {'number': n, 'descriptor': [1.0, 0, 0, 0], 'has_position': n % 2 == 1, 'x': float(n)}
        for n in range(6)
    ])
    found = {}
    for text in FILTERS:
        try:
            rows = client.query('places', filter=text, output_fields=['number'],
                                consistency_level='Strong')
            found[text] = {row['number'] for row in rows}
        except MilvusException as error:
            found[text] = error.message.split('error: ')[-1]
    return found


server = MilvusServer(MilvusServerConfig(data_dir='server'))
server.start()
try:
    on_server = answers(f'http://127.0.0.1:{server.listen_port}')
finally:
    server.stop()
in_lite = answers('lite.db')
print(', '.join(f'{name} {version(name)}' for name in ('milvus', 'pymilvus', 'milvus-lite')))
for text in FILTERS:
    print(f'{text}\n    Milvus Lite: {in_lite[text]}\n    server:      {on_server[text]}')
bare, compared = list(FILTERS)[:3], list(FILTERS)[3]
same = in_lite == FILTERS and on_server[compared] == FILTERS[compared]
refused = all('boolean expression' in str(on_server[text]) for text in bare)
print('A bare BOOL column is a filter in Milvus Lite only' if same and refused else 'CHANGED')
sys.exit(not (same and refused))
PY
cd "$folder"
venv/bin/python try.py
