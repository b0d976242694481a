"""Decodes images of files and ROS messages to RGB arrays, without rclpy.

All compressed images are decoded with Pillow, so that a JPEG in a folder and the same bytes in a
bag or on a topic give identical pixels. OpenCV gives the same pixels slightly faster (both use
libjpeg-turbo), but Pillow reports the size before it allocates memory, and refuses a truncated
JPEG, whose missing part cv2.imdecode fills with grey. OpenCV reads the values of colour images
with 16 bits, of which Pillow keeps 8.
"""

from __future__ import annotations

import io
import struct
import zlib
from typing import Any

import cv2
import numpy as np
from PIL import Image, UnidentifiedImageError

from fol_vpr.errors import InputError
from fol_vpr.files import is_lfs_pointer, lfs_message, printable
from fol_vpr.sources.images.compressed_format import parse_format
from fol_vpr.sources.images.heif import FORMAT, is_heif, load_decoder
from fol_vpr.sources.images.levels import Levels
from fol_vpr.sources.images.orientation import orientation_of, stored_again, turned_upright
from fol_vpr.sources.images.png import check_png
from fol_vpr.sources.images.raw_image import read_raw, to_rgb
from fol_vpr.sources.images.stored_image import (
    MAX_ENCODED_BYTES,
    MAX_PIXELS,
    StoredImage,
    check_size,
)
from fol_vpr.sources.images.webp import webp_size

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
_GREY_MODES = ('L', 'I;16', 'I;16L', 'I;16B', 'I;16N', 'I', 'F')
_TIFF_BITS = 258
_PNG_DEPTH = 24
"""Offset of the bit depth in a PNG file; that of the colour type follows."""
_PNG_COLOURS = (2, 4, 6)


def decode_image(msg: Any, levels: Levels | None = None) -> np.ndarray:
    """The pixels of a sensor_msgs/Image or sensor_msgs/CompressedImage.

    Args:
        msg: an object with the fields of either message; rclpy's and rosbags' classes both do.
        levels: those of its stream, for images with 16 bits; without them black and white are
            taken from this image alone.

    Returns:
        [H, W, 3] uint8, RGB, in memory of its own, as the sensor stored them.

    Raises:
        InputError: the encoding is unknown, or the data do not match the fields.
    """
    return to_rgb(read_image(msg), levels or Levels())


def decode_bytes(
    data: bytes | bytearray | memoryview,
    what: str,
    *,
    upright: bool = False,
    levels: Levels | None = None,
) -> np.ndarray:
    """The pixels of an encoded image: JPEG, PNG, BMP, TIFF, WebP, PPM or HEIF.

    Args:
        data: the whole file.
        what: name of the image in error messages.
        upright: whether the EXIF orientation is applied; a calibration of the camera belongs to
            the pixels as they are stored, so that it needs False.
        levels: as in `decode_image`.

    Returns:
        [H, W, 3] uint8, RGB. Grey images are repeated, transparency is dropped.

    Raises:
        InputError: the data are no image, truncated, or larger than `MAX_PIXELS`.
    """
    stored = read_file(data, what, heif=True)
    pixels = to_rgb(stored, levels or Levels())
    return turned_upright(pixels, stored.orientation) if upright else pixels


def read_image(msg: Any) -> StoredImage:
    """The values of a sensor_msgs/Image or sensor_msgs/CompressedImage.

    Args and errors as of `decode_image`.
    """
    if not hasattr(msg, 'format'):
        return read_raw(msg)
    described = parse_format(str(msg.format))
    data = bytes(msg.data)
    try:
        file = read_file(data, described.what)
    except InputError as error:
        raise described.error(error, is_empty=not data) from error
    values = file.values
    channels = 1 if values.ndim == 2 else 3
    if channels == 3 and described.is_swapped:
        values = np.ascontiguousarray(values[:, :, ::-1])
    remarks = described.remarks(values)
    if file.orientation != 1:
        remarks += (
            f'images carry the EXIF orientation {file.orientation}, which is not applied on '
            'topics: the calibration of a camera belongs to the pixels as they are stored',
        )
    return StoredImage(values, described.layout(channels), file.what, remarks)


def read_file(
    data: bytes | bytearray | memoryview, what: str, *, heif: bool = False
) -> StoredImage:
    """The values of an encoded image, grey or RGB, as the sensor stored them.

    HEIF is turned upright by its decoder, so that its orientation is 1.

    Args and errors as of `decode_bytes`.

    Args:
        heif: whether HEIF is read; no ROS message holds it.
    """
    if not len(data):
        raise InputError(f'{what} is empty (0 bytes); replace or remove it')
    if is_lfs_pointer(bytes(data[:64])):
        raise InputError(lfs_message(what))
    if len(data) > MAX_ENCODED_BYTES:
        raise InputError(
            f'{what} has {len(data)} bytes, expected at most {MAX_ENCODED_BYTES}; scale it down'
        )
    check_png(data, what)
    formats = formats_of(bytes(data[:64]), what, heif=heif)
    try:
        with Image.open(io.BytesIO(data), formats=formats) as picture:
            check_size(picture.width, picture.height, what)
            orientation = orientation_of(picture)
            values = _values(picture, data, orientation)
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise InputError(
            f'{what} is too large ({error}), expected at most {MAX_PIXELS} pixels; scale it down'
        ) from error
    except UnidentifiedImageError as error:
        raise InputError(
            f'{what} is no image that can be read ({len(data)} bytes starting with '
            f'{bytes(data[:8])!r}), expected {", ".join(formats)}; replace or remove it'
        ) from error
    except _DAMAGE as error:
        raise InputError(
            f'{what} is damaged: {printable(str(error))}; copy it again from its original, or '
            'remove it'
        ) from error
    layout = 'mono8' if values.ndim == 2 else 'rgb8'
    return StoredImage(values, layout, what, orientation=orientation)


def formats_of(start: bytes, what: str, *, heif: bool = True) -> tuple[str, ...]:
    """The formats, by Pillow's names, that an image file may be opened as.

    Args:
        start: its first 64 bytes.
        what: name of the image in error messages.
        heif: whether HEIF is read.

    Raises:
        InputError: a WebP is larger than `MAX_PIXELS`, whose memory Pillow allocates when it
            opens the file; or the package that reads HEIF is not installed.
    """
    if size := webp_size(start):
        check_size(*size, what)
    if heif and is_heif(start):
        load_decoder(what)
        return (FORMAT,)
    return _FORMATS


def _values(
    picture: Image.Image, data: bytes | bytearray | memoryview, orientation: int
) -> np.ndarray:
    """[H, W] or [H, W, 3] of an opened image, as the sensor stored them; reads its pixels."""
    is_tiff = picture.format == 'TIFF'
    wide = _has_wide_colours(picture, data)
    picture.load()  # finds truncated data, also before OpenCV reads them
    if wide:
        return _wide_colours(data)
    if picture.mode in _GREY_MODES:
        # convert('RGB') would clip 16 bits at 255 instead of scaling them.
        values = np.array(picture)
    elif picture.mode == 'RGB':
        values = np.array(picture)  # convert would copy
    elif picture.mode in ('1', 'LA', 'La'):
        values = np.array(picture.convert('L'))
    elif picture.mode == 'P':
        values = _with_palette(picture)
    else:
        values = np.array(picture.convert('RGB'))
    # Pillow turns a TIFF, and no other format, when it reads the pixels.
    return stored_again(values, orientation) if is_tiff else values


def _with_palette(picture: Image.Image) -> np.ndarray:
    """The colours of a paletted image. Converting it in Pillow takes three times the memory."""
    assert picture.palette is not None
    palette = np.frombuffer(picture.palette.tobytes(), np.uint8)
    colours = palette.reshape(-1, len(picture.palette.mode))[:, :3]
    table = np.zeros((256, 3), np.uint8)
    table[: len(colours)] = colours[:256]
    values: np.ndarray = table[np.asarray(picture)]
    return values


def _has_wide_colours(picture: Image.Image, data: bytes | bytearray | memoryview) -> bool:
    """Whether an image has several channels of 16 bits, of which Pillow keeps the upper 8."""
    if picture.format == 'PNG':
        return data[_PNG_DEPTH] == 16 and data[_PNG_DEPTH + 1] in _PNG_COLOURS
    if picture.format == 'TIFF' and picture.mode.startswith('RGB'):
        bits = getattr(picture, 'tag_v2', {}).get(_TIFF_BITS, ())
        return bool(bits) and set(np.atleast_1d(bits).tolist()) == {16}
    return False


def _wide_colours(data: bytes | bytearray | memoryview) -> np.ndarray:
    """[H, W] or [H, W, 3] uint16 of a PNG or TIFF whose channels have 16 bits."""
    flags = cv2.IMREAD_UNCHANGED | cv2.IMREAD_IGNORE_ORIENTATION
    values = cv2.imdecode(np.frombuffer(data, np.uint8), flags)
    if values is None or values.dtype != np.uint16:
        raise ValueError('OpenCV cannot read its 16-bit colours')
    if values.ndim == 2:
        return np.asarray(values)
    if values.shape[2] == 2:
        return np.ascontiguousarray(values[:, :, 0])
    return np.ascontiguousarray(values[:, :, 2::-1])
