#!/usr/bin/env bash
# torch 2.13.0 (CPU; PyPI): torch.cdist of UTM positions in float32 is right for 25 points, and wrong
# by up to two kilometres for 26.
#
# Expected by most: float32 rounds a northing of 4,180,000 m to half a metre, so distances are wrong
# by half a metre or so, whatever the number of points.
# Seen: from 26 points on in either set, the default (use_mm_for_euclid_dist_if_necessary) computes
# a*a + b*b - 2ab by a matrix product. Squares of such numbers are 1.7e13, where float32 counts in
# steps of a million. So hundreds of pairs that are kilometres apart come out as neighbours within
# 25 m, and tests with a few points pass. Doubles are right here, and so are compute_mode=
# 'donot_use_mm_for_euclid_dist' and positions from which the mean was taken.
# Matters for: positives within 25 m for training and recall, such as those of data sets whose file
# names carry UTM positions, computed with torch.
# PIP_EXTRA_INDEX_URL may name PyTorch's index of CPU wheels; PyPI's torch brings 3 GB of CUDA.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q --disable-pip-version-check torch==2.13.0 numpy==2.2.6
"$folder/venv/bin/python" - <<'PY'
import torch

torch.manual_seed(0)
everywhere = torch.rand(400, 2, dtype=torch.float64) * 4000 + torch.tensor([548_000.0, 4_180_000.0])
wrong = {}
for count in (25, 26, 400):
    points = everywhere[:count].float()
    differences = points[:, None].double() - points[None].double()
    right = differences.norm(dim=2)
    errors = {
        'default': torch.cdist(points, points),
        'without products': torch.cdist(
            points, points, compute_mode='donot_use_mm_for_euclid_dist'
        ),
        'from the mean': torch.cdist(points - points.mean(0), points - points.mean(0)),
    }
    for name, distances in errors.items():
        wrong[count, name] = (distances - right).abs().max().item()
        near = [int((each < 25).sum()) - count for each in (distances, right)]
        print(f'{count} points, {name}: wrong by up to {wrong[count, name]:.3f} m; within 25 m: '
              f'{near[0]} pairs instead of {near[1]}')  # fmt: skip
assert wrong[25, 'default'] < 1 and wrong[26, 'default'] > 500
assert wrong[400, 'without products'] < 1 and wrong[400, 'from the mean'] < 3
PY
