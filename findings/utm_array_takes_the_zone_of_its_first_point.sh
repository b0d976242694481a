#!/usr/bin/env bash
# utm 0.9.0 (PyPI): utm.from_latlon on arrays puts every point into the zone of the first one.
#
# Expected by most: each point gets its own zone, as it does one by one, or an error says that the
# points lie in two zones (points on both sides of the equator do raise one).
# Seen: a drive that crosses 6 degrees east is given in zone 31 as a whole, without a warning. The
# same two points one by one are in zones 31 and 32, 432 km apart by their eastings. Which of the
# two a map gets depends on whether its author called the function in a loop, and a map whose first
# point is on the other side has other coordinates for the same place.
# Matters for: UTM positions of two drives, or of file names, compared by metres.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q --disable-pip-version-check utm==0.9.0 numpy==2.2.6
"$folder/venv/bin/python" - <<'PY'
import numpy as np
import utm

latitude, longitude = np.array([48.0, 48.0]), np.array([5.9, 6.1])
east, _, zone, _ = utm.from_latlon(latitude, longitude)
print('as arrays:  zone', zone, 'eastings', east.round())
single = [utm.from_latlon(a, b) for a, b in zip(latitude, longitude)]
print('one by one: zones', [each[2] for each in single], 'eastings', [round(each[0]) for each in single])
assert zone == 31 and [each[2] for each in single] == [31, 32]
assert abs(east[1] - east[0]) < 16_000 and abs(single[1][0] - single[0][0]) > 430_000
back = utm.from_latlon(latitude[::-1], longitude[::-1])
print('other order: zone', back[2])
assert back[2] == 32
PY
