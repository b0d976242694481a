#!/usr/bin/env bash
# gtsam 4.3.0 (PyPI): writeG2o writes six digits, so that poses in UTM coordinates come back up to five
# metres beside where they were.
#
# Expected by most: a file of poses has as many digits as the numbers need, and reading what was
# written gives the same graph.
# Seen: 500123.457 east is written as 500123, 5412345.679 north as 5.41235e+06: metres of the easting
# are kept, of the northing tens of metres. Poses of a northing that are a metre apart fall on one
# spot. The edges are written with six digits of their own, and stay right for steps of metres, so
# that an optimiser of the file starts from poses which contradict them.
# Matters for: pose graphs with GNSS priors, and maps in UTM or in a national grid, that are handed to
# g2o, Ceres or SE-Sync. The remedy is to subtract an origin before.
# Needs Python 3.11 to 3.13 (wheels).
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q --disable-pip-version-check gtsam==4.3.0 numpy==2.2.6
cd "$folder"
"$folder/venv/bin/python" - <<'PY'
import gtsam
import numpy as np

noise = gtsam.noiseModel.Diagonal.Sigmas(np.full(6, 0.1))
places = np.array([500123.456789, 5412345.678901, 123.456789]) + np.outer(range(8), [0.6, 0.8, 0])
values, graph = gtsam.Values(), gtsam.NonlinearFactorGraph()
for i, place in enumerate(places):
    values.insert(i, gtsam.Pose3(gtsam.Rot3(), place))
for i in range(7):
    step = values.atPose3(i).between(values.atPose3(i + 1))
    graph.add(gtsam.BetweenFactorPose3(i, i + 1, step, noise))
gtsam.writeG2o(graph, values, 'graph.g2o')
again, back = gtsam.readG2o('graph.g2o', True)
read = np.array([back.atPose3(i).translation() for i in range(8)])
with open('graph.g2o') as lines:
    print(lines.readline().strip())
print('largest differences in metres:', np.abs(read - places).max(axis=0).round(3))
print(f'error of the graph: {graph.error(values):.1f}, as read back: {again.error(back):.1f}')
assert np.abs(read - places)[:, 1].max() > 4 and np.abs(read - places)[:, 0].max() > 0.4
assert len(set(read[:, 1])) < 8
assert graph.error(values) < 1e-6 and again.error(back) > 50
PY
