#!/usr/bin/env bash
# dji-telemetry 1.0.1 (PyPI): a number of a subtitle track (.SRT) that it does not recognise becomes 0: the
# longitude of drones that spell it `longtitude`, the height above the start where it is negative, and the height
# above the sea where both heights share one pair of brackets.
#
# Expected by most: an error, None or NaN.
# Seen: for `[latitude: 46.5] [longtitude: 7.5] [altitude: 1200.0]` latitude 46.5 and longitude 0, 575 km west;
# for `[rel_alt: -12.500 abs_alt: 1187.500]` 0 m above the start and 0 m above the sea, so that a flight down
# into a valley has no vertical speed from there on.
# Matters for: whoever takes the positions of pictures from these tracks: latitude and height are plausible, and
# a check for 0, 0 does not find it.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q --disable-pip-version-check dji-telemetry==1.0.1
cd "$folder"
"$folder/venv/bin/python" - 2> log <<'PY' || { cat log; exit 1; }
from pathlib import Path

from dji_telemetry.parser import parse_srt

HEAD = (
    '{number}\n00:00:0{second},000 --> 00:00:0{next},000\n'
    '<font size="28">FrameCnt: {number}, DiffTime: 1000ms\n2026-07-01 09:05:0{second}.000\n'
)


def track(name, lines):
    """A track with one block a second."""
    blocks = [
        HEAD.format(number=second + 1, second=second, next=second + 1) + line + '</font>\n'
        for second, line in enumerate(lines)
    ]
    Path(name).write_text('\n'.join(blocks))
    return parse_srt(name, smooth_speeds=False).frames


newer = track(
    'newer.SRT',
    [
        f'[iso: 100] [latitude: 46.5] [longitude: 7.5] [rel_alt: {height:.3f} '
        f'abs_alt: {1200 + height:.3f}] [ct: 5500]'
        for height in (5, -5, -12.5)
    ],
)
for frame in newer:
    print(f'{frame.latitude} {frame.longitude}, {frame.rel_alt} m above the start, {frame.abs_alt} m, '
          f'{frame.v_speed} m/s')
assert [frame.rel_alt for frame in newer] == [5, 0, 0]
assert [frame.v_speed for frame in newer] == [0, -5, 0]
assert [frame.abs_alt for frame in newer] == [0, 0, 0]
assert {(frame.latitude, frame.longitude) for frame in newer} == {(46.5, 7.5)}
(older,) = track('older.SRT', ['[iso : 100] [latitude: 46.5] [longtitude: 7.5] [altitude: 1200.0]'])
print('with longtitude:', older.latitude, older.longitude)
assert (older.latitude, older.longitude) == (46.5, 0)
PY
