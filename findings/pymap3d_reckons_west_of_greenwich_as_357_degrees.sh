#!/usr/bin/env bash
# pymap3d 3.2.0 (PyPI): vreckon and track2 give longitudes from 0 to 360; the other functions of the
# package, and those of pyproj, give them from -180 to 180.
#
# Expected by most: 1 km east of 3 degrees west, at 51 north, is -2.986.
# Seen: it is 357.014, without a word. enu2geodetic of the same package gives -2.986, and
# so does Geod.fwd of pyproj. The difference of the two longitudes is 360 degrees, their mean (as of two
# poses that are interpolated) is in the Pacific, and the value is outside of what a NavSatFix or
# GeoPoint holds.
# Matters for: drives west of Greenwich, in both Americas, half of Spain and most of Britain. East of it
# nothing is seen.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q --disable-pip-version-check pymap3d==3.2.0 pyproj==3.7.1 numpy==2.2.6
"$folder/venv/bin/python" - <<'PY'
import pymap3d
from pymap3d.vincenty import track2, vreckon
from pyproj import Geod

lat, lon = 51.0, -3.0
_, reckoned = vreckon(lat, lon, 1000.0, 90.0)
_, from_enu, _ = pymap3d.enu2geodetic(1000.0, 0.0, 0.0, lat, lon, 0.0)
by_pyproj, _, _ = Geod(ellps='WGS84').fwd(lon, lat, 90.0, 1000.0)
_, track = track2(lat, -3.0, lat, -2.0, npts=3)
print(f'vreckon {float(reckoned):.6f}, enu2geodetic {float(from_enu):.6f}, pyproj {by_pyproj:.6f}')
print('track2 from -3 to -2:', [round(float(value), 3) for value in track])
assert abs(from_enu - by_pyproj) < 1e-6 and abs(reckoned - by_pyproj - 360) < 1e-6
PY
