#!/usr/bin/env bash
# opencv-python-headless 5.0.0.93 (PyPI): cv2.FileStorage reads a quoted number as 1.8e308, and the
# first of two equal keys, where PyYAML 6.0.3 takes the last.
#
# Expected by most: `fx: "458.6"` gives 458.6, or an error; and of a key that was written twice (a
# setting that somebody corrected further down) all readers of YAML take the same value.
# Seen: FileNode.real() of a string is the largest double, without an error, and isReal() has to be
# asked first. Of two equal keys FileStorage keeps the first one, PyYAML the last one. So the same
# settings file gives ORB-SLAM, which reads with FileStorage, another camera than a Python tool.
# Matters for: calibrations and settings files that C++ and Python programs share.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q --disable-pip-version-check opencv-python-headless==5.0.0.93 pyyaml==6.0.3
cat > "$folder/settings.yaml" <<'YAML'
%YAML:1.0
---
Camera.fx: "458.6"
Camera.fy: 457.3
Camera.cx: 367.2
Camera.cx: 376.0
YAML
cd "$folder"
venv/bin/python - <<'PY'
import sys

import cv2
import yaml

storage = cv2.FileStorage('settings.yaml', cv2.FILE_STORAGE_READ)
with open('settings.yaml', encoding='utf-8') as file:
    by_pyyaml = yaml.safe_load(file.read().removeprefix('%YAML:1.0\n'))
by_opencv = {key: storage.getNode(key).real() for key in ('Camera.fx', 'Camera.fy', 'Camera.cx')}
print('cv2.FileStorage', by_opencv)
print('PyYAML         ', by_pyyaml)
assert by_opencv['Camera.fx'] == sys.float_info.max and not storage.getNode('Camera.fx').isReal()
assert by_opencv['Camera.fy'] == by_pyyaml['Camera.fy'] == 457.3
assert (by_opencv['Camera.cx'], by_pyyaml['Camera.cx']) == (367.2, 376.0)
PY
