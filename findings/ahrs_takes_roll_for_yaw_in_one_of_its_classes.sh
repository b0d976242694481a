#!/usr/bin/env bash
# AHRS 0.4.0 (PyPI): DCM(rpy=[r, p, y]) and Quaternion(rpy=[r, p, y]) are different rotations, and
# DCM.to_rpy gives neither of them back.
#
# Expected by most: one keyword means the same in two classes of one package, and to_rpy returns what
# `rpy` was given.
# Seen: Quaternion(rpy=[0, 0, 0.3]) is a yaw of 0.3 (as 'ZYX' of SciPy has it), DCM(rpy=[0, 0, 0.3]) a
# roll of 0.3. DCM.to_rpy of a yaw of 0.3 is -0.3, as if the matrix were transposed. DCM(q=...) agrees
# with Quaternion. Nothing is raised.
# Matters for: mounts and headings that are written as roll, pitch and yaw. A camera that is turned to
# the left becomes one that rolls to a side, and headings that are read back turn the wrong way.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q --disable-pip-version-check AHRS==0.4.0 numpy==2.2.6 scipy==1.15.3
"$folder/venv/bin/python" - <<'PY'
import numpy as np
from ahrs import DCM, Quaternion
from scipy.spatial.transform import Rotation

roll, pitch, yaw = 0.1, 0.2, 0.3
expected = Rotation.from_euler('ZYX', [yaw, pitch, roll]).as_matrix()
swapped = Rotation.from_euler('ZYX', [roll, pitch, yaw]).as_matrix()
quaternion = Quaternion(rpy=[roll, pitch, yaw])
matrix = np.asarray(DCM(rpy=[roll, pitch, yaw]))
assert np.allclose(DCM(q=quaternion), expected)
assert np.allclose(quaternion.to_angles(), [roll, pitch, yaw])
assert np.allclose(matrix, swapped) and not np.allclose(matrix, expected, atol=0.1)

turned = DCM(q=Quaternion(rpy=[0.0, 0.0, yaw]))
print('a yaw of 0.3, read by to_rpy:', np.round(turned.to_rpy(), 6))
print('the angles of DCM(rpy=[0, 0, 0.3]) about z, y, x:',
      Rotation.from_matrix(np.asarray(DCM(rpy=[0.0, 0.0, yaw]))).as_euler('ZYX').round(6))
assert np.allclose(turned.to_rpy(), [0, 0, -yaw])
PY
