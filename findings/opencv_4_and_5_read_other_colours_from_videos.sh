#!/usr/bin/env bash
# opencv-python-headless 4.12.0.88 and 5.0.0.93 with PyAV 17.1.0 (PyPI): cv2.VideoCapture 4.12 reads every
# video as BT.601, also one that says that it is BT.709; 5.0 reads that one right.
#
# Expected by most: the colours of a decoded video are right where the file tells its matrix, as they
# are in players, in ffmpeg and in PyAV; and a new version of OpenCV decodes as the last one did.
# Seen: of a video that is tagged BT.709, as those of cameras from HD on mostly are, 4.12 gives an orange
# of (200, 60, 40) as (186, 46, 41), and a green of (40, 160, 90) as (49, 176, 90). PyAV and OpenCV 5
# give both within 2. Of one tagged BT.601 all are right. Grey is 13 levels off as well, since it is
# made of the wrong colours.
# Matters for: maps and training images that were taken from videos with OpenCV 4, against images of
# a robot with OpenCV 5, or with a camera that gives RGB or JPEG.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q --disable-pip-version-check av==17.1.0 numpy==2.2.6
cat > "$folder/colours.py" <<'PY'
import sys

import av
import cv2
import numpy as np
from av.video.reformatter import ColorRange, Colorspace

picture = np.empty((720, 1280, 3), np.uint8)
picture[:360], picture[360:] = (200, 60, 40), (40, 160, 90)


def written_and_read(tag):
    with av.open(sys.argv[1], 'w') as video:
        stream = video.add_stream('libx264', rate=10, options={'crf': '5'})
        stream.width, stream.height, stream.pix_fmt = 1280, 720, 'yuv420p'
        stream.codec_context.colorspace = tag
        stream.codec_context.color_range = ColorRange.MPEG
        for _ in range(3):
            frame = av.VideoFrame.from_ndarray(picture, 'rgb24').reformat(
                format='yuv420p', dst_colorspace=tag, dst_color_range=ColorRange.MPEG
            )
            frame.colorspace, frame.color_range = tag, ColorRange.MPEG
            video.mux(stream.encode(frame))
        video.mux(stream.encode(None))
    with av.open(sys.argv[1]) as video:
        frame = next(video.decode(video=0))
        assert frame.colorspace == tag
    return frame.to_ndarray(format='rgb24'), cv2.VideoCapture(sys.argv[1]).read()[1][..., ::-1]


def farthest(one):
    return np.abs(one[[10, -10], 10].astype(int) - picture[[10, -10], 10]).max()


for tag in (Colorspace.ITU601, Colorspace.ITU709):
    pyav, opencv = written_and_read(tag)
    for name, seen in (('PyAV', pyav), (f'OpenCV {cv2.__version__}', opencv)):
        print(f'{tag.name}, {name}: {seen[10, 10].tolist()} and {seen[-10, 10].tolist()}')
    assert farthest(pyav) <= 3
    wrong = cv2.__version__ < '5' and tag == Colorspace.ITU709
    assert farthest(opencv) > 10 if wrong else farthest(opencv) <= 3
    grey = cv2.cvtColor(np.ascontiguousarray(opencv), cv2.COLOR_RGB2GRAY).astype(int)
    wanted = cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY)
    print('  its grey differs by', np.abs(grey - wanted)[[10, -10]].max())
PY
for version in 4.12.0.88 5.0.0.93; do
    "$folder/venv/bin/pip" install -q --disable-pip-version-check --no-deps \
        opencv-python-headless==$version
    "$folder/venv/bin/python" "$folder/colours.py" "$folder/drive.mp4"
done
