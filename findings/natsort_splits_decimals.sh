#!/usr/bin/env bash
# natsort 8.4.0 (PyPI): natsorted puts 0.5 before 0.125, and alg=REAL reads a hyphen as a minus.
#
# Expected by most: natural order is the order of the numbers in the names. So files that are named
# by their seconds, as 1305031452.125.png, come in the order of time, and run-2 before run-10.
# Seen: by default a point separates two whole numbers, so that .5 comes before .125 of the same
# second; time is in order only where all names have the same number of decimals, and Python
# prints 0.5, not 0.500. alg=ns.REAL, which mends this, sorts run-10 before run-2 and 2012-10
# before 2012-9. No setting orders both kinds of names.
# Where it matters: sequences of images that are told by their index, such as ground truth by frame.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q --disable-pip-version-check natsort==8.4.0
"$folder/venv/bin/python" - <<'PY'
from natsort import natsorted, ns

frames = [f'{1305031452 + step / 8}.png' for step in range(9)]
by_default, by_number = natsorted(frames), natsorted(frames, alg=ns.REAL)
print('in the order of time:', *frames)
print('natsorted:           ', *by_default)
print('alg=REAL:            ', *by_number)
assert by_default != frames and by_number == frames

runs = ['run-2', 'run-9', 'run-10']
print('runs, natsorted:', *natsorted(runs), '| alg=REAL:', *natsorted(runs, alg=ns.REAL))
assert natsorted(runs) == runs and natsorted(runs, alg=ns.REAL) == runs[::-1]
PY
