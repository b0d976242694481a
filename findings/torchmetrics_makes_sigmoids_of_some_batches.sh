#!/usr/bin/env bash
# torchmetrics 1.9.0 with torch 2.13.0 (PyPI): BinaryAUROC of similarities depends on how they were
# cut into batches, and of numbers of inliers it is about 0.5.
#
# Expected by most: the area under the ROC curve depends on the order of the scores only, so it is
# that of scikit-learn, for cosines from -1 to 1 and for counts; and update() in batches gives what
# one update() gives.
# Seen: a batch that holds any score outside of 0 to 1 is taken for logits, and goes through a
# sigmoid; a batch without one stays as it is. A similarity of 0.6 is then 0.6 in one batch and
# 0.65 in the next, and that of 0.9 is 0.71: less than 0.8 of another batch. One negative cosine in
# a batch is enough. In float32 the sigmoid of each count above 17 is exactly 1, so that 20 inliers
# and 300 are equal. Average precision and the curves (with their thresholds) do the same.
# Matters for: precision and recall of place recognition and loop closures. Scores have to be brought
# to 0 to 1 before, by one fixed map: (cosine + 1) / 2, count / (count + 50).
# PIP_EXTRA_INDEX_URL may name PyTorch's index of CPU wheels; PyPI's torch brings 3 GB of CUDA.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q --disable-pip-version-check \
    torchmetrics==1.9.0 torch==2.13.0 scikit-learn==1.9.1 numpy==2.2.6
"$folder/venv/bin/python" - <<'PY'
import numpy as np
import torch
from sklearn.metrics import roc_auc_score
from torchmetrics.classification import BinaryAUROC

generator = np.random.default_rng(0)
right = generator.integers(0, 2, 400)
cosine = np.clip(0.35 + 0.25 * right + generator.normal(0, 0.2, 400), -1, 1).astype(np.float32)
inliers = np.where(right, generator.integers(60, 400, 400), generator.integers(20, 80, 400))


def area(scores, batch):
    metric = BinaryAUROC()
    for start in range(0, len(scores), batch):
        piece = slice(start, start + batch)
        metric.update(torch.tensor(scores[piece]), torch.tensor(right[piece]))
    return metric.compute().item()


exact = roc_auc_score(right, cosine)
print(f'cosines: scikit-learn {exact:.3f}, one batch {area(cosine, 400):.3f}, 20 batches {area(cosine, 20):.3f}')
assert abs(area(cosine, 400) - exact) < 0.001 and area(cosine, 20) < exact - 0.03
assert abs(area((cosine + 1) / 2, 20) - exact) < 0.001
exact, counts = roc_auc_score(right, inliers), inliers.astype(np.float32)
print(f'inliers: scikit-learn {exact:.3f}, torchmetrics {area(counts, 400):.3f}')
assert exact > 0.99 and abs(area(counts, 400) - 0.5) < 0.02
assert abs(area(counts / (counts + 50), 20) - exact) < 0.001
PY
