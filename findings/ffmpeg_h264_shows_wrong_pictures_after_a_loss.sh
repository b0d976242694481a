#!/usr/bin/env bash
# PyAV 17.1.0 (PyPI, FFmpeg 8): after a lost packet, the H.264 decoder gives out wrong pictures.
#
# Expected by most: pictures that refer to a lost one are refused or flagged, in any case with
# err_detect=explode ("abort decoding on minor error detection").
# Seen: of one lost P-frame nothing is reported: no exception, is_corrupt is False, and every
# picture until the next keyframe is wrong, with err_detect=explode as well. The HEVC decoder of the
# same library gives out nothing until the next keyframe.
# It matters for video on topics, where best effort loses packets: who decodes H.264 has to watch
# frame_num of the slices (or the numbers of the messages) and wait for a keyframe.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q --disable-pip-version-check av==17.1.0 numpy==2.2.6
"$folder/venv/bin/python" - <<'PY'
from fractions import Fraction

import av
import numpy as np

av.logging.set_level(av.logging.PANIC)
SIZE, COUNT, LOST = 96, 12, 3
wide = np.random.default_rng(7).integers(90, 166, (6, 40, 3), np.uint8).repeat(16, 0).repeat(8, 1)


def view(number):
    return np.ascontiguousarray(wide[:, 6 * number :][:, :SIZE])


def encoded(name):
    encoder = av.CodecContext.create(name, 'w')
    encoder.width = encoder.height = SIZE
    encoder.pix_fmt, encoder.time_base, encoder.gop_size = 'yuv420p', Fraction(1, 30), 8
    encoder.max_b_frames = 0
    quiet = {'x265-params': 'log-level=none:scenecut=0:bframes=0'}
    encoder.options = quiet if name == 'libx265' else {'x264-params': 'scenecut=0', 'crf': '15'}
    packets = []
    for number in range(COUNT):
        frame = av.VideoFrame.from_ndarray(view(number), 'rgb24')
        frame.pts = number
        packets += encoder.encode(frame)
    return packets + encoder.encode(None)


def decoded(codec, packets):
    decoder = av.CodecContext.create(codec, 'r')
    decoder.thread_count = 1
    decoder.options = {'err_detect': 'explode'}
    for packet in [*packets, None]:
        try:
            yield from decoder.decode(packet)
        except av.FFmpegError:
            continue


for codec, encoder in (('h264', 'libx264'), ('hevc', 'libx265')):
    packets = [packet for packet in encoded(encoder) if packet.pts != LOST]
    shown = {}
    for frame in decoded(codec, packets):
        error = np.abs(frame.to_ndarray(format='rgb24').astype(int) - view(frame.pts)).mean()
        shown[frame.pts] = 'flagged' if frame.is_corrupt else 'right' if error < 5 else 'WRONG'
    print(codec, shown)
    wrong = {number for number, how in shown.items() if how == 'WRONG'}
    assert wrong == (set(range(LOST + 1, 8)) if codec == 'h264' else set())
    assert 'flagged' not in shown.values()
PY
