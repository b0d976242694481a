#!/usr/bin/env bash
# pyrealsense2 2.59.1.11053 (librealsense; PyPI): rs2_deproject_pixel_to_point is not the inverse of
# rs2_project_point_to_pixel for two of its lens models, and says nothing about it.
#
# Expected by most: a pixel that is deprojected and projected again is where it was; or else an
# error for models that cannot be deprojected.
# Seen: with modified_brown_conrady the coefficients are left out, as if there were no lens
# distortion (5 pixels off here). With ftheta the tangent is divided by
# atan(2 tan(w / 2)) instead of by 2 tan(w / 2): 39 pixels off at w = 0.5 and 74 at w = 0.9, where
# the picture is 1280 pixels wide. brown_conrady, inverse_brown_conrady and kannala_brandt4 come
# back within 0.001 pixels.
# Where it matters: points and rays of unrectified infrared pictures, and of files with these models.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q --disable-pip-version-check pyrealsense2==2.59.1.11053
"$folder/venv/bin/python" - <<'PY'
from math import atan, dist, isclose, tan

import pyrealsense2 as rs

FOCAL, CENTRE = 600.0, (640.0, 360.0)
BROWN = [0.16, -0.5, 0.0005, -0.0003, 0.45]


def lens(model, coefficients):
    made = rs.intrinsics()
    made.width, made.height = 1280, 720
    made.fx = made.fy = FOCAL
    made.ppx, made.ppy = CENTRE
    made.model, made.coeffs = getattr(rs.distortion, model), coefficients
    return made


def off(camera, pixel):
    ray = rs.rs2_deproject_pixel_to_point(camera, pixel, 2.0)
    return dist(rs.rs2_project_point_to_pixel(camera, ray), pixel)


seen = {}
for model, coefficients, pixel in (
    ('brown_conrady', BROWN, [300.0, 150.0]),
    ('inverse_brown_conrady', BROWN, [300.0, 150.0]),
    ('kannala_brandt4', [0.02, -0.006, 0.002, -0.0005, 0.0], [100.0, 100.0]),
    ('modified_brown_conrady', BROWN, [300.0, 150.0]),
    ('ftheta', [0.5, 0.0, 0.0, 0.0, 0.0], [1200.0, 360.0]),
    ('ftheta', [0.9, 0.0, 0.0, 0.0, 0.0], [1200.0, 360.0]),
):
    seen[model, coefficients[0]] = off(lens(model, coefficients), pixel)
    print(f'{model}, {coefficients[0]}, ...: {seen[model, coefficients[0]]:.3f} pixels off')

plain = rs.rs2_deproject_pixel_to_point(lens('none', [0.0] * 5), [300.0, 150.0], 1.0)
assert plain == rs.rs2_deproject_pixel_to_point(
    lens('modified_brown_conrady', BROWN), [300.0, 150.0], 1.0
), 'the coefficients are used now'
w, radius = 0.9, (1200.0 - CENTRE[0]) / FOCAL
across = rs.rs2_deproject_pixel_to_point(lens('ftheta', [w, 0.0, 0.0, 0.0, 0.0]), [1200.0, 360.0], 1.0)[0]
print(f'ftheta: {across:.4f} across; with 2 tan(w / 2) it would be {tan(w * radius) / (2 * tan(w / 2)):.4f}')
assert isclose(across, tan(w * radius) / atan(2 * tan(w / 2)), rel_tol=1e-5), 'ftheta has changed'
wrong = {'modified_brown_conrady', 'ftheta'}
assert all((pixels > 1) == (model in wrong) for (model, _), pixels in seen.items())
PY
