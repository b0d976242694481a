"""What the bytes of a sensor_msgs/CompressedImage are, by its field `format`.

compressed_image_transport writes '<encoding>; <codec> compressed <stored>': the encoding of the
raw image, then what it was converted to before OpenCV compressed it. Other nodes write less, such
as 'jpeg'. docs/reference/image_encodings.md has the table of what each version writes.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np

from fol_vpr.errors import InputError
from fol_vpr.files import printable
from fol_vpr.sources.images.stored_image import depth_remark

STILL_CODECS = ('jpeg', 'jpg', 'png', 'tiff', 'tif', 'webp', 'bmp', 'ppm', 'pgm')
_VIDEO = ('h264', 'h265', 'hevc', 'x264', 'x265', 'av1', 'vp8', 'vp9', 'mpeg')
_BAYER = re.compile(r'bayer_(rggb|bggr|gbrg|grbg)(8|16)')
_JPEG_BLURS = (
    'JPEG compressed the Bayer mosaic itself, as ROS 1 does: it blurs the colours of neighbouring '
    'pixels into each other; PNG keeps them, and so does image_proc before compression'
)
_CLIPPED = (
    'ROS 1 cut 16-bit values off at 255 when it compressed them as JPEG: the images may be white '
    'for the most part; PNG keeps the values'
)
_NEARLY_BLACK = 64
_SCALED_DOWN = (
    'the plugin divided 16-bit values by 257 before it compressed them, and what is left is '
    'nearly black, as of a camera with fewer bits: let the driver publish mono8, or take PNG'
)


@dataclass(frozen=True)
class CompressedFormat:
    """The field `format` in its parts, in lower case.

    Attributes:
        text: the field as it was sent.
        encoding: of the raw image, such as bayer_rggb8; empty where the field does not tell.
        codec: such as jpeg; empty where the field does not tell.
        stored: encoding after conversion, such as bgr8 or mono8; empty for no conversion.
    """

    text: str
    encoding: str
    codec: str
    stored: str

    @property
    def what(self) -> str:
        """Name of such an image in error messages."""
        return f'CompressedImage with format {printable(self.text)!r}'

    @property
    def is_swapped(self) -> bool:
        """Whether red and blue of the file are exchanged.

        The TIFF mode of the plugin converts nothing, and OpenCV takes the first channel of RGB for
        blue. All other modes convert to OpenCV's order before.
        """
        return (
            self.codec in ('tiff', 'tif') and self.encoding.startswith('rgb') and not self.stored
        )

    def layout(self, channels: int) -> str:
        """The encoding of the values of a file with 1 or 3 channels, once they are 8 bits."""
        if channels != 1:
            return 'rgb8'
        match = _BAYER.fullmatch(self.encoding)
        if match and (not self.stored or self.stored.startswith('bayer')):
            return f'bayer_{match[1]}8'
        return 'mono8'

    def remarks(self, values: np.ndarray) -> tuple[str, ...]:
        """What a user should know of all images of this stream, by one of them.

        Args:
            values: of the file, [H, W] or [H, W, 3].
        """
        found = []
        is_grey = values.ndim == 2
        is_jpeg = self.codec in ('jpeg', 'jpg')
        if is_jpeg and is_grey and self.layout(1).startswith('bayer'):
            found.append(_JPEG_BLURS)
        if is_jpeg and self.encoding.endswith('16'):
            if is_grey and not self.stored:
                found.append(_CLIPPED)
            elif self.stored and values.max() < _NEARLY_BLACK:
                found.append(_SCALED_DOWN)
        if remark := depth_remark(self.encoding.upper()):
            found.append(remark)
        return tuple(found)

    def error(self, reason: InputError, is_empty: bool) -> InputError:
        """The error of an image that cannot be read, with what the format says about it."""
        if is_empty and self.encoding:
            return InputError(
                f'{reason}; compressed_image_transport publishes such where OpenCV could not '
                f'compress {printable(self.encoding)}: let the camera driver publish rgb8 or mono8'
            )
        if self.codec or not any(name in self.text.lower() for name in _VIDEO):
            return InputError(f'{reason} (expected jpeg or png)') if not self.codec else reason
        return InputError(
            f'{reason} (expected jpeg or png; video is decoded in bags and on image topics, '
            'packet by packet, and not of one message alone)'
        )


def parse_format(text: str) -> CompressedFormat:
    """The parts of the field `format` of a CompressedImage, in any spelling.

    Raises:
        InputError: it is a depth image of compressed_depth_image_transport.
    """
    lowered = ' '.join(text.lower().split())
    if 'compresseddepth' in lowered.replace(' ', '').replace('_', ''):
        raise InputError(
            f'CompressedImage with format {printable(text)!r} is a depth image; expected a colour '
            "or grey camera image: choose the camera's topic ending in /compressed"
        )
    first, separator, rest = (part.strip() for part in lowered.partition(';'))
    if not separator:
        first, rest = '', first
    words = rest.replace(',', ' ').replace(';', ' ').split()
    codec = next((word for word in words if word in STILL_CODECS), '')
    if not codec and first in STILL_CODECS:
        # The other way round, as 'jpeg; bgr8'.
        return CompressedFormat(text, words[0] if words else '', first, '')
    stored = words[words.index('compressed') + 1 :] if 'compressed' in words else []
    encoding = first
    if not separator and not codec and _BAYER.fullmatch(rest):
        encoding = rest
    return CompressedFormat(text, encoding, codec, stored[0] if stored else '')
