#!/usr/bin/env bash
# objectbox 5.0.0 (PyPI): a search for nearest vectors with limit(n) gives the n objects that were stored
# first among those found when it ends in find(), and the n nearest when it ends in find_with_scores().
#
# Expected by most: find() gives the same objects as find_with_scores() without the scores, in the same
# order, as LIMIT does after a search for neighbours in Milvus, LanceDB or sqlite-vec; "the 3 nearest".
# Seen: of the 10 nearest of 5,000 vectors, find() gives all ordered by number, and with limit(3) the three
# smallest numbers; in some 7 of 10 searches the nearest vector is not among them. With
# find_with_scores() it always is.
# Matters for: whoever asks for more neighbours than are wanted, because that finds the nearest one more
# reliably, and takes the first of them: the place that is taken is any of the ten.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q --disable-pip-version-check objectbox==5.0.0 numpy==2.2.6
cd "$folder"
"$folder/venv/bin/python" - <<'PY'
import numpy as np
from objectbox import Entity, Float32Vector, HnswIndex, Id, Model, Store


@Entity()
class Place:
    id = Id
    descriptor = Float32Vector(index=HnswIndex(dimensions=16))


random = np.random.default_rng(0)
vectors = random.normal(size=(5000, 16)).astype('f4')
model = Model()
model.entity(Place)
store = Store(model=model, directory='places')
box = store.box(Place)
box.put([Place(descriptor=each) for each in vectors])

searches = random.normal(size=(100, 16)).astype('f4')
lost = kept = by_number = 0
for number, wanted in enumerate(searches):
    query = box.query(Place.descriptor.nearest_neighbors(wanted, 10)).build()
    found = [(place.id, score) for place, score in query.find_with_scores()]
    assert [score for _, score in found] == sorted(score for _, score in found)
    ids = [place for place, _ in found]
    by_number += [place.id for place in query.find()] == sorted(ids)
    query.limit(3)
    first = [place.id for place in query.find()]
    best = [place.id for place, _ in query.find_with_scores()]
    lost += ids[0] not in first
    kept += best == ids[:3]
    assert first == sorted(ids)[:3]
    if number == 0:
        print('nearest first:', ids)
        print('limit(3).find():', first, 'limit(3).find_with_scores():', best)
print(f'of 100 searches find() is ordered by number in {by_number}')
print(f'with limit(3) the nearest is lost in {lost}, and with scores the three nearest come in {kept}')
assert by_number == kept == 100
assert lost > 50
store.close()
PY
