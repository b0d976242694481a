#!/usr/bin/env bash
# trajectopy 5.1.2 (PyPI), beside evo 1.38.1: ATEResult.pos_ate, which its README prints as "Position ATE", is the
# mean of the distances, and no root of a mean square.
#
# Expected by most: what Sturm et al. (2012) call the absolute trajectory error, what the tools of the TUM data
# set, evo's `rmse` and papers on SLAM print: the root mean square.
# Seen: an estimate that is right but for one poses in twenty, which lie 5 m off: pos_ate is 0.25 m, evo's
# rmse 1.12 m for the same poses. pos_dev_rms is evo's number, so that both mean the same errors; evo calls pos_ate
# `mean`. rot_ate is a mean likewise.
# Matters for: whoever compares a SLAM with published numbers: a mean is never above the root mean square, and
# the further below it the more a few wrong loop closures make up the error.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q --disable-pip-version-check trajectopy==5.1.2 evo==1.38.1
export HOME=$folder
cd "$folder"
"$folder/venv/bin/python" - 2> log <<'PY' || { cat log; exit 1; }
import numpy as np
import trajectopy
from evo.core import metrics
from evo.core.trajectory import PoseTrajectory3D

times = 1.7e9 + np.arange(1200) / 10
true = np.c_[20 * np.cos(times / 20), 20 * np.sin(times / 20), np.sin(times)]
estimate = true.copy()
estimate[::20] += [3, 4, 0]
turned = np.tile([1.0, 0.0, 0.0, 0.0], (len(times), 1))


def of_evo(positions):
    return PoseTrajectory3D(positions, turned, times)


def of_trajectopy(positions):
    return trajectopy.Trajectory(
        timestamps=times, positions=trajectopy.Positions(xyz=positions)
    )


error = metrics.APE(metrics.PoseRelation.translation_part)
error.process_data((of_evo(true), of_evo(estimate)))
evo = error.get_all_statistics()
result = trajectopy.ate(of_trajectopy(estimate), of_trajectopy(true), align=False)
print(f'trajectopy: pos_ate {result.pos_ate:.3f} m, pos_dev_rms {result.pos_dev_rms:.3f} m')
print(f'evo: mean {evo["mean"]:.3f} m, rmse {evo["rmse"]:.3f} m')
assert np.isclose(result.pos_dev_rms, evo['rmse'], rtol=0.01)
assert np.isclose(result.pos_ate, evo['mean'], rtol=0.01)
assert result.pos_ate < 0.5 * evo['rmse']
PY
