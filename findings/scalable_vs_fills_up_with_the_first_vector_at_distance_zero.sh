#!/usr/bin/env bash
# scalable-vs 0.5.0 (PyPI, svs): where a Vamana index has fewer vectors than are asked for, the answer is
# filled with vector 0 at distance 0, better than any vector that was found.
#
# Expected by most: as many columns as there are vectors, an error, or -1 as in FAISS.
# Seen: of 5 vectors 7 are asked for. The last two columns are number 0 with distance 0.0, though vector
# 0 stands among the five with its true distance. Whoever sorts by distance, or joins the answers of two
# indexes, has a perfect match with vector 0. The flat index of the same package fills with 2**64 - 1
# instead: the numbers are uint64, so that `ids >= 0` is always true, and numpy takes that one as -1, the
# last vector, without an error.
# Matters for: a map in its first minutes, and shards of one that are searched one by one. The remedy is
# to ask for at most as many as there are.
# Needs Linux on x86-64, and Python 3.10 to 3.13.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q --disable-pip-version-check scalable-vs==0.5.0 numpy==2.2.6
cd "$folder"
"$folder/venv/bin/python" - <<'PY'
import numpy as np
import svs

vectors = np.random.default_rng(0).normal(size=(5, 32)).astype('f4')
names = np.array(['atrium', 'bakery', 'cellar', 'depot', 'exit'])
parameters = svs.VamanaBuildParameters(graph_max_degree=32, window_size=64, alpha=1.2)
query = vectors[[1]] + np.float32(0.1)

index = svs.Vamana.build(parameters, vectors, svs.DistanceType.L2)
ids, distances = index.search(query, 7)
print('Vamana', ids[0].tolist(), distances[0].round(2).tolist())
assert ids[0, 0] == 1 and set(ids[0, :5].tolist()) == set(range(5))
assert ids[0, 5:].tolist() == [0, 0] and distances[0, 5:].tolist() == [0.0, 0.0]
best = names[ids[0][np.argsort(distances[0], kind='stable')]][0]
print('sorted by distance, the best is', best, 'where it was', names[ids[0, 0]])
assert (best, names[ids[0, 0]]) == ('atrium', 'bakery')

ids, distances = svs.Flat(vectors, svs.DistanceType.L2).search(query, 7)
print('flat', ids[0].tolist(), names[ids][0].tolist())
assert (ids[0, 5:] == 2**64 - 1).all() and (ids >= 0).all()
assert (names[ids][0, 5:] == 'exit').all() and (distances[0, 5:] == np.finfo('f4').max).all()
PY
