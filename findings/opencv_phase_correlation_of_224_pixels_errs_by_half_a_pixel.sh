#!/usr/bin/env bash
# opencv-python-headless 5.0.0.93 and 4.12.0.88 (PyPI): phaseCorrelate finds an image of 224 x 224 half
# a pixel beside itself.
#
# Expected by most: phaseCorrelate(image, image) is (0, 0) for every size, and with a Hanning window
# it is right to a tenth of a pixel or so.
# Seen: it is (0.5, 0.5) for 75, 125, 224, 225, 243, 375, 625 and 675, and right for 240, 480, 512 and
# 640. The images are padded to getOptimalDFTSize, which is 225 for 224; where that is odd, half of
# it, as a fraction, is taken for the place of no shift. Width and height err each by its own.
# Matters for: shifts between frames, shifts of patches around a match, and headings from polar
# images, with the input sizes of networks above all. An error of half a pixel that is the same at
# all times looks like a drift. The remedy is a size whose optimum is even.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q --disable-pip-version-check \
    opencv-python-headless==5.0.0.93 numpy==2.2.6
"$folder/venv/bin/python" - <<'PY'
import cv2
import numpy as np

noise = np.random.default_rng(0).normal(size=(800, 800))
scene = cv2.GaussianBlur(noise, (0, 0), 2)


def shift(width, height, by=0):
    window = cv2.createHanningWindow((width, height), cv2.CV_64F)
    first = scene[:height, by : by + width].copy()
    second = scene[:height, :width].copy()
    return np.round(cv2.phaseCorrelate(first, second, window)[0], 2)


for width, height in ((240, 240), (224, 224), (640, 480), (225, 480), (640, 375), (675, 512)):
    best = cv2.getOptimalDFTSize(width), cv2.getOptimalDFTSize(height)
    found, moved = shift(width, height), shift(width, height, by=10)
    print(f'{width} x {height}, padded to {best}: beside itself {found}, 10 pixels on {moved}')
    expected = [0.5 * (size % 2) for size in best]
    assert np.allclose(found, expected, atol=0.02)
    assert np.allclose(moved, np.array(expected) + (10, 0), atol=0.25)
PY
