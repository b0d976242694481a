#!/usr/bin/env bash
# scikit-learn 1.9.1 (PyPI): label_ranking_average_precision_score counts a query without any positive
# as 1.0.
#
# Expected by most: with one row for each query and one column for each reference it is the mean
# average precision of retrieval, and a query without a positive counts as 0, or is left out, or is
# an error; average_precision_score warns and gives 0.0.
# Seen: such a row counts as 1.0, without a warning, and so does one in which all references are
# positives. Of ten queries that all have their positive last of four, 0.25 comes out; with ten
# more from outside of the map, 0.625.
# Matters for: evaluations with queries off the map, and data sets in which some queries have no
# reference within 25 m: the more of them, the better the figure.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q --disable-pip-version-check scikit-learn==1.9.1 numpy==2.2.6
"$folder/venv/bin/python" -W ignore - <<'PY'
import numpy as np
from sklearn.metrics import average_precision_score, label_ranking_average_precision_score

similarity = np.tile([0.9, 0.8, 0.7, 0.6], (20, 1))
positive = np.zeros((20, 4), int)
positive[:10, 3] = 1
there = label_ranking_average_precision_score(positive[:10], similarity[:10])
everything = label_ranking_average_precision_score(positive, similarity)
alone = average_precision_score(positive[10], similarity[10])
print(f'queries in the map: {there}, with as many off the map: {everything}')
print(f'average_precision_score of one off the map: {alone}')
assert there == 0.25 and everything == 0.625 and alone == 0.0
PY
