#!/usr/bin/env bash
# faiss-cpu 1.15.1 (PyPI): an exact search of 15 queries takes several times as long as one of 16.
#
# Expected by most: the time of IndexFlatIP.search grows with the number of queries, or with matrix
# products from 20 queries on, as FAISS's wiki and older versions have it.
# Seen: the product of queries and dimensions decides since, and 128,000 is the limit
# (faiss.cvar.distance_compute_blas_threshold). With descriptors of 8,448 numbers, 15 queries are
# compared one by one, and 16 by a matrix product: one thread takes five times as long for 15 as for
# 16. With 64 numbers the limit is 2,000 queries. The similarities of both ways differ in the last
# bits, so that those of a query depend on how many others are asked with it.
# Matters for: batches of a few queries with long descriptors; pad them to the limit, or set it to 1.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q --disable-pip-version-check faiss-cpu==1.15.1 numpy==2.2.6
"$folder/venv/bin/python" - <<'PY'
import time

import faiss
import numpy as np

DIM = 8448
rows = np.random.default_rng(0).normal(size=(2000, DIM)).astype(np.float32)
faiss.normalize_L2(rows)
index = faiss.IndexFlatIP(DIM)
index.add(rows)
faiss.omp_set_num_threads(1)


def shortest(count):
    spent = []
    for _ in range(7):
        before = time.process_time()
        index.search(rows[:count], 10)
        spent.append(time.process_time() - before)
    return 1000 * min(spent)


times = {count: shortest(count) for count in (1, 15, 16)}
few, many = (index.search(rows[:count], 10)[0][:15] for count in (15, 16))
print('milliseconds of processor time by queries:', {k: f'{v:.1f}' for k, v in times.items()})
print('limit:', faiss.cvar.distance_compute_blas_threshold, '; largest difference of a similarity:',
      np.abs(few - many).max())
assert faiss.cvar.distance_compute_blas_threshold == 128_000
assert times[15] > 2 * times[16]
assert not np.array_equal(few, many)
PY
