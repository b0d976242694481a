#!/usr/bin/env bash
# pytrec_eval-terrier 0.5.11 and ranx 0.3.21 (PyPI): the first keeps scores in single precision and
# puts equal ones in the reverse order of their names; the second takes them as they were given.
#
# Expected by most: the ranking is that of the given numbers, and equal ones stay in the given order.
# Seen: of two places with the same score, 'b' comes before 'a', however they are given: the same
# ranking has success_1 = 0 or 1 by what its places are called (ranx: by the order in which they are
# given). The scores 1700000000.2 and 1700000000.1 are equal after rounding, so that there too the
# names decide. recall_1 is not Recall@1 of place recognition either: with three right places it is at most 1/3;
# success_1 is it (hit_rate@1 of ranx).
# Where it matters: scores of binary or quantised descriptors, which are often equal; ranks given as
# scores; time stamps.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q --disable-pip-version-check \
    pytrec_eval-terrier==0.5.11 ranx==0.3.21 numpy==2.4.6
"$folder/venv/bin/python" -W ignore - <<'PY'
import pytrec_eval
from ranx import Qrels, Run, evaluate


def trec(right, scores, measure='success_1'):
    return pytrec_eval.RelevanceEvaluator({'q': right}, {measure}).evaluate({'q': scores})['q'][measure]


def ranx(right, scores):
    return float(evaluate(Qrels({'q': right}), Run({'q': scores}), 'hit_rate@1'))


for scores in ({'a': 1.0, 'b': 1.0}, {'b': 1.0, 'a': 1.0}):
    print(f'{scores}: a is right: pytrec_eval {trec({"a": 1}, scores)}, ranx {ranx({"a": 1}, scores)};'
          f' b is right: {trec({"b": 1}, scores)}, {ranx({"b": 1}, scores)}')
    assert (trec({'a': 1}, scores), trec({'b': 1}, scores)) == (0, 1), 'ties are ordered otherwise now'
    assert ranx({'a': 1}, scores) == (list(scores)[0] == 'a')
near = {'a': 1700000000.2, 'b': 1700000000.1}
print(f'{near}: a is right: pytrec_eval {trec({"a": 1}, near)}, ranx {ranx({"a": 1}, near)}')
assert trec({'a': 1}, near) == 0, 'scores are no longer rounded'
assert ranx({'a': 1}, near) == 1
several = {'a': 1, 'b': 1, 'c': 1}
share = trec(several, {'a': 3.0}, 'recall_1')
print(f'recall_1 with the first of three right places on top: {share:.3f}')
assert abs(share - 1 / 3) < 1e-6
PY
