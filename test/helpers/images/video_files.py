"""Video files with numbered views, encoded by FFmpeg."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import numpy as np

from benchmarks.robustness.video_streams import HEIGHT, WIDTH, view

COUNT = 20
EVEN = np.arange(COUNT) / 10
UNEVEN = np.cumsum([0, *([0.04] * 9), *([0.12] * 10)])
"""Ten pictures at 25 Hz, and then at 8 Hz, as a telephone films in dim light."""
_CLOCK = 60_000
_PIXELS = {'mjpeg': 'yuvj420p', 'huffyuv': 'yuv422p'}


def write_video(
    path: Path,
    encoder: str = 'libx264',
    times: np.ndarray = EVEN,
    *,
    b_frames: int = 2,
    turned: int = 0,
    title: str = '',
) -> Path:
    """Write the views 0 to 19, and return the path.

    Args:
        path: its ending chooses the container.
        encoder: by its name in FFmpeg.
        times: of the views in seconds.
        b_frames: most B pictures in a row, of H.264 and H.265.
        turned: degrees by which players turn the pictures.
        title: of the file.
    """
    import av

    with av.open(str(path), 'w') as container:
        if title:
            container.metadata['title'] = title
        stream = container.add_stream(encoder, rate=30)
        stream.width, stream.height = WIDTH, HEIGHT
        stream.pix_fmt = _PIXELS.get(encoder, 'yuv420p')
        stream.time_base = stream.codec_context.time_base = Fraction(1, _CLOCK)
        stream.codec_context.gop_size = 8
        if encoder in ('libx264', 'libx265'):
            stream.codec_context.max_b_frames = b_frames
        if turned:
            stream.set_display_rotation(turned)
        for number, time in enumerate(times):
            frame = av.VideoFrame.from_ndarray(view(number), 'rgb24')
            frame.pts, frame.time_base = round(time * _CLOCK), Fraction(1, _CLOCK)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path
