#!/usr/bin/env bash
# pynmea2 1.19.0 (PyPI): a receiver that has no fix yet is at 0.0 north, 0.0 east.
#
# Expected by most: a GGA or RMC sentence whose position fields are empty, as receivers send before
# the first lock, has no latitude (None, NaN, or an error); its altitude is None in that case.
# Seen: `latitude` and `longitude` are 0.0, a valid place in the Gulf of Guinea. Only `is_valid`,
# `gps_qual` and `status` tell the difference.
# Matters for: drivers that copy latitude and longitude into a NavSatFix. Their recordings begin
# with fixes at 0/0, and poses interpolated towards the first lock run across the Sahara.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q --disable-pip-version-check pynmea2==1.19.0
"$folder/venv/bin/python" - <<'PY'
import functools
import operator

import pynmea2


def parsed(body):
    checksum = functools.reduce(operator.xor, body.encode())
    return pynmea2.parse(f'${body}*{checksum:02X}')


before_lock = parsed('GPGGA,092204.999,,,,,0,00,99.9,,M,,M,,')
warning = parsed('GPRMC,092204.999,V,,,,,,,230394,,,N')
locked = parsed('GPGGA,123519,4807.038,N,01131.000,E,1,08,0.9,545.4,M,46.9,M,,')
for each in (before_lock, warning, locked):
    altitude = getattr(each, 'altitude', 'not in this sentence')
    print(f'{each.sentence_type}: {each.latitude} {each.longitude}, altitude {altitude}, valid {each.is_valid}')
assert (before_lock.latitude, before_lock.longitude, before_lock.altitude) == (0.0, 0.0, None)
assert (warning.latitude, warning.longitude) == (0.0, 0.0)
assert not before_lock.is_valid and not warning.is_valid
assert locked.is_valid and abs(locked.latitude - 48.1173) < 1e-6
PY
