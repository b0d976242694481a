"""Decodes image messages that are valid, odd or damaged, and compares what comes out.

    python -m benchmarks messages [--count 10000] [--seed 0]

Raw and compressed images in every encoding, files, CameraInfo, and video streams of twenty packets
are made from a picture that is known, and decoded in a process of its own that is killed after a
time. Counted is what came of each:

- right: the picture that was encoded, or for CameraInfo a camera with its values;
- decoded: an image of a message that was changed so that nobody can know its picture;
- refused: an error of this package;
- crashed: any other exception, or the end of the process;
- hung: it had not come to an end;
- silent wrong: another picture than the one that was encoded, or an image of cut-off data.
"""

from __future__ import annotations

import multiprocessing
import resource
import traceback
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from multiprocessing.connection import Connection
from random import Random
from types import SimpleNamespace
from typing import Any

import cv2
import numpy as np

from benchmarks.options import benchmark_parser, write_figures
from benchmarks.robustness import image_transport as made
from benchmarks.robustness.video_streams import (
    Packet,
    encode_video,
    ffmpeg_message,
    foxglove_message,
    view,
)
from fol_vpr.errors import FolVprError
from fol_vpr.evaluation.report import align_columns
from fol_vpr.sources import camera_from_info, decode_image
from fol_vpr.sources.images.video.decoder import VideoDecoder
from fol_vpr.sources.images.video.packets import packet_of

SECONDS = 60
OUTCOMES = ('right', 'decoded', 'refused', 'crashed', 'hung', 'silent wrong')
PACKETS = 20
_ENCODINGS = (*made.COLOURS, *made.GREYS, *made.BAYER)
_PLANES = ('yuv422', 'uyvy', 'yuv422_yuy2', 'yuyv', 'nv12', 'nv21')
_CODES = {
    'yuv422': cv2.COLOR_RGB2YUV_UYVY, 'uyvy': cv2.COLOR_RGB2YUV_UYVY,
    'yuv422_yuy2': cv2.COLOR_RGB2YUV_YUY2, 'yuyv': cv2.COLOR_RGB2YUV_YUY2,
}  # fmt: skip


class Wrong(Exception):
    """An image that is not the one that was encoded."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Fuzz, and print the counts; 1 where something crashed, hung or was silently wrong."""
    parser = benchmark_parser(__name__, __doc__)
    parser.add_argument('--count', type=int, default=10_000, help='messages')
    parser.add_argument('--seed', type=int, default=0, help='of the first message')
    options = parser.parse_args(arguments)
    counts: dict[str, Counter[str]] = {kind: Counter() for kind in KINDS}
    memory: list[int] = []
    worker = _Worker()
    number = options.seed
    while sum(counts.values(), Counter()).total() < options.count:
        kind, outcomes, peak, detail = worker.run(number)
        counts[kind].update(outcomes)
        memory.append(peak)
        if detail:
            print(f'seed {number}, {kind}:\n{detail}', flush=True)
        number += 1
    worker.stop()
    rows = [['', *OUTCOMES]]
    rows += [[kind, *(f'{counts[kind][each]}' for each in OUTCOMES)] for kind in KINDS]
    total = sum(counts.values(), Counter())
    rows.append(['all', *(f'{total[each]}' for each in OUTCOMES)])
    print('\n'.join(align_columns(rows)))
    fifth = max(1, len(memory) // 5)
    print(f'memory: {max(memory[:fifth])} MB after a fifth, {max(memory)} MB at the end')
    figures = {**{each: total[each] for each in OUTCOMES}, 'megabytes': max(memory)}
    write_figures(options.json, figures)
    return int(any(total[each] for each in ('crashed', 'hung', 'silent wrong')))


def _scene(random: Random) -> np.ndarray:
    width, height = 2 * random.randint(8, 60), 2 * random.randint(8, 40)
    return made.scene(width, height, random.randrange(1000))


def _compare(image: np.ndarray, expected: np.ndarray, tolerance: float) -> str:
    if image.shape != expected.shape or image.dtype != np.uint8:
        raise Wrong(f'{image.shape} {image.dtype} instead of {expected.shape}')
    error = float(np.abs(image.astype(int) - expected).mean())
    if error > tolerance:
        raise Wrong(f'mean error {error:.1f}, expected at most {tolerance}')
    return 'right'


def _grey(rgb: np.ndarray) -> np.ndarray:
    return np.repeat(cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY)[:, :, None], 3, axis=2)


def _raw(random: Random) -> tuple[SimpleNamespace, np.ndarray, float]:
    """A raw image with its picture, and the mean error that its encoding costs."""
    rgb, encoding = _scene(random), random.choice((*_ENCODINGS, *_PLANES))
    if encoding in _CODES:
        values = cv2.cvtColor(rgb, _CODES[encoding])
        expected, tolerance = rgb, 12.0
    elif encoding in _PLANES:
        planar = cv2.cvtColor(rgb, cv2.COLOR_RGB2YUV_I420)
        height, width = rgb.shape[:2]
        u, v = planar[height:].reshape(2, -1)
        pairs = (u, v) if encoding == 'nv12' else (v, u)
        values = np.vstack([planar[:height], np.dstack(pairs).reshape(-1, width)])
        expected, tolerance = rgb, 12.0
    else:
        values = made.raw_values(rgb, encoding)
        expected = _grey(rgb) if encoding.startswith('mono') else rgb
        tolerance = 12.0 if encoding.startswith('bayer') else 1.0
    message = made.raw_message(np.ascontiguousarray(values), encoding)
    message.height, message.width = rgb.shape[:2]
    _vary_layout(random, message, values)
    return message, expected, tolerance


def _vary_layout(random: Random, message: SimpleNamespace, values: np.ndarray) -> None:
    """Padding at the end of rows, big-endian values, and fewer bits than 16."""
    if values.dtype == np.uint16:
        values = np.rint(values / 65535 * (2 ** random.choice((10, 12, 14, 16)) - 1))
        values = values.astype(np.uint16)
        message.is_bigendian = random.randint(0, 1)
    ordered = values.astype(values.dtype.newbyteorder('>' if message.is_bigendian else '<'))
    rows = ordered.reshape(len(values), -1).view(np.uint8)
    padding = random.choice((0, 0, 1, 7, 64))
    rows = np.hstack([rows, np.full((len(rows), padding), random.randrange(256), np.uint8)])
    message.step, message.data = rows.shape[1], rows.tobytes()


def _valid_raw(random: Random) -> str:
    message, expected, tolerance = _raw(random)
    return _compare(decode_image(message), expected, tolerance)


def _changed_raw(random: Random) -> str:
    message, expected, tolerance = _raw(random)
    field = random.choice(('height', 'width', 'step', 'encoding', 'is_bigendian', 'data', 'cut'))
    if field == 'cut':
        message.data = message.data[: random.randrange(len(message.data))]
        decode_image(message)
        raise Wrong('an image of cut-off data')
    if field == 'encoding':
        message.encoding = random.choice(
            (*_ENCODINGS, *_PLANES, '16UC1', '32FC1', '8UC3', '', 'none', '\x1b[1m', 'x' * 9999)
        )
    elif field == 'data':
        data = bytearray(message.data)
        for _ in range(random.randint(1, 9)):
            data[random.randrange(len(data))] = random.randrange(256)
        message.data = bytes(data)
    elif field == 'is_bigendian':
        message.is_bigendian = random.choice((0, 1, 2, 255))
    else:
        setattr(message, field, random.choice((0, 1, 2, 3, 65_535, 2**31, 2**32 - 1)))
    decode_image(message)
    del expected, tolerance
    return 'decoded'


def _compressed(random: Random) -> tuple[SimpleNamespace, np.ndarray, float]:
    """A compressed image as a version of the plugin writes it, in some spelling."""
    rgb, encoding = _scene(random), random.choice(_ENCODINGS)
    version = random.choice((made.NOETIC, made.HUMBLE, made.JAZZY))
    codec = random.choice(('jpeg', 'png') if version == made.NOETIC else ('jpeg', 'png', 'tiff'))
    if codec == 'jpeg' and version == made.NOETIC and encoding.endswith('16'):
        encoding = encoding.replace('16', '8')  # whose values that version cuts off
    message = made.compressed_message(rgb, encoding, codec, version)
    is_grey = encoding.startswith('mono') or message.format.endswith('mono8')
    expected = _grey(rgb) if is_grey else rgb
    tolerance = 14.0 if encoding.startswith('bayer') else 8.0  # JPEG halves the colours
    spelt = random.choice((str, str.upper, str.strip, lambda text: text.replace('; ', ' ;  ')))
    message.format = spelt(message.format)
    return message, expected, tolerance


def _valid_compressed(random: Random) -> str:
    message, expected, tolerance = _compressed(random)
    return _compare(decode_image(message), expected, tolerance)


def _changed_compressed(random: Random) -> str:
    message, _, _ = _compressed(random)
    whole = decode_image(message)
    data = bytearray(message.data)
    is_png = data[:4] == b'\x89PNG'
    change = random.choice(('cut', 'bytes', 'format', 'size'))
    if change == 'cut':
        # Behind the last pixel a file may be cut without a loss.
        message.data = bytes(data[: random.randrange(max(1, len(data) - 64))])
        _compare(decode_image(message), whole, 0)
        return 'right'
    if change == 'bytes':
        for _ in range(random.randint(1, 12)):
            data[random.randrange(len(data))] = random.randrange(256)
        message.data = bytes(data)
        image = decode_image(message)
        # PNG has checksums; what changes in JPEG and TIFF may be another valid picture.
        return _compare(image, whole, 0) if is_png else 'decoded'
    if change == 'format':
        message.format = random.choice(
            ('', 'h264', '16UC1; compressedDepth png', ';;;', '\x1b[2J', 'jpeg' * 4000, '; jpeg')
        )
        decode_image(message)
        return 'decoded'
    _claim_size(random, message, data)
    image = decode_image(message)
    return _compare(image, whole, 0) if is_png else 'decoded'


def _claim_size(random: Random, message: SimpleNamespace, data: bytearray) -> None:
    """Let the header of the file claim another size."""
    at = {b'\x89P': 16, b'\xff\xd8': max(0, data.find(b'\xff\xc0')) + 5}.get(bytes(data[:2]), 4)
    claimed = random.choice((0, 1, 60_000, 65_535)).to_bytes(4, 'big')
    data[at : at + 4] = claimed[2:] * 2 if data[:2] == b'\xff\xd8' else claimed
    message.data = bytes(data)


def _camera_info(random: Random) -> str:
    odd = (0.0, -1.0, float('nan'), float('inf'), 1e308, 5e-324)
    is_valid = random.random() < 0.5
    number = (lambda _: 0.0) if is_valid else (lambda _: random.choice(odd))
    k = [400.0, 0.0, 320.0, 0.0, 410.0, 240.0, 0.0, 0.0, 1.0]
    model = random.choice(('plumb_bob', 'rational_polynomial', 'equidistant'))
    d = [0.1, -0.05, 0.001, 0.001, 0.0][: 4 if model == 'equidistant' else 5]
    d += [0.0] * (3 if model == 'rational_polynomial' else 0)
    width, height = 640, 480
    if not is_valid:
        for values in (k, d):
            values[random.randrange(len(values))] = number(0)
        model = random.choice((model, '', 'none', '\x1b[1m'))
        width = random.choice((640, 0, 2**32 - 1))
    region = SimpleNamespace(x_offset=0, y_offset=0, height=0, width=0, do_rectify=False)
    info = SimpleNamespace(
        header=SimpleNamespace(frame_id='camera'), width=width, height=height, k=np.array(k),
        d=np.array(d), r=np.eye(3).ravel(), p=np.zeros(12), distortion_model=model, binning_x=0,
        binning_y=0, roi=region,
    )  # fmt: skip
    camera = camera_from_info(info, (640, 480), rectified=False, mount=None)
    if not is_valid:
        return 'decoded'
    if camera is None or not np.allclose(camera.matrix, np.reshape(k, (3, 3))):
        raise Wrong(f'{camera} of {info}')
    return 'right'


_STREAMS: dict[tuple[str, int], list[Packet]] = {}


def _video(random: Random) -> Counter[str]:
    """A stream of `PACKETS` packets, of which some are lost or cut."""
    codec = random.choice(('h264', 'hevc', 'vp9'))
    b_frames = random.choice((0, 2)) if codec != 'vp9' else 0
    if (codec, b_frames) not in _STREAMS:
        _STREAMS[codec, b_frames] = encode_video(codec, PACKETS, b_frames=b_frames)
    make: Callable[..., Any] = foxglove_message
    if codec == 'vp9' or random.random() < 0.5:
        make = ffmpeg_message
    packets = [each for each in _STREAMS[codec, b_frames] if random.random() > 0.04]
    packets = packets[random.choice((0, 0, 3)) :]
    found: Counter[str] = Counter()
    decoder: VideoDecoder[int] = VideoDecoder(lambda _token, _reason: found.update(['refused']))
    pictures, is_cut = [], False
    for packet in packets:
        data, message = packet.data, make(packet, codec)
        if random.random() < 0.03:
            is_cut = True
            message.data = data[: random.randrange(len(data))]
        try:
            pictures += decoder.decode(packet_of(message), packet.pts)
        except FolVprError:
            decoder.lose()
            found['refused'] += 1
    for picture in [*pictures, *decoder.flush()]:
        error = float(np.abs(picture.rgb().astype(int) - view(picture.token)).mean())
        # FFmpeg takes cut packets of VP9 and H.265 for whole ones, and flags nothing.
        found['right' if error < 4 else 'decoded' if is_cut else 'silent wrong'] += 1
    found['refused'] += PACKETS - len(packets)
    return found


KINDS: dict[str, Callable[[Random], str | Counter[str]]] = {
    'raw images': _valid_raw,
    'compressed images': _valid_compressed,
    'raw images, changed': _changed_raw,
    'compressed images, changed': _changed_compressed,
    'CameraInfo': _camera_info,
    'packets of video': _video,
}
# Video comes in streams of twenty.
_TURNS = ('raw images', 'compressed images', 'raw images, changed', 'compressed images, changed')


def _kind(number: int) -> str:
    if number % 60 == 59:
        return 'packets of video'
    return 'CameraInfo' if number % 10 == 9 else _TURNS[number % len(_TURNS)]


class _Worker:
    """A process that takes numbers of messages; started again where it ends or hangs."""

    def __init__(self) -> None:
        self._start()

    def _start(self) -> None:
        self._pipe, other = multiprocessing.Pipe()
        self._process = multiprocessing.get_context('spawn').Process(
            target=_serve, args=(other,), daemon=True
        )
        self._process.start()
        other.close()

    def run(self, number: int) -> tuple[str, Counter[str], int, str]:
        """Kind, outcomes, peak memory of the process in MB, and what went wrong."""
        kind = _kind(number)
        with suppress(EOFError, OSError):
            self._pipe.send(number)
            if self._pipe.poll(SECONDS):
                outcomes, peak, detail = self._pipe.recv()
                return kind, outcomes, peak, detail
            self.stop()
            self._start()
            return kind, Counter(hung=1), 0, f'not done after {SECONDS} s'
        self.stop()
        self._start()
        return kind, Counter(crashed=1), 0, 'the process ended'

    def stop(self) -> None:
        """End the process."""
        self._process.kill()
        self._process.join()


def _serve(pipe: Connection) -> None:
    while True:
        number = pipe.recv()
        detail = ''
        try:
            outcome = KINDS[_kind(number)](Random(number))
        except FolVprError:
            outcome = 'refused'
        except Wrong as wrong:
            outcome, detail = 'silent wrong', str(wrong)
        except Exception:  # noqa: BLE001 whatever is raised is what is looked for
            outcome, detail = 'crashed', traceback.format_exc(limit=-6)
        outcomes = Counter({outcome: 1}) if isinstance(outcome, str) else outcome
        if outcomes['silent wrong'] and not detail:
            detail = 'a picture that is not that of its packet'
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
        pipe.send((outcomes, peak, detail))
