#!/usr/bin/env bash
# pycolmap 4.2.1 (PyPI): Rotation3d and Rigid3d take a quaternion as it is, and move points by a matrix
# that is no rotation.
#
# Expected by most: a quaternion that is not of unit length is normalised, as SciPy's
# Rotation.from_quat does, or refused.
# Seen: Rotation3d([0, 0, 1, 1]), a quarter turn, has a matrix of determinant 5. One that was rounded to two
# digits, as in a table, moves a point at 100 m by 0.7 m. A matrix with a scale, as of a similarity, is taken
# too, and becomes another angle: 0.5 rad with the factor 2 is 0.57 rad of a matrix without scale.
# normalize() of the rotation helps for the quaternion, and not for the matrix.
# Matters for: poses from files, from averages of quaternions and from alignments with scale.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q --disable-pip-version-check pycolmap==4.2.1 numpy==2.2.6 scipy==1.15.3
"$folder/venv/bin/python" - <<'PY'
import numpy as np
from pycolmap import Rigid3d, Rotation3d
from scipy.spatial.transform import Rotation

quarter = Rotation3d(np.array([0.0, 0, 1, 1])).matrix()
print('determinant of a quarter turn by [0, 0, 1, 1]:', np.linalg.det(quarter).round(6))
assert np.isclose(np.linalg.det(quarter), 5)

rounded = np.round(Rotation.from_euler('z', 0.6).as_quat(), 2)
point = np.array([100.0, 0, 0])
by_colmap = Rigid3d(Rotation3d(rounded), np.zeros(3)) * point
by_scipy = Rotation.from_quat(rounded).apply(point)
print(f'rounded to {rounded}: {np.linalg.norm(by_colmap - by_scipy):.3f} m apart')
assert np.linalg.norm(by_colmap - by_scipy) > 0.1

scaled = np.c_[2 * Rotation.from_euler('z', 0.5).as_matrix(), np.zeros(3)]
taken = Rigid3d(scaled).matrix()[:, :3]
angle = Rotation.from_matrix(taken).magnitude()
print(f'0.5 rad times 2: {angle:.3f} rad, determinant {np.linalg.det(taken):.3f}')
assert angle > 0.55 and np.isclose(np.linalg.det(taken), 1)
rotation = Rotation3d(np.array([0.0, 0, 1, 1]))
rotation.normalize()
print('normalised:', rotation.matrix().round(6).tolist())
PY
