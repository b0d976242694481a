"""Decodes images of files and ROS messages to RGB arrays, without rclpy.

All compressed images are decoded with Pillow, so that a JPEG in a folder and the same bytes in a
bag or on a topic give identical pixels. OpenCV gives the same pixels slightly faster (both use
libjpeg-turbo), but Pillow reports the size before it allocates memory, and refuses a truncated
JPEG, whose missing part cv2.imdecode fills with grey. The EXIF orientation is ignored, as in the
released evaluation of FoL: the pixels stay as the sensor stored them, and CameraInfo, which
refers to the axes of the sensor, stays valid.
"""

from __future__ import annotations

import io
import struct
import zlib
from typing import Any

import numpy as np
from PIL import Image, UnidentifiedImageError

from fol_vpr.errors import InputError
from fol_vpr.sources.images.raw_image import MAX_PIXELS, check_size, decode_raw, grey_to_8bit

MAX_ENCODED_BYTES = 256 * 2**20

# Images may come from untrusted sources: other decoders of Pillow are not used.
_FORMATS = ('JPEG', 'PNG', 'BMP', 'TIFF', 'WEBP', 'PPM')
_DAMAGE = (
    OSError,
    SyntaxError,
    ValueError,
    EOFError,
    struct.error,
    zlib.error,
    LookupError,
    OverflowError,
    TypeError,
    AttributeError,
    RuntimeError,
    Warning,  # if the user turned warnings into errors
)
_GREY_MODES = ('I;16', 'I;16L', 'I;16B', 'I;16N', 'I', 'F')


def decode_image(msg: Any) -> np.ndarray:
    """The pixels of a sensor_msgs/Image or sensor_msgs/CompressedImage.

    Args:
        msg: an object with the fields of either message; rclpy's and rosbags' classes both do.

    Returns:
        [H, W, 3] uint8, RGB, in memory of its own.

    Raises:
        InputError: the encoding is unknown, or the data do not match the fields.
    """
    return _decode_compressed(msg) if hasattr(msg, 'format') else decode_raw(msg)


def decode_bytes(data: bytes | bytearray | memoryview, what: str) -> np.ndarray:
    """The pixels of an encoded image: JPEG, PNG, BMP, TIFF, WebP or PPM.

    Args:
        data: the whole file.
        what: name of the image in error messages.

    Returns:
        [H, W, 3] uint8, RGB. Grey images are repeated, transparency is dropped, the EXIF
        orientation is ignored.

    Raises:
        InputError: the data are no image, truncated, or larger than `MAX_PIXELS`.
    """
    if not len(data):
        raise InputError(f'{what} is empty (0 bytes); replace or remove it')
    if len(data) > MAX_ENCODED_BYTES:
        raise InputError(
            f'{what} has {len(data)} bytes, expected at most {MAX_ENCODED_BYTES}; scale it down'
        )
    try:
        with Image.open(io.BytesIO(data), formats=_FORMATS) as picture:
            check_size(picture.width, picture.height, what)
            return _to_rgb(picture, what)
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise InputError(
            f'{what} is too large ({error}), expected at most {MAX_PIXELS} pixels; scale it down'
        ) from error
    except UnidentifiedImageError as error:
        raise InputError(
            f'{what} is no image that can be read ({len(data)} bytes starting with '
            f'{bytes(data[:8])!r}), expected {", ".join(_FORMATS)}; replace or remove it'
        ) from error
    except _DAMAGE as error:
        raise InputError(
            f'{what} is damaged: {error}; copy it again from its original, or remove it'
        ) from error


def _to_rgb(picture: Image.Image, what: str) -> np.ndarray:
    """[H, W, 3] uint8 of an opened image; reads its pixels."""
    if picture.mode in _GREY_MODES:
        # convert('RGB') would clip these at 255 instead of scaling them.
        grey = grey_to_8bit(np.asarray(picture), what)
        return np.repeat(grey[:, :, None], 3, axis=2)
    if picture.mode == 'RGB':
        return np.array(picture)  # convert would copy
    if picture.mode == 'P':
        # Converting directly to RGB makes Pillow warn that transparency is lost.
        picture = picture.convert('RGBA')
    return np.array(picture.convert('RGB'))


def _decode_compressed(msg: Any) -> np.ndarray:
    """Pixels of a CompressedImage, whose `format` is read as image_transport's plugins do."""
    described = str(msg.format)
    what = f'CompressedImage with format {described!r}'
    if 'compresseddepth' in described.lower():
        raise InputError(
            f'{what} is a depth image; expected a colour or grey camera image: choose the '
            "camera's topic ending in /compressed"
        )
    try:
        image = decode_bytes(bytes(msg.data), what)
    except InputError as error:
        if _is_still(described):
            raise
        raise InputError(
            f'{error} (expected jpeg or png; a video stream such as h264 has to be '
            'republished as jpeg)'
        ) from error
    return np.ascontiguousarray(image[:, :, ::-1]) if _stored_swapped(described) else image


def _is_still(described: str) -> bool:
    """Whether the format names a still image, and not for example a video codec."""
    return any(name in described.lower() for name in ('jpeg', 'jpg', 'png', 'tiff', 'webp', 'bmp'))


def _stored_swapped(described: str) -> bool:
    """Whether red and blue were swapped when the image was compressed.

    compressed_image_transport converts colours to OpenCV's order before it compresses them, and
    notes this as 'rgb8; jpeg compressed bgr8'; the colours of such a file are correct. If the
    format names another order ('... compressed rgb8'), or none after an RGB encoding ('rgb8; tiff
    compressed'), OpenCV has interpreted RGB as BGR. The subscriber of the plugin swaps these
    back, and so does this module. A plain 'jpeg' has correct colours.
    """
    encoding, separator, stored = described.lower().partition(';')
    if not separator or 'compressed bgr' in stored:
        return False
    return encoding.strip().startswith('rgb') or 'compressed rgb' in stored
