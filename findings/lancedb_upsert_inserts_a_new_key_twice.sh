#!/usr/bin/env bash
# lancedb 0.40.0 (PyPI): an upsert that holds the same new key twice inserts both rows, and one that
# holds a known key twice is refused.
#
# Expected by most: merge_insert("id").when_matched_update_all().when_not_matched_insert_all() leaves
# one row for each id, the last one, or refuses keys that stand in the data twice.
# Seen: only a key that is in the table already is refused ("Ambiguous merge inserts are
# prohibited"). A new one becomes two rows, without a word, and every search then gives one place
# two of its k results. A later upsert of that id succeeds, and leaves two equal rows.
# Matters for: writing a drive in batches, where a frame was delivered twice. Whether that is refused
# or doubles the place depends on where the border of the batches falls.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q --disable-pip-version-check lancedb==0.40.0
FOLDER="$folder" "$folder/venv/bin/python" - <<'PY'
import os

import lancedb


def row(number, value):
    return {'id': number, 'vector': [float(value), 0.0]}


table = lancedb.connect(os.environ['FOLDER'] + '/db').create_table('places', [row(1, 1)])


def upsert(*rows):
    merge = table.merge_insert('id').when_matched_update_all().when_not_matched_insert_all()
    return merge.execute(list(rows))


print('new key twice:', upsert(row(2, 2), row(2, 2.5)))
assert table.count_rows('id = 2') == 2
try:
    upsert(row(1, 3), row(1, 3.5))
except Exception as error:
    print('known key twice:', str(error)[:100])
    assert 'Ambiguous' in str(error)
else:
    raise AssertionError('a known key was accepted twice')
upsert(row(2, 4))
found = [(hit['id'], hit['vector'][0]) for hit in table.search([4.0, 0.0]).limit(3).to_list()]
print('after an upsert of the key once:', found)
assert found == [(2, 4.0), (2, 4.0), (1, 1.0)]
PY
