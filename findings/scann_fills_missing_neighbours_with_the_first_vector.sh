#!/usr/bin/env bash
# scann 1.4.2 (PyPI): where fewer neighbours are found than are wanted, search_batched() fills its rows with
# the number 0, which is that of the first vector; search() gives a shorter row.
#
# Expected by most: -1, as FAISS fills its rows, or an error, or the same as search() gives. (The numbers are
# uint32, which has no -1.)
# Seen: of 2,000 unit vectors in 200 leaves, with one leaf searched and 50 neighbours wanted, more than half
# of all numbers are 0, with the distance NaN; with 30 vectors in all and 50 wanted, 20 of 50 numbers. Nothing
# is said.
# Matters for: whoever counts which places come up often, looks numbers up without looking at the distances,
# or re-ranks all candidates: place 0 is a candidate of every query. Asking whether the distance is finite
# tells the filling from the first vector.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q --disable-pip-version-check scann==1.4.2 numpy==2.2.6
cd "$folder"
"$folder/venv/bin/python" - 2> log <<'PY' || { cat log; exit 1; }
import numpy as np
import scann

random = np.random.default_rng(0)
vectors = random.normal(size=(2000, 64)).astype('f4')
vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
queries = vectors[1000:1020]


def built(rows):
    return scann.scann_ops_pybind.builder(rows, 10, 'dot_product')


def looked_at(name, searcher, asked):
    numbers, products = searcher.search_batched(asked, final_num_neighbors=50)
    alone = [searcher.search(each, final_num_neighbors=50) for each in asked]
    lengths = [len(found) for found, _ in alone]
    assert min(lengths) < 50 and all(np.isfinite(each).all() for _, each in alone)
    filled = np.isnan(products)
    print(f'{name}: {filled.mean():.0%} filled, with {sorted(set(numbers[filled].tolist()))}; '
          f'rows of search(): {min(lengths)} to {max(lengths)} long')
    assert numbers.shape == products.shape == (len(asked), 50)
    assert (numbers[filled] == 0).all()
    return filled


tree = built(vectors).tree(num_leaves=200, num_leaves_to_search=1).score_brute_force().build()
assert looked_at('one leaf of 200', tree, queries).mean() > 0.5
few = built(vectors[:30]).score_brute_force().build()
assert looked_at('30 vectors', few, queries).sum() == 20 * len(queries)
PY
