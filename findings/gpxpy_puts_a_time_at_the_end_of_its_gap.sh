#!/usr/bin/env bash
# gpxpy 1.6.2 (PyPI): get_location_at(time) gives the first point at or after the time, however far
# off it is.
#
# Expected by most: a position interpolated between the points on both sides, or the nearest point.
# Seen: 1 s after a fix, where the next one is 50 s later, the answer is the position of that later
# fix, with its time. Nothing tells that there was a gap; after the last point the list is empty.
# On a log of one fix per second all answers lie ahead, by half a second of driving on average:
# 7 m at 50 km/h, and always in the same direction along the road.
# Matters for: positions of images that are taken from a GPX track. Two drives of one road in
# opposite directions are moved apart by twice that.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q --disable-pip-version-check gpxpy==1.6.2
"$folder/venv/bin/python" - <<'PY'
import datetime

import gpxpy

fixes = ((48.00, '12:00:00'), (48.01, '12:00:10'), (48.02, '12:01:00'))
points = ''.join(
    f'<trkpt lat="{latitude}" lon="11"><time>2026-01-01T{clock}Z</time></trkpt>'
    for latitude, clock in fixes
)
track = gpxpy.parse(
    '<gpx version="1.1" creator="x" xmlns="http://www.topografix.com/GPX/1/1">'
    f'<trk><trkseg>{points}</trkseg></trk></gpx>'
)
noon = datetime.datetime(2026, 1, 1, 12, tzinfo=datetime.timezone.utc)
found = {}
for seconds in (0, 1, 9, 11, 30, 61):
    answers = track.get_location_at(noon + datetime.timedelta(seconds=seconds))
    found[seconds] = [(each.latitude, (each.time - noon).total_seconds()) for each in answers]
    print(f'{seconds} s: {found[seconds]}')
assert found[0] == [(48.00, 0.0)] and found[1] == found[9] == [(48.01, 10.0)]
assert found[11] == found[30] == [(48.02, 60.0)] and found[61] == []
PY
