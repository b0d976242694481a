#!/usr/bin/env bash
# Pillow 12.3.0 (PyPI): colour PNG and TIFF with 16 bits are opened with 8, the lower half cut away.
#
# Expected by most: a mode with 16 bits, as grey images have it (I;16), or an error.
# Seen: the mode is RGB, and of each value the upper byte is kept. The pictures of a camera that uses
# 12 of the 16 bits (0 to 4095), written by OpenCV or by image_transport's PNG mode, have the values
# 0 to 15: black, with no word. Grey images keep their values, but convert('RGB') and convert('L')
# clip them at 255, so that the same camera in grey becomes white.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q --disable-pip-version-check pillow==12.3.0 numpy==2.2.6 \
    opencv-python-headless==4.12.0.88
"$folder/venv/bin/python" - <<'PY'
import io

import cv2
import numpy as np
from PIL import Image


def opened(values, ending):
    return Image.open(io.BytesIO(cv2.imencode(ending, values)[1].tobytes()))


twelve_bits = np.linspace(0, 4095, 48).astype(np.uint16).reshape(4, 4, 3)
for ending in ('.png', '.tiff'):
    colour = opened(twelve_bits, ending)
    print(ending, colour.mode, 'largest value', np.asarray(colour).max(), 'of 4095')
    assert (colour.mode, np.asarray(colour).max()) == ('RGB', 15)
    grey = opened(twelve_bits[:, :, 0], ending)
    clipped = np.asarray(grey.convert('L'))
    print(ending, grey.mode, 'largest', np.asarray(grey).max(), '- median as L:', np.median(clipped))
    assert np.asarray(grey).max() > 3800
    assert np.median(clipped) == 255
PY
