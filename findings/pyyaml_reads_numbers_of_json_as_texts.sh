#!/usr/bin/env bash
# pyyaml 6.0.3 (PyPI): numbers of JSON such as 1e-05 are read as texts, and numpy then makes texts of
# the whole list.
#
# Expected by most: JSON is YAML, so yaml.safe_load(json.dumps(x)) gives x; where a value is a text
# instead, the arithmetic on it fails at once.
# Seen: PyYAML follows YAML 1.1, where a float needs a point: 1e-05, as json.dumps and repr write it,
# becomes '1e-05', while 0.1 beside it is a number. np.array of the list is an array of texts, without
# an error there.
# Matters for: lens coefficients, which are often below 1e-4, in files that a program wrote with
# json.dumps, repr or an f-string.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q --disable-pip-version-check pyyaml==6.0.3 numpy==2.2.6
"$folder/venv/bin/python" - <<'PY'
import json

import numpy as np
import yaml

written = [-0.28, 0.07, 1e-05, -0.0005, 0.0]
read = yaml.safe_load(json.dumps(written))
print('written', written)
print('read   ', read, '->', np.array(read).dtype)
assert read != written and read[2] == '1e-05' and np.array(read).dtype.kind == 'U'
assert yaml.safe_load(yaml.safe_dump(written)) == written
print('5e16 becomes', repr(yaml.safe_load(json.dumps(5e16))), '- 1.0e-05, as yaml.dump writes it, is', yaml.safe_load('1.0e-05'))
assert isinstance(yaml.safe_load(json.dumps(5e16)), str)
PY
