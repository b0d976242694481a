#!/usr/bin/env bash
# opencv-python-headless 5.0.0.93 with PyAV 17.1.0 (PyPI): in a video of variable frame rate,
# set(CAP_PROP_POS_MSEC, t) goes to another time, while the times that it reports are right.
#
# Expected by most: the picture at t, as get(CAP_PROP_POS_MSEC) gives it after each read(); and if
# something goes by the average rate, then set(CAP_PROP_POS_FRAMES, n), as in older versions.
# Seen: the other way round. POS_FRAMES finds the picture with that number. POS_MSEC multiplies the
# time by the average rate and goes to the picture with that number: of 10 pictures at 10 Hz, a
# pause of two seconds and 10 more, 0.9 s gives the picture of 0.5 s and 3.0 s that of 3.5 s. The
# time that is reported after it is the right one of the picture, so that only a comparison with
# what was asked for tells.
# Matters for: pictures that are fetched from videos of telephones, screens and bags by the stamps of
# poses. The remedy is to read on until POS_MSEC is reached.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q --disable-pip-version-check \
    opencv-python-headless==5.0.0.93 av==17.1.0 numpy==2.2.6
"$folder/venv/bin/python" - "$folder/drive.mp4" <<'PY'
import sys
from fractions import Fraction

import av
import cv2
import numpy as np

times = [100 * n for n in range(10)] + [3000 + 100 * n for n in range(10)]
with av.open(sys.argv[1], 'w') as video:
    stream = video.add_stream('libx264', rate=10)
    stream.width = stream.height = 64
    stream.pix_fmt, stream.codec_context.time_base = 'yuv420p', Fraction(1, 1000)
    for number, time in enumerate(times):
        grey = np.full((64, 64, 3), 10 * number + 20, np.uint8)
        frame = av.VideoFrame.from_ndarray(grey, 'rgb24')
        frame.pts, frame.time_base = time, Fraction(1, 1000)
        video.mux(stream.encode(frame))
    video.mux(stream.encode(None))

capture = cv2.VideoCapture(sys.argv[1])


def picture():
    there, image = capture.read()
    return round((image.mean() - 20) / 10), round(capture.get(cv2.CAP_PROP_POS_MSEC))


assert [picture() for _ in times] == list(enumerate(times))
for number in (15, 3, 19, 9):
    capture.set(cv2.CAP_PROP_POS_FRAMES, number)
    assert picture() == (number, times[number])
found = {}
for asked in (0, 500, 900, 3000, 3100):
    capture.set(cv2.CAP_PROP_POS_MSEC, asked)
    number, found[asked] = picture()
    print(f'{asked} ms asked for: picture {number}, which is at {found[asked]} ms')
    assert times[number] == found[asked]
assert found[0] == 0 and abs(found[900] - 900) >= 300 and abs(found[3000] - 3000) >= 300
PY
