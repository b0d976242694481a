#!/usr/bin/env bash
# sqlite-vec 0.1.9 with apsw 3.54.1.0 (PyPI): which of two equal filters is written decides whether a
# search returns k rows or none.
#
# Expected by most: a vec0 table filters before it takes the k nearest, as its documentation says of
# metadata columns and of `id IN (...)`; what it cannot filter by is refused, as LIKE is.
# Seen: `number > 100` on a metadata column gives the k nearest of those rows. `id > 100` on the
# primary key, which has the same values, is applied by SQLite to the k rows that came out of the
# search: none here, without an error. So is `NOT session = 'a'`, where `session != 'a'` filters
# before, and any OR of two columns; an OR of one column filters before, as SQLite makes an IN of it.
# Matters for: searches that leave out the latest images of a drive, or one session: the nearest are
# the very ones that are left out, so that the loop closures vanish.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q --disable-pip-version-check sqlite-vec==0.1.9 apsw==3.54.1.0
"$folder/venv/bin/python" - <<'PY'
import apsw
import sqlite_vec

db = apsw.Connection(':memory:')
db.enable_load_extension(True)
db.load_extension(sqlite_vec.loadable_path())
db.execute(
    'CREATE VIRTUAL TABLE places USING vec0('
    'id INTEGER PRIMARY KEY, descriptor FLOAT[2], number INTEGER, session TEXT)'
)
for i in range(1, 201):
    session = 'a' if i <= 100 else 'bc'[i % 2]
    db.execute('INSERT INTO places VALUES (?, ?, ?, ?)', (i, f'[{i}, 0]', i, session))


def found(condition):
    rows = db.execute(
        f"SELECT id FROM places WHERE descriptor MATCH '[0, 0]' AND k = 5 AND {condition}"
    )
    return [row[0] for row in rows]


for before, after in (
    ('number > 100', 'id > 100'),
    ("session != 'a'", "NOT session = 'a'"),
    ("(session = 'b' OR session = 'c')", "(session = 'b' OR number > 100)"),
):
    print(f'{before}: {found(before)}; {after}: {found(after)}')
    assert len(found(before)) == 5 and found(after) == []
PY
