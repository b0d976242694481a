#!/usr/bin/env bash
# diskannpy 0.7.0 (PyPI): with distance_metric='cosine' the stored vectors are divided by their lengths, and the
# query is not: the distance that comes back is 1 - length of the query * cosine.
#
# Expected by most: 1 - cosine, between 0 and 2, whatever the lengths, as with the metric of this name in Qdrant,
# LanceDB, hnswlib or scikit-learn.
# Seen: for one direction asked three times, with lengths 1, 3 and 10, the same neighbours, at the distances
# 0.008, -1.976 and -8.92. Stored vectors of lengths 0.1 to 10 make no difference.
# Matters for: whoever takes distances below a threshold for the same place: descriptors that are not of unit
# length pass the more easily the longer they are. Divide the query by its length.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q --disable-pip-version-check diskannpy==0.7.0 numpy==1.25.0
cd "$folder"
"$folder/venv/bin/python" - > log <<'PY' || { cat log; exit 1; }
import sys

import diskannpy
import numpy as np

random = np.random.default_rng(0)
directions = random.normal(size=(1000, 32))
directions /= np.linalg.norm(directions, axis=1, keepdims=True)
stored = directions * 10 ** random.uniform(-1, 1, size=(1000, 1))
index = diskannpy.DynamicMemoryIndex(
    distance_metric='cosine', vector_dtype=np.float32, dimensions=32, max_vectors=1000,
    complexity=100, graph_degree=64,
)
index.batch_insert(
    stored.astype(np.float32), np.arange(1, 1001).astype(np.uint32), num_threads=1
)
query = directions[0] + random.normal(size=32) * 0.02
query /= np.linalg.norm(query)
cosine = query @ directions[0]
orders = set()
for length in (1, 3, 10):
    found = index.search((length * query).astype(np.float32), 3, 100)
    print(f'length {length}: neighbours {found.identifiers}, distance {found.distances[0]:.3f}, '
          f'1 - cosine {1 - cosine:.3f}', file=sys.stderr)
    orders.add(tuple(found.identifiers.tolist()))
    assert found.identifiers[0] == 1
    assert np.isclose(found.distances[0], 1 - length * cosine, atol=1e-3)
assert len(orders) == 1
PY
