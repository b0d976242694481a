#!/usr/bin/env bash
# pyrealsense2 2.59.1.11053 (librealsense; PyPI): the lens model inverse_brown_conrady, which a D435
# reports for its colour camera, is applied forward: from a point to the pixel, as OpenCV and
# plumb_bob of ROS do it.
#
# Expected by most: by its name, the polynomial leads from the pixel to the ray, so that its
# coefficients must not be given to cv2.undistortPoints or published as plumb_bob.
# Seen: rs2_project_point_to_pixel is within 0.013 pixels of cv2.projectPoints with the same five
# coefficients (the tangential terms take the point after the radial ones). The polynomial taken
# as the way from the pixel to the ray is off by 17 pixels in the corner of a picture.
# Where it matters: intrinsics read from the device for a map or a calibration file. They are
# plumb_bob as they stand; a conversion "back" bends the picture twice.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q --disable-pip-version-check \
    pyrealsense2==2.59.1.11053 opencv-python-headless==5.0.0.93 numpy==2.4.6
"$folder/venv/bin/python" - <<'PY'
import cv2
import numpy as np
import pyrealsense2 as rs

FOCAL, CENTRE, COEFFICIENTS = 910.0, (640.0, 360.0), [0.16, -0.5, 0.0005, -0.0003, 0.45]
lens = rs.intrinsics()
lens.width, lens.height = 1280, 720
lens.fx = lens.fy = FOCAL
lens.ppx, lens.ppy = CENTRE
lens.model, lens.coeffs = rs.distortion.inverse_brown_conrady, COEFFICIENTS
points = np.array(
    [[x, y, 1] for x in np.linspace(-0.65, 0.65, 9) for y in np.linspace(-0.37, 0.37, 7)]
)
matrix = np.array([[FOCAL, 0, CENTRE[0]], [0, FOCAL, CENTRE[1]], [0, 0, 1]])
forward = cv2.projectPoints(points, np.zeros(3), np.zeros(3), matrix, np.array(COEFFICIENTS))[0][:, 0]
seen = np.array([rs.rs2_project_point_to_pixel(lens, point) for point in points.tolist()])
apart = np.linalg.norm(seen - forward, axis=1).max()
print(f'librealsense against OpenCV, from points to pixels: {apart:.4f} pixels at most')

distorted = (forward - CENTRE) / FOCAL
square = (distorted**2).sum(1, keepdims=True)
k1, k2, _, _, k3 = COEFFICIENTS
rays = distorted * (1 + k1 * square + k2 * square**2 + k3 * square**3)
inverse = FOCAL * np.linalg.norm(rays - points[:, :2], axis=1).max()
print(f'the polynomial taken as the way from pixels to rays: {inverse:.1f} pixels at most')
assert apart < 0.05, 'the model is no longer the forward one'
assert inverse > 5
PY
