#!/usr/bin/env bash
# rosbags-image 0.10.4 with rosbags 0.11.9 (PyPI): a 32FC1 image as mono8 keeps each value modulo 256.
#
# Expected by most: values beyond 0 to 255 are clipped, as OpenCV's convertTo in cv_bridge does, or
# the conversion is refused.
# Seen: 300.0 becomes 44 and -1.0 becomes 255. A thermal camera that publishes kelvin as 32FC1 gives a
# picture in which 257 K is darker than 255 K, with no error; a depth in metres loses its fractions.
# 16-bit images are scaled by 255 / 65535 and rounded down.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q --disable-pip-version-check rosbags==0.11.9 rosbags-image==0.10.4 \
    opencv-python-headless==4.12.0.88 numpy==2.2.6
"$folder/venv/bin/python" - <<'PY'
import numpy as np
from rosbags.image import image_to_cvimage
from rosbags.typesys import Stores, get_typestore

types = get_typestore(Stores.ROS2_JAZZY).types
stamp = types['builtin_interfaces/msg/Time'](0, 0)
header = types['std_msgs/msg/Header'](stamp, 'camera')


def as_mono8(values, encoding):
    rows = values[None]
    message = types['sensor_msgs/msg/Image'](
        header, 1, len(values), encoding, 0, rows.nbytes, rows.view(np.uint8).ravel()
    )
    return image_to_cvimage(message, 'mono8').ravel().tolist()


floats = as_mono8(np.array([0.9, 200.0, 300.0, -1.0], np.float32), '32FC1')
counts = as_mono8(np.array([255, 256, 65535], np.uint16), 'mono16')
print('32FC1 [0.9, 200, 300, -1]  ->', floats)
print('mono16 [255, 256, 65535] ->', counts)
assert floats == [0, 200, 44, 255]
assert counts == [0, 0, 255]
PY
