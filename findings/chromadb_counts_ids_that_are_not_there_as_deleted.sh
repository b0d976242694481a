#!/usr/bin/env bash
# chromadb 1.5.9 (PyPI): delete(ids=[...]) answers {'deleted': n} with the number of ids that it was given, also
# of ids that the collection does not have; add() with an id that it has keeps the old vector, and update() with
# one that it lacks does nothing. None of them raises or logs anything.
#
# Expected by most: the number of what was deleted, 0 here, and an error for an id that is there already, as
# add() raises DuplicateIDError for an id that is twice in one call.
# Seen: delete of one present and two unknown ids: {'deleted': 3}, and one vector fewer. After add() of an
# id with the opposite vector, get() gives the old one.
# Matters for: maps that are kept up to date: a place that is described again keeps its old descriptor, and a
# deletion under the wrong name looks as if it had been done. upsert() replaces; count() before and after tells.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q --disable-pip-version-check chromadb==1.5.9
export HOME=$folder
cd "$folder"
"$folder/venv/bin/python" - 2> log <<'PY' || { cat log; exit 1; }
import chromadb

client = chromadb.EphemeralClient(settings=chromadb.Settings(anonymized_telemetry=False))
places = client.create_collection('places', embedding_function=None)
places.add(ids=['a', 'b', 'c'], embeddings=[[1.0, 0.0], [0.0, 1.0], [0.6, 0.8]])


def vector(name):
    return places.get(ids=[name], include=['embeddings'])['embeddings'][0].round(2).tolist()


assert places.add(ids=['a'], embeddings=[[-1.0, 0.0]]) is None
print('after add() of a known id:', vector('a'), 'in', places.count())
assert vector('a') == [1.0, 0.0]
assert places.update(ids=['d'], embeddings=[[1.0, 1.0]]) is None
assert places.count() == 3
places.upsert(ids=['a'], embeddings=[[-1.0, 0.0]])
print('after upsert():', vector('a'))
assert vector('a') == [-1.0, 0.0]
said = places.delete(ids=['c', 'x', 'y'])
print('delete() of one known and two unknown ids:', said, 'and', places.count(), 'are left')
assert said['deleted'] == 3 and places.count() == 2
PY
