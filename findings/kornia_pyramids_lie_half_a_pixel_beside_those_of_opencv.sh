#!/usr/bin/env bash
# kornia 0.9.0 (PyPI) beside OpenCV 5.0.0: a pixel of kornia's pyrdown lies between two pixels of the
# picture, one of cv2.pyrDown on every second pixel.
#
# Expected by most: both are the same 5x5 filter and every second pixel, so that a key point of the
# half picture is at 2 x in the whole one.
# Seen: on a ramp, whose values are the positions, pixel k of cv2.pyrDown is at 2 k, that of
# kornia.geometry.transform.pyrdown at 2 k + 0.5: it halves by interpolation after the filter. With each
# level it doubles: after three, 8 k and 8 k + 3.5.
# Where it matters: key points and correspondences that were found in one pyramid and scaled as in
# the other; at the third level they are 3.5 pixels off.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q --disable-pip-version-check torch==2.13.0 \
    kornia==0.9.0 opencv-python-headless==5.0.0.93 numpy==2.4.6
"$folder/venv/bin/python" -W ignore - <<'PY'
import cv2
import numpy as np
import torch
from kornia.geometry.transform import pyrdown

opencv = np.tile(np.arange(256, dtype=np.float32), (256, 1))
kornia = torch.from_numpy(opencv)[None, None]
for level in (1, 2, 3):
    opencv, kornia = cv2.pyrDown(opencv), pyrdown(kornia)
    middle = opencv.shape[1] // 2
    # What the edges are filled with reaches some pixels into each picture.
    of_opencv = float(opencv[middle, middle]) - 2**level * middle
    of_kornia = float(kornia[0, 0, middle, middle]) - 2**level * middle
    print(f'level {level}: pixel k of OpenCV is at {2**level} k + {of_opencv:.2f}, '
          f'of kornia at {2**level} k + {of_kornia:.2f}')
    assert abs(of_opencv) < 0.01
    assert abs(of_kornia - (2**level - 1) / 2) < 0.01, 'kornia has moved'
PY
