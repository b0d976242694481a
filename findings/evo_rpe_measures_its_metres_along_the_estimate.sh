#!/usr/bin/env bash
# evo 1.38.1 (PyPI): the relative pose error "per 1 m" takes its metres from the ESTIMATED trajectory.
#
# Expected by most: segments are chosen along the ground truth, as the KITTI benchmark does it.
# Seen: an estimate that is twice too long has a relative translation error of 0.5 m per 1 m; with
# the segments chosen along the reference (pairs_from_reference=True, not the default) it is 1.0 m.
# The larger the scale error of a monocular system, the shorter the real segments that it is judged
# by, so two systems with different scale errors are not compared on the same segments.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q --disable-pip-version-check evo==1.38.1
"$folder/venv/bin/python" - <<'PY'
import numpy as np
from evo.core.metrics import RPE, PoseRelation, Unit
from evo.core.trajectory import PoseTrajectory3D

stamps = np.arange(0, 20, 0.1)


def along_x(scale):
    xyz = np.c_[scale * stamps, 0 * stamps, 0 * stamps]
    return PoseTrajectory3D(xyz, np.tile([1.0, 0, 0, 0], (len(stamps), 1)), stamps)


def error(**options):
    metric = RPE(PoseRelation.translation_part, 1.0, Unit.meters, **options)
    metric.process_data((along_x(1.0), along_x(2.0)))
    return metric.get_all_statistics()['mean']


by_default, by_reference = error(), error(pairs_from_reference=True)
print(f'metres of the estimate: {by_default:.3f} m, of the reference: {by_reference:.3f} m')
assert abs(by_default - 0.5) < 0.01 and abs(by_reference - 1.0) < 0.01
PY
