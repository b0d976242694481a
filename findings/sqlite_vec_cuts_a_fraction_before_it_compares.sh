#!/usr/bin/env bash
# sqlite-vec 0.1.9 with apsw 3.54.1.0 (PyPI): in the filter of a search, `second < 2.5` leaves out the
# row with second = 2, and `second >= 2.5` and `second = 2.5` find it.
#
# Expected by most: an INTEGER metadata column is compared with a fraction as any column of SQLite is,
# or the fraction is refused, as it is when it is inserted.
# Seen: the fraction is cut towards zero first, and the rows are then compared with that: `< 2.5` is
# `< 2`. An ordinary table says otherwise. The other rows are right, only the one next to the border
# is not.
# Matters for: columns of whole seconds, indices or sessions that a program compares with a float of
# Python, such as a time before `time.time() - 30`.
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
db.execute('CREATE VIRTUAL TABLE places USING vec0(descriptor FLOAT[2], second INTEGER)')
db.execute('CREATE TABLE plain (second INTEGER)')
for second in range(-5, 6):
    db.execute('INSERT INTO places(descriptor, second) VALUES (?, ?)', (f'[{second}, 0]', second))
    db.execute('INSERT INTO plain VALUES (?)', (second,))


def seconds(condition, border):
    search = f"SELECT second FROM places WHERE descriptor MATCH '[0, 0]' AND k = 20 AND {condition}"
    plain = f'SELECT second FROM plain WHERE {condition}'
    return [sorted(row[0] for row in db.execute(sql, (border,))) for sql in (search, plain)]


for condition, border in (('second < ?', 2.5), ('second <= ?', 2.5), ('second > ?', -2.5),
                          ('second >= ?', 2.5), ('second = ?', 2.5)):
    search, plain = seconds(condition, border)
    print(f'{condition} with {border}: {search}; an ordinary table: {plain}')
assert seconds('second < ?', 2.5) == [list(range(-5, 2)), list(range(-5, 3))]
assert seconds('second >= ?', 2.5) == [[2, 3, 4, 5], [3, 4, 5]]
assert seconds('second = ?', 2.5) == [[2], []]
PY
