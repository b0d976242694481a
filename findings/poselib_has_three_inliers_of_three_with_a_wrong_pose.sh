#!/usr/bin/env bash
# poselib 2.0.5 (PyPI): estimate_absolute_pose of three matches reports all of them as inliers, with an
# error of zero, for a pose that is metres off.
#
# Expected by most: three matches give up to four poses, and no fourth match to choose by, so that
# the result is a failure (no inliers, as estimate_relative_pose returns for four matches), or at
# least no inlier ratio of 1.0.
# Seen: the first of the poses that fit is returned: num_inliers 3, inlier_ratio 1.0. In a third of the
# cases it is not the true one. With six exact matches it always is.
# Matters for: decisions by the inlier ratio or the reprojection error. Few matches look like the
# best ones; ask for a number of inliers as well.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q --disable-pip-version-check poselib==2.0.5 numpy==2.2.6
"$folder/venv/bin/python" - <<'PY'
import numpy as np
import poselib

camera = {'model': 'PINHOLE', 'width': 640, 'height': 480, 'params': [500, 500, 320, 240]}
generator = np.random.default_rng(0)


def wrong_of_hundred(count):
    wrong = 0
    for _ in range(100):
        points = generator.uniform([-2, -1.5, 4], [2, 1.5, 8], size=(count, 3))
        pixels = points[:, :2] / points[:, 2:] * 500 + [320, 240]
        pose, info = poselib.estimate_absolute_pose(pixels, points, camera, {}, {})
        assert info['num_inliers'] == count and info['inlier_ratio'] == 1.0
        wrong += int(np.linalg.norm(pose.t) > 0.5)
    return wrong


wrong = {count: wrong_of_hundred(count) for count in (3, 6)}
print('of 100 poses with an inlier ratio of 1.0, wrong by more than 0.5 m, by matches:', wrong)
assert wrong[3] > 20 and wrong[6] == 0
PY
