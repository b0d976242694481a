#!/usr/bin/env bash
# opencv-python-headless 5.0.0.93 (PyPI): of ArUco's four ways to refine corners, one counts from the
# edge of the pixels, and two make the marker a pixel too small.
#
# Expected by most: CORNER_REFINE_SUBPIX, _CONTOUR and _APRILTAG differ in how exact they are, and all
# mean the same point, in the pixels of cv2.projectPoints, whose centres are whole numbers.
# Seen: a black square whose edges are at 79.5 and 175.5 is found at 79.56 and 175.44 by SUBPIX, at 80
# and 175 by CONTOUR and without a refinement, and at 80 and 176 by APRILTAG. The last is half a
# pixel to the lower right of all others; those between have a side of 95 for 96 pixels, and of 23
# for 24, which puts a marker 4 % too far away at that size. Slanted markers that were drawn with
# anti-aliasing show the same.
# Matters for: positions from markers as ground truth of places, and charts of calibrations, where the
# half pixel goes into the principal point.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q --disable-pip-version-check \
    opencv-python-headless==5.0.0.93 numpy==2.2.6
"$folder/venv/bin/python" - <<'PY'
import cv2
import numpy as np

marks = cv2.aruco.getPredefinedDictionary(cv2.aruco.DICT_4X4_50)


def found(side, refinement):
    """First and last coordinate of a marker that covers the pixels 80 to 80 + side - 1."""
    image = np.full((300, 300), 255, np.uint8)
    image[80 : 80 + side, 80 : 80 + side] = cv2.aruco.generateImageMarker(marks, 3, side)
    parameters = cv2.aruco.DetectorParameters()
    parameters.cornerRefinementMethod = refinement
    corners, _, _ = cv2.aruco.ArucoDetector(marks, parameters).detectMarkers(image)
    assert len(corners) == 1
    return corners[0].min(), corners[0].max()


expected = {'NONE': (0.5, -0.5), 'CONTOUR': (0.5, -0.5), 'SUBPIX': (0, 0), 'APRILTAG': (0.5, 0.5)}
for side in (96, 48, 24):
    edges = 79.5, 79.5 + side
    for name, (before, after) in expected.items():
        first, last = found(side, getattr(cv2.aruco, f'CORNER_REFINE_{name}'))
        print(f'edges at {edges}, {name}: {first:.2f} and {last:.2f}, side {last - first:.2f}')
        assert abs(first - edges[0] - before) < 0.25 and abs(last - edges[1] - after) < 0.25
PY
