#!/usr/bin/env bash
# decord2 3.4.0 (PyPI): of an MPEG transport stream (.ts) whose H.264 video has B pictures, frame number i is the
# picture that lies one distance of key frames later; after the last picture it is repeated to the end.
#
# Expected by most: frame i is picture i, as of the same video in .mp4 or .mkv, and as PyAV decodes it.
# Seen: 200 numbered pictures, a key frame every 30: frame 0 is picture 30, frame 169 picture 199, and so are
# frames 170 to 199. len() is 200 and the time stamps are those of pictures 0 to 199. Reading one by one, by
# random access and by iterating agree. Without B pictures all is right, and in .mkv and .mp4 as well.
# Matters for: recordings of drones and network cameras, which come as .ts: places and poses are paired with
# pictures a second away, and the first second is never seen.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q --disable-pip-version-check decord2==3.4.0 av==16.0.1 numpy==2.2.6
cd "$folder"
"$folder/venv/bin/python" - 2> log <<'PY' || { cat log; exit 1; }
from fractions import Fraction

import av
import decord
import numpy as np

COUNT, KEY = 200, 30
BARS = [slice(16 + 20 * bit, 32 + 20 * bit) for bit in range(8)]


def picture(number):
    pixels = np.full((128, 192, 3), 30, np.uint8)
    for bit, bar in enumerate(BARS):
        if number >> bit & 1:
            pixels[16:112, bar] = 220
    return av.VideoFrame.from_ndarray(pixels, format='rgb24')


def number_in(pixels):
    return sum(1 << bit for bit, bar in enumerate(BARS) if pixels[40:90, bar].mean() > 120)


def write(path, b_pictures):
    options = {'g': str(KEY), 'bf': str(b_pictures), 'x264-params': 'scenecut=0'}
    with av.open(path, 'w') as file:
        stream = file.add_stream('libx264', rate=25, options=options)
        stream.width, stream.height, stream.pix_fmt = 192, 128, 'yuv420p'
        for number in range(COUNT):
            frame = picture(number)
            frame.pts, frame.time_base = number, Fraction(1, 25)
            file.mux(stream.encode(frame))
        file.mux(stream.encode())


for path, b_pictures, late in (('a.ts', 0, 0), ('b.mp4', 2, 0), ('b.mkv', 2, 0), ('b.ts', 2, KEY)):
    write(path, b_pictures)
    with av.open(path) as file:
        true = [number_in(each.to_ndarray(format='rgb24')) for each in file.decode(video=0)]
    assert true == list(range(COUNT))
    video = decord.VideoReader(path, num_threads=1)
    times = [video.get_frame_timestamp(i)[0] for i in range(COUNT)]
    assert len(video) == COUNT and np.allclose(np.diff(times), 0.04, atol=1e-3)
    seen = [number_in(video[i].asnumpy()) for i in range(COUNT)]
    again = [number_in(video[i].asnumpy()) for i in (100, 3, 150, 60)]
    print(f'{path} with {b_pictures} B pictures: frames 0, 1, 2 are pictures {seen[:3]}, '
          f'the last three are {seen[-3:]}')
    assert seen == [min(i + late, COUNT - 1) for i in range(COUNT)]
    assert again == [seen[i] for i in (100, 3, 150, 60)]
    assert [number_in(each.asnumpy()) for each in decord.VideoReader(path)] == seen
PY
