#!/usr/bin/env bash
# evo 1.38.1 (PyPI): associate_trajectories pairs one reference pose with several estimated ones.
#
# Expected by most: pairs are one to one, as associate.py of the TUM RGB-D benchmark makes them.
# Seen: eight estimates within 10 ms are all paired with the reference pose at 1.0 s, which then
# stands eight times in the associated trajectory. Where a SLAM system publishes in bursts, the
# moments of the bursts weigh as many times as much in the absolute trajectory error.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q --disable-pip-version-check evo==1.38.1
"$folder/venv/bin/python" - <<'PY'
import numpy as np
from evo.core.sync import associate_trajectories
from evo.core.trajectory import PoseTrajectory3D


def along_x(stamps):
    stamps = np.asarray(stamps, float)
    xyz = np.c_[stamps, 0 * stamps, 0 * stamps]
    return PoseTrajectory3D(xyz, np.tile([1.0, 0, 0, 0], (len(stamps), 1)), stamps)


reference = along_x(np.arange(0, 10, 0.5))
estimate = along_x(np.r_[np.linspace(1.0, 1.01, 8), 2.0, 3.0])
paired, _ = associate_trajectories(reference, estimate, max_diff=0.02)
print('reference stamps after association:', paired.timestamps)
assert paired.num_poses == 10 and len(set(paired.timestamps)) == 3
PY
