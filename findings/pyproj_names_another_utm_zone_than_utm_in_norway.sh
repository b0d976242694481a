#!/usr/bin/env bash
# pyproj 3.7.2 and utm 0.9.0 (PyPI): the two libraries put Bergen and the west of Svalbard into
# different UTM zones.
#
# Expected by most: the UTM zone of a point is a matter of definition, so that
# pyproj.database.query_utm_crs_info (which its documentation offers for finding it, and which
# geopandas' estimate_utm_crs calls) names the zone that utm.from_latlon takes.
# Seen: query_utm_crs_info goes by the areas of use of the EPSG entries, which are plain strips of
# 6 degrees. It knows neither zone 32V of south-western Norway, which is widened to 3 degrees east,
# nor the zones 31X to 37X of Svalbard. Bergen is in 31 by pyproj and in 32 by utm, and its eastings
# differ by 330 km. On the border of two strips (Greenwich) it lists both zones, west first.
# Matters for: UTM positions of one city, where one drive was converted with the one library and
# another drive, or the names of the images, with the other.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q --disable-pip-version-check pyproj==3.7.2 utm==0.9.0
"$folder/venv/bin/python" - <<'PY'
import utm
from pyproj import Transformer
from pyproj.aoi import AreaOfInterest
from pyproj.database import query_utm_crs_info

PLACES = {
    'Bergen': (60.39, 5.32),
    'Svalbard, west': (78.0, 8.0),
    'Paris': (48.85, 2.35),
    'Greenwich': (51.477, 0.0),
}
zones = {}
for name, (latitude, longitude) in PLACES.items():
    point = AreaOfInterest(longitude, latitude, longitude, latitude)
    found = query_utm_crs_info(datum_name='WGS 84', area_of_interest=point, contains=True)
    east, _, zone, _ = utm.from_latlon(latitude, longitude)
    by_pyproj = [int(each.code) - 32600 for each in found]
    to_utm = Transformer.from_crs('EPSG:4326', f'EPSG:{found[0].code}')
    easting = to_utm.transform(latitude, longitude)[0]
    print(f'{name:15} pyproj: zones {by_pyproj}, {easting:9.0f} m east; utm: zone {zone}, {east:9.0f} m')
    zones[name] = by_pyproj, zone, easting - east
assert zones['Bergen'][:2] == ([31], 32) and zones['Bergen'][2] > 300_000
assert zones['Svalbard, west'][:2] == ([32], 31)
assert zones['Paris'][:2] == ([31], 31) and abs(zones['Paris'][2]) < 0.01
assert zones['Greenwich'][:2] == ([30, 31], 31)
PY
