"""An image as a file or message stores it, before its values become 8 bits and its colours RGB."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from fol_vpr.errors import InputError

MAX_PIXELS = 8192 * 6144
"""50 megapixels, the largest sensors of telephones and of most industrial cameras. A larger size
is taken as an error or an attack: a PNG of 8 KB can claim it."""
MAX_ENCODED_BYTES = 256 * 2**20


@dataclass(frozen=True)
class StoredImage:
    """The values of an image, and what they mean.

    Attributes:
        values: [H, W] or [H, W, C] uint8, uint16, int32 or float32 in native byte order; [H * 3/2,
            W] for nv12 and nv21.
        layout: the encoding of sensor_msgs/Image that the values have once they are 8 bits, such
            as mono8, rgb8, bayer_rggb8 or nv12.
        what: name of the image in error messages.
        remarks: what a user should know of every image of this stream, in whole sentences.
        orientation: of EXIF, 1 to 8; 1 is upright.
    """

    values: np.ndarray
    layout: str
    what: str
    remarks: tuple[str, ...] = ()
    orientation: int = 1


def check_size(width: int, height: int, what: str) -> None:
    """Check the size of an image in pixels.

    Raises:
        InputError: the image is empty, or has more than `MAX_PIXELS`; `what` names the image.
    """
    if width <= 0 or height <= 0:
        raise InputError(f'{what} is {width} x {height} pixels, expected at least 1 x 1')
    if width * height > MAX_PIXELS:
        raise InputError(
            f'{what} claims {width} x {height} pixels, expected at most {MAX_PIXELS} in all; '
            'scale it down'
        )


def depth_remark(encoding: str) -> str:
    """What to say of an encoding of depth images; empty for other encodings.

    REP 118 stores depth as 32FC1 in metres or as 16UC1 in millimetres. Some thermal cameras use
    16UC1 for brightness too, so that the images are not refused.
    """
    unit = {'16UC1': 'millimetres', '32FC1': 'metres'}.get(encoding)
    if unit is None:
        return ''
    return (
        f'images with the encoding {encoding} are taken as brightness, but this is the encoding '
        f'of depth images in {unit} (REP 118), which are no photographs: if these are depths, '
        "choose the camera's colour or grey topic; if they are of a thermal camera, mono16 says so"
    )
