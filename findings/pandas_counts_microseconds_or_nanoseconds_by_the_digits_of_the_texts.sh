#!/usr/bin/env bash
# pandas 3.1.1 (PyPI): to_datetime(texts).astype('int64') is in microseconds or in nanoseconds,
# depending on how many digits the texts have.
#
# Expected by most: nanoseconds, as in every version before 3; or, who read that version 3 has
# microseconds, those.
# Seen: KITTI's timestamps.txt, with nine digits behind the point, gives nanoseconds, and the same
# times with six digits, as Python's isoformat prints them, microseconds. One text with a seventh
# digit changes the unit of the whole column. Numbers of seconds (unit='s') give microseconds where
# they are integers, and nanoseconds where they are floats. merge_asof refuses to join two such
# columns, but integers that were made of them, divided by 1e9, are wrong by a factor of 1000.
# Matters for: stamps of images and poses that are compared as integers. dt.as_unit('ns') first
# makes both the same; Timestamp.value is in nanoseconds always.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q --disable-pip-version-check pandas==3.1.1 numpy==2.2.6
"$folder/venv/bin/python" - <<'PY'
import pandas as pd

kitti = ['2011-09-26 13:02:25.964389445', '2011-09-26 13:02:26.067000000']
python = ['2011-09-26 13:02:25.964389', '2011-09-26 13:02:26.067000']
mixed = [python[0], kitti[1][:-2]]
whole = {}
for name, texts in (('nine digits', kitti), ('six digits', python), ('six and seven', mixed)):
    times = pd.to_datetime(pd.Series(texts))
    whole[name] = times.astype('int64')[1]
    print(f'{name}: {times.dtype}, the second is {whole[name]}')
    assert times.dt.as_unit('ns').astype('int64')[1] == 1317042146067000000
    assert times[1].value == 1317042146067000000
assert whole['nine digits'] == 1317042146067000000
assert whole['six digits'] == 1317042146067000
assert whole['six and seven'] == 1317042146067000000
units = [pd.to_datetime(pd.Series(seconds), unit='s').dtype for seconds in ([3, 4], [3.5, 4.5])]
print('seconds as integers and as floats:', *units)
assert units == ['datetime64[us]', 'datetime64[ns]']
PY
