#!/usr/bin/env bash
# imageio-ffmpeg 0.8.1 (PyPI; with FFmpeg 9.0.2): of a video whose rate changes, read_frames() gives frames at the
# highest rate, repeated where they came more slowly, and names the average rate beside them.
#
# Expected by most: each frame once, as count_frames_and_secs() counts them and PyAV and OpenCV read them; or
# frames at the rate `fps` of the first thing that the generator yields.
# Seen: 200 frames as a phone films them, 120 at 30 Hz and, in dim light, 80 at 15 Hz: 279 frames come, the last 80
# twice but for one, with `fps` 21.51. 279 frames at 21.51 Hz would last 13.0 s; the video lasts 9.3.
# Matters for: poses, labels and clocks that are given to frame n at n / fps: at the end of these nine seconds
# they are 3.7 s off. output_params=['-fps_mode', 'passthrough'] gives each frame once, without its time.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q --disable-pip-version-check imageio-ffmpeg==0.8.1 av==16.0.1 numpy==2.2.6
cd "$folder"
"$folder/venv/bin/python" - 2> log <<'PY' || { cat log; exit 1; }
from fractions import Fraction

import av
import imageio_ffmpeg
import numpy as np

CLOCK = 90000
TIMES = np.r_[np.arange(120) / 30, 4 + np.arange(80) / 15]
BARS = [slice(16 + 20 * bit, 32 + 20 * bit) for bit in range(8)]


def picture(number):
    pixels = np.full((128, 192, 3), 30, np.uint8)
    for bit, bar in enumerate(BARS):
        if number >> bit & 1:
            pixels[16:112, bar] = 220
    return pixels


def number_in(pixels):
    return sum(1 << bit for bit, bar in enumerate(BARS) if pixels[40:90, bar].mean() > 120)


with av.open('phone.mp4', 'w') as file:
    stream = file.add_stream('libx264', rate=30, options={'bf': '0'})
    stream.width, stream.height, stream.pix_fmt = 192, 128, 'yuv420p'
    stream.time_base = stream.codec_context.time_base = Fraction(1, CLOCK)
    for number, time in enumerate(TIMES):
        frame = av.VideoFrame.from_ndarray(picture(number), format='rgb24')
        frame.pts, frame.time_base = round(time * CLOCK), Fraction(1, CLOCK)
        file.mux(stream.encode(frame))
    file.mux(stream.encode())


def read(**options):
    frames = imageio_ffmpeg.read_frames('phone.mp4', **options)
    about = next(frames)
    return about, [number_in(np.frombuffer(each, np.uint8).reshape(128, 192, 3)) for each in frames]


with av.open('phone.mp4') as file:
    assert len(list(file.decode(video=0))) == len(TIMES)
counted, seconds = imageio_ffmpeg.count_frames_and_secs('phone.mp4')
about, seen = read()
late = max(abs(TIMES[number] - place / about['fps']) for place, number in enumerate(seen))
print(f'{counted} frames in {seconds} s are counted; {len(seen)} come, with fps {about["fps"]}; '
      f'frame n is up to {late:.1f} s from n / fps')
print('twice from frame', next(n for n in seen if seen.count(n) > 1), 'on')
assert counted == len(TIMES) and set(seen) == set(range(len(TIMES)))
assert len(seen) == 279 and about['fps'] == 21.51
assert seen[:120] == list(range(120)) and seen[120:124] == [120, 120, 121, 121]
assert late > 3
assert read(output_params=['-fps_mode', 'passthrough'])[1] == list(range(len(TIMES)))
PY
