#!/usr/bin/env bash
# cameratransform 1.2.1 (PyPI): gpsFromSpace and spaceFromGPS take the earth for a sphere of 6,371 km.
#
# Expected by most: positions of "GPS" are those of WGS84, as pyproj, pymap3d, geographiclib and receivers
# have them, and an error over a kilometre is of millimetres.
# Seen: what the camera calls 1,000 m to the north is 994.4 m away on the equator, 1,000.8 m at 53 degrees
# and 1,004.2 m at 80 degrees north; 1,000 m to the east are 1,001.1, 1,003.3 and 1,004.4 m.
# Matters for: whoever gives a satellite position to what a camera sees, or puts such positions into the
# frame of a camera: 100 m off, the place is up to half a metre beside, which no calibration
# of the camera explains, and which changes with the latitude.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q --disable-pip-version-check cameratransform==1.2.1 geographiclib==2.1
cd "$folder"
"$folder/venv/bin/python" - <<'PY'
import cameratransform as ct
import numpy as np
from geographiclib.geodesic import Geodesic

camera = ct.Camera(
    ct.RectilinearProjection(focallength_px=500, image=(640, 480)),
    ct.SpatialOrientation(elevation_m=10, tilt_deg=45),
)
seen = {}
for latitude in (0.0, 53.0, 80.0):
    camera.setGPSpos(latitude, 10.0, 10.0)
    for name, position in (('north', (0.0, 1000.0, 0.0)), ('east', (1000.0, 0.0, 0.0))):
        there = camera.gpsFromSpace(np.array([position]))[0]
        way = Geodesic.WGS84.Inverse(latitude, 10.0, there[0], there[1])
        seen[latitude, name] = way['s12']
        print(f'{latitude:4.0f} degrees north: 1,000 m to the {name} are {way["s12"]:.1f} m')
        # The way back has the same error, so that there and back nothing shows.
        back = camera.spaceFromGPS(there[None])[0]
        assert np.allclose(back[:2], position[:2], atol=0.01), back
wanted = [994.4, 1001.1, 1000.8, 1003.3, 1004.2, 1004.4]
assert np.allclose(list(seen.values()), wanted, atol=0.1)
PY
