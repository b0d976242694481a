#!/usr/bin/env bash
# gnss-lib-py 1.1.0 (PyPI): positions in rows are converted rightly, unless there are exactly three of them.
#
# Expected by most: what is documented for both shapes, (N, 3) and (3, N), holds for each N, or an array
# that may be either is refused.
# Seen: geodetic_to_ecef and ecef_to_geodetic of two or four positions in rows are right. Three rows are taken
# for three columns, without a word: the latitudes of the three become the latitude, longitude and
# altitude of the first. Places near Munich come out thousands of kilometres away.
# Matters for: fixes that come in windows, a map of three surveyed points, and a test with three rows of
# real data. The remedy is to give columns, (3, N).
# Needs Python 3.10 to 3.13.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q --disable-pip-version-check gnss-lib-py==1.1.0 numpy==2.2.6
cd "$folder"
"$folder/venv/bin/python" - <<'PY'
import numpy as np
from gnss_lib_py.utils.coordinates import ecef_to_geodetic, geodetic_to_ecef

geodetic = np.array([[48.1, 11.5, 520.0], [48.2, 11.6, 510.0], [48.3, 11.7, 500.0], [48.4, 11.8, 490.0]])
ecef = geodetic_to_ecef(geodetic.T).T  # in columns, which is right for any number
for count in (1, 2, 3, 4):
    away = np.linalg.norm(geodetic_to_ecef(geodetic[:count]) - ecef[:count], axis=-1)
    back = np.allclose(ecef_to_geodetic(ecef[:count]), geodetic[:count], atol=1e-2)
    print(f'{count} rows: {away.max() / 1e3:7.1f} km away; and back from ECEF:', 'right' if back else 'wrong')
    assert (away.max() > 1e6) == (count == 3) and back == (count != 3)
columns = geodetic_to_ecef(geodetic[:3].T)
assert np.allclose(columns.T, ecef[:3])
first = geodetic_to_ecef(geodetic[:3])[:, 0]
print('of three rows one lies where latitude, longitude and altitude are', geodetic[:3, 0])
assert np.allclose(first, geodetic_to_ecef(geodetic[:3, :1]).ravel())
PY
