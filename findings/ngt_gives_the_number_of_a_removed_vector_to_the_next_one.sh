#!/usr/bin/env bash
# ngt 2.8.0.post1 (PyPI, ngtpy): the number of a vector that was removed is given to the next one that is
# inserted, smallest first, in this process and after the index was saved and opened again.
#
# Expected by most: numbers count on, as those of hnswlib that a caller chooses, of SQLite with
# AUTOINCREMENT and of a list to which one appends; a number that is gone stays gone.
# Seen: of 100 vectors 7 and 3 are removed. The next two that are inserted are 3 and 7, the third 100. In
# an index that was saved and opened again, a removed 20 is the next number.
# Matters for: whoever keeps these numbers elsewhere, as names of images or places. A number that was
# written down before names another place now, and the search finds it without a word.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q --disable-pip-version-check ngt==2.8.0.post1 numpy==2.2.6
cd "$folder"
"$folder/venv/bin/python" - <<'PY'
import ngtpy
import numpy as np

vectors = np.random.default_rng(0).normal(size=(104, 16)).astype('f4')
ngtpy.create(b'places', 16)
index = ngtpy.Index(b'places')
index.batch_insert(vectors[:100], num_threads=1)
index.remove(7)
index.remove(3)
new = [index.insert(each) for each in vectors[100:103]]
index.build_index(num_threads=1)
print('removed 7 and 3; the next three are', new)
assert new == [3, 7, 100]
[(found, distance)] = index.search(vectors[100], 1)
print('the vector that was inserted last but two is found as', found, 'at distance', distance)
assert (found, distance) == (3, 0.0)
index.save()
index.close()

index = ngtpy.Index(b'places')
index.remove(20)
index.save()
index.close()
index = ngtpy.Index(b'places')
again = index.insert(vectors[103])
print('removed 20, saved, opened; the next one is', again)
assert again == 20
PY
