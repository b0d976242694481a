#!/usr/bin/env bash
# kiss-matcher 1.0.2 (PyPI): a registration of two clouds that have nothing in common can come back
# with valid = True and a made-up pose, of one to three correspondences.
#
# Expected by most: valid says that the pose may be used; without a match it is False.
# Seen: of ten pairs of unrelated halls one is valid, with one correspondence; of two pairs of
# uniform noise both are, with three and two. Their poses are 8 to 42 m long. For a true match
# get_num_final_inliers gives some two thousand; valid alone does not tell the cases apart.
# Where it matters: loop closures of clouds, where one wrong pose bends the whole map. Demand a number
# of inliers, as the authors' examples do, and a check of the overlap.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q --disable-pip-version-check kiss-matcher==1.0.2 numpy==2.4.6
"$folder/venv/bin/python" - <<'PY'
import kiss_matcher
import numpy as np


def hall(seed):
    """60 blobs of 300 points in 40 x 40 x 4 m."""
    draw = np.random.default_rng(seed)
    blobs = []
    for _ in range(60):
        middle = draw.uniform(-20, 20, 3) * [1, 1, 0.1]
        blobs.append(middle + draw.normal(size=(300, 3)) * draw.uniform(0.1, 1.5, 3))
    return np.concatenate(blobs)


def match(name, source, target):
    matcher = kiss_matcher.KISSMatcher(kiss_matcher.KISSMatcherConfig(0.3))
    found = matcher.estimate(source, target)
    moved = np.linalg.norm(found.translation)
    inliers = matcher.get_num_final_inliers()
    print(f'{name}: valid {found.valid}, {inliers} inliers, moved by {moved:.1f} m')
    return found.valid, inliers


quarter = np.array([[0.0, -1, 0], [1, 0, 0], [0, 0, 1]])
valid, inliers = match('the same hall', hall(1), hall(1) @ quarter.T + [3, 4, 0])
assert valid and inliers > 1000
draw = np.random.default_rng(0)
unrelated = [match(f'halls {k} and {k + 1}', hall(k), hall(k + 1)) for k in range(1, 21, 2)]
for _ in range(2):
    noise = draw.uniform(-20, 20, (2, 5000, 3))
    unrelated.append(match('noise', *noise))
assert any(valid for valid, _ in unrelated), 'unrelated clouds are no longer valid'
assert max(inliers for _, inliers in unrelated) < 10
PY
