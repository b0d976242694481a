#!/usr/bin/env bash
# imageio 2.38.1 with its plugin pyav (PyAV 17.1.0; PyPI): imread(video, index=n) gives another frame
# than the n-th of imiter, where the first frame is not at the time zero.
#
# Expected by most: index=n is the n-th frame, as in imiter and in a list of all frames.
# Seen: the frame is looked for at the time n / rate, and counted on from the keyframe that the
# search ends at, as if the video began at zero. In a video whose first frame is at 0.5 s, at 10 Hz,
# index=0 to 9 are the frames 0, 1, 0, 0, 0, 0, 1, 2, 3, 4. Nothing is said. constant_framerate=False
# reads from the start and gives the right ones.
# Matters for: pieces that were cut out of a longer recording with their times (ffmpeg -copyts,
# segments of HLS, dashboard cameras), and labels or poses that are numbered by the frame.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q --disable-pip-version-check \
    imageio==2.38.1 av==17.1.0 numpy==2.2.6
"$folder/venv/bin/python" - "$folder/drive.mp4" <<'PY'
import sys
from fractions import Fraction

import av
import imageio.v3 as iio
import numpy as np

with av.open(sys.argv[1], 'w') as video:
    stream = video.add_stream('libx264', rate=10)
    stream.width = stream.height = 64
    stream.pix_fmt, stream.codec_context.time_base = 'yuv420p', Fraction(1, 10)
    stream.codec_context.gop_size = 10
    for number in range(20):
        grey = np.full((64, 64, 3), 10 * number + 20, np.uint8)
        frame = av.VideoFrame.from_ndarray(grey, 'rgb24')
        frame.pts, frame.time_base = 5 + number, Fraction(1, 10)
        video.mux(stream.encode(frame))
    video.mux(stream.encode(None))


def told(image):
    return round((float(image.mean()) - 20) / 10)


def at(index, **how):
    return told(iio.imread(sys.argv[1], index=index, plugin='pyav', **how))


assert [told(image) for image in iio.imiter(sys.argv[1], plugin='pyav')] == list(range(20))
found = [at(index) for index in range(15)]
print('index  ', *range(15))
print('frame  ', *found)
print('counted', *(at(index, constant_framerate=False) for index in range(15)))
assert found[8] == 3 and found[14] == 9
assert [at(index, constant_framerate=False) for index in range(15)] == list(range(15))
PY
