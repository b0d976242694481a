#!/usr/bin/env bash
# opencv-python-headless 5.0.0.93 (PyPI): IMREAD_REDUCED_COLOR_8 averages the pixels of a JPEG, and picks
# four of 64 of a PNG; their sizes differ as well.
#
# Expected by most: one picture, stored as PNG or as JPEG of the best quality, is read a half, a
# quarter or an eighth as large with the same size and nearly the same pixels.
# Seen: of a JPEG, the decoder makes means of blocks, and a last block that is not whole counts: 606 x 401
# becomes 76 x 51. A PNG is decoded and then made smaller without a filter, to 75 x 50: the standard
# deviation of a fine texture is 19.2 instead of 8.3, stripes turn into moire. WebP and TIFF are like
# PNG. An eighth of a PNG differs from its mean by 14 grey levels on average, of a JPEG by 1.
# Matters for: thumbnails and small inputs of networks: a map from JPEGs and a query from PNGs, or from
# raw images that were made smaller with INTER_AREA, are of different sharpness.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q --disable-pip-version-check \
    opencv-python-headless==5.0.0.93 numpy==2.2.6
"$folder/venv/bin/python" - "$folder" <<'PY'
import sys

import cv2
import numpy as np

noise = np.random.default_rng(0).integers(0, 255, (401, 606, 3)).astype(np.uint8)
texture = cv2.GaussianBlur(noise, (0, 0), 1.0)
means = texture[:400, :600].reshape(50, 8, 75, 8, 3).mean(axis=(1, 3))
best = {
    'png': [],
    'tiff': [],
    'webp': [cv2.IMWRITE_WEBP_QUALITY, 101],
    'jpg': [cv2.IMWRITE_JPEG_QUALITY, 100, cv2.IMWRITE_JPEG_SAMPLING_FACTOR, 0x111111],
}
for name, options in best.items():
    path = f'{sys.argv[1]}/texture.{name}'
    assert cv2.imwrite(path, texture, options)
    assert np.abs(cv2.imread(path).astype(int) - texture).mean() < 2
    small = cv2.imread(path, cv2.IMREAD_REDUCED_COLOR_8)
    away = np.abs(small[:50, :75] - means).mean()
    print(f'{name}: {small.shape[1]} x {small.shape[0]}, standard deviation {small.std():.1f}, '
          f'from the means of 8 x 8 pixels {away:.1f}')
    if name == 'jpg':
        assert small.shape == (51, 76, 3) and small.std() < 10 and away < 2
    else:
        assert small.shape == (50, 75, 3) and small.std() > 15 and away > 10
PY
