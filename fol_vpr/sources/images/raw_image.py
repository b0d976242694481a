"""Decodes sensor_msgs/Image.

The message is first checked and converted to rows without padding, native byte order and 8 bits.
Then cv_bridge, or rosbags-image if cv_bridge is not installed, converts the colours. This order
makes both give the same pixels: rosbags-image ignores `step`, cv_bridge and NumPy 2 disagree about
big-endian data, both cannot convert 8UC1, 16UC1 and 32FC1 to colour, and they round 16 bits
differently.
"""

from __future__ import annotations

import functools
import logging
import sys
from collections.abc import Callable
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import cv2
import numpy as np

from fol_vpr.errors import InputError
from fol_vpr.files import printable
from fol_vpr.sources.images.levels import Levels
from fol_vpr.sources.images.stored_image import StoredImage, check_size, depth_remark

_MIN_BAYER_SIDE = 3
"""Pixels; the demosaicing of OpenCV needs neighbours."""

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class _Encoding:
    """Memory layout of an encoding.

    Attributes:
        dtype: type of a number.
        channels: numbers per pixel.
        plain: the encoding that results from conversion to 8 bits without padding.
    """

    dtype: str
    channels: int
    plain: str


_ENCODINGS = {
    'rgb8': _Encoding('u1', 3, 'rgb8'),
    'bgr8': _Encoding('u1', 3, 'bgr8'),
    'rgba8': _Encoding('u1', 4, 'rgba8'),
    'bgra8': _Encoding('u1', 4, 'bgra8'),
    'mono8': _Encoding('u1', 1, 'mono8'),
    'rgb16': _Encoding('u2', 3, 'rgb8'),
    'bgr16': _Encoding('u2', 3, 'bgr8'),
    'rgba16': _Encoding('u2', 4, 'rgba8'),
    'bgra16': _Encoding('u2', 4, 'bgra8'),
    'mono16': _Encoding('u2', 1, 'mono8'),
    # Encodings without colour names have the channel order of OpenCV, BGR.
    '8UC1': _Encoding('u1', 1, 'mono8'),
    '8UC3': _Encoding('u1', 3, 'bgr8'),
    '8UC4': _Encoding('u1', 4, 'bgra8'),
    '16UC1': _Encoding('u2', 1, 'mono8'),
    '32FC1': _Encoding('f4', 1, 'mono8'),
    # Two pixels share their colour: columns come in pairs.
    'yuv422': _Encoding('u1', 2, 'yuv422'),
    'uyvy': _Encoding('u1', 2, 'yuv422'),
    'yuv422_yuy2': _Encoding('u1', 2, 'yuv422_yuy2'),
    'yuyv': _Encoding('u1', 2, 'yuv422_yuy2'),
    # Planar: H rows of brightness, then H/2 rows of interleaved colour.
    'nv12': _Encoding('u1', 1, 'nv12'),
    'nv21': _Encoding('u1', 1, 'nv21'),
    **{
        f'bayer_{pattern}{bits}': _Encoding(f'u{bits // 8}', 1, f'bayer_{pattern}8')
        for pattern in ('rggb', 'bggr', 'gbrg', 'grbg')
        for bits in (8, 16)
    },
}
_PLANAR = {'nv12': cv2.COLOR_YUV2RGB_NV12, 'nv21': cv2.COLOR_YUV2RGB_NV21}


def read_raw(msg: Any) -> StoredImage:
    """The values of a sensor_msgs/Image.

    Args:
        msg: an object with the fields of the message, its data as bytes, array('B') or ndarray.

    Raises:
        InputError: unknown encoding, an empty or too large image, a step shorter than a row, or a
            wrong amount of data.
    """
    name = str(msg.encoding)
    encoding = _ENCODINGS.get(name) or _ENCODINGS.get(name.strip().lower())
    if encoding is None:
        raise InputError(
            f'Image with encoding {printable(name)!r}, expected one of {", ".join(_ENCODINGS)}; '
            'set the camera driver to one of these, or convert with image_proc'
        )
    values, layout = _unpadded(msg, name, encoding), encoding.plain
    if encoding.channels == 4:
        # Transparency must not count among the values that tell black and white.
        values, layout = values[:, :, :3], layout.replace('a8', '8')
    remark = depth_remark(name)
    what = f'Image with encoding {name!r}'
    return StoredImage(values, layout, what, (remark,) if remark else ())


def to_rgb(stored: StoredImage, levels: Levels) -> np.ndarray:
    """The pixels of a stored image; its orientation is not regarded.

    Args:
        stored: the image.
        levels: what becomes of values with 16 bits.

    Returns:
        [H, W, 3] uint8, RGB, in memory of its own.

    Raises:
        InputError: floats outside 0 to 1, integers outside 0 to 65535, or a mosaic of fewer than
            3 pixels a side.
    """
    pixels = levels.to_8bit(stored.values, stored.what)
    if stored.layout.startswith('bayer') and min(pixels.shape) < _MIN_BAYER_SIDE:
        raise InputError(
            f'{stored.what} is too small, expected at least {_MIN_BAYER_SIDE} pixels a side'
        )
    if stored.layout in _PLANAR:
        rgb: np.ndarray = cv2.cvtColor(pixels, _PLANAR[stored.layout])
    elif stored.layout == 'rgb8':
        rgb = pixels
    elif stored.layout == 'mono8':
        rgb = np.repeat(pixels[:, :, None], 3, axis=2)
    else:
        rgb = _library()(np.ascontiguousarray(pixels), stored.layout)
    owned: np.ndarray = np.require(rgb, np.uint8, ['C', 'W', 'O'])
    return owned


def _unpadded(msg: Any, name: str, encoding: _Encoding) -> np.ndarray:
    """[H, W] or [H, W, C] in native byte order without padding; planar: [H * 3/2, W]."""
    width, height, step = int(msg.width), int(msg.height), int(msg.step)
    what = f'Image with encoding {name!r}, {width} x {height}'
    check_size(width, height, what)
    _check_divisible(width, height, encoding, what)

    dtype = np.dtype(encoding.dtype)
    row_bytes = width * encoding.channels * dtype.itemsize
    if step < row_bytes:
        raise InputError(
            f'{what} has a step of {step} bytes, expected at least {row_bytes}; the camera '
            'driver has to set step to the length of a row with its padding'
        )
    rows = height * 3 // 2 if encoding.plain in _PLANAR else height
    data = np.frombuffer(memoryview(msg.data), dtype=np.uint8)
    if data.size != rows * step:
        raise InputError(
            f'{what} has {data.size} bytes of data, expected {rows * step} '
            f'({rows} rows of {step}); the message was truncated, or its fields are wrong'
        )
    if dtype.itemsize > 1 and msg.is_bigendian not in (0, 1):
        raise InputError(f'{what} has is_bigendian {msg.is_bigendian}, expected 0 or 1')

    packed: np.ndarray = np.ascontiguousarray(data.reshape(rows, step)[:, :row_bytes])
    pixels: np.ndarray = packed.view(dtype.newbyteorder('>' if msg.is_bigendian else '<'))
    pixels = pixels.astype(dtype.newbyteorder('='), copy=False)
    return pixels if encoding.channels == 1 else pixels.reshape(rows, width, encoding.channels)


def _check_divisible(width: int, height: int, encoding: _Encoding, what: str) -> None:
    """Check that the blocks of pixels of an encoding fit the size.

    Raises:
        InputError: they do not.
    """
    if encoding.plain.startswith('yuv422') and width % 2:
        raise InputError(f'{what} has an odd width; pixels come in pairs in this encoding')
    if encoding.plain in _PLANAR and (width % 2 or height % 2):
        raise InputError(f'{what} has an odd size; pixels come in 2 x 2 blocks in this encoding')


@functools.cache
def _library() -> Callable[[np.ndarray, str], np.ndarray]:
    """A function that converts an 8-bit array, given the name of its encoding, to RGB."""
    try:
        # cv_bridge loads its compiled module at the first conversion. Import it here, because it
        # fails if it was built for another version of NumPy.
        from cv_bridge import CvBridge
        from cv_bridge.boost import cv_bridge_boost  # noqa: F401
    except ImportError:
        return _rosbags_image()
    except (AttributeError, SystemError) as error:
        log.warning('cv_bridge is installed but broken (%s); rosbags-image is used', error)
        return _rosbags_image()
    bridge = CvBridge()
    return lambda pixels, name: bridge.imgmsg_to_cv2(_plain_message(pixels, name), 'rgb8')


def _rosbags_image() -> Callable[[np.ndarray, str], np.ndarray]:
    from rosbags.image import image_to_cvimage

    def convert(pixels: np.ndarray, encoding: str) -> np.ndarray:
        message: Any = _plain_message(pixels, encoding)
        return np.asarray(image_to_cvimage(message, 'rgb8'))

    return convert


def _plain_message(pixels: np.ndarray, encoding: str) -> SimpleNamespace:
    """The fields of sensor_msgs/Image around a contiguous 8-bit array [H, W] or [H, W, C]."""
    return SimpleNamespace(
        height=pixels.shape[0],
        width=pixels.shape[1],
        encoding=encoding,
        is_bigendian=int(sys.byteorder == 'big'),
        step=pixels.strides[0],
        data=pixels,
    )
