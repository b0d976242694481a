#!/usr/bin/env bash
# pycolmap 4.2.1 (PyPI): estimate_and_refine_absolute_pose(return_covariance=True) gives the covariance of half
# the angles in its first three rows, and of the translation in the others.
#
# Expected by most: a covariance of the rotation vector in radians, as GTSAM, manif and
# geometry_msgs/PoseWithCovariance have it. (What is varied is the quaternion, whose vector part is half of a
# small rotation vector.)
# Seen: 400 poses from 60 points each, whose pixels are off by 0.2: the standard deviations of the translation
# are those that the covariance tells within 6 %, times the 0.2 pixels that it does not know of; those of
# the rotation are 1.8 to 1.9 times as large as it tells. Rotations are about the axes of the camera.
# Matters for: whoever puts it into a pose graph or a message: the rotation weighs four times what it should.
# Multiply the first three rows and the first three columns by 2, and bring the translation to the front for ROS.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q --disable-pip-version-check pycolmap==4.2.1 numpy==2.2.6
cd "$folder"
"$folder/venv/bin/python" - 2> log <<'PY' || { cat log; exit 1; }
import numpy as np
import pycolmap

PIXELS = 0.2
random = np.random.default_rng(0)
camera = pycolmap.Camera(
    model='PINHOLE', width=640, height=480, params=[500, 500, 320, 240]
)
points = random.uniform((-3, -2, 4), (3, 2, 9), size=(60, 3))
cosine, sine = np.cos(0.3), np.sin(0.3)
turned = np.array([[cosine, 0, sine], [0, 1, 0], [-sine, 0, cosine]])
moved = np.array([0.3, -0.2, 0.4])
seen = points @ turned.T + moved
pixels = seen[:, :2] / seen[:, 2:] * 500 + [320, 240]

errors, told = [], []
for _ in range(400):
    noisy = pixels + PIXELS * random.normal(size=pixels.shape)
    found = pycolmap.estimate_and_refine_absolute_pose(
        noisy, points, camera, return_covariance=True
    )
    pose = found['cam_from_world']
    turn = pose.rotation.matrix() @ turned.T
    angles = np.array([turn[2, 1] - turn[1, 2], turn[0, 2] - turn[2, 0], turn[1, 0] - turn[0, 1]]) / 2
    errors.append(np.r_[angles, pose.translation - moved])
    told.append(np.diag(found['covariance']))
seen = np.std(errors, axis=0)
told = PIXELS * np.sqrt(np.mean(told, axis=0))
print('standard deviations, rotation in mrad, translation in mm:')
print('seen:', np.round(1000 * seen, 3))
print('told:', np.round(1000 * told, 3))
print('seen / told:', np.round(seen / told, 2))
assert np.allclose((seen / told)[3:], 1, atol=0.15)
assert np.allclose((seen / told)[:3], 2, atol=0.3)
PY
