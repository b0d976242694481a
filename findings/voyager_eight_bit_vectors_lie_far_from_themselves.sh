#!/usr/bin/env bash
# voyager 2.2.3 (PyPI): with eight bits per number, the cosine distance of a long vector from itself is
# 0.43 (Float8) or -0.19 (E4M3).
#
# Expected by most: eight bits blur the distances by a hundredth or so, around the right values, and
# a cosine distance is never negative.
# Seen: Space.Cosine makes each vector one long, and then stores its numbers: Float8 in steps of
# 1/127, cut towards zero, E4M3 too large where they are small. The numbers of a long vector are all
# small (about 0.01 of 8,448), so that the stored vectors are 0.76 and 1.09 long, and no distance
# takes that into account. The nearest one is still the right one. The longer the vectors, the
# farther: Float8 gives 0.09 at 256 numbers, 0.24 at 2,048 and 0.43 at 8,448.
# Matters for: every threshold on the similarity. One that was chosen with Float32 refuses the very
# image that is in the map with Float8, and accepts too many with E4M3.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q --disable-pip-version-check voyager==2.2.3 numpy==2.2.6
"$folder/venv/bin/python" - <<'PY'
import numpy as np
from voyager import Index, Space, StorageDataType

generator = np.random.default_rng(0)


def to_itself(dim, kind):
    rows = generator.normal(size=(20, dim)).astype(np.float32)
    index = Index(Space.Cosine, dim, storage_data_type=kind)
    index.add_items(rows, num_threads=1)
    names, distances = index.query(rows, 1, num_threads=1)
    assert np.array_equal(names[:, 0], np.arange(20))
    return distances.mean(), np.linalg.norm(index.get_vector(0))


for dim in (256, 2048, 8448):
    for kind in (StorageDataType.Float32, StorageDataType.Float8, StorageDataType.E4M3):
        distance, length = to_itself(dim, kind)
        print(f'{dim} numbers, {kind}: distance to itself {distance:.3f}, length {length:.3f}')
assert abs(to_itself(8448, StorageDataType.Float32)[0]) < 1e-5
assert to_itself(8448, StorageDataType.Float8)[0] > 0.35
assert to_itself(8448, StorageDataType.E4M3)[0] < -0.1
PY
