#!/usr/bin/env bash
# faiss-cpu 1.15.1 (PyPI): an HNSW index searched within a selection of ids returns fewer of them
# than were asked for, down to none, though the selection holds enough.
#
# Expected by most: the k best of the selected references, as IndexFlat and IndexIVF return.
# Seen: of ten selected references out of 2,000 and k = 5, 195 of 200 queries get fewer than five,
# and 31 get none (efSearch at its default; 2,000 finds all). The graph is walked by similarity
# alone, and what is not selected uses up the efSearch best that are kept. What is missing has the
# id -1, without an error.
# Matters for: searches that a prior narrows to one session or to a radius.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q --disable-pip-version-check faiss-cpu==1.15.1 numpy==2.2.6
"$folder/venv/bin/python" - <<'PY'
import faiss
import numpy as np

rows = np.random.default_rng(0).normal(size=(2000, 64)).astype(np.float32)
faiss.normalize_L2(rows)
index = faiss.IndexHNSWFlat(64, 16, faiss.METRIC_INNER_PRODUCT)
index.add(rows)
session = faiss.IDSelectorRange(1990, 2000)


def found(**options):
    _, ids = index.search(rows[:200], 5, params=faiss.SearchParametersHNSW(sel=session, **options))
    return (ids >= 0).sum(axis=1)


default, wide = found(), found(efSearch=2000)
print(f'default: {(default < 5).sum()} of 200 queries got fewer than 5, {(default == 0).sum()} none')
print(f'efSearch 2000: {(wide < 5).sum()} got fewer than 5')
assert (default < 5).sum() > 50 and (default == 0).any()
assert (wide < 5).sum() < 10
PY
