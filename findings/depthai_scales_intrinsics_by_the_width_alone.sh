#!/usr/bin/env bash
# depthai 3.12.0 (Luxonis; PyPI; 2.33.0.0 alike): getCameraIntrinsics for an image that is narrower
# than the sensor gives the focal length of a picture with bars above and below.
#
# Expected by most, and written in its documentation of keepAspectRatio: the side that gives the larger
# picture decides the scale, and what is left over of the other one is cut off, as cameras do it.
# Seen: the width alone decides. For 640x480 of a sensor of 1280x800 the scale is 0.5 and the focal
# length 400, as if 40 rows of nothing were added above and below; cut off at the sides it is 480. For
# 300x300 it is 187.5 instead of 300. Images wider than the sensor, as 1280x720, are right.
# Where it matters: a CameraInfo or a calibration file of an OAK at 640x480 or of a square preview.
# Ask for the size of the sensor, and scale and cut the matrix as the picture was.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q --disable-pip-version-check depthai==3.12.0 numpy==2.4.6
DEPTHAI_LEVEL=error "$folder/venv/bin/python" - <<'PY'
import depthai
import numpy as np

SOCKET, SENSOR, FOCAL = depthai.CameraBoardSocket.CAM_A, (1280, 800), 800.0
camera = depthai.CalibrationHandler()
camera.setCameraIntrinsics(SOCKET, [[FOCAL, 0, 640.0], [0, FOCAL, 400.0], [0, 0, 1]], *SENSOR)
for size in ((1280, 720), (1920, 1080), (640, 480), (300, 300)):
    given = np.array(camera.getCameraIntrinsics(SOCKET, *size))
    across, down = (wanted / there for wanted, there in zip(size, SENSOR))
    cut = FOCAL * max(across, down)
    print(f'{size[0]}x{size[1]}: focal length {given[0, 0]:.1f}, middle {given[0, 2]:.0f} {given[1, 2]:.0f}; '
          f'of the picture that fills this size {cut:.1f}')
    assert given[0, 0] == given[1, 1]
    assert abs(given[0, 0] - FOCAL * across) < 0.01, 'the scale is no longer that of the width'
PY
