#!/usr/bin/env bash
# opencv-python-headless 5.0.0.93 (PyPI): cv2.fisheye.calibrate estimates a skew by default, and
# cv2.fisheye.projectPoints and undistortPoints leave it out.
#
# Expected by most: points that are projected with the K and D of a calibration come as close to the
# measured ones as the calibration says (its RMS error).
# Seen: without CALIB_FIX_SKEW the result has K[0, 1] of some pixels where the lens has one, and the
# RMS error counts with it. projectPoints and undistortPoints take fx, fy, cx and cy of K only: the
# same K gives an error many times as large, without a word. projectPoints needs the skew a second
# time, as alpha = K[0, 1] / K[0, 0]; undistortPoints has no argument for it.
# Matters for: fisheye calibrations of ROS's cameracalibrator, which sets the skew free unless it is
# started with --fisheye-fix-skew, and for programs that hand its K on to OpenCV.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q --disable-pip-version-check opencv-python-headless==5.0.0.93 numpy==2.2.6
"$folder/venv/bin/python" - <<'PY'
import cv2
import numpy as np

random = np.random.default_rng(0)
true, lens, alpha = np.array([[300.0, 0, 320], [0, 300, 240], [0, 0, 1]]), np.array([0.01, -0.005, 0.001, 0]), 0.02
board = np.array([[x, y, 0] for y in range(6) for x in range(8)], np.float64) * 0.05
boards, seen = [], []
for _ in range(12):
    turn = random.normal(0, 0.35, 3)
    place = np.array([-0.17, -0.12, 0.4]) + random.normal(0, 0.08, 3)
    pixels, _ = cv2.fisheye.projectPoints(board[:, None], turn, place, true, lens, alpha=alpha)
    boards.append(board[None])
    seen.append(pixels.reshape(1, -1, 2) + random.normal(0, 0.1, (1, len(board), 2)))
found = cv2.fisheye.calibrate(
    boards, seen, (640, 480), np.zeros((3, 3)), np.zeros((4, 1)), flags=cv2.CALIB_RECOMPUTE_EXTRINSIC
)
error, matrix, coefficients, turns, places = found
print(f'K[0, 1] is {matrix[0, 1]:.2f} px, RMS error of the calibration {error:.2f} px')


def rms(alpha):
    differences = []
    for points, pixels, turn, place in zip(boards, seen, turns, places):
        again, _ = cv2.fisheye.projectPoints(points.reshape(-1, 1, 3), turn, place, matrix, coefficients, alpha=alpha)
        differences.append(again.reshape(-1, 2) - pixels[0])
    return float(np.sqrt(np.mean(np.sum(np.concatenate(differences) ** 2, axis=1))))


with_k, with_alpha = rms(0), rms(matrix[0, 1] / matrix[0, 0])
print(f'projectPoints with that K: {with_k:.2f} px; with alpha as well: {with_alpha:.2f} px')
assert 5 < matrix[0, 1] < 7 and error < 0.3 and with_alpha < 0.3 and with_k > 1
straight = matrix.copy()
straight[0, 1] = 0
point = np.array([[[400.0, 400.0]]])
pair = [cv2.fisheye.undistortPoints(point, k, coefficients).ravel() for k in (matrix, straight)]
print('undistortPoints of (400, 400) with and without K[0, 1]:', *pair)
assert (pair[0] == pair[1]).all()
PY
