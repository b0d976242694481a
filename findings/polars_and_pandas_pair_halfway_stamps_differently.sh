#!/usr/bin/env bash
# polars 2.1.0 and pandas 3.1.1 (PyPI): with the strategy "nearest", an image halfway between two poses
# is paired with the later one by join_asof of polars, and with the earlier one by merge_asof of pandas.
#
# Expected by most: the two functions give the same rows, with the first of the nearest on a tie.
# Seen: of 100 images at 10 Hz and poses at 20 Hz whose clock began 25 ms before, polars pairs every
# one with the pose 25 ms after it, and pandas with the pose 25 ms before it. At 10 m/s that is half
# a metre between two tables from the same files. A tolerance of 25 ms keeps all of them in both.
# Matters for: ground truth of images from odometry and from recorded poses. Ties are no accident there:
# drivers and players stamp in whole milliseconds, and rates are multiples of each other.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q --disable-pip-version-check \
    polars==2.1.0 pandas==3.1.1 numpy==2.2.6
"$folder/venv/bin/python" - <<'PY'
import numpy as np
import pandas
import polars

SECOND = 10**9
images = 1_700_000_000 * SECOND + np.arange(100) * SECOND // 10
poses = images[0] - SECOND // 40 + np.arange(-20, 220) * SECOND // 20
left, right = {'stamp': images}, {'stamp': poses, 'pose': poses}

for tolerance in (None, 25_000_000):
    by_polars = polars.DataFrame(left).join_asof(
        polars.DataFrame(right), on='stamp', strategy='nearest', tolerance=tolerance
    )
    by_pandas = pandas.merge_asof(
        pandas.DataFrame(left),
        pandas.DataFrame(right),
        on='stamp',
        direction='nearest',
        tolerance=tolerance,
    )
    after = (by_polars['pose'].to_numpy() - images) / 1e6
    before = (by_pandas['pose'].to_numpy() - images) / 1e6
    print(f'tolerance {tolerance}: polars {after.mean():+.0f} ms, pandas {before.mean():+.0f} ms')
    assert (after == 25).all() and (before == -25).all()
PY
